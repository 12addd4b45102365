//! A map that never grows without end.

use std::collections::HashMap;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

/// SHA-256 of a token: what is kept instead of the token, and what a look-up in constant time needs.
pub(crate) type TokenDigest = [u8; 32];

pub(crate) fn digest(token: &str) -> TokenDigest {
    Sha256::digest(token.as_bytes()).into()
}

struct Entry<V> {
    value: V,
    keep_until: Timestamp,
    sequence: u64,
}

/// At capacity whatever is past its time goes first, then the oldest.
pub(crate) struct Bounded<V> {
    entries: HashMap<TokenDigest, Entry<V>>,
    capacity: usize,
    sequence: u64,
}

impl<V> Bounded<V> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { entries: HashMap::new(), capacity, sequence: 0 }
    }

    pub(crate) fn insert(&mut self, key: TokenDigest, value: V, keep_until: Timestamp, now: Timestamp) {
        if self.entries.len() >= self.capacity {
            self.entries.retain(|_, entry| entry.keep_until > now);
        }
        if self.entries.len() >= self.capacity {
            // A tenth at once, so that a full map is not searched at each insertion.
            let mut ages: Vec<u64> = self.entries.values().map(|entry| entry.sequence).collect();
            let (_, newest_victim, _) = ages.select_nth_unstable(self.capacity / 10);
            let newest_victim = *newest_victim;
            self.entries.retain(|_, entry| entry.sequence > newest_victim);
        }
        self.sequence += 1;
        self.entries.insert(key, Entry { value, keep_until, sequence: self.sequence });
    }

    pub(crate) fn get(&self, key: &TokenDigest) -> Option<&V> {
        self.entries.get(key).map(|entry| &entry.value)
    }

    pub(crate) fn get_mut(&mut self, key: &TokenDigest) -> Option<&mut V> {
        self.entries.get_mut(key).map(|entry| &mut entry.value)
    }

    pub(crate) fn remove(&mut self, key: &TokenDigest) -> Option<V> {
        self.entries.remove(key).map(|entry| entry.value)
    }

    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&V) -> bool) {
        self.entries.retain(|_, entry| keep(&entry.value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_full_map_drops_what_is_expired_and_then_the_oldest() {
        let mut map = Bounded::new(3);
        map.insert(digest("long"), 1, at(100), at(0));
        map.insert(digest("short"), 2, at(10), at(0));
        map.insert(digest("longer"), 3, at(200), at(0));
        map.insert(digest("d"), 4, at(200), at(11));
        assert!(map.get(&digest("short")).is_none() && map.get(&digest("long")).is_some());
        map.insert(digest("e"), 5, at(200), at(11));
        assert!(map.get(&digest("long")).is_none() && map.get(&digest("longer")).is_some());
    }

    #[test]
    fn ten_thousand_is_the_end() {
        let mut map = Bounded::new(10_000);
        for number in 0..25_000_u32 {
            map.insert(digest(&number.to_string()), number, at(100), at(0));
            assert!(map.entries.len() <= 10_000);
        }
        assert_eq!(map.get(&digest("24999")), Some(&24_999));
    }
}
