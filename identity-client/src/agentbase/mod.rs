//! GreenNode AgentBase (VNG Cloud): its identity service, and its IAM for the agent's own credentials.
//!
//! Two clients share one implementation. [`AgentBase`] acts as an agent: it has an agent identity, and it is the
//! [`Platform`](crate::Platform) of an [`IdentityClient`](crate::IdentityClient). [`Management`] needs no agent identity: it makes, changes and deletes identities
//! and providers. Every [`AgentBase`] can do what a [`Management`] can.
//!
//! ```no_run
//! # async fn run() -> Result<(), identity_client::Error> {
//! use identity_client::{IdentityClient, agentbase::{AgentBase, NewIdentity}};
//!
//! let agentbase = AgentBase::from_env()?;
//! agentbase.identities().create(NewIdentity::new("demo-agent")?.with_description("answers mail")).await?;
//!
//! let client = IdentityClient::builder().with_platform(agentbase).build()?;
//! let key = client.api_key("openai-key").await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Configuration
//! What is given in code comes first, then variables, then `.greennode.json` in the working directory:
//!
//! | variable | key of the file | |
//! | --- | --- | --- |
//! | `GREENNODE_CLIENT_ID`, `GREENNODE_CLIENT_SECRET` | `client_id`, `client_secret` | the service account; always both from one place |
//! | `GREENNODE_AGENT_IDENTITY` | `agent_identity` | the agent's identity; not for [`Management`] |
//! | `GREENNODE_IDENTITY_ENDPOINT` | | default: production |
//! | `GREENNODE_IAM_TOKEN_ENDPOINT` | | default: production |
//!
//! The file knows each key under the name of its variable too. Of the two endpoints, both or none must be on this machine, so
//! that credentials made for an emulator never go to production, nor the other way round. `agent_user_id`, a default user in
//! the vendor's SDK, is not used: there is no default user.

mod api_key_providers;
mod call;
mod config;
mod delegated_api_key_providers;
mod iam;
mod identities;
mod oauth2_providers;
mod page;
mod platform;
mod refusal;
mod types;

use std::{fmt, sync::Arc};

use secrecy::SecretString;

pub(crate) use self::config::is_configured;
pub use self::{
    api_key_providers::ApiKeyProviders,
    config::CredentialSource,
    delegated_api_key_providers::DelegatedApiKeyProviders,
    identities::{Identities, IdentityUpdate, NewIdentity},
    oauth2_providers::{OAuth2Client, OAuth2Providers},
    page::{ListOptions, Page, SortDirection},
    types::{AgentIdentity, ApiKeyProvider, OAuth2Provider, ProviderStatus},
};
use self::{
    call::Caller,
    config::{Given, Settings},
    iam::Iam,
};
use crate::{
    env::Environment,
    error::{BuildError, Error},
    name::AgentIdentityName,
    surroundings::{Surroundings, surroundings, texts},
    transport::HttpOptions,
};

/// GreenNode AgentBase, as an agent with an identity there. Cheap to clone; clones share the IAM token and connections.
///
/// Nothing is sent when it is built.
#[derive(Clone)]
pub struct AgentBase {
    management: Management,
    agent_identity: AgentIdentityName,
}

impl AgentBase {
    /// Builds one piece by piece.
    pub fn builder() -> AgentBaseBuilder {
        AgentBaseBuilder::default()
    }

    /// From the variables of the process and `.greennode.json`.
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

    /// As whom it acts.
    #[must_use]
    pub fn agent_identity(&self) -> &AgentIdentityName {
        &self.agent_identity
    }

    /// The management API with the same service account.
    #[must_use]
    pub fn management(&self) -> &Management {
        &self.management
    }

    /// Agent identities.
    #[must_use]
    pub fn identities(&self) -> Identities {
        self.management.identities()
    }

    /// Providers of static API keys.
    #[must_use]
    pub fn api_key_providers(&self) -> ApiKeyProviders {
        self.management.api_key_providers()
    }

    /// Providers of delegated API keys.
    #[must_use]
    pub fn delegated_api_key_providers(&self) -> DelegatedApiKeyProviders {
        self.management.delegated_api_key_providers()
    }

    /// OAuth 2.0 providers.
    #[must_use]
    pub fn oauth2_providers(&self) -> OAuth2Providers {
        self.management.oauth2_providers()
    }

    /// Where the service account's credentials came from.
    #[must_use]
    pub fn source(&self) -> CredentialSource {
        self.management.source()
    }

    fn caller(&self) -> &Caller {
        &self.management.caller
    }
}

impl fmt::Debug for AgentBase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentBase")
            .field("agent_identity", &self.agent_identity)
            .field("endpoint", &self.caller().endpoint())
            .field("credentials", &self.source())
            .finish_non_exhaustive()
    }
}

/// The management API of GreenNode AgentBase. Cheap to clone; clones share the IAM token and connections.
///
/// # Errors
/// All operations share these, and name their own besides:
///
/// | kind | when |
/// | --- | --- |
/// | [`InvalidRequest`](crate::ErrorKind::InvalidRequest) | a name, length or count is out of bounds (nothing was sent), or the platform said 400 or 422 |
/// | [`Unauthenticated`](crate::ErrorKind::Unauthenticated) | IAM does not accept the service account, or the platform refused a new token too |
/// | [`PermissionDenied`](crate::ErrorKind::PermissionDenied) | the service account lacks the policy `AgentBaseFullAccess` |
/// | [`NotFound`](crate::ErrorKind::NotFound), [`Conflict`](crate::ErrorKind::Conflict) | the name is unknown, or taken |
/// | [`RateLimited`](crate::ErrorKind::RateLimited), [`Unavailable`](crate::ErrorKind::Unavailable), [`Transport`](crate::ErrorKind::Transport), [`Timeout`](crate::ErrorKind::Timeout) | the tries of [`RetryPolicy`](crate::RetryPolicy) did not help |
/// | [`Protocol`](crate::ErrorKind::Protocol) | the answer is not what the contract says, a redirect included |
///
/// Reading, replacing and deleting is tried again; creating only if nothing can have been sent.
///
/// # Cancel safety
/// Dropping a read changes nothing. Dropping a write leaves open whether it was carried out.
#[derive(Clone)]
pub struct Management {
    caller: Caller,
}

