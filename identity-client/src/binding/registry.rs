//! The consents under way, and the doubts that unconfirmed ones leave. Pure: the caller has the lock and the clock.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
    time::Duration,
};

use tokio::sync::{OnceCell, watch};

use super::{Completer, GRACE};
use crate::{
    clock::Moment,
    consent::PendingAuthorization,
    error::{Error, ErrorKind},
};

pub(super) type Digest = [u8; 32];

/// Doubts about one user's credentials from one provider that are kept apart.
const DOUBTS_OF_ONE: usize = 8;

/// Consents of one user for one provider under way at once: nobody needs more, and everybody shares the registry.
const FLOWS_OF_ONE: usize = 32;

/// Names no consent: no digest of a state comes out like this.
const FOLDED: Digest = [0; 32];

/// Where a consent stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nobody has come back from it.
    Open,
    /// Its user has.
    Confirmed,
    /// Somebody else has; final.
    Refused,
}

pub(super) struct Flow {
    pub(super) pending: PendingAuthorization,
    pub(super) standing: watch::Sender<Standing>,
    /// The platform has a credential for it.
    pub(super) granted: bool,
    confirmed_at: Option<Moment>,
    completer: Option<Completer>,
    /// Set once the platform was told that the user came back.
    completed: Arc<OnceCell<()>>,
    key: Digest,
    begun: Moment,
    life: Duration,
}

impl Flow {
    pub(super) fn is_held_back(&self) -> bool {
        self.granted && *self.standing.borrow() == Standing::Open
    }

    /// How to tell the platform that the user has come back, once they have.
    pub(super) fn completion(&self) -> Option<(Completer, Arc<OnceCell<()>>)> {
        let confirmed = *self.standing.borrow() == Standing::Confirmed;
        self.completer.clone().filter(|_| confirmed).map(|completer| (completer, Arc::clone(&self.completed)))
    }

    fn is_over(&self, now: Moment) -> bool {
        now.since(&self.begun) >= self.life
    }
}

/// A consent that may yet put another person's credential where this user's belongs, or has.
struct Doubt {
    flow: Digest,
    /// From when on it cannot happen any more; whatever happened before stays.
    since: Moment,
    life: Duration,
}

impl Doubt {
    fn ends(&self) -> std::time::Instant {
        self.since.steady + self.life
    }
}

pub(super) struct Registry {
    flows: HashMap<Digest, Flow>,
    doubts: HashMap<Digest, Vec<Doubt>>,
    /// Whose user has come back from a consent. Only matters while everybody is doubted.
    vouched: HashMap<Digest, Moment>,
    doubts_everybody: bool,
    capacity: usize,
}

/// How long a consent can still be confirmed: until the platform ends it, or an hour after it began. Measured from the
/// pending itself, so that resuming it does not make it live longer. `None` if that is over.
pub(super) fn life(pending: &PendingAuthorization, now: Moment) -> Option<Duration> {
    let parts = pending.parts();
    let latest = parts.started_at.checked_add(identity_grammar::MAX_WAIT)?;
    let ends = parts.expires_at.map_or(latest, |at| at.min(latest));
    // A clock that was set back must not give it more than it ever had.
    let left = ends.duration_since(now.wall).ok()?.min(identity_grammar::MAX_WAIT);
    (!left.is_zero()).then_some(left)
}

