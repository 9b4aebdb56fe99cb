//! Which names a table may hold: most names that are looked up are new, and a look into the table for each would cost
//! more than sealing the order does.

use router_schemas::command::Hash16;

/// Words of the first layer: 1 MiB, for a million names.
const WORDS: usize = 1 << 17;
/// Names a word: with four bits each, one new name in forty is looked up all the same.
const NAMES: usize = 8;

/// A set that may take a name for one that it holds, and never misses one (a Bloom filter in words of 64 bits). It
/// grows by layers, each as large as all before it together, and forgets nothing.
#[derive(Default)]
pub(crate) struct Names(Vec<Layer>);

struct Layer {
    words: Vec<u64>,
    /// Names that still fit.
    room: usize,
}

impl Layer {
    fn place(&self, name: &Hash16) -> (usize, u64) {
        let [mut place, mut bits] = [[0; 8]; 2];
        place.copy_from_slice(&name[..8]);
        bits.copy_from_slice(&name[8..]);
        // Names are hashes: each part of one is as good as another. The number of words is a power of two.
        let place = u64::from_le_bytes(place) as usize & (self.words.len() - 1);
        (place, bits[..4].iter().fold(0, |mask, bit| mask | 1 << (bit & 63)))
    }
}

impl Names {
    /// Whether it may hold this name; false: it does not.
    pub fn may_hold(&self, name: &Hash16) -> bool {
        self.0.iter().any(|layer| {
            let (place, mask) = layer.place(name);
            layer.words[place] & mask == mask
        })
    }

    /// Takes a name in.
    pub fn insert(&mut self, name: &Hash16) {
        if self.0.last().is_none_or(|layer| layer.room == 0) {
            let words = self.0.iter().map(|layer| layer.words.len()).sum::<usize>().next_power_of_two();
            let words = words.max(WORDS);
            self.0.push(Layer { words: vec![0; words], room: words * NAMES });
        }
        if let Some(layer) = self.0.last_mut() {
            let (place, mask) = layer.place(name);
            layer.words[place] |= mask;
            layer.room -= 1;
        }
    }

    /// Takes all names of another set in.
    pub fn join(&mut self, other: Names) {
        // The last one is the one that still has room.
        self.0.splice(0..0, other.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(number: u64) -> Hash16 {
        let hash = blake3::hash(&number.to_le_bytes());
        Hash16::try_from(&hash.as_bytes()[..16]).unwrap()
    }

    #[test]
    fn what_it_holds_is_found_and_most_else_is_not() {
        let (mut names, mut others) = (Names::default(), Names::default());
        assert!(!names.may_hold(&name(0)));
        let full = (WORDS * NAMES) as u64;
        for number in 0..full + 1000 {
            names.insert(&name(number));
        }
        others.insert(&name(full + 1000));
        names.join(others);
        assert_eq!(names.0.len(), 3, "a layer that is full is followed by another");
        assert!((0..=full + 1000).all(|number| names.may_hold(&name(number))));
        let wrong = (full + 1001..full + 11_001).filter(|number| names.may_hold(&name(*number))).count();
        assert!(wrong < 600, "{wrong} of 10,000 new names were taken for known ones");
    }
}
