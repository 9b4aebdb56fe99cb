//! The vocabulary of the order router: what can be asked ([`command`]), what happened ([`event`]), what rows
//! and notices say ([`row`], [`notice`]), how all of it is written ([`envelope`], [`json`]), and the bounds
//! on it ([`limits`]). Every other crate speaks these words; this one depends on none of them.

pub mod command;
pub mod dead_letter;
pub mod envelope;
pub mod event;
pub mod geo;
pub mod id;
pub mod limits;
pub mod notice;
pub mod position;
pub mod quantity;
pub mod refusal;
pub mod reply;
pub mod row;
pub mod rules;
pub mod snapshot;
pub mod stage;
pub mod state;
