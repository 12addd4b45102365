//! `IdentityClient`: asks for a credential, on whichever platform.

use std::{
    fmt,
    sync::{Arc, OnceLock, Weak, atomic::AtomicBool},
    time::Duration,
};

use crate::{
    audit::AuditSink,
    binding::SessionBinding,
    cache::{Cache, Remedy},
    capabilities::Capabilities,
    clock::{Clock, SystemClock},
    consent::{DEFAULT_CONSENT_TIMEOUT, PendingAuthorization, Prompt, PromptOutcome, prompt_fn},
    credential::{
        AccessToken, ApiKey, Credential, CredentialRef, RUNTIME_ROLE, StsCredentials, WORKLOAD_IDENTITY, WorkloadToken,
    },
    credential_request::CredentialRequest,
    env::Environment,
    error::{BuildError, Error},
    flow_lookup::FlowLookup,
    platform::{Description, DynPlatform, Platform},
    principal::User,
    request::{AccessTokenRequest, ApiKeyRequest, ResumeRequest, StsCredentialsRequest, WorkloadTokenRequest},
};

/// Asks one platform for credentials, as one agent, and keeps them in memory for as long as they are good.
///
/// Cheap to clone; clones share the cache. Nothing is fetched, spawned or written when it is built.
///
/// ```no_run
/// # async fn run() -> Result<(), identity_client::Error> {
/// use identity_client::IdentityClient;
///
/// let client = IdentityClient::from_env()?;
/// let key = client.api_key("openai-key").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct IdentityClient(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) platform: Box<dyn DynPlatform>,
    pub(crate) cache: Cache,
    pub(crate) flows: FlowLookup,
    pub(crate) clock: Box<dyn Clock>,
    pub(crate) audit: Option<Box<dyn AuditSink>>,
    pub(crate) prompt: Option<Box<dyn Prompt>>,
    pub(crate) unknown_lifetime: Duration,
    pub(crate) consent_timeout: Duration,
    pub(crate) binding: Option<SessionBinding>,
    /// Nobody has yet been told that consents are not bound, and nobody has said that they know.
    pub(crate) warn_unbound: AtomicBool,
}

static INSTALLED: OnceLock<IdentityClient> = OnceLock::new();
static FROM_ENVIRONMENT: OnceLock<IdentityClient> = OnceLock::new();

impl IdentityClient {
    /// Builds a client piece by piece.
    pub fn builder() -> IdentityClientBuilder {
        IdentityClientBuilder::default()
    }

    /// A client for the platform that the process is configured for, by variables or by the platform's own file. If several are,
    /// the variable `IDENTITY_PLATFORM` says which one by the name of its feature.
    ///
    /// # Errors
    /// If several are configured and nothing says which. Else a [`BuildError`] that names what is missing, or what is there but cannot be used and where it came from.
    pub fn from_env() -> Result<Self, BuildError> {
        Self::from_environment(&Environment::process())
    }

    /// The same from an environment of your own, for tests and tools.
    ///
    /// # Errors
    /// As [`from_env`](Self::from_env).
    pub fn from_environment(environment: &Environment) -> Result<Self, BuildError> {
        Self::builder().with_platform_from(environment)?.build()
    }

    /// Makes this the client of the process: the one that attributes use when neither they nor the task name another.
    ///
    /// # Errors
    /// If one is installed already; that one stays.
    pub fn install(self) -> Result<(), BuildError> {
        INSTALLED.set(self).map_err(|_| {
            BuildError::broken(
                "a client is installed in this process already",
                "install one at start-up; for several, put them into a `RequestContext` or name them with `client = ..`",
            )
        })
    }

