//! Messages that came before their order, bounded for each order, each channel and altogether.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

use router_schemas::{id::Identity, limits};
use serde::{Deserialize, Serialize};

use super::state::Waiting;

/// What came early. Versions of one order wait in their order, everything else as it came.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Early {
    orders: BTreeMap<Identity, Vec<Waiting>>,
    /// When something came for which order, the oldest first.
    came: BTreeSet<(i64, Identity)>,
    of_channel: BTreeMap<String, u32>,
    bytes: u64,
}

/// What became of a message that came early.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kept {
    /// It waits.
    New,
    /// The same waits already.
    Repeat,
    /// Too many wait.
    TooMany,
}

impl Early {
    /// Keeps a message until its order comes.
    pub fn keep(&mut self, identity: &Identity, waiting: Waiting) -> Kept {
        let of_channel = self.of_channel.get(&identity.channel).copied().unwrap_or(0);
        let bytes = self.bytes.saturating_add(waiting.command.len() as u64);
        let own = self.orders.get(identity).map_or(&[][..], Vec::as_slice);
        if own.iter().any(|w| w.said == waiting.said) {
            return Kept::Repeat;
        }
        if own.len() >= limits::EARLY_PER_ORDER
            || of_channel as usize >= limits::EARLY_PER_CHANNEL
            || bytes > limits::EARLY_BYTES
        {
            return Kept::TooMany;
        }
        let later = |w: &Waiting| {
            w.said.compare(waiting.said.version, waiting.said.updated_at) == Some(Ordering::Greater)
        };
        let place = own.iter().position(later).unwrap_or(own.len());
        self.of_channel.insert(identity.channel.clone(), of_channel + 1);
        self.bytes = bytes;
        self.came.insert((waiting.at, identity.clone()));
        self.orders.entry(identity.clone()).or_default().insert(place, waiting);
        Kept::New
    }

    /// Takes out what waited for an order.
    pub fn take(&mut self, identity: &Identity) -> Vec<Waiting> {
        let waiting = self.orders.remove(identity).unwrap_or_default();
        for w in &waiting {
            self.came.remove(&(w.at, identity.clone()));
        }
        self.forget(identity, &waiting);
        waiting
    }

    /// True where something came before this time.
    pub fn has_before(&self, before: i64) -> bool {
        self.came.first().is_some_and(|(at, _)| *at < before)
    }

    /// Takes out the oldest messages of an order that came at one time, where that is before `before`.
    pub fn take_before(&mut self, before: i64) -> Option<Vec<Waiting>> {
        if !self.has_before(before) {
            return None;
        }
        let (at, identity) = self.came.pop_first()?;
        let own = self.orders.get_mut(&identity)?;
        let (old, kept) = std::mem::take(own).into_iter().partition(|w| w.at == at);
        *own = kept;
        if own.is_empty() {
            self.orders.remove(&identity);
        }
        self.forget(&identity, &old);
        Some(old)
    }

    /// Messages that wait.
    pub fn len(&self) -> u64 {
        self.of_channel.values().map(|n| u64::from(*n)).sum()
    }

    fn forget(&mut self, identity: &Identity, gone: &[Waiting]) {
        self.bytes -= gone.iter().map(|w| w.command.len() as u64).sum::<u64>();
        let left = self.of_channel.get(&identity.channel).copied().unwrap_or(0);
        match left.saturating_sub(gone.len() as u32) {
            0 => self.of_channel.remove(&identity.channel),
            left => self.of_channel.insert(identity.channel.clone(), left),
        };
    }
}
