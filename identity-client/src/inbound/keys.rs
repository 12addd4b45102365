//! An issuer's keys in memory: fetched once however many wait, refreshed ahead, kept while the issuer is down.
//!
//! The lock is held for a few instructions and never while anything is awaited. A fetch is a future that those who wait for it
//! drive together, as the flights of `cache.rs` are.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared, WeakShared},
};

use super::{
    issuer::{Issuer, Location},
    jwk::KeySet,
};
use crate::{
    clock::{Clock, Moment},
    error::{Error, ErrorKind},
};

/// The rest after a fetch that failed; it doubles with every failure, up to the cool-down.
const FAILURE_REST: Duration = Duration::from_secs(1);

/// How long keys are good for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lives {
    pub(crate) fresh: Duration,
    pub(crate) stale: Duration,
    pub(crate) cool_down: Duration,
}

pub(crate) enum KeySource {
    Fixed(Arc<KeySet>),
    Published(Arc<Published>),
}

/// The keys of an issuer that is asked for them.
pub(crate) struct Published {
    issuer: Issuer,
    clock: Arc<dyn Clock>,
    lives: Lives,
    state: RwLock<State>,
}

type Flight = BoxFuture<'static, Result<(), Error>>;

#[derive(Default)]
struct State {
    held: Option<Held>,
    location: Option<Location>,
    flight: Option<WeakShared<Flight>>,
    /// When an unknown key id last asked.
    asked: Option<Moment>,
    failure: Option<Failure>,
}

struct Held {
    keys: Arc<KeySet>,
    since: Moment,
}

struct Failure {
    error: Error,
    at: Moment,
    times: u32,
}

impl KeySource {
    /// Keys that may be used now: at once, without waiting, if there are fresh ones.
    pub(crate) async fn keys(&self) -> Result<Arc<KeySet>, Error> {
        match self {
            Self::Fixed(keys) => Ok(Arc::clone(keys)),
            Self::Published(published) => published.keys().await,
        }
    }

    /// Keys that are newer than those given, if there are any or may be asked for: at most once a cool-down.
    pub(crate) async fn newer(&self, than: &Arc<KeySet>) -> Result<Option<Arc<KeySet>>, Error> {
        match self {
            Self::Fixed(_) => Ok(None),
            Self::Published(published) => published.newer(than).await,
        }
    }
}

impl Published {
    pub(crate) fn new(issuer: Issuer, clock: Arc<dyn Clock>, lives: Lives) -> Self {
        Self { issuer, clock, lives, state: RwLock::default() }
    }

    async fn keys(self: &Arc<Self>) -> Result<Arc<KeySet>, Error> {
        let now = self.clock.now();
        let seen = {
            let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
            state.held.as_ref().map(|held| (Arc::clone(&held.keys), now.since(&held.since)))
        };
        match seen {
            Some((keys, age)) if age < self.lives.fresh / 5 * 4 => Ok(keys),
            Some((keys, age)) if age < self.lives.fresh => {
                self.refresh_ahead(now);
                Ok(keys)
            }
            _ => self.wait_for_keys(now).await,
        }
    }