impl Management {
    /// From the variables of the process and `.greennode.json`.
    ///
    /// # Errors
    /// A [`BuildError`] that names what is missing, or what is there but cannot be used and where it came from.
    pub fn from_env() -> Result<Self, BuildError> {
        AgentBase::builder().with_environment(&Environment::process()).build_management()
    }

    /// Acts as an agent, with the same service account: a name of 3 to 50 characters of `A-Z a-z 0-9 _ -`. Whether the identity
    /// exists is not asked.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) if it is not such a name.
    pub fn with_agent_identity(&self, name: &str) -> Result<AgentBase, Error> {
        types::check_name(name, "agent identity name")?;
        Ok(AgentBase { management: self.clone(), agent_identity: AgentIdentityName::new(name)? })
    }

    /// Agent identities.
    #[must_use]
    pub fn identities(&self) -> Identities {
        Identities::new(self.caller.clone())
    }

    /// Providers of static API keys.
    #[must_use]
    pub fn api_key_providers(&self) -> ApiKeyProviders {
        ApiKeyProviders::new(self.caller.clone())
    }

    /// Providers of delegated API keys.
    #[must_use]
    pub fn delegated_api_key_providers(&self) -> DelegatedApiKeyProviders {
        DelegatedApiKeyProviders::new(self.caller.clone())
    }

    /// OAuth 2.0 providers.
    #[must_use]
    pub fn oauth2_providers(&self) -> OAuth2Providers {
        OAuth2Providers::new(self.caller.clone())
    }

    /// Where the service account's credentials came from.
    #[must_use]
    pub fn source(&self) -> CredentialSource {
        self.caller.source()
    }
}

impl fmt::Debug for Management {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Management")
            .field("endpoint", &self.caller.endpoint())
            .field("credentials", &self.source())
            .finish_non_exhaustive()
    }
}

/// Builds an [`AgentBase`] or a [`Management`].
#[derive(Default)]
#[must_use]
pub struct AgentBaseBuilder {
    given: Given,
    surroundings: Surroundings,
}

impl AgentBaseBuilder {
    /// The id and the secret of an IAM service account.
    pub fn with_client_credentials(mut self, id: impl Into<String>, secret: impl Into<SecretString>) -> Self {
        self.given.credentials = Some((id.into(), secret.into()));
        self
    }

    texts! {
        /// The agent's identity, by name.
        with_agent_identity = agent_identity;
        /// The base URL of the identity service, up to and without `/api/v1`. Default: production,
        /// `https://agentbase.api.vngcloud.vn/identity`.
        with_identity_endpoint = identity_endpoint;
        /// The URL of IAM's token endpoint. Default: production, `https://iam.api.vngcloud.vn/accounts-api/v2/auth/token`.
        with_iam_token_endpoint = iam_token_endpoint;
    }

    surroundings! {
        /// How the platform is reached.
        with_http;
        /// Takes what is not given in code from variables, then from `.greennode.json`. Without this, nothing is taken from
        /// anywhere.
        with_environment;
        /// Tells the time for the lifetime of IAM tokens. Default: [`SystemClock`](crate::SystemClock).
        with_clock;
    }

    /// Builds an [`AgentBase`]. Nothing is sent.
    ///
    /// # Errors
    /// [`BuildError::is_missing`] if no credentials are configured anywhere; else what is there and cannot be used, or that
    /// the agent identity is missing.
    pub fn build(self) -> Result<AgentBase, BuildError> {
        let (management, agent_identity) = self.resolve()?;
        let agent_identity = agent_identity.ok_or_else(|| {
            BuildError::broken(
                format!("the service account is configured ({}), but not as which agent to act", management.source()),
                "set GREENNODE_AGENT_IDENTITY; or write `agent_identity` into .greennode.json; or give it in code with `with_agent_identity(..)`; to only manage, use `build_management()`",
            )
        })?;
        Ok(AgentBase { management, agent_identity })
    }

    /// Builds a [`Management`]; an agent identity is not needed. Nothing is sent.
    ///
    /// # Errors
    /// As [`build`](Self::build), the agent identity aside.
    pub fn build_management(self) -> Result<Management, BuildError> {
        self.resolve().map(|(management, _)| management)
    }

    fn resolve(self) -> Result<(Management, Option<AgentIdentityName>), BuildError> {
        let settings = Settings::resolve(self.given, self.surroundings.environment.as_ref())?;
        let transport = self.surroundings.transport(&HttpOptions::new())?;
        let clock = self.surroundings.clock;
        let iam = Iam::new(settings.iam_token_endpoint, transport.clone(), settings.account, Arc::clone(&clock));
        let caller = Caller::new(settings.identity_endpoint, transport, iam, clock);
        Ok((Management { caller }, settings.agent_identity))
    }
}

impl fmt::Debug for AgentBaseBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentBaseBuilder")
            .field("identity_endpoint", &self.given.identity_endpoint.is_some())
            .field("agent_identity", &self.given.agent_identity)
            .field("environment", &self.surroundings.environment)
            .finish_non_exhaustive()
    }
}
