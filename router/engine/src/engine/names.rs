//! Names to numbers.

use std::{
    collections::BTreeMap,
    hash::{BuildHasherDefault, Hasher},
};

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// One fixed hash of names, so that every run looks names up in the same way.
pub type NameHash = BuildHasherDefault<NameHasher>;

/// XXH3-64 of the bytes.
#[derive(Debug, Default)]
pub struct NameHasher(u64);

impl Hasher for NameHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64_with_seed(bytes, self.0);
    }

    /// The mark after a text: nothing follows it.
    fn write_u8(&mut self, _: u8) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The numbers of one SKU: without bucket, and of each bucket.
#[derive(Debug, Default)]
pub struct SkuNumbers {
    plain: Option<u32>,
    buckets: BTreeMap<String, u32>,
}

impl SkuNumbers {
    /// Takes a number in a bucket over; empty: without one.
    pub fn set(&mut self, bucket: &str, number: u32) {
        match bucket {
            "" => self.plain = Some(number),
            _ => _ = self.buckets.insert(bucket.to_owned(), number),
        }
    }

    /// The number in a bucket; empty: without one.
    pub fn of(&self, bucket: &str) -> Option<u32> {
        if bucket.is_empty() { self.plain } else { self.buckets.get(bucket).copied() }
    }

    pub fn all(&self) -> impl Iterator<Item = u32> {
        self.plain.into_iter().chain(self.buckets.values().copied())
    }
}