    /// The installed client; else one from the environment, made at the first call that needs it.
    pub(crate) fn of_process() -> Result<&'static Self, Error> {
        if let Some(client) = INSTALLED.get().or_else(|| FROM_ENVIRONMENT.get()) {
            return Ok(client);
        }
        let client = Self::from_env()?;
        Ok(FROM_ENVIRONMENT.get_or_init(|| client))
    }

    /// Like [`of_process`](Self::of_process), without making one.
    pub(crate) fn of_process_if_made() -> Option<&'static Self> {
        INSTALLED.get().or_else(|| FROM_ENVIRONMENT.get())
    }

    /// Asks for an API key. Await the request, or shape it first.
    ///
    /// ```no_run
    /// # async fn run(client: identity_client::IdentityClient) -> Result<(), identity_client::Error> {
    /// let key = client.api_key("openai-key").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn api_key(&self, provider: impl Into<String>) -> ApiKeyRequest {
        ApiKeyRequest::new(self.clone(), provider.into())
    }

    /// Asks for an access token: the agent's own, or with `for_user` a user's.
    ///
    /// ```no_run
    /// # async fn run(client: identity_client::IdentityClient) -> Result<(), identity_client::Error> {
    /// let token = client.access_token("crm").with_scopes(["contacts.read"]).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn access_token(&self, provider: impl Into<String>) -> AccessTokenRequest {
        AccessTokenRequest::new(self.clone(), provider.into())
    }

    /// Asks for temporary credentials of the agent identity's cloud role: for the agent itself, or with `for_user`, or a context
    /// that has one, for a user. Shape the request, then await it.
    ///
    /// ```no_run
    /// # async fn run(client: identity_client::IdentityClient) -> Result<(), identity_client::Error> {
    /// use std::time::Duration;
    ///
    /// let credentials = client.sts_credentials().with_session_duration(Duration::from_secs(900)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn sts_credentials(&self) -> StsCredentialsRequest {
        StsCredentialsRequest::new(self.clone(), RUNTIME_ROLE.to_owned())
    }

    /// Asks for a token that proves to the platform's own services which workload asks: for itself, or with `for_user`, or a
    /// context that has one, for a user.
    ///
    /// ```no_run
    /// # async fn run(client: identity_client::IdentityClient) -> Result<(), identity_client::Error> {
    /// let token = client.workload_token().for_agent().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn workload_token(&self) -> WorkloadTokenRequest {
        WorkloadTokenRequest::new(self.clone(), WORKLOAD_IDENTITY.to_owned())
    }

    /// Goes on with a consent that was begun earlier, perhaps by another process.
    ///
    /// The type says what is expected: `client.resume::<AccessToken>(pending).await?`.
    pub fn resume<T>(&self, pending: PendingAuthorization) -> ResumeRequest<T> {
        ResumeRequest::new(self.clone(), pending)
    }

    /// Drops a credential from the cache; the next request for it asks the platform. What is under way when this is called
    /// is handed to whoever waits for it, and not kept.
    pub fn forget<'a>(&self, credential: impl Into<CredentialRef<'a>>) {
        if let Some(request) = credential.into().request() {
            self.0.cache.forget(&crate::credential_request::KeyRef::of(request));
        }
    }

    /// Drops everything that the cache has of a user, for example when they sign out.
    pub fn forget_user(&self, user: &User) {
        self.0.cache.forget_where(|request| request.user() == Some(user));
    }

    /// Drops everything that the cache has.
    pub fn forget_all(&self) {
        self.0.cache.forget_where(|_| true);
        self.0.flows.forget_all();
    }

    /// What the platform can do.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        self.0.platform.capabilities()
    }

    /// What the platform is.
    #[must_use]
    pub fn platform(&self) -> Description<'_> {
        self.0.platform.describe()
    }

    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.0
    }

    pub(crate) fn upgrade(inner: &Weak<Inner>) -> Option<Self> {
        inner.upgrade().map(Self)
    }
}

impl Inner {
    /// What no platform has to know, then the platform's own rules. Nothing is sent.
    pub(crate) fn check(&self, request: &CredentialRequest) -> Result<(), Error> {
        self.platform.capabilities().check(request, self.platform.describe().name)?;
        self.platform.check(request)
    }

    pub(crate) fn reject(&self, request: &CredentialRequest, generation: u64) {
        self.cache.reject(request, generation, self.clock.now());
    }

    pub(crate) fn lacks(&self, request: &CredentialRequest, generation: u64) -> Remedy {
        self.cache.lacks(request, generation, self.clock.now())
    }
}

impl fmt::Debug for IdentityClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdentityClient")
            .field("platform", &self.0.platform.describe())
            .field("cache", &self.0.cache)
            .finish()
    }
}

/// Builds an [`IdentityClient`].
#[must_use]
pub struct IdentityClientBuilder {
    platform: Option<Box<dyn DynPlatform>>,
    clock: Box<dyn Clock>,
    audit: Option<Box<dyn AuditSink>>,
    prompt: Option<Box<dyn Prompt>>,
    unknown_lifetime: Duration,
    consent_timeout: Duration,
    cache_capacity: u32,
    seed: Option<u64>,
    binding: Option<SessionBinding>,
    unbound_reason: Option<String>,
}

impl Default for IdentityClientBuilder {
    fn default() -> Self {
        Self {
            platform: None,
            clock: Box::new(SystemClock),
            audit: None,
            prompt: None,
            unknown_lifetime: Duration::from_secs(60),
            consent_timeout: DEFAULT_CONSENT_TIMEOUT,
            cache_capacity: 16_384,
            seed: None,
            binding: None,
            unbound_reason: None,
        }
    }
}

impl IdentityClientBuilder {
    /// The platform to ask. Required, unless the configuration [says it](Self::with_platform_from).
    pub fn with_platform(mut self, platform: impl Platform) -> Self {
        self.platform = Some(Box::new(platform));
        self
    }

    /// The platform that this environment is configured for, as [`IdentityClient::from_env`] finds it.
    ///
    /// # Errors
    /// As [`IdentityClient::from_env`].
    pub fn with_platform_from(self, environment: &Environment) -> Result<Self, BuildError> {
        crate::configured::platform(self, environment)
    }

    /// Keeps a receipt of every release. Default: none are kept.
    pub fn with_audit(mut self, sink: impl AuditSink) -> Self {
        self.audit = Some(Box::new(sink));
        self
    }

    /// Tells users where to agree, for calls that have no `on_auth_url` of their own. Default: such a call fails at once with
    /// [`ErrorKind::AuthorizationRequired`](crate::ErrorKind::AuthorizationRequired), for nobody would tell the user.
    pub fn with_prompt(mut self, prompt: impl Prompt + 'static) -> Self {
        self.prompt = Some(Box::new(prompt));
        self
    }

