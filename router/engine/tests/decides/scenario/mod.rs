//! Scenarios in files: what the engine decides, one line a command or an expectation.
//!
//! A file under `tests/scenarios/` holds lines that all its scenarios begin with, then the scenarios:
//!
//! ```text
//! # Everything behind a word that begins with a number sign is for the reader.
//! node near at 0,1                          # common to the scenarios below
//! scenario (a) cancelled, then shipped      # the letter is that of the case list
//! count near A 5
//! place 1 A:3 -> in_fulfilment near A:3     # a command, and what must follow from it
//! cell near A on_hand=5 allocated=3 atp=2   # an expectation
//! ```
//!
//! There is one zone, `z`, and no node until a line makes one. Time stands still until a line moves it; it begins at
//! 2026-03-01T08:00 UTC. A command must be applied, unless the line says otherwise behind `->`. What the engine
//! asks to `continue` is carried out within the same line, unless the line begins with `alone`.
//!
//! **Quantities** have up to three decimals. **Times** are `+2h30m`, `-1h` from now (d, h, m, s), or
//! `2026-03-29T01:00` in UTC; from–to is `A..B`. **A SKU in a bucket** is `ROOM@2026-05-01`.
//!
//! Commands (capitals are yours to fill in, brackets may be left out):
//!
//! ```text
//! zone NAME
//! node NAME [at LAT,LNG] [zone Z] [capacity N] [a_day N] [modes delivery,pickup] [groups G,H] [open A..B,C..D]
//!           [midnights A,B] [default] [disabled]          the whole entry, as published
//! pause NODE | resume NODE                                the same entry, disabled or enabled
//!           [sequence N] [attrs NAME=VALUE+VALUE,NAME=VALUE] [area KM]
//! item SKU [step Q] [untracked] [tolerance THOUSANDTHS] [weight GRAMS]
//! channel NAME [groups G,H] [route_when placed|authorised|captured] [fallback Z,Y] [cancel_within +TIME] [cancel_by_default]
//!           [reroute_pinned] [every TIME] [low Q]           the feed with `every`
//! policy NODE SKU [safety Q] [backorder Q|unlimited] [out_of_stock]
//! count NODE SKU Q [basis on_hand|available] [by COUNTER] [sequence N] [seen TIME] [key K]
//! receive NODE SKU Q [key K]
//! adjust NODE SKU Q [key K]                               Q may be below zero
//! block NODE SKU Q [key K]                                below zero: unblock
//! place ORDER LINES [to LAT,LNG] [priority N] [promise A..B] [not_before TIME] [placed TIME] [mode pickup]
//!           [pin NODE] [prefer NODE] [paid STATE] [total M] [discount M] [channel C] [version N] [zone Z]
//! amend ORDER LINES [the same words]                      the order's whole new state
//! cancel ORDER [ask] [LINES]                              no lines: all that can be; `ask`: nodes that picked too
//! pay ORDER STATE [amount M] [key K]
//! deliver ORDER [LINES] [key K]
//! reserve ORDER LINES [node N] [channel C] [ttl TIME] [beyond] [key K]   a line: [NAME=]SKU[@BUCKET+BUCKET]:QTY[!NODE]
//! extend ORDER [ttl TIME] [key K] | release ORDER [LINES] [key K]
//! channel_policy CHANNEL SKU [threshold Q] [backorder Q|unlimited]
//! quota CHANNEL SKU SHARE|unlimited [threshold Q]         zone z's share, as control copies it
//! ask ORDER                                               a repeat that waits for the first outcome
//! pick | ready | ship | return NODE ORDER [LINES] [key K] [restock]      no lines: all there
//! accept | hand_over NODE ORDER [LINES] [key K]
//! give_back NODE ORDER REASON [LINES] [key K]             a decline of work that it has
//! answer NODE ORDER yes|no [key K]                        where it was asked to give picked units back
//! halt NODE [until TIME] | carry_on NODE | evacuate NODE [key K]
//! retry ORDER [forgive] | reroute ORDER [from NODE] [same_node] [LINES] | assign ORDER NODE [LINES] | approve ORDER
//! grab [nodes N] [rounds N] [ttl SECONDS] [widen KM,KM] [whole] [multi] [keep_groups] [partial] [only_open]
//!      [ignore_capacity] [then allocate|QUEUE] [reasons NAME[:EFFECT][:COOL_SECONDS][:pause],...] [version N]
//!      [stock_only]                                        a rule set of one rule that offers, and one behind it
//! claim NODE ORDER [epoch N] [of N]                       with the epoch last heard; `of`: which offer of the order
//! decline NODE ORDER REASON [LINES] [of N]                an offer, or work that it has
//! time TIME | tick | ticks TIME                           `ticks` every five seconds until then
//! continue                                                after `alone`
//! alone COMMAND                                           the command without what it asks to continue, or sends
//! pass [lost]                                             the next record sent to another zone; or it is skipped
//! each A..B LINE                                          the line for each number, written {n}
//! ```
//!
//! A line of an order is `[NAME=]SKU:QTY[*PRICE][/GROUP][!NODE|?NODE|~NODE][%GROUP]`: its name is the SKU's where none is given,
//! `!` pins it hard, `~` lets rules take it there only, `?` prefers, `/` and `%` put it into a group. Lines of other commands are `NAME` or `NAME:QTY`. What
//! publishes rules stands in [`rules`].
//!
//! Behind `->` stands what must follow: `applied`, `repeat`, `ignored`, `refused REASON`, or for an order its state
//! and, if you like, all that nodes have of it: `parked:unfillable near A:1 B:2+1, mid A:1`, where `2+1` is two from
//! stock and one on backorder, or `nowhere`.
//!
//! Expectations; those below the line break are of the last command and must name all there was of the kind:
//!
//! ```text
//! order ORDER [STATE] [nodes, as above]                   an order's part in zone Y is named ORDER/Y, the next one there
//!                                                         ORDER/Y/2
//! part ORDER N zone Z attempt A [visited Y,X] [LINE:QTY ...]      what is away with it
//! line ORDER LINE FIELD=Q ...          ordered open held backordered allocated away shipped delivered returned cancelled
//! at NODE ORDER LINE FIELD=Q ...       backordered allocated picked ready shipped returned asked
//! cell NODE SKU FIELD=Q ...            on_hand allocated backordered blocked held safety_stock atp
//! hold ORDER STATE [expires TIME]      confirming, held, converted, released, lapsed, failed; times as above; its leg in
//!                                      zone Y is named ORDER+Y
//! leg ORDER N zone Y attempt A [confirmed] [LINE:QTY ...]     what is held of it there; `leg ORDER N none`
//! held ORDER [NODE|pool SKU:QTY ...], ...    all that is held for it, or nothing
//! ats CHANNEL SKU Q|unlimited
//! payment ORDER STATE [refunded M]
//! unknown ORDER                        the engine has no such order
//! orders STATE N                       so many orders are in this state
//!
//! offered ORDER A,B|nobody [of N]      who may claim; of all its offers, or of one
//! winner ORDER A,B|nobody              who has its offers
//! offer ORDER N STATE [epoch E] [round R] [LINE:QTY ...]
//! score NODE FIELD=N ...               offers declines lapses (thousandths) claim_ms paused
//!
//! heard NODE offered ORDER [LINE:QTY ...], closed ORDER REASON, ...  |  heard NODE nothing
//! told NODE assigned|changed|withdrawn ORDER [LINE:QTY ...] [due TIME]  |  told NODE nothing
//! noticed ORDER confirmed|delayed|changed|shipped|delivered|cancelled|refund_due [M]|
//!                                      hold_lapses|hold_confirmed|hold_failed  |  noticed ORDER nothing
//! alert oversold|drift|recovered NODE SKU [Q], ...  |  alert nothing
//! exception oversold|drift NODE SKU Q  |  exception KIND [Q], ...  |  exception nothing
//! noted WHAT, WHAT, ...                asked NODE, answered NODE yes|no, accepted NODE, given_back NODE REASON INDEX:Q ...,
//!                                      late NODE accept|pick|answer, paused|paused_for_a_time|resumed|cools_down|
//!                                      evacuating NODE, steered WHAT ACTOR REASON  |  noted nothing
//! due NODE ORDER LINE TIME|none
//! decided RULE VERDICT [set NAME] [chosen A,B] [candidates N] [covering N]  |  decided nothing
//! available nothing | available CHANNEL SKU Q|unlimited [low], ...      what platforms were told
//! forgotten ORDER | forgotten nothing
//! steps N | steps >=N | steps <=N                  records that the command took, with what continued it
//! quiet                                nothing at all was written, but for the outcome
//! ```
//!
//! After every record the [`ledger`] recomputes I1 to I3 and I5 to I7 from the events alone. At its end each scenario
//! is replayed into a fresh engine, and once more over a snapshot from its middle: same bytes, same hash.

