//! By what rows are found: keys that name nothing but a row.

use std::collections::BTreeSet;

use fjall::Keyspace;
use router_schemas::id::{Identity, OrderId};

use crate::keys;

/// Brings the keys up to date by which a row is found.
pub(crate) fn find(
    table: &Keyspace,
    batch: &mut fjall::OwnedWriteBatch,
    before: Option<BTreeSet<Vec<u8>>>,
    now: BTreeSet<Vec<u8>>,
) {
    let before = before.unwrap_or_default();
    for key in before.difference(&now) {
        batch.remove(table, key.clone());
    }
    for key in now.difference(&before) {
        batch.insert(table, key.clone(), []);
    }
}

/// What a platform's name stands for from now on.
pub(crate) fn name(table: &Keyspace, batch: &mut fjall::OwnedWriteBatch, identity: &Identity, id: OrderId) {
    batch.insert(table, keys::identity(identity), id.to_bits().to_be_bytes());
}
