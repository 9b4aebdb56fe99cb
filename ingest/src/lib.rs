//! From messages to commands: [`decode`] reads what strangers send, written as in [`json`], [`seal`] keeps personal data unreadable in
//! the log, and [`intake`] is the stage that knows every order's id and home zone.

mod bounds;
mod calendar;
mod cells;
pub mod decode;
mod holds;
pub mod intake;
pub mod json;
pub mod lines;
mod names;
mod orders;
mod references;
pub mod seal;
mod told;
mod work;
