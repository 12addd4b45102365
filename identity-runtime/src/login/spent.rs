//! What may happen once: a bounded memory of what has happened.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Mutex, PoisonError},
};

use super::seal::Seconds;

/// Each is remembered for so long at least, unless more than these come in the meantime.
const MOST: usize = 100_000;

/// Texts that were seen, each for a while.
#[derive(Default)]
pub(super) struct Spent(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    seen: HashSet<String>,
    /// The oldest first.
    order: VecDeque<(Seconds, String)>,
}

impl Spent {
    /// Whether this is the first time, as far as is remembered. `until`: when it may be forgotten.
    pub(super) fn spend(&self, text: &str, until: Seconds, now: Seconds) -> bool {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while inner.order.front().is_some_and(|(end, _)| *end <= now) || inner.order.len() >= MOST {
            let Some((_, oldest)) = inner.order.pop_front() else { break };
            inner.seen.remove(&oldest);
        }
        if !inner.seen.insert(text.to_owned()) {
            return false;
        }
        inner.order.push_back((until, text.to_owned()));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_is_once_until_it_is_over() {
        let spent = Spent::default();
        assert!(spent.spend("a", 10, 0));
        assert!(!spent.spend("a", 10, 9));
        assert!(spent.spend("b", 20, 9));
        assert!(spent.spend("a", 20, 10));
        assert!(!spent.spend("b", 20, 10));
    }
}
