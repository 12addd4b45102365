//! What this process knows of sessions beyond their cookies: renewed tokens, and sessions that are over.
//!
//! A cookie can be older than what it stands for: requests are under way while tokens are renewed, and an answer can get lost
//! together with its cookies. Renewed tokens are therefore found here by the session, and a session that has ended stays
//! ended however often its cookie is shown.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use identity_client::Error;

use super::seal::{SealedTokens, Seconds};

/// Sessions that were renewed or ended, and are not over by themselves yet.
const MOST: usize = 10_000;

#[derive(Default)]
pub(super) struct Store(Mutex<HashMap<String, Slot>>);

#[derive(Clone)]
struct Slot {
    until: Seconds,
    is_over: bool,
    newest: Option<Arc<SealedTokens>>,
    /// Held while tokens are renewed, so that one refresh token is used once.
    renewing: Arc<tokio::sync::Mutex<Renewing>>,
}

/// How the last renewal went.
#[derive(Default)]
pub(super) struct Renewing {
    pub(super) failure: Option<(Error, Seconds)>,
}

impl Slot {
    fn new(until: Seconds) -> Self {
        Self { until, is_over: false, newest: None, renewing: Arc::default() }
    }
}

impl Store {
    pub(super) fn is_over(&self, id: &str) -> bool {
        self.lock().get(id).is_some_and(|slot| slot.is_over)
    }

    pub(super) fn newest(&self, id: &str) -> Option<Arc<SealedTokens>> {
        self.lock().get(id).and_then(|slot| slot.newest.clone())
    }

    pub(super) fn end(&self, id: &str, until: Seconds, now: Seconds) {
        let mut slots = self.lock();
        let slot = slot(&mut slots, id, until, now);
        slot.is_over = true;
        slot.newest = None;
    }

    pub(super) fn renewed(&self, id: &str, until: Seconds, now: Seconds, tokens: SealedTokens) {
        slot(&mut self.lock(), id, until, now).newest = Some(Arc::new(tokens));
    }

    pub(super) fn renewing(&self, id: &str, until: Seconds, now: Seconds) -> Arc<tokio::sync::Mutex<Renewing>> {
        Arc::clone(&slot(&mut self.lock(), id, until, now).renewing)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Slot>> {
        // Nothing panics while it is held half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn slot<'a>(slots: &'a mut HashMap<String, Slot>, id: &str, until: Seconds, now: Seconds) -> &'a mut Slot {
    if slots.len() >= MOST && !slots.contains_key(id) {
        slots.retain(|_, slot| slot.until > now);
    }
    if slots.len() >= MOST && !slots.contains_key(id) {
        // A tenth at once, those whose end is nearest, so that a full map is not searched each time.
        let mut ends: Vec<_> = slots.values().map(|slot| slot.until).collect();
        let (_, last, _) = ends.select_nth_unstable(MOST / 10);
        let last = *last;
        slots.retain(|_, slot| slot.until > last);
    }
    slots.entry(id.to_owned()).or_insert_with(|| Slot::new(until))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_token_is_kept_of_a_session_that_is_over() {
        let store = Store::default();
        let tokens = SealedTokens { access: "secret".into(), refresh: None, end: None, renew: None, generation: 1 };
        store.renewed("a", 10, 0, tokens);
        assert!(store.newest("a").is_some());
        store.end("a", 10, 0);
        assert!(store.newest("a").is_none());
    }

    #[test]
    fn a_session_that_is_over_stays_so_and_the_memory_is_bounded() {
        let store = Store::default();
        store.end("a", u64::MAX, 0);
        for index in 0..2 * MOST as u64 {
            store.end(&format!("other-{index}"), index + 1, 0);
        }
        assert!(store.lock().len() <= MOST);
        assert!(store.is_over("a") && !store.is_over("other-0") && !store.is_over("b"));
    }
}