mod commands;
mod expect;
mod holds;
pub mod ledger;
mod offer_book;
mod offers;
mod parts;
mod rules;
mod words;
mod work;
pub mod world;

use std::{fs, panic, path::PathBuf};

use world::World;

/// One scenario of a file, its common lines in front: line number and text.
struct Scenario {
    title: String,
    lines: Vec<(usize, String)>,
}

fn folder() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "scenarios"].iter().collect()
}

/// The files of the scenarios, by name.
fn files() -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = fs::read_dir(folder())
        .expect("tests/scenarios is there")
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|e| e == "scenario"))
        .map(|path| {
            let name = path.file_name().expect("a file").to_string_lossy().into_owned();
            (name, fs::read_to_string(&path).expect("a readable file"))
        })
        .collect();
    files.sort();
    files
}

fn scenarios(text: &str) -> Vec<Scenario> {
    let (mut common, mut found) = (Vec::new(), Vec::<Scenario>::new());
    for (number, line) in text.lines().enumerate() {
        let words = line.split_whitespace().take_while(|word| !word.starts_with('#'));
        let line = words.collect::<Vec<_>>().join(" ");
        if line.is_empty() {
            continue;
        }
        match (line.strip_prefix("scenario "), found.last_mut()) {
            (Some(title), _) => found.push(Scenario { title: title.into(), lines: common.clone() }),
            (None, Some(scenario)) => scenario.lines.push((number + 1, line)),
            (None, None) => common.push((number + 1, line)),
        }
    }
    found
}

