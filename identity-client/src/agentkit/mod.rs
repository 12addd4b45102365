//! Volcengine Agent Identity (AgentKit): credential hosting of Volcengine and BytePlus.
//!
//! Two clients share one implementation. [`AgentKit`] acts as a workload: it is the [`Platform`](crate::Platform) of an
//! [`IdentityClient`](crate::IdentityClient). [`Management`] makes, changes and deletes workload identities, credential providers and user pools. Every
//! [`AgentKit`] can do what a [`Management`] can.
//!
//! ```no_run
//! # async fn run() -> Result<(), identity_client::Error> {
//! use identity_client::{IdentityClient, User, agentkit::AgentKit};
//!
//! let client = IdentityClient::builder().with_platform(AgentKit::from_env()?).build()?;
//! let alice = User::asserted("user-0001")?; // better: with the token that she signed in with
//! let token = client.access_token("feishu_oauth").for_user(&alice).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Configuration
//! What is given in code comes first, then variables, then the function runtime's file. An access key, its secret and its session
//! token are always from one place, and no place replaces what a place before it gave:
//!
//! | variable | |
//! | --- | --- |
//! | `VOLCENGINE_ACCESS_KEY`, `VOLCENGINE_SECRET_KEY`, `VOLCENGINE_SESSION_TOKEN` | the access key; `BYTEPLUS_…` comes before it on BytePlus |
//! | (`/var/run/secrets/iam/credential`) | where a function runtime keeps the key of its role; read again when it changes |
//! | `RUNTIME_IAM_ROLE_TRN`, `VEIDENTITY_ROLE_SESSION_NAME` | a role to assume when the key has no session token. If it cannot be assumed, that is the error: nothing is done as somebody else |
//! | `VEIDENTITY_WORKLOAD_NAME` | the workload's name; without one the caller's role names it |
//! | `VEIDENTITY_WORKLOAD_POOL`, `VEIDENTITY_PROVIDER_POOL` | default: the platform's, `default` |
//! | `VEIDENTITY_REGION`, then `REGION` | default: `cn-beijing` |
//! | `VEIDENTITY_ENDPOINT`, `VEIDENTITY_STS_ENDPOINT` | default: those of the cloud; both or none must be on this machine |
//! | `VEIDENTITY_CALLBACK_URL` | where the vault's OAuth callback listens, if it is not one of the documented regions |
//! | `AGENTKIT_CLOUD_PROVIDER`, then `CLOUD_PROVIDER` | `volcengine` (default) or `byteplus` |
//!
//! # Users
//! A [`User`] that carries the token it signed in with ([`User::with_token`]) is shown to the platform by that token,
//! which the platform verifies. One without is named by its id, for which the platform takes the application's word. Neither ever
//! takes the place of the other.
//!
//! # Consent
//! The return URL (`callback_url`) is the page of your application that the browser ends on; the redirect URI at the outside
//! provider is the vault's own callback, and stands in the provider's record. With a [`SessionBinding`](crate::SessionBinding) the consent is completed
//! (`CompleteResourceTokenAuth`) once its user has come back there. What a user would only see in the browser (a wrong callback, scopes that Feishu does not
//! have, another client) is looked for before they are shown the link; see [`Trouble`].

mod api_key_providers;
mod call;
mod client_registration;
mod config;
mod credentials;
mod envelope;
mod handover;
mod identities;
mod inbound_configs;
mod oauth2_providers;
mod page;
mod permissions;
mod platform;
mod preflight;
mod providers;
mod role;
mod role_credentials;
mod sessions;
mod signature;
mod trouble;
mod types;
mod user_credentials;
mod user_pool_clients;
mod user_pools;
mod workload;

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use secrecy::SecretString;

