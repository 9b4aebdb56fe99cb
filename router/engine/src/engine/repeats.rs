//! Requests that name themselves by a key: the same again, once it was applied, changes nothing.

use router_schemas::{
    command::{Command, Hash16},
    limits::KEY_MS,
};

use super::Engine;

/// The key of a request that has one. Those of facts are known in `stock.rs`: a fact is always applied.
pub fn request_key(command: &Command) -> Option<Hash16> {
    match command {
        Command::Decline(request) => request.key,
        Command::CancelAnswer(request) => request.key,
        Command::Node(request) => request.key,
        Command::Steer(request) => Some(request.key),
        // The hold knows it too, where there is one (`hold.rs`); what is allocated has no other memory.
        Command::Release(request) => Some(request.key).filter(|key| *key != Hash16::default()),
        _ => None,
    }
}

impl Engine {
    /// Whether a request or fact of this key was applied.
    pub(super) fn was_applied(&self, key: Hash16) -> bool {
        self.state.facts.get(&key).is_some_and(|until| *until > self.state.clock.engine)
    }

    /// Remembers the key of a request or fact that was applied.
    pub(super) fn note_applied(&mut self, key: Hash16) {
        let until = self.state.clock.engine + KEY_MS;
        if let Some(old) = self.state.facts.insert(key, until) {
            self.state.fact_ages.remove(&(old, key));
        }
        self.state.fact_ages.insert((until, key));
    }
}
