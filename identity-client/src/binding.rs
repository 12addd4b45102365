//! Session binding: whoever finishes a consent must be shown to be whoever began it, before the credential can be used.
//!
//! A platform without an operation that completes a consent gives the credential to the agent as soon as *somebody* has
//! agreed. Whoever begins a flow and sends the link to another person would get that person's account. So the client sends
//! an unguessable state with every consent, holds the credential back, and releases it once the state has come back through
//! the return URL in a browser where the user of the flow is signed in.
//!
//! What is under way is kept in [`registry`]; the client's side of it is in `gate.rs`.

mod registry;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::BoxFuture;
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tokio::sync::watch;

pub(crate) use self::registry::Standing;
use self::registry::{Digest, Registry};
use crate::{
    authorization_url,
    clock::{Clock, Moment, SystemClock},
    consent::PendingAuthorization,
    credential::CredentialKind,
    credential_request::CredentialRequest,
    error::{Error, ErrorKind},
    hash::hex,
    name::ProviderName,
    platform::Description,
    principal::User,
    random,
};

/// How many consents may be under way at once in one process.
const CAPACITY: usize = 10_000;

/// Longer than a platform takes to know of a consent whose browser has come back.
const GRACE: Duration = Duration::from_secs(30);

/// 128 bits in base64: what an application's own state must have at least.
const SHORTEST_STATE: usize = 22;

/// Nothing genuine is longer, so nothing longer is hashed.
const LONGEST_STATE: usize = 512;

/// Who began which consent, and whether they came back from it.
///
/// Give one to the client with [`with_session_binding`](crate::IdentityClientBuilder::with_session_binding) and the same one
/// to what serves the return URL (`identity_runtime::ReturnUrlRouter`, or a route of your own that calls
/// [`confirm`](Self::confirm)). Clones are one binding.
///
/// With a binding, the client sends a `custom_state` of its own with each consent. A state that the application gives
/// instead must be unguessable and fresh for each consent, and nothing but the return URL may learn it.
///
/// **What it remembers.** A consent that was begun and not confirmed leaves a doubt on that user's credentials from that
/// provider: should the platform hand one out later as "granted already", it may be another person's, so the client has the
/// user asked again. Doubts live as long as the process. [`refusing_earlier_grants`](Self::refusing_earlier_grants) covers
/// what was granted before it started.
///
/// **What it needs.** The return URL must be this application's, and the platform must hand `custom_state` back there as the
/// parameter `state`.
#[derive(Clone)]
pub struct SessionBinding(Arc<Shared>);

struct Shared {
    registry: Mutex<Registry>,
    clock: Box<dyn Clock>,
}

/// A consent that its own user came back from.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Confirmed {
    /// Which provider the user has connected.
    pub provider: ProviderName,
    /// What the agent gets of it.
    pub credential: CredentialKind,
    flow: PendingAuthorization,
}

/// Tells a platform that the user of a consent has come back.
pub(crate) type Completer = Arc<dyn Fn(PendingAuthorization) -> BoxFuture<'static, Result<(), Error>> + Send + Sync>;

/// A consent that its own user sets out for; see [`SessionBinding::begin`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Departure {
    pending: PendingAuthorization,
    /// What the browser keeps in a cookie until it comes back, and nobody else may see.
    pub browser_proof: SecretString,
}

impl Departure {
    /// Where to send the browser, byte for byte.
    #[must_use]
    pub fn authorization_url(&self) -> &str {
        self.pending.authorization_url()
    }
}

/// Why a consent was not confirmed, or not begun. A page should tell visitors one thing whichever it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BindingRefusal {
    /// No consent of this state or handle is under way here: forged, over, or begun in a process that is gone and not
    /// resumed. Nothing was changed.
    #[error("no such consent is under way")]
    Unknown,
    /// It was confirmed or refused before. Nothing was changed.
    #[error("the consent was confirmed or refused before")]
    Used,
    /// Another user than the one who began it. At the return URL this ends the flow: its link was passed on.
    #[error("the consent was begun by another user")]
    OtherUser,
    /// The right user, but not in the browser that set out. Nothing was changed.
    #[error("the consent was begun in another browser")]
    OtherBrowser,
    /// The authorization URL must not be opened. Nothing was changed.
    #[error("the authorization URL cannot be opened")]
    BadLink,
}

impl Default for SessionBinding {
    fn default() -> Self {
        Self::new()
    }
}

