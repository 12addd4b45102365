//! A consent that is still missing: what is pending, how to tell the user, how to wait.

use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::{
    credential::CredentialKind,
    error::{Error, ErrorKind},
    name::{AgentIdentityName, ProviderName, Scope},
    principal::User,
};

/// What came of asking for a credential. That a user has not agreed yet is an outcome, not a failure.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Acquired<T> {
    /// The credential.
    Ready(T),
    /// The user must agree first.
    NeedsConsent(PendingAuthorization),
}

impl<T> Acquired<T> {
    /// Applies a function to the credential, if it is there.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Acquired<U> {
        match self {
            Self::Ready(value) => Acquired::Ready(change(value)),
            Self::NeedsConsent(pending) => Acquired::NeedsConsent(pending),
        }
    }
}

/// An authorization that a user still has to give.
///
/// Serializable, so that it can be resumed later or by another process, and without a secret in it: whoever resumes it
/// needs the agent's own credentials. It names a user, so keep it as carefully as the user's other data.
///
/// With a [`SessionBinding`](crate::SessionBinding) it holds the state by which that user is known to have come back: keep it
/// on the server. A user who has it could say to have come back from a consent that somebody else gave.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "PendingParts", into = "PendingParts")]
pub struct PendingAuthorization(Arc<PendingParts>);

/// What a [`PendingAuthorization`] is made of; a [`Platform`](crate::Platform) fills it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "a platform outside this crate must be able to build one")]
pub struct PendingParts {
    /// The platform that began the consent.
    pub platform: String,
    /// Its endpoint, scheme to path.
    pub endpoint: String,
    /// The agent's identity there.
    pub agent_identity: AgentIdentityName,
    /// What was asked for.
    pub credential: CredentialKind,
    /// From which provider.
    pub provider: ProviderName,
    /// For whom.
    pub user: User,
    /// With which scopes.
    pub scopes: Vec<Scope>,
    /// Where the browser lands afterwards.
    pub return_url: Option<String>,
    /// Where the user agrees. Passed on byte for byte.
    pub authorization_url: String,
    /// How the platform calls the consent session.
    pub session: Option<String>,
    /// What the application gets back with the user.
    pub custom_state: Option<String>,
    /// Extra parameters of the authorization request.
    pub custom_parameters: Vec<(String, String)>,
    /// When the consent was begun.
    pub started_at: SystemTime,
    /// When the platform ends the session, if it says so.
    pub expires_at: Option<SystemTime>,
}

impl PendingAuthorization {
    /// Takes what a platform answered.
    #[must_use]
    pub fn new(parts: PendingParts) -> Self {
        Self(Arc::new(parts))
    }

    /// Where the user agrees, byte for byte as the platform gave it. Show it to that user and to nobody else: who opens it
    /// connects an account of theirs with this user.
    #[must_use]
    pub fn authorization_url(&self) -> &str {
        &self.0.authorization_url
    }

    /// The host of the authorization URL, fit for a log.
    #[must_use]
    pub fn authorization_host(&self) -> Option<String> {
        host(&self.0.authorization_url)
    }

    /// The provider whose credential waits for consent.
    #[must_use]
    pub fn provider(&self) -> &ProviderName {
        &self.0.provider
    }

    /// The user who has to agree.
    #[must_use]
    pub fn user(&self) -> &User {
        &self.0.user
    }

    /// The scopes to agree to.
    #[must_use]
    pub fn scopes(&self) -> &[Scope] {
        &self.0.scopes
    }

    /// What was asked for.
    #[must_use]
    pub fn credential(&self) -> CredentialKind {
        self.0.credential
    }

    /// When the platform ends the consent session, if it says so.
    #[must_use]
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.0.expires_at
    }

    /// All of it, for a [`Platform`](crate::Platform).
    #[must_use]
    pub fn parts(&self) -> &PendingParts {
        &self.0
    }
}

impl From<PendingParts> for PendingAuthorization {
    fn from(parts: PendingParts) -> Self {
        Self::new(parts)
    }
}

impl From<PendingAuthorization> for PendingParts {
    fn from(pending: PendingAuthorization) -> Self {
        Arc::unwrap_or_clone(pending.0)
    }
}

fn host(text: &str) -> Option<String> {
    url::Url::parse(text).ok().and_then(|url| url.host_str().map(str::to_owned))
}

impl fmt::Debug for PendingAuthorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl fmt::Debug for PendingParts {
    /// Whoever has the URL, the session or the state can meddle with the consent, so a log gets none of them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingAuthorization")
            .field("platform", &self.platform)
            .field("provider", &self.provider)
            .field("credential", &self.credential)
            .field("user", &self.user)
            .field("scopes", &self.scopes)
            .field("authorization_host", &host(&self.authorization_url))
            .finish_non_exhaustive()
    }
}

/// What to do while consent is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Wait {
    /// Tell the user, then wait until the user has agreed or the time is over. The default.
    #[default]
    Poll,
    /// Return at once; the error, or the outcome, holds the [`PendingAuthorization`].
    Return,
}

/// How long a handler waits for consent unless told otherwise: 60 seconds.
pub const DEFAULT_CONSENT_TIMEOUT: Duration = Duration::from_secs(60);

/// What a prompt failed with.
pub type PromptError = Box<dyn std::error::Error + Send + Sync>;