pub(crate) use self::config::is_configured;
pub use self::{
    api_key_providers::{ApiKeyProvider, ApiKeyProviders, KeyPlace},
    client_registration::ClientRegistration,
    config::Cloud,
    credentials::CredentialSource,
    handover::Returned,
    identities::{Identities, NewIdentity, WorkloadIdentity, WorkloadPool},
    inbound_configs::{InboundConfig, InboundConfigs},
    oauth2_providers::{OAuth2Config, OAuth2Provider, OAuth2Providers, Vendor},
    page::{ListOptions, Page},
    permissions::{Entity, Permission, PermissionCheck},
    providers::{Provider, ProviderFilter, Providers},
    role_credentials::RoleCredentials,
    trouble::Trouble,
    user_credentials::{UserCredential, UserCredentials},
    user_pool_clients::{ClientType, UserPoolClient, UserPoolClients},
    user_pools::{NewUserPool, UserPool, UserPools},
};
use self::{
    call::{Caller, Shared},
    config::{AgentSettings, Given, Settings},
    role::AssumedRole,
    sessions::Sessions,
    workload::{WorkloadToken, Workloads},
};
use crate::{
    env::Environment,
    error::{BuildError, Error},
    name::AgentIdentityName,
    principal::User,
    surroundings::{Surroundings, surroundings, texts},
    transport::HttpOptions,
};

/// What a workload without a name of its own is called in receipts: the platform takes the role's.
const NAMELESS: &str = "caller-role";

/// Volcengine Agent Identity, as a workload. Cheap to clone; clones share keys, tokens and connections.
///
/// Nothing is sent when it is built.
#[derive(Clone)]
pub struct AgentKit {
    management: Management,
    identity: AgentIdentityName,
    workloads: Arc<Workloads>,
    sessions: Arc<Sessions>,
    settings: Arc<AgentSettings>,
}

impl AgentKit {
    /// Builds one piece by piece.
    pub fn builder() -> AgentKitBuilder {
        AgentKitBuilder::default()
    }

    /// From the variables of the process and the function runtime's file.
    ///
    /// # Errors
    /// A [`BuildError`] that names what is missing, or what is there but cannot be used and where it came from.
    pub fn from_env() -> Result<Self, BuildError> {
        Self::from_environment(&Environment::process())
    }

    /// The same from an environment of your own, for tests and tools.
    ///
    /// # Errors
    /// As [`from_env`](Self::from_env).
    pub fn from_environment(environment: &Environment) -> Result<Self, BuildError> {
        Self::builder().with_environment(environment).build()
    }

    /// As whom it acts: the workload's name, or `caller-role` if its role names it.
    #[must_use]
    pub fn agent_identity(&self) -> &AgentIdentityName {
        &self.identity
    }

    /// The management API with the same access key.
    #[must_use]
    pub fn management(&self) -> &Management {
        &self.management
    }

    /// OAuth 2.0 credential providers.
    #[must_use]
    pub fn oauth2_providers(&self) -> OAuth2Providers {
        self.management.oauth2_providers()
    }

    /// Credential providers of every kind.
    #[must_use]
    pub fn providers(&self) -> Providers {
        self.management.providers()
    }

    /// What the vault keeps for single users besides tokens: `CreateUserCredential` and its siblings.
    #[must_use]
    pub fn user_credentials(&self) -> UserCredentials {
        UserCredentials::new(self.clone())
    }

    async fn workload_token(&self, user: Option<&User>) -> Result<Arc<WorkloadToken>, Error> {
        self.workloads.token(user).await
    }

    fn provider_pool(&self) -> Option<&str> {
        self.settings.provider_pool.as_deref()
    }

    fn caller(&self) -> &Caller {
        &self.management.caller
    }
}

impl fmt::Debug for AgentKit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentKit")
            .field("identity", &self.identity)
            .field("caller", self.caller())
            .finish_non_exhaustive()
    }
}