impl SessionBinding {
    /// A binding that knows of no consent yet.
    #[must_use]
    pub fn new() -> Self {
        Self::with_clock(SystemClock)
    }

    /// The same with a clock of your own, for tests.
    #[must_use]
    pub fn with_clock(clock: impl Clock) -> Self {
        Self(Arc::new(Shared { registry: Mutex::new(Registry::new(CAPACITY)), clock: Box::new(clock) }))
    }

    /// Has every user asked once by this process, even if the platform holds a grant from before it started: such a grant
    /// may come from a consent that nobody confirmed.
    #[must_use]
    pub fn refusing_earlier_grants(self) -> Self {
        self.registry().doubt_everybody();
        self
    }

    /// The opaque name of a consent for a link that an application shows instead of the authorization URL. It tells
    /// nothing of the state. `None` if the consent has no state, and so cannot be bound.
    #[must_use]
    pub fn handle(pending: &PendingAuthorization) -> Option<String> {
        pending.parts().custom_state.as_deref().map(Self::handle_of_state)
    }

    /// The same for what came back as the state, be it genuine or not.
    #[must_use]
    pub fn handle_of_state(state: &str) -> String {
        hex(&digest("flow", state))
    }

    /// Lets the user of a consent set out for it. Changes nothing.
    ///
    /// # Errors
    /// [`BindingRefusal::OtherUser`] if another user is signed in, whom the authorization URL must not be shown to.
    pub fn begin(&self, handle: &str, signed_in: &User) -> Result<Departure, BindingRefusal> {
        let name = of_hex(handle).ok_or(BindingRefusal::Unknown)?;
        let now = self.now();
        let registry = self.registry();
        let flow = registry.flow(&name, now).ok_or(BindingRefusal::Unknown)?;
        if !same_user(flow.pending.user(), signed_in) {
            return Err(BindingRefusal::OtherUser);
        }
        if *flow.standing.borrow() != Standing::Open {
            return Err(BindingRefusal::Used);
        }
        let pending = flow.pending.clone();
        drop(registry);
        authorization_url::inspect(pending.authorization_url()).map_err(|_| BindingRefusal::BadLink)?;
        let state = pending.parts().custom_state.as_deref().ok_or(BindingRefusal::Unknown)?;
        let browser_proof = browser_proof(state).into();
        Ok(Departure { pending, browser_proof })
    }

    /// Confirms a consent: `state` came back through the return URL, in a request of this signed-in user. Everything is
    /// verified before anything is changed; a state is good for one confirmation.
    ///
    /// The caller sees to it that the browser is the one that set out, for example by the user's session cookie.
    /// [`confirm_in_browser`](Self::confirm_in_browser) checks that too.
    ///
    /// # Errors
    /// A [`BindingRefusal`]. [`OtherUser`](BindingRefusal::OtherUser) ends this flow, for its link was passed on.
    pub fn confirm(&self, state: &str, signed_in: &User) -> Result<Confirmed, BindingRefusal> {
        self.confirm_if(state, signed_in, |_| true)
    }

    /// As [`confirm`](Self::confirm), if the browser also shows the [`browser_proof`](Departure::browser_proof) that it
    /// was given when it set out.
    ///
    /// # Errors
    /// A [`BindingRefusal`].
    pub fn confirm_in_browser(
        &self,
        state: &str,
        signed_in: &User,
        browser_proof: Option<&str>,
    ) -> Result<Confirmed, BindingRefusal> {
        let shown = browser_proof.unwrap_or_default();
        self.confirm_if(state, signed_in, |state| same_text(&self::browser_proof(state), shown))
    }