    /// The same with a sync or async function.
    pub fn on_auth_url<F, R, M>(self, function: F) -> Self
    where
        F: Fn(PendingAuthorization) -> R + Send + Sync + 'static,
        R: PromptOutcome<M> + 'static,
        M: 'static,
    {
        self.with_prompt(prompt_fn(function))
    }

    /// How long a credential is kept whose lifetime the platform does not tell. Default: 60 s; zero keeps none.
    pub fn with_unknown_lifetime(mut self, lifetime: Duration) -> Self {
        self.unknown_lifetime = lifetime;
        self
    }

    /// How long a call waits for a user unless it says otherwise. Default: 60 s.
    pub fn with_consent_timeout(mut self, timeout: Duration) -> Self {
        self.consent_timeout = timeout;
        self
    }

    /// Releases what a user agreed to only once that user has come back from the consent. Give the same binding to what
    /// serves the return URL; see [`SessionBinding`]. Default: none, and whoever opens a link connects their account with
    /// the user it was made for.
    pub fn with_session_binding(mut self, binding: SessionBinding) -> Self {
        self.binding = Some(binding);
        self
    }

    /// Says that consents need not be bound to the user who began them, and why: for example that one person alone uses the
    /// agent. Without this and without a [`SessionBinding`], a client warns once when the first such consent begins. Receipts
    /// say `unbound` either way.
    pub fn accept_unbound_consent(mut self, reason: impl Into<String>) -> Self {
        self.unbound_reason = Some(reason.into());
        self
    }

    /// How many credentials are kept at most; what was used longest ago goes first. Default: 16,384.
    pub fn with_cache_capacity(mut self, entries: u32) -> Self {
        self.cache_capacity = entries;
        self
    }

    /// Tells the time. Default: [`SystemClock`].
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clock = Box::new(clock);
        self
    }

    /// Makes the random shares of renewal times repeatable, for tests.
    pub fn with_random_seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Builds it. Nothing is sent.
    ///
    /// # Errors
    /// If no platform was given, or if the consent timeout is zero or longer than an hour.
    pub fn build(self) -> Result<IdentityClient, BuildError> {
        let platform = self.platform.ok_or_else(|| {
            BuildError::missing(
                "no platform was given to the client",
                "call `with_platform(..)` or `with_platform_from(&Environment::process())`, or use `IdentityClient::from_env()`",
            )
        })?;
        if self.consent_timeout.is_zero() || self.consent_timeout > identity_grammar::MAX_WAIT {
            return Err(BuildError::broken(
                "the consent timeout is zero or longer than an hour",
                "give one between a moment and an hour; not to wait at all is `Wait::Return` on the call",
            ));
        }
        if let Some(reason) = &self.unbound_reason {
            if reason.trim().is_empty() || self.binding.is_some() {
                return Err(BuildError::broken(
                    "unbound consent was accepted without a reason, or beside a session binding",
                    "say in a few words why nobody else can open a user's link, or leave `accept_unbound_consent` out",
                ));
            }
            tracing::info!(%reason, "consents are not bound to the user who began them");
        }
        let random = self.seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);
        Ok(IdentityClient(Arc::new(Inner {
            platform,
            cache: Cache::new(self.cache_capacity, random),
            flows: FlowLookup::default(),
            clock: self.clock,
            audit: self.audit,
            prompt: self.prompt,
            unknown_lifetime: self.unknown_lifetime,
            consent_timeout: self.consent_timeout,
            warn_unbound: AtomicBool::new(self.unbound_reason.is_none()),
            binding: self.binding,
        })))
    }
}

impl fmt::Debug for IdentityClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdentityClientBuilder").field("platform", &self.platform).finish_non_exhaustive()
    }
}

/// What a request can be for. Sealed: [`ApiKey`], [`AccessToken`], [`StsCredentials`] and [`WorkloadToken`].
pub trait Requestable: sealed::Sealed + Sized {
    #[doc(hidden)]
    const KIND: crate::CredentialKind;
    #[doc(hidden)]
    fn of(credential: sealed::Opaque) -> Option<Self>;
}

pub(crate) mod sealed {
    pub trait Sealed {}
    impl Sealed for super::ApiKey {}
    impl Sealed for super::AccessToken {}
    impl Sealed for super::StsCredentials {}
    impl Sealed for super::WorkloadToken {}

    /// Keeps the crate's own credential type out of the public trait.
    #[derive(Debug)]
    pub struct Opaque(pub(crate) crate::credential::Credential);
}

macro_rules! requestable {
    ($($name:ident),*) => {$(
        impl Requestable for $name {
            const KIND: crate::CredentialKind = crate::CredentialKind::$name;

            fn of(credential: sealed::Opaque) -> Option<Self> {
                match credential.0 {
                    Credential::$name(credential) => Some(credential),
                    _ => None,
                }
            }
        }
    )*};
}
requestable!(ApiKey, AccessToken, StsCredentials, WorkloadToken);
