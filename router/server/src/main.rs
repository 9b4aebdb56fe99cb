//! The program `router`: runs the router, and asks it.

mod cli;
mod codes;
mod config;
mod conformance;
mod demo;
mod explain;
mod feed;
mod gateway;
mod past;
mod router;
mod rows;
mod rules;
mod runner;
mod show;
mod simulate;
mod submit;
mod telemetry;
mod trial;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    // Whatever the program writes is its owner's alone: orders name people, if only under a seal.
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    cli::main()
}