    /// Renews keys that are still good, in a task of its own.
    fn refresh_ahead(self: &Arc<Self>, now: Moment) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let flight = {
            let mut state = self.lock();
            let under_way = state.flight.as_ref().and_then(WeakShared::upgrade).is_some();
            if under_way || self.rests(&state, now).is_some() {
                return;
            }
            self.take_off(&mut state)
        };
        runtime.spawn(flight.map(drop));
    }

    /// Fetches, unless that has failed just now; keys that are too old to be fresh serve while the issuer is down.
    async fn wait_for_keys(self: &Arc<Self>, now: Moment) -> Result<Arc<KeySet>, Error> {
        let flight = {
            let mut state = self.lock();
            if let Some(keys) = Self::good(&state, now, self.lives.fresh) {
                return Ok(keys);
            }
            if state.failure.is_some()
                && let Some(keys) = Self::good(&state, now, self.lives.stale)
            {
                // It was down a moment ago, so nobody waits for it.
                drop(state);
                self.refresh_ahead(now);
                return Ok(keys);
            }
            match (state.flight.as_ref().and_then(WeakShared::upgrade), self.rests(&state, now)) {
                (Some(flight), _) => flight,
                (None, Some(error)) => return Err(error),
                (None, None) => self.take_off(&mut state),
            }
        };
        let landed = flight.await;
        let now = self.clock.now();
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        match (Self::good(&state, now, self.lives.stale), landed) {
            (Some(keys), _) => Ok(keys),
            (None, Err(error)) => Err(error),
            (None, Ok(())) => Err(Error::new(ErrorKind::Unavailable, "the issuer's keys have expired")),
        }
    }

    async fn newer(self: &Arc<Self>, than: &Arc<KeySet>) -> Result<Option<Arc<KeySet>>, Error> {
        let now = self.clock.now();
        let flight = {
            let mut state = self.lock();
            if let Some(held) = &state.held
                && !Arc::ptr_eq(&held.keys, than)
            {
                return Ok(Some(Arc::clone(&held.keys)));
            }
            if let Some(flight) = state.flight.as_ref().and_then(WeakShared::upgrade) {
                flight
            } else {
                if state.asked.is_some_and(|asked| now.since(&asked) < self.lives.cool_down) {
                    return Ok(None);
                }
                state.asked = Some(now);
                let flight = self.take_off(&mut state);
                // Nobody may ask again before the cool-down is over, so it does not end with the caller who made it begin.
                if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                    runtime.spawn(flight.clone().map(drop));
                }
                flight
            }
        };
        flight.await?;
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        Ok(state.held.as_ref().filter(|held| !Arc::ptr_eq(&held.keys, than)).map(|held| Arc::clone(&held.keys)))
    }

    /// The error of the last fetch, while it is too early for the next one.
    fn rests(&self, state: &State, now: Moment) -> Option<Error> {
        let failure = state.failure.as_ref()?;
        let rest = FAILURE_REST.saturating_mul(1 << failure.times.min(10)).min(self.lives.cool_down);
        (now.since(&failure.at) < rest).then(|| failure.error.clone())
    }

    fn good(state: &State, now: Moment, life: Duration) -> Option<Arc<KeySet>> {
        state.held.as_ref().filter(|held| now.since(&held.since) < life).map(|held| Arc::clone(&held.keys))
    }

    /// Starts a fetch. What it brings is kept before anybody who waits for it goes on.
    fn take_off(self: &Arc<Self>, state: &mut State) -> Shared<Flight> {
        let this = Arc::clone(self);
        let location = state.location.clone();
        let fetch = async move {
            let fetched = this.issuer.fetch(location).await;
            this.land(fetched)
        };
        let flight = fetch.boxed().shared();
        state.flight = flight.downgrade();
        flight
    }

    fn land(&self, fetched: Result<(KeySet, Location), Error>) -> Result<(), Error> {
        let now = self.clock.now();
        let mut state = self.lock();
        state.flight = None;
        match fetched {
            Ok((keys, location)) => {
                let keys = match &state.held {
                    // What the issuer has just dropped it published until it was last asked, at the earliest.
                    Some(held) => keys.keeping(&held.keys, later(held.since, self.lives.fresh), now),
                    None => keys,
                };
                state.held = Some(Held { keys: Arc::new(keys), since: now });
                state.location = Some(location);
                state.failure = None;
                Ok(())
            }
            Err(error) => {
                let times = state.failure.as_ref().map_or(0, |failure| failure.times.saturating_add(1));
                tracing::warn!(kind = ?error.kind(), "the keys of an issuer could not be fetched");
                state.failure = Some(Failure { error: error.clone(), at: now, times });
                Err(error)
            }
        }
    }

    fn lock(&self) -> std::sync::RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn later(moment: Moment, by: Duration) -> Moment {
    Moment { wall: moment.wall + by, steady: moment.steady + by }
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(keys) => f.debug_tuple("Fixed").field(keys).finish(),
            Self::Published(published) => f.debug_tuple("Published").field(&published.issuer.name).finish(),
        }
    }
}
