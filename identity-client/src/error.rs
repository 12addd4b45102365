//! What can go wrong, and what to do about it.

use std::{error::Error as StdError, fmt, sync::Arc, time::Duration};

use crate::{
    consent::PendingAuthorization,
    credential::{AccessToken, CredentialRef, RUNTIME_ROLE, WORKLOAD_IDENTITY},
    name::ProviderName,
    step_up,
};

/// An error of this crate: small, cheap to clone (one failure is handed to everybody who waited for it), and free of
/// secrets, bodies and full URLs.
///
/// `Display` says what happened and, after a semicolon, what to do next; [`hint`](Self::hint) is the second half alone.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    message: String,
    hint: Option<String>,
    status: Option<u16>,
    code: Option<String>,
    request_id: Option<String>,
    retry_after: Option<Duration>,
    retryable: bool,
    pending: Vec<PendingAuthorization>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

/// The kinds of [`Error`]: each says who has to act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Nothing is configured where something is needed. Configure it: the message names the variable, key or method.
    ConfigurationMissing,
    /// Something is configured, but cannot be used (half a pair, an empty value, a broken file). Correct it.
    ConfigurationBroken,
    /// The request cannot be right (a name, a length, a combination). Correct the call; nothing was sent.
    InvalidRequest,
    /// The platform does not accept the agent's own credentials, or a service refused the credential it was given.
    Unauthenticated,
    /// The platform knows the agent, but it may not do this. An administrator must grant it.
    PermissionDenied,
    /// The platform knows no such provider, identity or session.
    NotFound,
    /// Something with this name exists already.
    Conflict,
    /// Too many requests. Wait for [`retry_after`](Error::retry_after).
    RateLimited,
    /// The user must agree first; [`pending`](Error::pending) has the authorization URL.
    AuthorizationRequired,
    /// The user did not agree in the time given; [`pending`](Error::pending) can still be resumed.
    AuthorizationTimedOut,
    /// The user, or the outside provider, said no.
    AuthorizationDenied,
    /// The consent session ended unused. Start again.
    AuthorizationExpired,
    /// A user's credential was asked for, and no user was named.
    UserMissing,
    /// This platform cannot do this; see [`Capabilities`](crate::Capabilities).
    Unsupported,
    /// The platform could not be reached, or the connection broke.
    Transport,
    /// No answer in the time allowed.
    Timeout,
    /// The platform answered that it cannot serve now.
    Unavailable,
    /// The platform answered something that its contract does not allow.
    Protocol,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Arc::new(Inner {
            kind,
            message: message.into(),
            hint: None,
            status: None,
            code: None,
            request_id: None,
            retry_after: None,
            retryable: matches!(
                kind,
                ErrorKind::RateLimited | ErrorKind::Transport | ErrorKind::Timeout | ErrorKind::Unavailable
            ),
            pending: Vec::new(),
            source: None,
        }))
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidRequest, message)
    }

    pub(crate) fn protocol(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Protocol, message).with_hint(
            "this is not what the platform's contract says; check that the endpoint is the platform's, then report it",
        )
    }

    pub(crate) fn user_missing(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::UserMissing, message).with_hint(
            "name the user: `user_id = ..` on the attribute, `.for_user(..)` on the request, or a `RequestContext` with a user; there is no default user",
        )
    }

    /// An error of the conversion of a credential into a type of yours, for [`FromApiKey`](crate::FromApiKey) and
    /// [`FromAccessToken`](crate::FromAccessToken). The message must not hold the credential.
    pub fn conversion(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidRequest, message)
    }

    /// An error for a [`Platform`](crate::Platform) of your own. The message must not hold a secret, a body or a URL.
    pub fn from_platform(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self::new(kind, message)
    }

    /// Tells the client that the service refused this credential (typically with 401), and makes the error to return.
    ///
    /// The credential is forgotten, unless a newer one has already taken its place, and the next request for it asks the
    /// platform once and hands out what it answers. If that one is refused as well within a minute, a user is asked for
    /// consent anew, once. After that, and for the agent's own credentials at once, requests fail with this kind of error
    /// until the minute is over: asking again and again would not help, and the service might lock the account.
    ///
    /// ```
    /// # use identity_client::{AccessToken, Error};
    /// fn check(status: u16, access_token: &AccessToken) -> Result<(), Error> {
    ///     if status == 401 {
    ///         return Err(Error::credential_rejected(access_token));
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub fn credential_rejected<'a>(credential: impl Into<CredentialRef<'a>>) -> Self {
        let credential = credential.into();
        let provider = credential.reject();
        let provider = provider.filter(|_| credential.kind().may_need_consent());
        let whose = provider.map_or_else(String::new, |name| format!(" from provider `{name}`"));
        Self::new(ErrorKind::Unauthenticated, format!("the service refused the {}{whose}", credential.kind().noun()))
            .with_hint(
                "call again: the client has dropped what was refused and fetches anew; if that is refused too, correct it at the provider",
            )
    }

    /// Tells the client that the service wants a scope that this access token lacks (typically 403 with
    /// `error="insufficient_scope"`, RFC 6750 section 3.1), and makes the error to return. `scope` is the challenge's
    /// attribute of that name, or empty if it has none.
    ///
    /// If the handler declares the scopes and acts for a user, the next request for the credential asks that user anew,
    /// once, for all the scopes declared, together with those they have agreed to for other handlers. If that does not
    /// help, nobody is asked again for a minute. The token itself is kept until then: it is good for the rest. A scope
    /// that no handler declares is never asked for; the hint says which one to add. A 403 of another kind is no
    /// reason to call this.
    ///
    /// ```
    /// # use identity_client::{AccessToken, Error};
    /// fn check(status: u16, challenged_scope: Option<&str>, access_token: &AccessToken) -> Result<(), Error> {
    ///     match (status, challenged_scope) {
    ///         (403, Some(scope)) => Err(Error::insufficient_scope(access_token, scope)),
    ///         _ => Ok(()),
    ///     }
    /// }
    /// ```
    pub fn insufficient_scope(access_token: &AccessToken, scope: &str) -> Self {
        step_up::insufficient_scope(access_token, scope)
    }

    pub(crate) fn with_hint(self, hint: impl Into<String>) -> Self {
        self.change(|inner| inner.hint = Some(hint.into()))
    }

    pub(crate) fn with_status(self, status: u16) -> Self {
        self.change(|inner| inner.status = Some(status))
    }

    pub(crate) fn with_code(self, code: Option<String>) -> Self {
        self.change(|inner| inner.code = code)
    }

    pub(crate) fn with_request_id(self, id: Option<String>) -> Self {
        self.change(|inner| inner.request_id = id)
    }

    /// With the facts of the answer that another error was made of.
    #[cfg(any(feature = "agentbase", feature = "agentkit", feature = "agent-identity", feature = "idaas"))]
    pub(crate) fn with_answer_of(self, other: &Self) -> Self {
        let other = &other.0;
        self.change(|inner| {
            inner.status = other.status;
            inner.code.clone_from(&other.code);
            inner.request_id.clone_from(&other.request_id);
        })
    }

    pub(crate) fn with_retry_after(self, after: Option<Duration>) -> Self {
        self.change(|inner| inner.retry_after = after)
    }

    pub(crate) fn with_retryable(self, retryable: bool) -> Self {
        self.change(|inner| inner.retryable = retryable)
    }

    pub(crate) fn with_pending(self, pending: Vec<PendingAuthorization>) -> Self {
        self.change(|inner| inner.pending = pending)
    }

    /// The same error with all that is pending, for calls that need several consents.
    pub(crate) fn gather(&self, pending: Vec<PendingAuthorization>) -> Self {
        Self(Arc::new(Inner { pending, ..(*self.0).clone() }))
    }

    pub(crate) fn with_source(self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.change(|inner| inner.source = Some(Arc::from(source.into())))
    }

    /// Names the provider in the message, unless it is named there, or there is none.
    pub(crate) fn about(self, provider: &ProviderName) -> Self {
        if [RUNTIME_ROLE, WORKLOAD_IDENTITY].contains(&provider.as_str()) {
            return self;
        }
        self.change(|inner| {
            let named = format!("`{provider}`");
            if !inner.message.contains(&named) {
                inner.message = format!("provider {named}: {}", inner.message);
            }
        })
    }

    /// Takes the provider away again: of a request within a request the caller knows only the outer one.
    #[cfg(feature = "idaas")]
    pub(crate) fn not_about(self, provider: &str) -> Self {
        self.change(|inner| {
            if let Some(rest) = inner.message.strip_prefix(&format!("provider `{provider}`: ")) {
                inner.message = rest.to_owned();
            }
        })
    }

    /// Errors are finished before they are shared, so there is one owner; a shared one stays as it is.
    fn change(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            change(inner);
        }
        self
    }

    /// What kind of error it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether the same call may succeed a little later, with nothing changed. The client has already tried again where
    /// that was safe.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.0.retryable
    }

    /// How long the platform asked to wait, if it did.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The HTTP status, if there was an answer.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// The platform's own error code, if it gave one.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// The id under which the platform's support finds the request, if it gave one.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// The authorization that the user still has to give. Several when stacked attributes need several: then the first;
    /// see [`pendings`](Self::pendings).
    #[must_use]
    pub fn pending(&self) -> Option<&PendingAuthorization> {
        self.0.pending.first()
    }

    /// All authorizations that the user still has to give.
    #[must_use]
    pub fn pendings(&self) -> &[PendingAuthorization] {
        &self.0.pending
    }

    /// What to do next, in words.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        f.write_str(&inner.message)?;
        let facts = [
            inner.status.map(|status| format!("HTTP {status}")),
            inner.code.as_ref().map(|code| format!("code {code}")),
            inner.request_id.as_ref().map(|id| format!("request id {id}")),
        ];
        let facts: Vec<_> = facts.into_iter().flatten().collect();
        if !facts.is_empty() {
            write!(f, " ({})", facts.join(", "))?;
        }
        if let Some(hint) = &inner.hint {
            write!(f, "; {hint}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        let mut out = f.debug_struct("Error");
        out.field("kind", &inner.kind).field("message", &inner.message);
        if let Some(hint) = &inner.hint {
            out.field("hint", hint);
        }
        if let Some(status) = inner.status {
            out.field("status", &status);
        }
        if let Some(code) = &inner.code {
            out.field("code", code);
        }
        if let Some(id) = &inner.request_id {
            out.field("request_id", id);
        }
        if let Some(after) = inner.retry_after {
            out.field("retry_after", &after);
        }
        if !inner.pending.is_empty() {
            out.field("pending", &inner.pending);
        }
        if let Some(source) = &inner.source {
            out.field("source", source);
        }
        out.finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

/// Why a client, or a platform for it, could not be built. Nothing was sent.
#[derive(Clone)]
pub struct BuildError(Error);

impl BuildError {
    pub(crate) fn missing(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self(Error::new(ErrorKind::ConfigurationMissing, message).with_hint(hint))
    }

    pub(crate) fn broken(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self(Error::new(ErrorKind::ConfigurationBroken, message).with_hint(hint))
    }

    pub(crate) fn with_source(self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self(self.0.with_source(source))
    }

    /// Nothing is configured: another source may be tried.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        self.0.kind() == ErrorKind::ConfigurationMissing
    }

    /// Something is configured, but it cannot be used.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        !self.is_missing()
    }

    /// What to do next, in words.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.0.hint()
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl StdError for BuildError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source()
    }
}

impl From<BuildError> for Error {
    fn from(error: BuildError) -> Self {
        error.0
    }
}
