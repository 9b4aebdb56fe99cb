//! The program `router`: runs the router, and asks it.

mod cli;
mod codes;
mod config;
#[cfg(test)]
mod conformance;
mod demo;
mod explain;
mod feed;
mod gateway;
mod router;
mod rows;
mod runner;
mod show;
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
