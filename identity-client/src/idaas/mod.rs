//! Alibaba Cloud IDaaS (EIAM): the agent as an application of an enterprise's identity service.
//!
//! [`Idaas`] is the [`Platform`](crate::Platform) of an [`IdentityClient`], and has the operations of the
//! developer API that a platform has not.
//!
//! ```no_run
//! # async fn run(user: identity_client::User) -> Result<(), identity_client::Error> {
//! use identity_client::{IdentityClient, idaas::{AUTHORIZATION_SERVER, Idaas}};
//!
//! let client = IdentityClient::builder().with_platform(Idaas::from_env()?).build()?;
//! // The model's key, by the identifier of the hosted credential:
//! let key = client.api_key("llm_api_key").for_agent().await?;
//! // A token for an internal service, for the agent and for the user who called it:
//! let scopes = ["https://orders.example.com|read"];
//! let for_agent = client.access_token(AUTHORIZATION_SERVER).with_scopes(scopes).await?;
//! let for_user = client.access_token(AUTHORIZATION_SERVER).with_scopes(scopes).for_user(&user).await?;
//! // A token of a third party's OAuth server, by the identifier of the credential provider:
//! let token = client.access_token("github").with_scopes(["repo"]).for_user(&user).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Users
//! IDaaS acts for a user in exchange for the access token by which the user called the agent (RFC 8693), so a user must carry it. One whom
//! `TokenVerifier::alibaba_idaas` has verified (feature `inbound`) does, by `User::from_verified_token` as behind the `CustomJwtLayer`
//! of `identity-runtime`; another is given it with [`User::with_token`](crate::User::with_token). The tokens that calls of the developer API bear are kept by permission and by the digest of the user's token, and each has only the
//! permission that its operation needs. For tokens of IDaaS itself the flows `ON_BEHALF_OF` and `USER_FEDERATION` are the same: nobody
//! is asked. Third parties' tokens are asked for by `USER_FEDERATION`, and may need the user's consent.
//!
//! # Configuration
//! The JSON file of the vendor's SDKs: the path in code ([`IdaasBuilder::with_config_file`]), else in `CLOUD_IDAAS_CONFIG_PATH`, else
//! `~/.cloud_idaas/client-config.json` or `client_config.json` there. It names variables that hold secrets and holds none itself. Its
//! `scope` counts for tokens of IDaaS itself that are asked for without scopes, and for nothing else.
//! Without `tokenEndpoint` the token endpoint is discovered at the issuer. `httpConfiguration` is honoured unless
//! [`IdaasBuilder::with_http`] is called; `unsafeIgnoreSslCert` is refused. Unknown keys are named in a warning, unknown values
//! are errors. `identityType: HUMAN` (a person's own device login) is not supported: users bring their tokens.
//!
//! `ACCESS_IDENTITY` (`Machine` or `Human`) says whether API keys asked for without naming anybody are the agent's or the user's,
//! see [`IdaasBuilder::with_api_key_flow`].

mod access_key;
mod assertion;
mod authentication;
mod authentication_tokens;
mod call;
mod cloud_roles;
mod config;
mod credentials;
mod discovery;
mod file;
mod key;
mod metadata;
mod open_api;
mod platform;
mod refusal;
mod scope;
mod secret;
mod tokens;
mod types;

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

pub use self::{
    access_key::{AccessKeySource, CloudKey},
    authentication::ClientAuthentication,
    authentication_tokens::{AuthenticationTokens, NewJwt, TokenFilter, TokenPage},
    cloud_roles::CloudRoles,
    credentials::Credentials,
    platform::AUTHORIZATION_SERVER,
    secret::SecretSource,
    types::{
        AlibabaKeys, AuthenticationToken, AwsKeys, CloudRoleCredential, ConsentSession, HostedCredential, OAuthClient,
        SessionStatus, TencentKeys,
    },
};
use self::{
    call::Caller,
    config::{Given, Settings},
    tokens::{Shared, Tokens},
};
use crate::{
    client::IdentityClient,
    clock::{Clock, Moment},
    credential_request::Flow,
    env::Environment,
    error::BuildError,
    name::Scope,
    retry::RetryPolicy,
    surroundings::{Surroundings, surroundings, texts},
    transport::{HttpOptions, Transport},
};