impl Registry {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            flows: HashMap::new(),
            doubts: HashMap::new(),
            vouched: HashMap::new(),
            doubts_everybody: false,
            capacity: capacity.max(1),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.flows.len()
    }

    pub(super) fn doubt_everybody(&mut self) {
        self.doubts_everybody = true;
    }

    pub(super) fn flow(&self, name: &Digest, now: Moment) -> Option<&Flow> {
        self.flows.get(name).filter(|flow| !flow.is_over(now))
    }

    fn flow_mut(&mut self, name: &Digest, now: Moment) -> Option<&mut Flow> {
        self.flows.get_mut(name).filter(|flow| !flow.is_over(now))
    }

    pub(super) fn register(
        &mut self,
        name: Digest,
        (pending, completer): (&PendingAuthorization, Option<Completer>),
        key: Digest,
        now: Moment,
        life: Duration,
    ) -> Result<(), Error> {
        if self.flows.len() >= self.capacity {
            self.flows.retain(|_, flow| !flow.is_over(now));
        }
        // Consents begin at the pace of people: counting is cheap enough.
        let of_one = self.flows.values().filter(|flow| flow.key == key && !flow.is_over(now)).count();
        let full = self.flows.len() >= self.capacity || of_one >= FLOWS_OF_ONE;
        match self.flows.entry(name) {
            Entry::Occupied(known) if known.get().pending == *pending => return Ok(()),
            // Two consents of one state could not be told apart when somebody comes back.
            Entry::Occupied(_) => {
                return Err(Error::invalid("the custom state belongs to another consent")
                    .with_hint("give each consent a fresh `custom_state`, or leave it out: the client makes one"));
            }
            // Throwing out a live one would let somebody end the consents of others by beginning many.
            Entry::Vacant(_) if full => {
                return Err(Error::new(
                    ErrorKind::RateLimited,
                    "too many consents are under way, of this user or in this process",
                )
                .with_hint("wait until some are confirmed or over; limit how often one user may begin a consent"));
            }
            Entry::Vacant(free) => free.insert(Flow {
                pending: pending.clone(),
                standing: watch::Sender::new(Standing::Open),
                granted: false,
                confirmed_at: None,
                completer,
                completed: Arc::default(),
                key,
                begun: now,
                life,
            }),
        };
        self.doubt(key, Doubt { flow: name, since: now, life });
        Ok(())
    }

    fn doubt(&mut self, key: Digest, doubt: Doubt) {
        if self.doubts.len() >= self.capacity && !self.doubts.contains_key(&key) {
            // More than can be remembered one by one.
            self.doubts_everybody = true;
            tracing::warn!("too many consents were begun and not confirmed: from now on every user is asked once");
            return;
        }
        let doubts = self.doubts.entry(key).or_default();
        if doubts.iter().any(|known| known.flow == doubt.flow) {
            return;
        }
        if doubts.len() >= DOUBTS_OF_ONE {
            // Folded into one that nobody can be asked about, or beginning many would hide the one that counts.
            let folded = doubts[0].flow == FOLDED;
            let oldest = Doubt { flow: FOLDED, ..doubts.remove(usize::from(folded)) };
            if !folded {
                doubts.insert(0, oldest);
            } else if oldest.ends() > doubts[0].ends() {
                doubts[0] = oldest;
            }
        }
        doubts.push(doubt);
    }

    pub(super) fn confirm(&mut self, name: &Digest, now: Moment) {
        let Some(flow) = self.flow_mut(name, now) else { return };
        flow.confirmed_at = Some(now);
        let key = flow.key;
        flow.standing.send_replace(Standing::Confirmed);
        if let Some(doubts) = self.doubts.get_mut(&key) {
            // What ended before this consent has been replaced by it; what is still open can yet replace it.
            doubts.retain(|doubt| doubt.flow != *name && now.since(&doubt.since) < doubt.life);
            if doubts.is_empty() {
                self.doubts.remove(&key);
            }
        }
        if self.vouched.len() >= self.capacity && !self.vouched.contains_key(&key) {
            let oldest = self.vouched.iter().min_by_key(|(_, at)| at.steady).map(|(key, _)| *key);
            oldest.map(|oldest| self.vouched.remove(&oldest));
        }
        self.vouched.insert(key, now);
    }

    pub(super) fn refuse(&mut self, name: &Digest, now: Moment) {
        let Some(flow) = self.flow_mut(name, now) else { return };
        flow.standing.send_replace(Standing::Refused);
        let (key, doubt) = (flow.key, Doubt { flow: *name, since: flow.begun, life: flow.life });
        self.vouched.remove(&key);
        self.doubt(key, doubt);
    }

    pub(super) fn refuse_if_premature(&mut self, name: &Digest, now: Moment) -> bool {
        let premature = self.flow(name, now).is_some_and(|flow| {
            let confirmed = *flow.standing.borrow() == Standing::Confirmed && !flow.granted;
            confirmed && flow.confirmed_at.is_some_and(|at| now.since(&at) > GRACE)
        });
        if premature {
            self.refuse(name, now);
        }
        premature
    }

    pub(super) fn granted(&mut self, name: &Digest, now: Moment) -> Option<Standing> {
        let flow = self.flow_mut(name, now)?;
        flow.granted = true;
        let (key, standing) = (flow.key, *flow.standing.borrow());
        // A session is complete once: from here on it cannot replace what a later consent puts there.
        let doubts = self.doubts.get_mut(&key).into_iter().flatten();
        doubts.filter(|doubt| doubt.flow == *name).for_each(|doubt| doubt.life = Duration::ZERO);
        Some(standing)
    }

    pub(super) fn failed(&mut self, name: &Digest) {
        let Some(flow) = self.flows.get(name) else { return };
        // What was granted or refused once stays doubtful, whatever the platform says afterwards.
        if flow.granted || *flow.standing.borrow() == Standing::Refused {
            return;
        }
        let key = flow.key;
        if let Some(doubts) = self.doubts.get_mut(&key) {
            doubts.retain(|doubt| doubt.flow != *name);
            if doubts.is_empty() {
                self.doubts.remove(&key);
            }
        }
    }

    pub(super) fn doubtful(&self, key: &Digest, now: Moment) -> Option<Vec<PendingAuthorization>> {
        if self.doubts_everybody && !self.vouched.contains_key(key) {
            return None;
        }
        let open = |doubt: &Doubt| {
            let flow = self.flow(&doubt.flow, now)?;
            let is_open = !flow.granted && *flow.standing.borrow() == Standing::Open;
            is_open.then(|| flow.pending.clone())
        };
        self.doubts.get(key).into_iter().flatten().map(open).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::{Clock as _, SystemClock},
        consent::PendingParts,
        credential::CredentialKind,
        name::{AgentIdentityName, ProviderName},
        principal::User,
    };

    const LIFE: Duration = Duration::from_secs(600);

    fn pending(state: &str) -> PendingAuthorization {
        PendingAuthorization::new(PendingParts {
            platform: "fake".to_owned(),
            endpoint: "https://fake.example.com".to_owned(),
            agent_identity: AgentIdentityName::new("agent-1").unwrap(),
            credential: CredentialKind::AccessToken,
            provider: ProviderName::new("google").unwrap(),
            user: User::asserted("alice").unwrap(),
            scopes: Vec::new(),
            return_url: None,
            authorization_url: "https://idp.example.com/".to_owned(),
            session: None,
            custom_state: Some(state.to_owned()),
            custom_parameters: Vec::new(),
            started_at: SystemClock.now().wall,
            expires_at: None,
        })
    }

    fn later(now: Moment, by: Duration) -> Moment {
        Moment { wall: now.wall + by, steady: now.steady + by }
    }

    fn register(registry: &mut Registry, number: u8, key: u8, now: Moment) -> Result<(), Error> {
        registry.register([number; 32], (&pending(&number.to_string()), None), [key; 32], now, LIFE)
    }

    #[test]
    fn who_was_refused_after_a_confirmation_is_doubted_again() {
        let (mut registry, now) = (Registry::new(2), SystemClock.now());
        register(&mut registry, 1, 1, now).unwrap();
        registry.confirm(&[1; 32], now);
        assert_eq!(registry.doubtful(&[1; 32], now), Some(Vec::new()));
        registry.refuse(&[1; 32], now);
        assert_eq!(registry.doubtful(&[1; 32], now), None);
        // Also where the doubt itself cannot be remembered any more.
        register(&mut registry, 2, 2, now).unwrap();
        let now = later(now, LIFE);
        register(&mut registry, 3, 3, now).unwrap();
        registry.confirm(&[3; 32], now);
        assert_eq!(registry.doubtful(&[3; 32], now), Some(Vec::new()));
        registry.refuse(&[3; 32], now);
        assert_eq!(registry.doubtful(&[3; 32], now), None);
    }

    #[test]
    fn only_what_was_never_granted_was_confirmed_too_early() {
        let (mut registry, now) = (Registry::new(2), SystemClock.now());
        for number in [1, 2] {
            register(&mut registry, number, number, now).unwrap();
            registry.confirm(&[number; 32], now);
        }
        assert_eq!(registry.granted(&[2; 32], now), Some(Standing::Confirmed));
        let at_last = later(now, GRACE);
        assert!(!registry.refuse_if_premature(&[1; 32], at_last));
        let after = later(at_last, Duration::from_millis(1));
        assert!(registry.refuse_if_premature(&[1; 32], after));
        assert!(!registry.refuse_if_premature(&[2; 32], after));
    }

    #[test]
    fn a_failure_settles_nothing_that_was_granted_or_refused() {
        let (mut registry, now) = (Registry::new(9), SystemClock.now());
        for number in [1, 2, 3] {
            register(&mut registry, number, number, now).unwrap();
        }
        registry.granted(&[1; 32], now);
        registry.refuse(&[2; 32], now);
        for number in [1, 2, 3] {
            registry.failed(&[number; 32]);
        }
        let doubtful = [1, 2, 3].map(|number| registry.doubtful(&[number; 32], now));
        assert_eq!(doubtful, [None, None, Some(Vec::new())]);
    }

    #[test]
    fn a_consent_lives_an_hour_at_most_whatever_the_platform_and_the_clock_say() {
        let (now, hour) = (SystemClock.now(), identity_grammar::MAX_WAIT);
        let mut parts = pending("1").parts().clone();
        (parts.started_at, parts.expires_at) = (now.wall, Some(now.wall + 2 * hour));
        let pending = PendingAuthorization::new(parts);
        assert_eq!(life(&pending, now), Some(hour));
        let set_back = Moment { wall: now.wall - hour, steady: now.steady };
        assert_eq!(life(&pending, set_back), Some(hour));
        assert_eq!(life(&pending, later(now, hour)), None);
    }

    #[test]
    fn it_is_bounded_and_live_consents_are_not_thrown_out() {
        let (mut registry, now) = (Registry::new(2), SystemClock.now());
        register(&mut registry, 1, 1, now).unwrap();
        register(&mut registry, 2, 2, later(now, LIFE / 2)).unwrap();
        let full = register(&mut registry, 3, 1, later(now, LIFE / 2)).unwrap_err();
        assert_eq!(full.kind(), ErrorKind::RateLimited);
        assert!(!registry.doubts_everybody);
        // The first is over: it makes room, and its doubt stays.
        let now = later(now, LIFE);
        register(&mut registry, 3, 1, now).unwrap();
        assert_eq!((registry.len(), registry.doubts.len()), (2, 2));
        assert_eq!(registry.doubtful(&[1; 32], now), None);
        assert_eq!(registry.doubtful(&[2; 32], now).map(|open| open.len()), Some(1));
        assert_eq!(registry.doubtful(&[9; 32], now), Some(Vec::new()));
    }

    #[test]
    fn more_doubts_than_can_be_remembered_are_a_doubt_about_everybody() {
        let (mut registry, mut now) = (Registry::new(2), SystemClock.now());
        for number in 1..=3 {
            register(&mut registry, number, number, now).unwrap();
            now = later(now, LIFE);
        }
        assert_eq!(registry.doubtful(&[9; 32], now), None);
        register(&mut registry, 9, 9, now).unwrap();
        registry.confirm(&[9; 32], now);
        assert_eq!(registry.doubtful(&[9; 32], now), Some(Vec::new()), "who comes back is known again");
    }

    #[test]
    fn a_confirmation_settles_what_was_over_before_it_and_nothing_else() {
        let (mut registry, now) = (Registry::new(100), SystemClock.now());
        register(&mut registry, 1, 1, now).unwrap();
        let now = later(now, LIFE);
        register(&mut registry, 2, 1, now).unwrap();
        register(&mut registry, 3, 1, now).unwrap();
        registry.confirm(&[2; 32], now);
        let open = registry.doubtful(&[1; 32], now).unwrap();
        assert_eq!(open, [pending_of(&registry, 3)]);
        assert_eq!(registry.granted(&[3; 32], now), Some(Standing::Open));
        assert_eq!(registry.doubtful(&[1; 32], now), None, "it may have replaced what was confirmed");
        register(&mut registry, 4, 1, now).unwrap();
        registry.confirm(&[4; 32], now);
        assert_eq!(registry.doubtful(&[1; 32], now), Some(Vec::new()));
    }

    #[test]
    fn many_doubts_about_one_user_stay_few_and_stay() {
        let (mut registry, now) = (Registry::new(100), SystemClock.now());
        for number in 1..=32 {
            register(&mut registry, number, 1, now).unwrap();
            assert_eq!(registry.doubtful(&[1; 32], now).is_some(), number <= 8, "none is hidden by later ones");
            assert!(registry.doubts[&[1; 32]].len() <= DOUBTS_OF_ONE + 1);
        }
        assert_eq!(register(&mut registry, 33, 1, now).unwrap_err().kind(), ErrorKind::RateLimited);
        register(&mut registry, 34, 2, now).unwrap();
        registry.confirm(&[32; 32], now);
        assert_eq!(registry.doubtful(&[1; 32], now), None);
        let now = later(now, LIFE);
        register(&mut registry, 35, 1, now).unwrap();
        registry.confirm(&[35; 32], now);
        assert_eq!(registry.doubtful(&[1; 32], now), Some(Vec::new()));
    }

    fn pending_of(registry: &Registry, number: u8) -> PendingAuthorization {
        registry.flows[&[number; 32]].pending.clone()
    }
}