/// Plays one scenario: `Err` says where it went wrong.
fn play(file: &str, scenario: &Scenario) -> Result<(), String> {
    let mut world = World::new();
    for (number, line) in &scenario.lines {
        let place = |why: &str| format!("{file}:{number}: {}\n    {line}\n    {why}", scenario.title);
        let played = panic::catch_unwind(panic::AssertUnwindSafe(|| world.line(line)));
        match played {
            Ok(result) => result.map_err(|why| place(&why))?,
            Err(_) => return Err(place("the engine panicked; see above")),
        }
    }
    world.replay().map_err(|why| format!("{file}: {}: {why}", scenario.title))
}

#[test]
fn every_scenario_holds() {
    let (mut failures, mut played) = (Vec::new(), 0);
    for (file, text) in files() {
        let scenarios = scenarios(&text);
        assert!(!scenarios.is_empty(), "{file} holds no scenario");
        for scenario in scenarios {
            played += 1;
            failures.extend(play(&file, &scenario).err());
        }
    }
    assert!(
        failures.is_empty(),
        "{} of {played} scenarios fail:\n\n{}",
        failures.len(),
        failures.join("\n\n")
    );
    assert!(played >= 60, "only {played} scenarios were found");
}

/// A reader of docs/semantics.md finds every file there, and finds no file there that is gone.
#[test]
fn the_case_list_names_every_file() {
    let page: PathBuf = [env!("CARGO_MANIFEST_DIR"), "..", "..", "docs", "semantics.md"].iter().collect();
    let page = fs::read_to_string(page).expect("docs/semantics.md is there");
    let known: Vec<String> = files().into_iter().map(|(file, _)| file).collect();
    for file in &known {
        assert!(page.contains(&format!("`{file}`")), "docs/semantics.md does not name {file}");
    }
    for word in page.split('`').filter(|word| word.ends_with(".scenario")) {
        assert!(known.iter().any(|file| file == word), "docs/semantics.md names {word}, which is not there");
    }
}

#[test]
fn what_cannot_be_read_says_where_and_what_is_allowed() {
    let read = |line: &str| {
        let mut world = World::new();
        world.play("node near at 0,1");
        world.line(line).unwrap_err()
    };
    assert!(read("plase 1 A:1").contains("allowed: zone, node, pause"), "{}", read("plase 1 A:1"));
    let typo = read("node near capacty 2");
    assert!(typo.contains("`capacty`") && typo.contains("capacity"), "{typo}");
    assert!(read("count near A many").contains("no quantity"), "{}", read("count near A many"));
    assert!(read("place 1").contains("line"), "{}", read("place 1"));
    assert!(read("order 1 routing").contains("no order is named 1"), "{}", read("order 1 routing"));
    let file = "count near A 1\nscenario t\ncell near A on_hand=1\n# fine\ncell near A on_hand=2 # wrong\n";
    let said = play("f.scenario", &scenarios(file)[0]).unwrap_err();
    assert!(said.starts_with("f.scenario:5: t") && said.contains("on_hand"), "{said}");
}
