//! One slot a key, one flight a slot.
//!
//! The lock is held for a few instructions and never while anything is awaited. A flight is a future that those who wait for
//! it drive together: if one of them goes away the others go on, if all of them go away it is dropped.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared, WeakShared},
};

use crate::{
    clock::Moment,
    consent::{Acquired, PendingAuthorization},
    credential::{Credential, CredentialKind},
    credential_request::{CredentialRequest, KeyRef},
    error::{Error, ErrorKind},
    lru::Lru,
    name::Scope,
};

/// What a flight ends with, for everybody who waited.
pub(crate) type Landing = Result<Acquired<Credential>, Error>;
pub(crate) type Flight = Shared<BoxFuture<'static, Landing>>;

/// What a wait for consent ends with, for everybody who waited.
pub(crate) type Poller = Shared<BoxFuture<'static, Result<Credential, Error>>>;

/// How long a refused credential may not be asked for again, once the fresh one was refused too.
pub(crate) const REFUSAL_REST: Duration = Duration::from_secs(60);

/// The first rest after a renewal ahead of need failed; it doubles with every failure, up to thirty times.
const RENEWAL_REST: Duration = Duration::from_secs(1);

/// The longest time before expiry at which a credential is renewed ahead of need.
const MAX_WINDOW: Duration = Duration::from_secs(300);

pub(crate) struct Cache {
    state: Mutex<State>,
    capacity: usize,
}

struct State {
    slots: Lru<Slot>,
    /// Numbers epochs and credentials; never reused.
    counter: u64,
    random: fastrand::Rng,
}

#[derive(Default)]
struct Slot {
    /// Changes when what is under way must no longer be kept: forgotten, refused, forced.
    epoch: u64,
    kept: Option<Kept>,
    flight: Option<WeakShared<BoxFuture<'static, Landing>>>,
    /// What is under way was asked for with force.
    forced: bool,
    pending: Option<PendingAuthorization>,
    /// Somebody has told the user where to agree, or is about to.
    told: bool,
    poller: Option<WeakShared<BoxFuture<'static, Result<Credential, Error>>>>,
    refusal: Option<Refusal>,
    agreement: Agreement,
    shortage: Option<Shortage>,
}

struct Kept {
    credential: Credential,
    generation: u64,
    since: Moment,
    life: Duration,
    window: Duration,
    /// No renewal ahead of need before this.
    rest_until: Option<Moment>,
    failures: u32,
}

#[derive(Clone, Copy)]
struct Refusal {
    first: Moment,
    /// Set when the fresh credential was refused as well.
    again: Option<Moment>,
    /// The user was asked anew because of it.
    asked: bool,
}

/// What the user said to these scopes, as far as this client has seen.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Agreement {
    #[default]
    Unknown,
    Given,
    /// No, when they were asked for together with others: ask for them alone.
    RefusedTogether,
}

/// The service wants a scope that the token lacks.
#[derive(Clone, Copy)]
struct Shortage {
    /// When the service said so, or when the token came that the user was asked for.
    at: Moment,
    asked: bool,
}

/// What follows from a shortage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// The user will be asked when the credential is next needed.
    Ask,
    /// The user has just been asked, and agreed, and it did not help.
    Asked,
    /// A newer credential has taken its place.
    Newer,
}

/// What the cache knows of a key.
#[derive(Debug)]
pub(crate) enum Lookup {
    Fresh(Credential),
    /// Good, but it is time to renew it.
    Ageing(Credential, Arc<CredentialRequest>),
    /// The service keeps refusing it; ask again after this.
    Refused(Duration),
    /// The service wants more than it allows; the user has to be asked.
    Short,
    Missing,
}

/// A credential that is about to be kept.
pub(crate) struct Arrival {
    pub(crate) generation: u64,
    pub(crate) at: Moment,
    pub(crate) life: Duration,
}

impl Cache {
    pub(crate) fn new(capacity: u32, random: fastrand::Rng) -> Self {
        let state = State { slots: Lru::new(), counter: 0, random };
        Self { state: Mutex::new(state), capacity: capacity.max(1) as usize }
    }