/// Whether anything in the environment is meant for this platform.
pub(crate) fn is_configured(environment: &Environment) -> bool {
    file::is_there(environment)
}

/// Alibaba Cloud IDaaS, as one application of one instance. Cheap to clone; clones share tokens and connections.
///
/// Nothing is sent when it is built, and nothing is kept for the process: two of them know nothing of each other.
///
/// # Errors
/// All operations share these:
///
/// | kind | when |
/// | --- | --- |
/// | [`InvalidRequest`](crate::ErrorKind::InvalidRequest) | a scope, length or combination is wrong (nothing was sent), or IDaaS said so |
/// | [`Unauthenticated`](crate::ErrorKind::Unauthenticated) | IDaaS does not accept the application, or the user's token |
/// | [`UserMissing`](crate::ErrorKind::UserMissing) | the user shows no token, or a user is needed |
/// | [`PermissionDenied`](crate::ErrorKind::PermissionDenied) | the application, or the user, lacks a permission |
/// | [`NotFound`](crate::ErrorKind::NotFound) | the identifier is unknown |
/// | [`ConfigurationMissing`](crate::ErrorKind::ConfigurationMissing), [`ConfigurationBroken`](crate::ErrorKind::ConfigurationBroken) | a variable or file that is read for each request is not there or of no use |
/// | [`RateLimited`](crate::ErrorKind::RateLimited), [`Unavailable`](crate::ErrorKind::Unavailable), [`Transport`](crate::ErrorKind::Transport), [`Timeout`](crate::ErrorKind::Timeout) | the tries of [`RetryPolicy`] did not help |
/// | [`Protocol`](crate::ErrorKind::Protocol) | the answer is not what the contract says, a redirect included |
#[derive(Clone)]
pub struct Idaas {
    tokens: Tokens,
    caller: Caller,
    endpoint: Arc<str>,
    issuer: Option<Arc<str>>,
    key_flow: Flow,
    default_scopes: Arc<[Scope]>,
}

impl Idaas {
    /// Builds one piece by piece.
    pub fn builder() -> IdaasBuilder {
        IdaasBuilder::default()
    }

    /// From the configuration file that the variables of the process, or the home directory, have.
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

    /// The id of the application, which is the agent's identity.
    #[must_use]
    pub fn client_id(&self) -> &str {
        self.tokens.shared().client.as_str()
    }

    /// The issuer, as it is configured: whose tokens callers show, for `TokenVerifier::alibaba_idaas` (feature `inbound`).
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// Hosted credentials.
    #[must_use]
    pub fn credentials(&self) -> Credentials {
        Credentials::new(self.caller.clone())
    }

    /// Tokens that IDaaS keeps or signs.
    #[must_use]
    pub fn authentication_tokens(&self) -> AuthenticationTokens {
        AuthenticationTokens::new(self.caller.clone())
    }

    /// Temporary keys of roles at clouds.
    #[must_use]
    pub fn cloud_roles(&self) -> CloudRoles {
        CloudRoles::new(self.caller.clone())
    }
}

impl fmt::Debug for Idaas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Idaas").field("endpoint", &self.endpoint).field("tokens", &self.tokens).finish_non_exhaustive()
    }
}

/// Builds an [`Idaas`]. What is given in code comes before what the file has.
#[derive(Default)]
#[must_use]
pub struct IdaasBuilder {
    given: Given,
    surroundings: Surroundings,
}

impl IdaasBuilder {
    texts! {
        /// The instance, `idaas_…`.
        with_instance_id = instance_id;
        /// The application, `app_…`.
        with_client_id = client_id;
        /// The issuer, `https://{domain}/api/v2/iauths_system/oauth2`, exactly as its discovery document has it. Without a token
        /// endpoint it is asked where that is, once, when the first token is needed.
        with_issuer = issuer;
        /// The token endpoint, exactly as IDaaS has it: assertions name it as their audience.
        with_token_endpoint = token_endpoint;
        /// The developer API, for keys and third parties' tokens: a host such as `eiam-developerapi.cn-hangzhou.aliyuncs.com`, or a URL.
        with_developer_api_endpoint = developer_api_endpoint;
        /// The OpenAPI, for [`ClientAuthentication::open_api`]: a host such as `eiam.cn-hangzhou.aliyuncs.com`, or a URL.
        with_open_api_endpoint = open_api_endpoint;
    }