/// The management API of Volcengine Agent Identity. Cheap to clone; clones share keys and connections.
///
/// # Errors
/// All operations share these, and name their own besides. A refusal counts as one whether it comes with a status of failure or
/// inside HTTP 200; [`code`](Error::code) and [`request_id`](Error::request_id) are the platform's.
///
/// | kind | when |
/// | --- | --- |
/// | [`InvalidRequest`](crate::ErrorKind::InvalidRequest) | a name or count is out of bounds (nothing was sent), or the platform does not take the request |
/// | [`Unauthenticated`](crate::ErrorKind::Unauthenticated) | the access key, its session token or the time is not accepted |
/// | [`PermissionDenied`](crate::ErrorKind::PermissionDenied) | a policy is missing, or the role may not be assumed |
/// | [`NotFound`](crate::ErrorKind::NotFound), [`Conflict`](crate::ErrorKind::Conflict) | the name is unknown, or taken |
/// | [`RateLimited`](crate::ErrorKind::RateLimited), [`Unavailable`](crate::ErrorKind::Unavailable), [`Transport`](crate::ErrorKind::Transport), [`Timeout`](crate::ErrorKind::Timeout) | the tries of [`RetryPolicy`](crate::RetryPolicy) did not help |
/// | [`ConfigurationBroken`](crate::ErrorKind::ConfigurationBroken) | the host does not serve Agent Identity, or it is not enabled |
/// | [`Protocol`](crate::ErrorKind::Protocol) | the answer is not what the contract says, a redirect included |
///
/// Reading, replacing and deleting is tried again; creating only if nothing can have been sent.
///
/// # What is left out
/// Actions that the vendor's packages have, but whose requests are documented nowhere: users of a user pool (`CreateUsersCSV`) and
/// its external identity providers, providers of role credentials, `GetDocumentStatus`, and AgentKit's own control plane
/// (`CreateRuntime`). Set these up in the console.
///
/// # Cancel safety
/// Dropping a read changes nothing. Dropping a write leaves open whether it was carried out.
#[derive(Clone)]
pub struct Management {
    caller: Caller,
    settings: Arc<AgentSettings>,
}

impl Management {
    /// From the variables of the process and the function runtime's file.
    ///
    /// # Errors
    /// As [`AgentKit::from_env`].
    pub fn from_env() -> Result<Self, BuildError> {
        AgentKit::builder().with_environment(&Environment::process()).build_management()
    }

    /// Workload identities and their pools.
    #[must_use]
    pub fn identities(&self) -> Identities {
        Identities::new(self.caller.clone(), self.settings.workload_pool.clone())
    }

    /// OAuth 2.0 credential providers.
    #[must_use]
    pub fn oauth2_providers(&self) -> OAuth2Providers {
        OAuth2Providers::new(self.caller.clone(), self.settings.provider_pool.clone())
    }

    /// API key credential providers.
    #[must_use]
    pub fn api_key_providers(&self) -> ApiKeyProviders {
        ApiKeyProviders::new(self.caller.clone(), self.settings.provider_pool.clone())
    }

    /// Credential providers of every kind.
    #[must_use]
    pub fn providers(&self) -> Providers {
        Providers::new(self.caller.clone(), self.settings.provider_pool.clone())
    }

    /// User pools and their clients.
    #[must_use]
    pub fn user_pools(&self) -> UserPools {
        UserPools::new(self.caller.clone())
    }

    /// Inbound authorization.
    #[must_use]
    pub fn inbound_configs(&self) -> InboundConfigs {
        InboundConfigs::new(self.caller.clone())
    }

    /// Asks the platform's policies: `CheckPermission`. Whatever goes wrong is an error, and never a yes.
    ///
    /// # Errors
    /// See [`Management`].
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn check_permission(&self, question: &PermissionCheck) -> Result<Permission, Error> {
        permissions::check(&self.caller, question).await
    }

    /// Where the vault's OAuth callback listens, for the redirect list at the outside provider and for the provider's record;
    /// nothing if that is not known for the region.
    #[must_use]
    pub fn callback_url(&self) -> Option<&str> {
        self.settings.callback.as_deref()
    }

    /// Where the access key came from.
    #[must_use]
    pub fn source(&self) -> CredentialSource {
        self.caller.source()
    }
}

impl fmt::Debug for Management {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Management").field("caller", &self.caller).finish_non_exhaustive()
    }
}

/// Builds an [`AgentKit`] or a [`Management`].
#[derive(Default)]
#[must_use]
pub struct AgentKitBuilder {
    given: Given,
    surroundings: Surroundings,
}

impl AgentKitBuilder {
    /// An access key that does not end.
    pub fn with_access_key(mut self, id: impl Into<SecretString>, secret: impl Into<SecretString>) -> Self {
        self.given.keys = Some((id.into(), secret.into(), None));
        self
    }

    /// A temporary access key with its session token.
    pub fn with_temporary_access_key(
        mut self,
        id: impl Into<SecretString>,
        secret: impl Into<SecretString>,
        session_token: impl Into<SecretString>,
    ) -> Self {
        self.given.keys = Some((id.into(), secret.into(), Some(session_token.into())));
        self
    }