    /// A panic elsewhere cannot leave a slot half changed, so a poisoned lock is taken over.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn lookup(&self, key: &KeyRef<'_>, now: Moment) -> Lookup {
        let mut state = self.lock();
        let Some((request, slot)) = state.slots.get(key) else { return Lookup::Missing };
        if slot.shortage.is_some_and(|shortage| !shortage.asked) && slot.pending.is_none() && !slot.is_under_way() {
            return Lookup::Short;
        }
        let Some(kept) = slot.kept.as_mut().filter(|kept| now.since(&kept.since) < kept.life) else {
            slot.kept = None;
            // A consent that is under way is the way out of the refusal.
            let way_out = slot.pending.is_some() || slot.is_under_way();
            let rest = slot.refusal.and_then(|refusal| refusal.rest(now)).filter(|_| !way_out);
            return rest.map_or(Lookup::Missing, Lookup::Refused);
        };
        let age = now.since(&kept.since);
        if age + kept.window < kept.life || kept.rest_until.is_some_and(|until| now.since(&until).is_zero()) {
            return Lookup::Fresh(kept.credential.clone());
        }
        // Whoever sees this first starts the renewal; the next try is theirs, too.
        kept.rest_until = Some(later(now, RENEWAL_REST));
        Lookup::Ageing(kept.credential.clone(), Arc::clone(request))
    }

    /// Joins the flight of this key, or starts one. `make` is told the epoch to land with, and the consent that is already
    /// under way.
    pub(crate) fn fly(
        &self,
        request: &Arc<CredentialRequest>,
        make: impl FnOnce(u64, Option<PendingAuthorization>) -> BoxFuture<'static, Landing>,
    ) -> Flight {
        let mut state = self.lock();
        let State { slots, counter, .. } = &mut *state;
        let Some(slot) = slots.get_or_insert(request, || Slot { epoch: next(counter), ..Slot::default() }) else {
            // Unreachable: what was just inserted is found. Flying without a slot would still be right.
            return make(0, None).shared();
        };
        if request.options().force && !(slot.forced && slot.is_under_way()) {
            slot.clear(next(counter));
            slot.forced = true;
        } else if let Some(flight) =
            slot.flight.as_ref().and_then(WeakShared::upgrade).filter(|flight| flight.peek().is_none())
        {
            return flight;
        }
        // A consent that leads back to another place is another consent.
        let same_way = |pending: &&PendingAuthorization| pending.parts().return_url == request.options().return_url;
        let under_way = slot.pending.as_ref().filter(same_way);
        if let Some(pending) = under_way.filter(|_| slot.poller.as_ref().and_then(WeakShared::upgrade).is_some()) {
            // Somebody is waiting for this consent: join them instead of asking beside them.
            return std::future::ready(Ok(Acquired::NeedsConsent(pending.clone()))).boxed().shared();
        }
        let flight = make(slot.epoch, under_way.cloned()).shared();
        slot.flight = flight.downgrade();
        self.make_room(&mut state);
        flight
    }

    /// Joins the wait for this consent, or starts one. If the slot has moved on since the consent was begun, the wait is the
    /// caller's own.
    pub(crate) fn wait(
        &self,
        request: &CredentialRequest,
        epoch: u64,
        pending: &PendingAuthorization,
        make: impl FnOnce() -> BoxFuture<'static, Result<Credential, Error>>,
    ) -> Poller {
        let mut state = self.lock();
        let slot = state.slots.get(&KeyRef::of(request)).map(|(_, slot)| slot);
        let Some(slot) = slot.filter(|slot| slot.epoch == epoch) else { return make().shared() };
        let same = slot.pending.as_ref() == Some(pending);
        if let Some(poller) =
            slot.poller.as_ref().and_then(WeakShared::upgrade).filter(|poller| same && poller.peek().is_none())
        {
            return poller;
        }
        slot.told |= !same;
        slot.pending = Some(pending.clone());
        let poller = make().shared();
        slot.poller = poller.downgrade();
        poller
    }

    /// A number for a credential that arrives.
    pub(crate) fn arrival(&self, at: Moment, life: Duration) -> Arrival {
        Arrival { generation: next(&mut self.lock().counter), at, life }
    }

    /// Keeps a credential, unless the slot has moved on since its flight began.
    pub(crate) fn keep(&self, request: &CredentialRequest, epoch: u64, credential: &Credential, arrival: &Arrival) {
        let mut state = self.lock();
        let State { slots, random, .. } = &mut *state;
        // A slot that is gone was forgotten before, or its flight would have held it.
        if let Some((_, slot)) = slots.get(&KeyRef::of(request)).filter(|(_, slot)| slot.epoch == epoch) {
            slot.forced = false;
            slot.flight = None;
            slot.pending = None;
            slot.told = false;
            slot.poller = None;
            slot.agreement = Agreement::Given;
            if let Some(shortage) = slot.shortage.as_mut().filter(|shortage| shortage.asked) {
                shortage.at = arrival.at;
            }
            slot.kept = Some(Kept {
                credential: credential.clone(),
                generation: arrival.generation,
                since: arrival.at,
                life: arrival.life,
                window: window(arrival.life, random),
                rest_until: None,
                failures: 0,
            });
        }
    }

    /// Whether the credential of this generation is kept, and not forgotten, refused or replaced.
    pub(crate) fn holds(&self, request: &CredentialRequest, generation: u64) -> bool {
        let mut state = self.lock();
        let kept = state.slots.get(&KeyRef::of(request)).and_then(|(_, slot)| slot.kept.as_ref());
        kept.is_some_and(|kept| kept.generation == generation)
    }

    /// Remembers that a consent is under way, so that the next call goes on with it instead of beginning another.
    pub(crate) fn keep_pending(&self, request: &CredentialRequest, epoch: u64, pending: &PendingAuthorization) {
        self.change(request, epoch, |slot| {
            slot.flight = None;
            slot.kept = None;
            slot.told &= slot.pending.as_ref() == Some(pending);
            slot.pending = Some(pending.clone());
        });
    }

    /// A flight failed. A credential that is still good is kept if trying again later can help, and dropped if the
    /// platform's answer was final: it may have been revoked. Says whether one is still kept.
    pub(crate) fn failed(&self, request: &CredentialRequest, epoch: u64, error: &Error, now: Moment) -> bool {
        let mut still_good = false;
        self.change(request, epoch, |slot| {
            slot.flight = None;
            if !error.is_retryable() {
                let wider = |pending: &PendingAuthorization| pending.scopes().len() > request.scopes().len();
                if error.kind() == ErrorKind::AuthorizationDenied && slot.pending.as_ref().is_some_and(wider) {
                    slot.agreement = Agreement::RefusedTogether;
                }
                slot.kept = None;
                slot.pending = None;
                slot.told = false;
            }
            if let Some(kept) = &mut slot.kept {
                let factor = 1_u32.checked_shl(kept.failures).unwrap_or(u32::MAX).min(30);
                kept.failures = kept.failures.saturating_add(1);
                kept.rest_until = Some(later(now, RENEWAL_REST * factor));
                still_good = now.since(&kept.since) < kept.life;
            }
        });
        still_good
    }

    fn change(&self, request: &CredentialRequest, epoch: u64, change: impl FnOnce(&mut Slot)) {
        if let Some((_, slot)) = self.lock().slots.get(&KeyRef::of(request))
            && slot.epoch == epoch
        {
            change(slot);
        }
    }

    /// Takes it on the caller to tell the user of this consent; `false` if somebody has already.
    pub(crate) fn claim_telling(&self, request: &CredentialRequest, pending: &PendingAuthorization) -> bool {
        self.with_pending(request, pending, |told| !std::mem::replace(told, true)).unwrap_or(true)
    }

    /// Whether somebody told the user of this consent.
    pub(crate) fn is_told(&self, request: &CredentialRequest, pending: &PendingAuthorization) -> bool {
        self.with_pending(request, pending, |told| *told).unwrap_or(false)
    }

    /// The user could not be told.
    pub(crate) fn untell(&self, request: &CredentialRequest, pending: &PendingAuthorization) {
        self.with_pending(request, pending, |told| *told = false);
    }

    fn with_pending<T>(
        &self,
        request: &CredentialRequest,
        pending: &PendingAuthorization,
        change: impl FnOnce(&mut bool) -> T,
    ) -> Option<T> {
        let mut state = self.lock();
        let (_, slot) = state.slots.get(&KeyRef::of(request))?;
        (slot.pending.as_ref() == Some(pending)).then(|| change(&mut slot.told))
    }

    /// The epoch to land with, for a credential that arrives without a flight: to be taken before it is asked for.
    pub(crate) fn epoch(&self, request: &Arc<CredentialRequest>) -> u64 {
        let mut state = self.lock();
        let State { slots, counter, .. } = &mut *state;
        let slot = slots.get_or_insert(request, || Slot { epoch: next(counter), ..Slot::default() });
        let epoch = slot.map_or(0, |slot| slot.epoch);
        self.make_room(&mut state);
        epoch
    }

    /// Drops what is kept for a key, and lets nothing that is under way be kept.
    pub(crate) fn forget(&self, key: &KeyRef<'_>) {
        let mut state = self.lock();
        let State { slots, counter, .. } = &mut *state;
        if let Some((_, slot)) = slots.get(key) {
            slot.forget(next(counter));
        }
    }

    /// The same for every key that `which` picks.
    pub(crate) fn forget_where(&self, which: impl Fn(&CredentialRequest) -> bool) {
        let mut state = self.lock();
        let State { slots, counter, .. } = &mut *state;
        slots.for_each(|request, slot| {
            if which(request) {
                slot.forget(next(counter));
            }
        });
    }

    /// A service refused the credential of this generation.
    pub(crate) fn reject(&self, request: &CredentialRequest, generation: u64, now: Moment) {
        let mut state = self.lock();
        let State { slots, counter, .. } = &mut *state;
        let Some((_, slot)) = slots.get(&KeyRef::of(request)) else { return };
        if slot.kept.as_ref().is_none_or(|kept| kept.generation != generation) {
            return;
        }
        slot.clear(next(counter));
        slot.refusal = Some(match slot.refusal {
            Some(refusal) if now.since(&refusal.first) < REFUSAL_REST => Refusal { again: Some(now), ..refusal },
            _ => Refusal { first: now, again: None, asked: false },
        });
    }

    /// Takes it on the caller to ask the user anew, now that the fresh credential was refused, too; once a refusal.
    pub(crate) fn claim_asking(&self, request: &CredentialRequest) -> bool {
        let mut state = self.lock();
        let refusal = state.slots.get(&KeyRef::of(request)).and_then(|(_, slot)| slot.refusal.as_mut());
        refusal.is_some_and(|refusal| !std::mem::replace(&mut refusal.asked, true))
    }

    /// Gives back what [`claim_asking`](Self::claim_asking) took, unless somebody else asks on.
    pub(crate) fn unclaim_asking(&self, request: &CredentialRequest) {
        self.unclaim(request, |slot| slot.refusal.as_mut().map(|refusal| &mut refusal.asked));
    }

    /// Gives back what [`claim_step_up`](Self::claim_step_up) took, unless somebody else asks on.
    pub(crate) fn unclaim_step_up(&self, request: &CredentialRequest) {
        self.unclaim(request, |slot| slot.shortage.as_mut().map(|shortage| &mut shortage.asked));
    }

    fn unclaim(&self, request: &CredentialRequest, asked: impl FnOnce(&mut Slot) -> Option<&mut bool>) {
        if let Some((_, slot)) = self.lock().slots.get(&KeyRef::of(request)).filter(|(_, slot)| !slot.is_under_way())
            && let Some(asked) = asked(slot)
        {
            *asked = false;
        }
    }

    /// The service wants more than the credential of this generation allows. It is kept: it is good for the rest.
    pub(crate) fn lacks(&self, request: &CredentialRequest, generation: u64, now: Moment) -> Remedy {
        let mut state = self.lock();
        let Some((_, slot)) = state.slots.get(&KeyRef::of(request)) else { return Remedy::Newer };
        if slot.kept.as_ref().is_none_or(|kept| kept.generation != generation) {
            return Remedy::Newer;
        }
        match slot.shortage {
            Some(shortage) if !shortage.asked => Remedy::Ask,
            Some(shortage) if now.since(&shortage.at) < REFUSAL_REST => Remedy::Asked,
            _ => {
                slot.shortage = Some(Shortage { at: now, asked: false });
                Remedy::Ask
            }
        }
    }

    /// Takes it on the caller to ask the user for what is lacking; once a shortage.
    pub(crate) fn claim_step_up(&self, request: &CredentialRequest) -> bool {
        let mut state = self.lock();
        let shortage = state.slots.get(&KeyRef::of(request)).and_then(|(_, slot)| slot.shortage.as_mut());
        shortage.is_some_and(|shortage| !std::mem::replace(&mut shortage.asked, true))
    }

    /// The scopes of this request, and those that its user has agreed to elsewhere, if these are more.
    pub(crate) fn union(&self, request: &CredentialRequest) -> Option<Vec<Scope>> {
        let user = request.user().filter(|_| request.credential() == CredentialKind::AccessToken)?;
        let mut union = request.scopes().to_vec();
        let mut state = self.lock();
        if state.slots.get(&KeyRef::of(request)).is_some_and(|(_, slot)| slot.agreement == Agreement::RefusedTogether) {
            return None;
        }
        state.slots.for_each(|other, slot| {
            if slot.agreement == Agreement::Given
                && other.user() == Some(user)
                && other.provider() == request.provider()
                && other.credential() == request.credential()
            {
                other.scopes().iter().for_each(|scope| {
                    if !union.contains(scope) {
                        union.push(scope.clone());
                    }
                });
            }
        });
        (union.len() > request.scopes().len()).then_some(union)
    }

    fn make_room(&self, state: &mut State) {
        while state.slots.len() > self.capacity {
            // What is under way stays, or its result could undo a `forget` unseen. All of it under way is more than the
            // callers could ever start, but then the map may grow: they bound it.
            if state.slots.evict(64, |slot| !slot.is_under_way()).is_none() {
                return;
            }
        }
    }

    /// How many slots there are.
    pub(crate) fn len(&self) -> usize {
        self.lock().slots.len()
    }
}

