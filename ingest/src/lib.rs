//! From messages to commands: [`json`] reads what strangers send, [`seal`] keeps personal data unreadable in
//! the log, and [`intake`] is the stage that knows every order's id and home zone.

pub mod decode;
pub mod intake;
pub mod json;
pub mod seal;