    /// Where the function runtime keeps its key. Default: `/var/run/secrets/iam/credential`, if it is there and an environment is given.
    pub fn with_iam_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.given.iam_file = Some(path.into());
        self
    }

    /// Which cloud. Default: Volcengine.
    pub fn with_cloud(mut self, cloud: Cloud) -> Self {
        self.given.cloud = Some(cloud);
        self
    }

    texts! {
        /// A role to assume with the access key, by its TRN; its name for the session is `identity-client` unless
        /// [`with_role_session_name`](Self::with_role_session_name) says otherwise.
        with_role = role;
        /// What the assumed role's session is called in the cloud's logs.
        with_role_session_name = session_name;
        /// The region. Default: `cn-beijing`; BytePlus has none.
        with_region = region;
        /// Where the identity API is served. Default: `https://open.volcengineapi.com`, on BytePlus the region's host.
        with_endpoint = endpoint;
        /// Where STS is served. Default: the cloud's, or the identity endpoint if that is on this machine.
        with_sts_endpoint = sts_endpoint;
        /// Where the vault's OAuth callback listens: consents whose redirect URI is another one are refused before a user sees them.
        /// Default: the documented one of the region, if the endpoint is the cloud's own.
        with_callback_url = callback;
        /// Overrides the redirect URI of the providers' records. Better not: the record should have it, and it is to be the
        /// vault's callback.
        with_redirect_url = redirect_url;
        /// The workload's name. Default: the platform takes that of the caller's role.
        with_workload_name = workload;
        /// The pool of the workload. Default: the platform's, `default`.
        with_workload_pool = workload_pool;
        /// The pool of the credential providers. Default: the platform's, `default`.
        with_provider_pool = provider_pool;
    }

    /// For whom workload access tokens are; one more each time. Default: the platform's choice.
    pub fn with_audience(mut self, audience: impl Into<String>) -> Self {
        self.given.audiences.push(audience.into());
        self
    }

    /// How long workload access tokens live: 60 s to an hour. Default: the platform's choice.
    pub fn with_token_duration(mut self, duration: Duration) -> Self {
        self.given.duration = Some(duration);
        self
    }

    surroundings! {
        /// How the platform is reached.
        with_http;
        /// Takes what is not given in code from variables, then from the function runtime's file. Without this, nothing is taken
        /// from anywhere.
        with_environment;
        /// Tells the time for signatures and lifetimes. Default: [`SystemClock`](crate::SystemClock).
        with_clock;
    }

    /// Builds an [`AgentKit`]. Nothing is sent.
    ///
    /// # Errors
    /// [`BuildError::is_missing`] if no access key is configured anywhere; else what is there and cannot be used.
    pub fn build(self) -> Result<AgentKit, BuildError> {
        let management = self.build_management()?;
        let settings = Arc::clone(&management.settings);
        let identity = settings.workload.clone().map_or_else(|| AgentIdentityName::new(NAMELESS), Ok);
        let identity = identity.map_err(|error| BuildError::broken(error.to_string(), "give a workload name"))?;
        let workloads = Workloads::new(management.caller.clone(), AgentSettings::clone(&settings));
        Ok(AgentKit { management, identity, workloads, sessions: Arc::default(), settings })
    }

    /// Builds a [`Management`]. Nothing is sent.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    pub fn build_management(self) -> Result<Management, BuildError> {
        let settings = Settings::resolve(self.given, self.surroundings.environment.as_ref())?;
        let transport = self.surroundings.transport(&HttpOptions::new())?;
        let (region, clock) = (settings.region, self.surroundings.clock);
        let assumed = AssumedRole::new(
            settings.sts_endpoint,
            transport.clone(),
            Arc::clone(&clock),
            region.clone(),
            settings.session_name,
        );
        let (endpoint, base, role) = (settings.endpoint, settings.base, settings.role);
        let caller = Caller::new(Shared { endpoint, region, transport, clock, base, role, assumed });
        Ok(Management { caller, settings: Arc::new(settings.agent) })
    }
}

impl fmt::Debug for AgentKitBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentKitBuilder")
            .field("endpoint", &self.given.endpoint.is_some())
            .field("workload", &self.given.workload)
            .field("environment", &self.surroundings.environment)
            .finish_non_exhaustive()
    }
}
