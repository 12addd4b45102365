//! What lives for a while and is fetched once however many want it: tokens of the workload, credentials of its role, temporary
//! keys of the caller.

use std::{
    collections::HashMap,
    fmt,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared, WeakShared},
};

use crate::{
    clock::{Clock, Moment},
    error::Error,
};

/// More users than act at once through one process in a few minutes; past this what is over goes, then what is oldest.
const CAPACITY: usize = 4096;
/// After a renewal that failed while the old one is still good.
const PAUSE_BETWEEN_RENEWALS: Duration = Duration::from_secs(5);

/// What came, with its life from before it was asked for.
pub(crate) struct Fresh<V> {
    pub(crate) value: V,
    pub(crate) since: Moment,
    pub(crate) life: Duration,
    /// How long before its end another one is asked for.
    pub(crate) margin: Duration,
}

type Fetching<V> = BoxFuture<'static, Result<Arc<V>, Error>>;

pub(crate) struct Kept<K, V> {
    clock: Arc<dyn Clock>,
    slots: Mutex<HashMap<K, Slot<V>>>,
}

struct Slot<V> {
    held: Option<Held<V>>,
    /// Weak, so that a flight that everybody has left ends.
    flight: Option<WeakShared<Fetching<V>>>,
}

struct Held<V> {
    value: Arc<V>,
    since: Moment,
    life: Duration,
    margin: Duration,
    failed_at: Option<Moment>,
}

impl<V> Held<V> {
    fn is_good(&self, now: Moment) -> bool {
        now.since(&self.since) < self.life
    }

    fn needs_no_renewal(&self, now: Moment) -> bool {
        now.since(&self.since) + self.margin < self.life
            || self.failed_at.is_some_and(|at| now.since(&at) < PAUSE_BETWEEN_RENEWALS)
    }
}

impl<K, V> Kept<K, V>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { clock, slots: Mutex::default() })
    }

    /// A panic elsewhere cannot leave a slot half changed, so a poisoned lock is taken over.
    fn lock(&self) -> MutexGuard<'_, HashMap<K, Slot<V>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is kept and good, else what `fetch` brings. Near its end it is renewed; should that fail in passing, it serves on.
    pub(crate) async fn get<F>(self: &Arc<Self>, key: K, fetch: impl FnOnce() -> F) -> Result<Arc<V>, Error>
    where
        F: Future<Output = Result<Fresh<V>, Error>> + Send + 'static,
    {
        let now = self.clock.now();
        let (fetching, old) = {
            let mut slots = self.lock();
            let old = slots.get(&key).and_then(|slot| slot.held.as_ref()).filter(|held| held.is_good(now));
            if let Some(held) = old.filter(|held| held.needs_no_renewal(now)) {
                return Ok(Arc::clone(&held.value));
            }
            let old = old.map(|held| Arc::clone(&held.value));
            (self.join(&mut slots, key, now, fetch), old)
        };
        match (fetching.await, old) {
            (Err(error), Some(old)) if error.is_retryable() => Ok(old),
            (fetched, _) => fetched,
        }
    }

    /// What `fetch` brings, whatever is kept, which it replaces.
    pub(crate) async fn renew<F>(self: &Arc<Self>, key: K, fetch: impl FnOnce() -> F) -> Result<Arc<V>, Error>
    where
        F: Future<Output = Result<Fresh<V>, Error>> + Send + 'static,
    {
        let fetching = {
            let mut slots = self.lock();
            self.join(&mut slots, key, self.clock.now(), fetch)
        };
        fetching.await
    }

    /// How long something is still good.
    pub(crate) fn left(&self, key: &K) -> Option<Duration> {
        let now = self.clock.now();
        let slots = self.lock();
        let held = slots.get(key)?.held.as_ref()?;
        held.life.checked_sub(now.since(&held.since))
    }

    /// Forgets what was refused, unless another has taken its place.
    pub(crate) fn forget(&self, key: &K, refused: &Arc<V>) {
        if let Some(slot) = self.lock().get_mut(key)
            && slot.held.as_ref().is_some_and(|held| Arc::ptr_eq(&held.value, refused))
        {
            slot.held = None;
        }
    }

    fn join<F>(
        self: &Arc<Self>,
        slots: &mut HashMap<K, Slot<V>>,
        key: K,
        now: Moment,
        fetch: impl FnOnce() -> F,
    ) -> Shared<Fetching<V>>
    where
        F: Future<Output = Result<Fresh<V>, Error>> + Send + 'static,
    {
        make_room(slots, now);
        let slot = slots.entry(key.clone()).or_insert(Slot { held: None, flight: None });
        let under_way = slot.flight.as_ref().and_then(WeakShared::upgrade);
        if let Some(flight) = under_way.filter(|flight| flight.peek().is_none()) {
            return flight;
        }
        let (kept, fetch) = (Arc::clone(self), fetch());
        let fetching: Fetching<V> = Box::pin(async move {
            let fetched = fetch.await;
            kept.land(&key, fetched)
        });
        let flight = fetching.shared();
        slot.flight = flight.downgrade();
        flight
    }

    fn land(&self, key: &K, fetched: Result<Fresh<V>, Error>) -> Result<Arc<V>, Error> {
        let now = self.clock.now();
        let mut slots = self.lock();
        let slot = slots.get_mut(key);
        match fetched {
            Ok(Fresh { value, since, life, margin }) => {
                let value = Arc::new(value);
                if let Some(slot) = slot {
                    slot.held = Some(Held { value: Arc::clone(&value), since, life, margin, failed_at: None });
                }
                Ok(value)
            }
            Err(error) => {
                if let Some(slot) = slot {
                    match &mut slot.held {
                        Some(held) if error.is_retryable() => held.failed_at = Some(now),
                        held => *held = None,
                    }
                }
                Err(error)
            }
        }
    }
}

fn make_room<K: Clone + Eq + Hash, V>(slots: &mut HashMap<K, Slot<V>>, now: Moment) {
    if slots.len() < CAPACITY {
        return;
    }
    let is_under_way = |slot: &Slot<V>| slot.flight.as_ref().and_then(WeakShared::upgrade).is_some();
    slots.retain(|_, slot| is_under_way(slot) || slot.held.as_ref().is_some_and(|held| held.is_good(now)));
    if slots.len() >= CAPACITY {
        let age = |slot: &Slot<V>| slot.held.as_ref().map_or(Duration::MAX, |held| now.since(&held.since));
        let oldest = slots.iter().filter(|(_, slot)| !is_under_way(slot)).max_by_key(|(_, slot)| age(slot));
        if let Some(key) = oldest.map(|(key, _)| key.clone()) {
            slots.remove(&key);
        }
    }
}

impl<K, V> fmt::Debug for Kept<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kept")
    }
}
