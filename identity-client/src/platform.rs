//! The only seam between what agents use and what platforms do.

use std::{fmt, future::Future, time::Duration};

use futures_util::future::BoxFuture;
use secrecy::SecretString;

use crate::{
    audit::Bound,
    capabilities::Capabilities,
    consent::{Acquired, PendingAuthorization, Polled},
    credential::{CredentialKind, TemporaryKey},
    credential_request::{CredentialRequest, Flow},
    error::Error,
    name::{AgentIdentityName, ProviderName, Scope},
};

/// A managed agent-identity platform: keeps credentials, releases them to an agent that proves who it is.
///
/// The client above it caches, shares flights, waits for consent and writes receipts; an implementation answers one question
/// at a time. It retries what is safe to retry, within a deadline of its own, and it never creates anything on the
/// platform.
///
/// Nothing of a credential, a body or a URL's query may reach the `Debug` or an error of an implementation.
pub trait Platform: fmt::Debug + Send + Sync + 'static {
    /// What it is, for cache, receipts and messages.
    fn describe(&self) -> Description<'_>;

    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// Applies the platform's own rules to a request. Nothing is sent.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) or [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported), saying what to change.
    fn check(&self, request: &CredentialRequest) -> Result<(), Error>;

    /// Finds out whether an API key provider holds one key for the agent or one for each user.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is no such provider; else what the platform answered.
    fn api_key_flow(&self, provider: &ProviderName) -> impl Future<Output = Result<Flow, Error>> + Send;

    /// Asks for a credential.
    ///
    /// # Errors
    /// What the platform answered. That consent is missing is no error.
    fn acquire(&self, request: &CredentialRequest) -> impl Future<Output = Result<Acquired<Issued>, Error>> + Send;

    /// Asks whether a pending consent has been given.
    ///
    /// # Errors
    /// Only a retryable error lets the asking go on; any other ends it.
    fn poll(&self, pending: &PendingAuthorization) -> impl Future<Output = Result<Polled<Issued>, Error>> + Send;

    /// Confirms to the platform that the user who began this consent has come back from it, if it wants to be told
    /// ([`Capabilities::consent_completion`]). Called by a client with a [`SessionBinding`](crate::SessionBinding), once a consent, after the
    /// binding has confirmed it; an application that checks by itself who came back calls it then. Default: there is nothing to tell.
    ///
    /// # Errors
    /// What the platform answered; after a retryable one it is told again.
    fn complete(&self, pending: &PendingAuthorization) -> impl Future<Output = Result<(), Error>> + Send {
        let _ = pending;
        std::future::ready(Ok(()))
    }

    /// What the platform's own documents call it when a user did not agree in time, an error of kind
    /// [`AuthorizationTimedOut`](crate::ErrorKind::AuthorizationTimedOut) whose hint says what else may be wrong. Must not hold the
    /// authorization URL. Default: nothing, and the client has words of its own.
    fn timed_out(&self, pending: &PendingAuthorization, waited: Duration) -> Option<Error> {
        let _ = (pending, waited);
        None
    }
}

/// What a platform is.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "a platform outside this crate must be able to build one")]
pub struct Description<'a> {
    /// Its short name, for example `agentbase`.
    pub name: &'a str,
    /// Its endpoint, scheme to path, without a query.
    pub endpoint: &'a str,
    /// The agent's identity there.
    pub agent_identity: &'a AgentIdentityName,
}

/// A credential as a platform releases it.
#[derive(Clone)]
#[non_exhaustive]
pub struct Issued {
    pub(crate) kind: CredentialKind,
    pub(crate) secret: SecretString,
    /// Of STS credentials.
    pub(crate) temporary: Option<TemporaryKey>,
    pub(crate) lifetime: Option<Duration>,
    pub(crate) scopes: Vec<Scope>,
    /// Set by the client, which knows how it came by it.
    pub(crate) bound: Bound,
}

