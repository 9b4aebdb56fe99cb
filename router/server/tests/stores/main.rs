//! What stores, connectors and operations do with the built program: offers claimed and declined, work, queues, holds,
//! nodes, by the command line and over HTTP; and what is told of all of it.

#[path = "../http/hear.rs"]
mod hear;
#[path = "../running/mod.rs"]
mod running;

mod notices;
mod offers;
mod shop;
mod verbs;
