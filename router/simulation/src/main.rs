//! `router-simulation --records 3000000 --seed 1`: a run of that length, and what happened in it.

use std::{
    any::Any,
    panic::{self, AssertUnwindSafe},
    process::ExitCode,
    time::Instant,
};

use clap::Parser;
use router_simulation::world::{Trouble, World};

/// Runs all stages over a simulated log with faults, and compares every record with a naive model.
///
/// Example: router-simulation --records 3000000 --seed 1 --seeds 2
#[derive(Parser)]
struct Arguments {
    /// Records that the stages apply, in each run.
    #[arg(long, default_value_t = 100_000)]
    records: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Runs, each with the next seed, side by side.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
}

fn main() -> ExitCode {
    let Arguments { records, seed, seeds } = Arguments::parse();
    let started = Instant::now();
    let runs: Vec<_> =
        (seed..seed + seeds).map(|seed| std::thread::spawn(move || run(seed, records))).collect();
    let mut failed = false;
    for (seed, run) in (seed..).zip(runs) {
        match run.join() {
            Ok(Ok(said)) => println!("seed {seed}: {said}"),
            Ok(Err(why)) => {
                failed = true;
                println!("seed {seed}: {why}");
            }
            Err(_) => {
                failed = true;
                println!(
                    "seed {seed}: a stage broke; see above. `--seed {seed} --records {records}` shows it again"
                );
            }
        }
    }
    println!("{} records in {:.1} s", records * seeds, started.elapsed().as_secs_f64());
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn run(seed: u64, records: u64) -> Result<String, String> {
    let mut world = World::new(seed, Trouble::default());
    let mut progress = |done: u64| {
        if done / 500_000 != (done - done.min(10_000)) / 500_000 {
            eprintln!("seed {seed}: {done} of {records}");
        }
    };
    let told = panic::catch_unwind(AssertUnwindSafe(|| world.run(records, &mut progress)));
    let at = world.applied;
    let told = told.unwrap_or_else(|panicked| Err(format!("a stage broke: {}", said(&*panicked))));
    told.map_err(|why| {
        let trail = world.trail(&why);
        format!("{trail}seed {seed}, record {at}: {why}\n`--seed {seed} --records {records}` shows it again")
    })?;
    let counts: Vec<_> = world.counts.iter().map(|(what, n)| format!("{n} {what}")).collect();
    Ok(format!("{at} records, {}", counts.join(", ")))
}

/// What a panic says.
fn said(panicked: &(dyn Any + Send)) -> String {
    let text = panicked.downcast_ref::<String>().map(String::as_str);
    text.or(panicked.downcast_ref::<&str>().copied()).unwrap_or("it did not say why").to_owned()
}