impl Slot {
    fn clear(&mut self, epoch: u64) {
        self.epoch = epoch;
        self.forced = false;
        self.kept = None;
        self.flight = None;
        self.pending = None;
        self.told = false;
        self.poller = None;
    }

    fn forget(&mut self, epoch: u64) {
        self.clear(epoch);
        self.refusal = None;
        self.agreement = Agreement::Unknown;
        self.shortage = None;
    }

    fn is_under_way(&self) -> bool {
        let flying = self.flight.as_ref().and_then(WeakShared::upgrade).is_some();
        flying || self.poller.as_ref().and_then(WeakShared::upgrade).is_some()
    }
}

impl Refusal {
    fn rest(self, now: Moment) -> Option<Duration> {
        let left = REFUSAL_REST.checked_sub(now.since(&self.again?))?;
        (!left.is_zero()).then_some(left)
    }
}

fn next(counter: &mut u64) -> u64 {
    *counter += 1;
    *counter
}

fn later(moment: Moment, by: Duration) -> Moment {
    Moment { wall: moment.wall + by, steady: moment.steady + by }
}

/// How long before expiry to renew: a fifth of the life, at most five minutes, less a random half, so that credentials
/// which arrived together are not renewed together.
fn window(life: Duration, random: &mut fastrand::Rng) -> Duration {
    (life / 5).min(MAX_WINDOW).mul_f64(1.0 - random.f64() / 2.0)
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("len", &self.len()).field("capacity", &self.capacity).finish_non_exhaustive()
    }
}