/// Tells a user where to agree. Called once for each consent, in the task and context of the call that began it.
///
/// Functions, sync or async, are prompts through the attribute's `on_auth_url` and the builders' `on_auth_url`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a prompt",
    label = "give a function or closure to `on_auth_url` instead of `with_prompt`, or implement `Prompt`"
)]
pub trait Prompt: Send + Sync {
    /// Tells the user. An error ends the call: nobody would know where to agree.
    fn show(&self, pending: PendingAuthorization) -> BoxFuture<'_, Result<(), PromptError>>;

    /// What a call does once this has told the user, unless the call itself says. Default: it waits. One who hands the link
    /// to somebody who will call again says [`Wait::Return`].
    fn then(&self) -> Wait {
        Wait::Poll
    }

    /// Called about once a second while the call that told the user waits, with the time that is left. Must not block.
    fn remaining(&self, pending: &PendingAuthorization, left: Duration) {
        let _ = (pending, left);
    }

    /// Called when that call no longer waits, however it ended, also by being dropped.
    fn ended(&self, pending: &PendingAuthorization) {
        let _ = pending;
    }
}

/// A function as a [`Prompt`]; `M` tells the sync ones from the async ones.
#[doc(hidden)]
#[derive(Debug)]
pub struct PromptFn<F, M> {
    function: F,
    marker: PhantomData<fn() -> M>,
}

/// Makes a prompt of a sync or async function.
pub(crate) fn prompt_fn<F, R, M>(function: F) -> PromptFn<F, (R, M)>
where
    F: Fn(PendingAuthorization) -> R + Send + Sync,
    R: PromptOutcome<M>,
{
    PromptFn { function, marker: PhantomData }
}

impl<F, R, M> Prompt for PromptFn<F, (R, M)>
where
    F: Fn(PendingAuthorization) -> R + Send + Sync,
    R: PromptOutcome<M>,
{
    fn show(&self, pending: PendingAuthorization) -> BoxFuture<'_, Result<(), PromptError>> {
        (self.function)(pending).into_future_outcome()
    }
}

/// What a function that tells the user may return: nothing, a `Result`, or a future of either.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not what a function that tells the user may return",
    label = "return `()`, `Result<(), E>`, or a `Send` future of one of them"
)]
pub trait PromptOutcome<M>: Sized {
    #[doc(hidden)]
    fn into_future_outcome(self) -> BoxFuture<'static, Result<(), PromptError>>;
}

/// What a finished prompt may have come to.
pub trait PromptResult {
    #[doc(hidden)]
    fn into_result(self) -> Result<(), PromptError>;
}

impl PromptResult for () {
    fn into_result(self) -> Result<(), PromptError> {
        Ok(())
    }
}

impl<E: Into<PromptError>> PromptResult for Result<(), E> {
    fn into_result(self) -> Result<(), PromptError> {
        self.map_err(Into::into)
    }
}

#[doc(hidden)]
#[derive(Debug)]
#[non_exhaustive]
pub struct SyncPrompt;

#[doc(hidden)]
#[derive(Debug)]
#[non_exhaustive]
pub struct AsyncPrompt;

impl<R: PromptResult> PromptOutcome<SyncPrompt> for R {
    fn into_future_outcome(self) -> BoxFuture<'static, Result<(), PromptError>> {
        Box::pin(std::future::ready(self.into_result()))
    }
}

impl<R> PromptOutcome<AsyncPrompt> for R
where
    R: Future<Output: PromptResult> + Send + 'static,
{
    fn into_future_outcome(self) -> BoxFuture<'static, Result<(), PromptError>> {
        Box::pin(async move { self.await.into_result() })
    }
}

/// What asking about a pending consent came to. That it failed for good is an error.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Polled<T> {
    /// The user has agreed.
    Ready(T),
    /// Not yet.
    Pending {
        /// How long the platform wants to be left alone between questions, if it says so.
        interval: Option<Duration>,
    },
    /// Not yet, and the platform was asked too often.
    SlowDown {
        /// How long the platform wants to be left alone between questions, if it says so.
        interval: Option<Duration>,
    },
}

/// That a platform says of a consent that it failed, and nothing more.
#[cfg(any(feature = "agentbase", feature = "agent-identity"))]
pub(crate) fn denied(provider: &ProviderName) -> Error {
    Error::new(ErrorKind::AuthorizationDenied, format!("the consent for provider `{provider}` failed: the user or the outside provider said no"))
        .with_hint("ask the user, then call again for a new authorization URL; if the user did agree, check the provider's client at the outside provider")
}

/// That a consent can only be asked about with the token that its user showed, which a resumed one has no more.
#[cfg(any(feature = "agentkit", feature = "agent-identity"))]
pub(crate) fn token_gone(provider: &ProviderName) -> Error {
    Error::new(
        ErrorKind::AuthorizationExpired,
        format!("the consent for provider `{provider}` was begun with the user's own token, which is kept nowhere"),
    )
    .with_hint(
        "call again with the signed-in user (`User::with_token`): if they have agreed meanwhile, the token is there",
    )
}

/// That a user did not agree in the time given, in the client's own words.
pub(crate) fn not_in_time(pending: &PendingAuthorization, timeout: Duration) -> Error {
    let given =
        if timeout.subsec_millis() == 0 { format!("{} seconds", timeout.as_secs()) } else { format!("{timeout:?}") };
    Error::new(
        ErrorKind::AuthorizationTimedOut,
        format!("the user did not authorize provider `{}` within {given}", pending.provider()),
    )
}
