//! Deliberate faults, in the engine and in the world around it: the simulation finds every one of them. Prints which check
//! found it, and after how many records.

use std::{
    any::Any,
    panic::{self, AssertUnwindSafe},
    sync::atomic::{AtomicUsize, Ordering},
};

use router_engine::faults::{Fault, switch};
use router_schemas::position::Topic;
use router_simulation::{
    chance::Chance,
    log::Written,
    world::{Trouble, World},
};

/// Records within which a fault is found, in each of the seeds that are tried.
const RECORDS: u64 = 30_000;
const SEEDS: u64 = 3;

/// What is done wrong.
#[derive(Clone, Copy, Debug)]
enum Wrong {
    Engine(Fault),
    /// An output to another stage is dropped.
    OutputDropped,
    /// An event is told twice, with a number of its own.
    EventDoubled,
    /// Of what a batch wrote the end is missing, and the batch counts as done.
    CommitTorn,
    /// Two outputs to one partition change places.
    OutputsSwapped,
    /// An owner that was taken over may go on writing.
    StaleOwnerWrites,
}

const ALL: [Wrong; 34] = {
    use Fault::*;
    use Wrong::*;
    [
        Engine(ClaimOldEpoch),
        Engine(ClaimAtExpiry),
        Engine(TwoWinners),
        Engine(AskWhoDeclined),
        Engine(DeclineForgotten),
        Engine(UnpinnedHoldKept),
        Engine(HeldKept),
        Engine(OfferLapsesEarly),
        Engine(LapsesNever),
        Engine(LapsesByEngineTime),
        Engine(OutageCounted),
        Engine(CountWithoutAllocated),
        Engine(AtpWithoutHeld),
        Engine(AtpWithoutSafetyStock),
        Engine(CancelKeepsCell),
        Engine(PartGivenBackForgotten),
        Engine(PartTakenTwice),
        Engine(KeyForgotten),
        Engine(OutcomeLeftOut),
        Engine(RowLeftOut),
        Engine(TimeGoesBack),
        Engine(DeadlinesNotRestored),
        Engine(HoldsNotRestored),
        Engine(HoldLapsesEarly),
        Engine(WorkLateEarly),
        Engine(ShipmentKeepsStock),
        Engine(OversellsByOne),
        Engine(RefusedReserveHolds),
        Engine(RetryLosesUnits),
        OutputDropped,
        EventDoubled,
        CommitTorn,
        OutputsSwapped,
        StaleOwnerWrites,
    ]
};

#[test]
fn every_fault_is_found() {
    panic::set_hook(Box::new(|_| {}));
    let next = AtomicUsize::new(0);
    let found: Vec<_> = std::thread::scope(|scope| {
        let look = || {
            let mut found = Vec::new();
            while let Some(wrong) = ALL.get(next.fetch_add(1, Ordering::Relaxed)) {
                let what = find(*wrong);
                eprintln!("{wrong:?}: {}", if what.is_some() { "found" } else { "not found" });
                found.push((*wrong, what));
            }
            found
        };
        let threads: Vec<_> = (0..2).map(|_| scope.spawn(look)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("a look does not break")).collect()
    });
    _ = panic::take_hook();
    let mut missed = Vec::new();
    for wrong in ALL {
        let name = format!("{wrong:?}");
        let found = found.iter().find(|(known, _)| format!("{known:?}") == name);
        match found.and_then(|(_, found)| found.as_ref()) {
            Some((seed, records, why)) => {
                println!("| {name} | {seed} | {records} | {} |", short(why));
            }
            None => {
                println!("| {name} | – | – | not found |");
                missed.push(name);
            }
        }
    }
    assert!(missed.is_empty(), "not found: {missed:?}");
}

/// The seed, records, and what the check said.
fn find(wrong: Wrong) -> Option<(u64, u64, String)> {
    (1..=SEEDS).find_map(|seed| {
        switch(match wrong {
            Wrong::Engine(fault) => Some(fault),
            _ => None,
        });
        let mut world = World::new(seed, Trouble::default());
        world = match wrong {
            Wrong::Engine(_) => world,
            Wrong::StaleOwnerWrites => world.with_stale_writers(),
            _ => world.bent(Box::new(move |chance, outputs| bend(wrong, chance, outputs))),
        };
        let told = panic::catch_unwind(AssertUnwindSafe(|| world.run(RECORDS, &mut |_| {})));
        switch(None);
        let why = match told {
            Ok(Ok(())) => return None,
            Ok(Err(why)) => why,
            Err(panicked) => format!("the engine itself: {}", said(&*panicked)),
        };
        Some((seed, world.applied, why))
    })
}

/// Once in a while.
fn bend(wrong: Wrong, chance: &mut Chance, outputs: &mut Vec<Written>) {
    if !chance.one_in(200) {
        return;
    }
    let onward = |w: &Written| matches!(w.target.topic, Topic::Intake | Topic::Commands | Topic::Control);
    match wrong {
        Wrong::OutputDropped => {
            if let Some(place) = outputs.iter().position(onward) {
                outputs.remove(place);
            }
        }
        Wrong::EventDoubled => {
            let event = outputs.iter().position(|w| w.target.topic == Topic::Events);
            if let Some(place) = event {
                outputs.insert(place, outputs[place].clone());
            }
        }
        Wrong::CommitTorn => outputs.truncate(outputs.len() / 2),
        Wrong::OutputsSwapped => {
            let first = outputs.iter().position(onward);
            let second = first.and_then(|first| {
                let same = outputs[first + 1..].iter().position(|w| w.target == outputs[first].target);
                same.map(|same| first + 1 + same)
            });
            if let (Some(first), Some(second)) = (first, second) {
                outputs.swap(first, second);
            }
        }
        Wrong::Engine(_) | Wrong::StaleOwnerWrites => {}
    }
}

fn said(panicked: &(dyn Any + Send)) -> &str {
    let text = panicked.downcast_ref::<String>().map(String::as_str);
    text.or(panicked.downcast_ref::<&str>().copied()).unwrap_or_default()
}

fn short(why: &str) -> String {
    let line: String = why.chars().take(110).collect();
    line.replace('\n', " ").replace('|', "/")
}
