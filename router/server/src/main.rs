//! The program `router`: runs the router, and asks it.

mod cli;
mod demo;
mod gateway;
mod router;
mod runner;
mod show;
mod submit;
mod telemetry;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    cli::main()
}