    fn confirm_if(
        &self,
        state: &str,
        signed_in: &User,
        right_browser: impl FnOnce(&str) -> bool,
    ) -> Result<Confirmed, BindingRefusal> {
        if state.is_empty() || state.len() > LONGEST_STATE {
            return Err(BindingRefusal::Unknown);
        }
        let name = digest("flow", state);
        let now = self.now();
        let mut registry = self.registry();
        let flow = registry.flow(&name, now).ok_or(BindingRefusal::Unknown)?;
        let known = flow.pending.parts().custom_state.as_deref().unwrap_or_default();
        if !same_text(known, state) {
            return Err(BindingRefusal::Unknown);
        }
        let confirmed = Confirmed {
            provider: flow.pending.provider().clone(),
            credential: flow.pending.credential(),
            flow: flow.pending.clone(),
        };
        if !same_user(flow.pending.user(), signed_in) {
            // The state is genuine, so a consent of this flow ended in this other user's browser: also when it was
            // confirmed before, what the platform holds now may be theirs.
            let (begun_by, pending) = (flow.pending.user().clone(), flow.pending.clone());
            registry.refuse(&name, now);
            drop(registry);
            tracing::warn!(
                provider = %pending.provider(),
                ?begun_by,
                came_back = ?signed_in,
                "a consent was finished by another user than began it; its credential will not be used"
            );
            return Err(BindingRefusal::OtherUser);
        }
        if *flow.standing.borrow() != Standing::Open {
            return Err(BindingRefusal::Used);
        }
        if !right_browser(known) {
            return Err(BindingRefusal::OtherBrowser);
        }
        registry.confirm(&name, now);
        Ok(confirmed)
    }

    /// Has the platform told that the user has come back, if it wants to be ([`Platform::complete`](crate::Platform::complete)). To be called after a
    /// consent is confirmed, so that it is complete although nobody may be waiting for it; the client does the same at its next
    /// question, and the platform is told once.
    ///
    /// # Errors
    /// What the platform answered. After a retryable error it is told again at the client's next question.
    pub async fn complete(&self, confirmed: &Confirmed) -> Result<(), Error> {
        let told = self.tell_platform(&confirmed.flow).await;
        if let Err(error) = &told {
            let kind = error.kind();
            tracing::warn!(provider = %confirmed.provider, ?kind, "the platform could not be told that a user came back");
        }
        told
    }

    /// Tells the platform of a consent that is confirmed, once.
    pub(crate) async fn tell_platform(&self, pending: &PendingAuthorization) -> Result<(), Error> {
        let now = self.now();
        let Some(name) = name(pending) else { return Ok(()) };
        let completion = self.registry().flow(&name, now).and_then(registry::Flow::completion);
        let Some((completer, done)) = completion else { return Ok(()) };
        done.get_or_try_init(|| completer(pending.clone())).await.copied()
    }

    /// A fresh state: 192 bits, 48 characters, which fits the 50 that AgentBase takes for delegated keys.
    pub(crate) fn fresh_state() -> Result<String, Error> {
        Ok(hex(&random::bytes::<24>("no consent can be begun")?))
    }

    /// Knows a consent from here on; one that it knows already stays as it is.
    pub(crate) fn register(
        &self,
        pending: &PendingAuthorization,
        platform: Description<'_>,
        completer: Option<Completer>,
    ) -> Result<(), Error> {
        let Some(state) = pending.parts().custom_state.as_deref() else {
            return Err(Error::new(
                ErrorKind::AuthorizationDenied,
                "the pending consent has no state, so nobody can be shown to have come back from it",
            )
            .with_hint("call again: with a session binding every consent gets a state; this one was begun without"));
        };
        check_state(state)?;
        let now = self.now();
        let life = registry::life(pending, now).ok_or_else(|| {
            Error::new(ErrorKind::AuthorizationExpired, "the consent was not confirmed while it could be")
                .with_hint("call again: the user gets a new authorization URL")
        })?;
        let key = key(platform, pending.credential(), pending.provider(), pending.user());
        self.registry().register(digest("flow", state), (pending, completer), key, now, life)
    }

    /// Where a consent stands that was registered, and a way to learn of changes.
    pub(crate) fn watch(&self, pending: &PendingAuthorization) -> Option<watch::Receiver<Standing>> {
        let now = self.now();
        Some(self.registry().flow(&name(pending)?, now)?.standing.subscribe())
    }

    /// Notes that the platform has a credential for a consent, and says whether it may be used.
    pub(crate) fn granted(&self, pending: &PendingAuthorization) -> Option<Standing> {
        let now = self.now();
        self.registry().granted(&name(pending)?, now)
    }

    /// Notes that the platform has none yet, although the user came back a while ago: then they did not come from a
    /// consent that was given.
    pub(crate) fn still_missing(&self, pending: &PendingAuthorization) {
        let now = self.now();
        if let Some(name) = name(pending)
            && self.registry().refuse_if_premature(&name, now)
        {
            tracing::warn!(
                provider = %pending.provider(),
                "a browser came back before the consent was given; its credential will not be used"
            );
        }
    }