impl Issued {
    fn new(kind: CredentialKind, secret: SecretString) -> Self {
        Self { kind, secret, temporary: None, lifetime: None, scopes: Vec::new(), bound: Bound::NotNeeded }
    }

    /// An API key.
    #[must_use]
    pub fn api_key(secret: SecretString) -> Self {
        Self::new(CredentialKind::ApiKey, secret)
    }

    /// An access token of type Bearer.
    #[must_use]
    pub fn access_token(secret: SecretString) -> Self {
        Self::new(CredentialKind::AccessToken, secret)
    }

    /// Temporary credentials of a role.
    #[must_use]
    pub fn sts_credentials(
        access_key_id: impl Into<String>,
        access_key_secret: SecretString,
        security_token: SecretString,
    ) -> Self {
        let temporary = TemporaryKey { access_key_id: access_key_id.into(), security_token };
        Self { temporary: Some(temporary), ..Self::new(CredentialKind::StsCredentials, access_key_secret) }
    }

    /// A token of the workload itself, or of the workload for a user.
    #[must_use]
    pub fn workload_token(secret: SecretString) -> Self {
        Self::new(CredentialKind::WorkloadToken, secret)
    }

    /// How long it is valid from now, if the platform says so. It is never found out from the credential.
    #[must_use]
    pub fn with_lifetime(mut self, lifetime: Option<Duration>) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// The scopes that it has, if the platform says so.
    #[must_use]
    pub fn with_scopes(mut self, scopes: Vec<Scope>) -> Self {
        self.scopes = scopes;
        self
    }
}

impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issued").field("kind", &self.kind).field("lifetime", &self.lifetime).finish_non_exhaustive()
    }
}

/// [`Platform`] as a trait object.
pub(crate) trait DynPlatform: fmt::Debug + Send + Sync + 'static {
    fn describe(&self) -> Description<'_>;
    fn capabilities(&self) -> Capabilities;
    fn check(&self, request: &CredentialRequest) -> Result<(), Error>;
    fn api_key_flow<'a>(&'a self, provider: &'a ProviderName) -> BoxFuture<'a, Result<Flow, Error>>;
    fn acquire<'a>(&'a self, request: &'a CredentialRequest) -> BoxFuture<'a, Result<Acquired<Issued>, Error>>;
    fn poll<'a>(&'a self, pending: &'a PendingAuthorization) -> BoxFuture<'a, Result<Polled<Issued>, Error>>;
    fn complete<'a>(&'a self, pending: &'a PendingAuthorization) -> BoxFuture<'a, Result<(), Error>>;
    fn timed_out(&self, pending: &PendingAuthorization, waited: Duration) -> Option<Error>;
}

impl<P: Platform> DynPlatform for P {
    fn describe(&self) -> Description<'_> {
        Platform::describe(self)
    }

    fn capabilities(&self) -> Capabilities {
        Platform::capabilities(self)
    }

    fn check(&self, request: &CredentialRequest) -> Result<(), Error> {
        Platform::check(self, request)
    }

    fn api_key_flow<'a>(&'a self, provider: &'a ProviderName) -> BoxFuture<'a, Result<Flow, Error>> {
        Box::pin(Platform::api_key_flow(self, provider))
    }

    fn acquire<'a>(&'a self, request: &'a CredentialRequest) -> BoxFuture<'a, Result<Acquired<Issued>, Error>> {
        Box::pin(Platform::acquire(self, request))
    }

    fn poll<'a>(&'a self, pending: &'a PendingAuthorization) -> BoxFuture<'a, Result<Polled<Issued>, Error>> {
        Box::pin(Platform::poll(self, pending))
    }

    fn complete<'a>(&'a self, pending: &'a PendingAuthorization) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(Platform::complete(self, pending))
    }

    fn timed_out(&self, pending: &PendingAuthorization, waited: Duration) -> Option<Error> {
        Platform::timed_out(self, pending, waited)
    }
}
