//! The program `router`.
#[allow(dead_code)]
mod gateway;
mod router;
mod runner;
mod show;
fn main() {}
