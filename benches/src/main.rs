//! `router-benches STEP COUNT [prepare]`: runs a step over so many orders once, or only prepares it. For counting
//! from outside: what both do is taken off.

use std::process::ExitCode;

use router_benches::{all, cells};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (Some(name), Some(Ok(count))) = (arguments.first(), arguments.get(1).map(|n| n.parse::<usize>()))
    else {
        let names: Vec<_> = all(cells()).into_iter().map(|(name, _)| name).collect();
        eprintln!("usage: router-benches STEP COUNT [prepare]; steps: {}", names.join(" "));
        return ExitCode::FAILURE;
    };
    let Some((_, make)) = all(cells()).into_iter().find(|(known, _)| known == name) else {
        eprintln!("router-benches: there is no step {name}");
        return ExitCode::FAILURE;
    };
    let mut step = make();
    step.prepare(count);
    if arguments.get(2).is_none_or(|word| word != "prepare") {
        step.run();
    }
    ExitCode::SUCCESS
}
