//! Nonces that were used.

use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use crate::bounded::{Bounded, digest};

/// Nonces that are remembered; the oldest make room.
const MOST: usize = 100_000;

pub(super) struct Nonces(Mutex<Bounded<()>>);

impl Default for Nonces {
    fn default() -> Self {
        Self(Mutex::new(Bounded::new(MOST)))
    }
}

impl Nonces {
    /// Whether this one was not used before; from now on it was.
    pub(super) fn is_fresh(&self, nonce: &str, keep_until: Timestamp, now: Timestamp) -> bool {
        let (mut used, place) = (self.0.lock().unwrap_or_else(PoisonError::into_inner), digest(nonce));
        if used.get(&place).is_some() {
            return false;
        }
        used.insert(place, (), keep_until, now);
        true
    }
}
