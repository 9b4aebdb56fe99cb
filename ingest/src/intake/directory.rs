//! The directory: every order that intake knows, found by its identity. It is never walked but for a snapshot, and
//! then in the order of identities, so that equal content gives equal bytes.

use std::{
    hash::{BuildHasher, RandomState},
    ops::Index,
};

use hashbrown::{HashTable, hash_table::Entry as Place};
use router_schemas::id::Identity;
use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::SerializeMap};

use super::state::Entry;

/// Orders by identity.
#[derive(Default)]
pub(super) struct Directory {
    /// The hash stands beside what it leads to: a table that grows reads no order.
    table: HashTable<(u64, Box<Known>)>,
    /// Of this process alone; what strangers choose as ids cannot be made to collide.
    hasher: RandomState,
}

struct Known {
    name: Name,
    entry: Entry,
}

/// An identity in one piece.
#[derive(PartialEq, Eq)]
struct Name {
    text: Box<str>,
    /// Where channel and account end.
    ends: (u32, u32),
}

impl Name {
    fn new(Identity { channel, account, external_id }: &Identity) -> Name {
        let ends = (channel.len() as u32, (channel.len() + account.len()) as u32);
        Name { text: [channel.as_str(), account, external_id].concat().into(), ends }
    }

    fn parts(&self) -> (&str, &str, &str) {
        let (rest, external_id) = self.text.split_at(self.ends.1 as usize);
        let (channel, account) = rest.split_at(self.ends.0 as usize);
        (channel, account, external_id)
    }

    fn is(&self, Identity { channel, account, external_id }: &Identity) -> bool {
        self.parts() == (channel, account, external_id)
    }

    fn identity(&self) -> Identity {
        let (channel, account, external_id) = self.parts();
        Identity { channel: channel.into(), account: account.into(), external_id: external_id.into() }
    }
}

impl Directory {
    /// The order of this identity.
    pub fn get(&self, identity: &Identity) -> Option<&Entry> {
        let found = self.table.find(self.hash(identity), |(_, known)| known.name.is(identity));
        found.map(|(_, known)| &known.entry)
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, identity: &Identity) -> Option<&mut Entry> {
        let hash = self.hash(identity);
        let found = self.table.find_mut(hash, |(_, known)| known.name.is(identity));
        found.map(|(_, known)| &mut known.entry)
    }

    /// Takes an order in, in place of one of the same identity.
    pub fn insert(&mut self, identity: &Identity, entry: Entry) {
        let hash = self.hash(identity);
        match self.table.entry(hash, |(_, known)| known.name.is(identity), |(hash, _)| *hash) {
            Place::Occupied(mut known) => known.get_mut().1.entry = entry,
            Place::Vacant(place) => {
                place.insert((hash, Box::new(Known { name: Name::new(identity), entry })));
            }
        }
    }

    /// Forgets an order.
    pub fn remove(&mut self, identity: &Identity) -> Option<Entry> {
        let hash = self.hash(identity);
        let found = self.table.find_entry(hash, |(_, known)| known.name.is(identity)).ok()?;
        Some(found.remove().0.1.entry)
    }

    /// Orders that are known.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    fn hash(&self, Identity { channel, account, external_id }: &Identity) -> u64 {
        self.hasher.hash_one((channel, account, external_id))
    }
}

impl Index<&Identity> for Directory {
    type Output = Entry;

    /// The order of an identity that is known.
    fn index(&self, identity: &Identity) -> &Entry {
        self.get(identity).expect("whoever asks has looked before")
    }
}

impl Serialize for Directory {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut all: Vec<&Known> = self.table.iter().map(|(_, known)| &**known).collect();
        all.sort_unstable_by(|a, b| a.name.parts().cmp(&b.name.parts()));
        let mut map = serializer.serialize_map(Some(all.len()))?;
        for Known { name, entry } in all {
            map.serialize_entry(&name.identity(), entry)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Directory {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Directory;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("orders by identity")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Directory, A::Error> {
                let mut directory = Directory::default();
                while let Some((identity, entry)) = map.next_entry::<Identity, Entry>()? {
                    directory.insert(&identity, entry);
                }
                Ok(directory)
            }
        }

        deserializer.deserialize_map(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use router_schemas::{id::OrderId, snapshot};

    use super::{super::state::Came, *};

    fn identity(number: u64) -> Identity {
        // Parts that would run together, and that no name should hold.
        let channel = if number.is_multiple_of(3) { "a" } else { "a\0" };
        let account = if number.is_multiple_of(2) { "\0b" } else { "b" };
        Identity { channel: channel.into(), account: account.into(), external_id: (number / 6).to_string() }
    }

    fn entry(number: u64) -> Entry {
        let (zone, seen) = (Some("z".to_owned()), vec![[number as u8; 16]]);
        let order = OrderId::from_bits(u128::from(number));
        Entry {
            order,
            zone,
            version: Some(number),
            updated_at: None,
            first: [0; 16],
            seen,
            came: Came::Placed,
        }
    }

    /// The bytes are those of an ordered map, whatever order things came and went in.
    #[test]
    fn its_bytes_are_those_of_an_ordered_map() {
        let (mut directory, mut model) = (Directory::default(), BTreeMap::new());
        for step in 0..5000u64 {
            let number = step.wrapping_mul(2_654_435_761) % 1000;
            if step % 3 == 2 {
                let removed = directory.remove(&identity(number)).map(|e| e.order);
                assert_eq!(removed, model.remove(&identity(number)).map(|e: Entry| e.order));
            } else {
                directory.insert(&identity(number), entry(step));
                model.insert(identity(number), entry(step));
            }
        }
        let (mut bytes, mut wanted) = (Vec::new(), Vec::new());
        snapshot::write(&directory, &mut bytes);
        snapshot::write(&model, &mut wanted);
        assert_eq!((directory.len(), &bytes), (model.len(), &wanted));
        let read: Directory = snapshot::read(&bytes).unwrap();
        let mut again = Vec::new();
        snapshot::write(&read, &mut again);
        assert_eq!(again, bytes);
        for (identity, entry) in &model {
            assert_eq!(read[identity].version, entry.version);
        }
    }
}