    /// Whether a credential is held back for this consent.
    pub(crate) fn is_held_back(&self, pending: &PendingAuthorization) -> bool {
        let now = self.now();
        name(pending).is_some_and(|name| self.registry().flow(&name, now).is_some_and(registry::Flow::is_held_back))
    }

    /// The platform says that the consent failed: nothing was granted.
    pub(crate) fn failed(&self, pending: &PendingAuthorization) {
        if let Some(name) = name(pending) {
            self.registry().failed(&name);
        }
    }

    /// The consents that must still be open for what the platform holds to be this user's own: mostly none. `None` if it
    /// may be somebody else's in any case.
    pub(crate) fn doubtful(
        &self,
        platform: Description<'_>,
        request: &CredentialRequest,
    ) -> Option<Vec<PendingAuthorization>> {
        let Some(user) = request.user() else { return Some(Vec::new()) };
        let key = key(platform, request.credential(), request.provider(), user);
        let now = self.now();
        self.registry().doubtful(&key, now)
    }

    fn now(&self) -> Moment {
        self.0.clock.now()
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        // A panic elsewhere cannot leave the registry half changed, so a poisoned lock is taken over.
        self.0.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Refuses a state that somebody could guess.
pub(crate) fn check_state(state: &str) -> Result<(), Error> {
    if (SHORTEST_STATE..=LONGEST_STATE).contains(&state.len()) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "the custom state has {} bytes; with a session binding it needs {SHORTEST_STATE} to {LONGEST_STATE}, unguessable and fresh for each consent",
        state.len()
    ))
    .with_hint("leave `custom_state` out: the client makes one"))
}

fn name(pending: &PendingAuthorization) -> Option<Digest> {
    pending.parts().custom_state.as_deref().map(|state| digest("flow", state))
}

/// What a doubt is about. Scopes are not in it: a platform may answer a request for fewer scopes with a grant for more.
fn key(platform: Description<'_>, credential: CredentialKind, provider: &ProviderName, user: &User) -> Digest {
    let mut hash = Sha256::new();
    let parts = [
        platform.name,
        platform.endpoint,
        platform.agent_identity.as_str(),
        credential.as_str(),
        provider.as_str(),
        user.id(),
    ];
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// Made of the state, so that another process of the application can check it after a restart; it does not tell the state.
fn browser_proof(state: &str) -> String {
    hex(&digest("browser", state))
}

/// One digest a purpose: to know one is not to know another.
fn digest(purpose: &str, state: &str) -> Digest {
    Sha256::new()
        .chain_update("identity-client ")
        .chain_update(purpose)
        .chain_update([0])
        .chain_update(state)
        .finalize()
        .into()
}

fn of_hex(text: &str) -> Option<Digest> {
    let mut digest = Digest::default();
    if text.len() != 2 * digest.len() || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (index, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(digest)
}

/// Compares digests, so that the time it takes tells nothing of where or whether the lengths differ.
fn same_text(left: &str, right: &str) -> bool {
    digest("compare", left).ct_eq(&digest("compare", right)).into()
}

fn same_user(left: &User, right: &User) -> bool {
    same_text(left.id(), right.id())
}

impl fmt::Debug for SessionBinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionBinding").field("under_way", &self.registry().len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::AgentIdentityName;

    #[test]
    fn doubts_are_of_one_credential_of_one_user_of_one_agent_alone() {
        let names = ["agent-1", "agent-2"].map(|name| AgentIdentityName::new(name).unwrap());
        let providers = ["google", "github"].map(|name| ProviderName::new(name).unwrap());
        let users = ["alice", "bob"].map(|id| User::asserted(id).unwrap());
        let credentials = [CredentialKind::AccessToken, CredentialKind::ApiKey];
        let mut keys = std::collections::HashSet::new();
        for changed in 0..7 {
            let is = |number| usize::from(changed == number);
            let platform = Description {
                name: ["fake", "other"][is(1)],
                endpoint: ["https://a.example.com", "https://b.example.com"][is(2)],
                agent_identity: &names[is(3)],
            };
            keys.insert(key(platform, credentials[is(4)], &providers[is(5)], &users[is(6)]));
        }
        assert_eq!(keys.len(), 7);
        assert_eq!((of_hex(&"0a".repeat(32)), of_hex(&"+a".repeat(32))), (Some([10; 32]), None));
    }
}