    /// How the agent authenticates.
    pub fn with_authentication(mut self, authentication: ClientAuthentication) -> Self {
        self.given.authentication = Some(authentication);
        self
    }

    /// Shows this token as that of the actor when a user's token is exchanged (RFC 8693 section 2.1). Default: none, as the vendor's
    /// SDKs: that the client acts is known from its authentication. Whether the service looks at it is not documented.
    pub fn with_actor_token(mut self, token: impl Into<SecretSource>) -> Self {
        self.given.actor = Some(token.into());
        self
    }

    /// Whose the API keys are that are asked for without naming anybody: the agent's by default, or with
    /// [`Flow::UserFederation`] those of the request's user.
    pub fn with_api_key_flow(mut self, flow: Flow) -> Self {
        self.given.key_flow = Some(flow);
        self
    }

    /// Reads this file, which must exist. A path that begins with `~/` is below the home directory.
    pub fn with_config_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.given.file = Some(path.into());
        self
    }

    surroundings! {
        /// How IDaaS is reached. Default: the timeouts of the file's `httpConfiguration`.
        with_http;
        /// Takes what is not given in code from the file that this environment leads to, and variables that are named from there.
        /// Without this, only a file given in code is read, and variables are those of the process.
        with_environment;
        /// Tells the time, for assertions and the lifetime of tokens. Default: [`SystemClock`](crate::SystemClock).
        with_clock;
    }

    /// Builds it. Nothing is sent.
    ///
    /// # Errors
    /// [`BuildError::is_missing`] if nothing is configured anywhere; else what is there and cannot be used.
    pub fn build(self) -> Result<Idaas, BuildError> {
        let settings = Settings::resolve(self.given, self.surroundings.environment.as_ref())?;
        let transport = self.surroundings.transport(&settings.http)?;
        let Surroundings { environment, clock, .. } = self.surroundings;
        let metadata = settings.authentication.metadata().map(|_| metadata_options());
        let metadata = metadata.map(|options| Transport::new(&options, Arc::clone(&clock))).transpose()?;
        let endpoint = settings.description();
        let names = (settings.instance_id.clone(), settings.client.as_str().to_owned());
        let tokens = Tokens::new(Shared {
            instance_id: settings.instance_id,
            client: settings.client,
            endpoint: settings.token_endpoint,
            open_api: settings.open_api,
            authentication: settings.authentication,
            actor: settings.actor,
            environment: environment.unwrap_or_else(Environment::process),
            transport: transport.clone(),
            metadata,
            clock: Arc::clone(&clock),
            pause: std::sync::Mutex::default(),
        });
        let kept = IdentityClient::builder().with_platform(tokens.clone()).with_clock(Told(Arc::clone(&clock)));
        let caller = Caller::new(settings.developer_api, names, transport, clock, kept.build()?);
        let default_scopes = settings.default_scopes.into();
        let (issuer, key_flow) = (settings.issuer, settings.key_flow);
        Ok(Idaas { tokens, caller, endpoint, issuer, key_flow, default_scopes })
    }
}

/// On the machine itself, so an answer comes at once or never; and never through a proxy.
fn metadata_options() -> HttpOptions {
    HttpOptions::new()
        .with_connect_timeout(Duration::from_secs(2))
        .with_attempt_timeout(Duration::from_secs(5))
        .with_retry(RetryPolicy::new().with_deadline(Duration::from_secs(10)))
}

/// A clock that is shared.
#[derive(Debug)]
struct Told(Arc<dyn Clock>);

impl Clock for Told {
    fn now(&self) -> Moment {
        self.0.now()
    }
}

impl fmt::Debug for IdaasBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdaasBuilder")
            .field("client_id", &self.given.client_id)
            .field("authentication", &self.given.authentication)
            .field("file", &self.given.file)
            .field("environment", &self.surroundings.environment)
            .finish_non_exhaustive()
    }
}
