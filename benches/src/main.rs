//! `router-benches STEP COUNT`: runs a step over so many orders once. `count.sh` counts what goes on within
//! [`counted`].

use std::process::ExitCode;

use router_benches::{Step, all, cells};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (Some(name), Some(Ok(count))) = (arguments.first(), arguments.get(1).map(|n| n.parse::<usize>()))
    else {
        let names: Vec<_> = all(cells()).into_iter().map(|(name, _)| name).collect();
        eprintln!("usage: router-benches STEP COUNT; steps: {}", names.join(" "));
        return ExitCode::FAILURE;
    };
    let Some((_, make)) = all(cells()).into_iter().find(|(known, _)| known == name) else {
        eprintln!("router-benches: there is no step {name}");
        return ExitCode::FAILURE;
    };
    let mut step = make();
    // Lists grow to their size.
    step.prepare(count);
    step.run();
    step.prepare(count);
    counted(&mut *step);
    ExitCode::SUCCESS
}

/// Found by its name from outside.
#[inline(never)]
fn counted(step: &mut dyn Step) {
    step.run();
}
