//! Alibaba Cloud Agent Identity: workload identities, the vault behind them, and temporary keys of their roles.
//!
//! Two clients share one implementation. [`AgentIdentity`] acts as a workload: it is the [`Platform`](crate::Platform) of an
//! [`IdentityClient`](crate::IdentityClient). [`Management`] needs no workload identity: it makes, changes and deletes identity
//! providers, workload identities, credential providers and token vaults, and prepares the RAM roles that they need.
//!
//! ```no_run
//! # async fn run() -> Result<(), identity_client::Error> {
//! use identity_client::{IdentityClient, agent_identity::AgentIdentity};
//!
//! let client = IdentityClient::builder().with_platform(AgentIdentity::from_env()?).build()?;
//! let key = client.api_key("weather-key").await?;
//! let credentials = client.sts_credentials().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # How a request is made
//! The workload is known by a workload access token: its own, or one for a user, by the user's token
//! ([`User::with_token`](crate::User::with_token)), which the service verifies, else by the user's id, for which the application
//! vouches. It is kept for two minutes and never parsed. With it come temporary keys of the workload identity's RAM role, kept
//! until they say that they are over, and those sign the requests for credentials ([`ResourceSigner`]).
//!
//! # Configuration
//! What is given in code comes first, then variables. `.config.json` of the vendor's SDK is read for the name and never
//! written; nothing is ever created because a name is missing.
//!
//! | variable | |
//! | --- | --- |
//! | `AGENT_IDENTITY_WORKLOAD_IDENTITY_NAME` | the workload identity; else `workload_identity_name` in `.config.json` in the working directory |
//! | `AGENT_IDENTITY_WORKLOAD_ACCESS_TOKEN` | a token that the runtime gave; used for the agent itself, never for a user |
//! | `AGENT_IDENTITY_REGION_ID` | default: `cn-beijing` |
//! | `AGENT_IDENTITY_USE_STS` | `true` (default) or `false`, see [`ResourceSigner`] |
//! | `AGENT_IDENTITY_DATA_ENDPOINT`, `AGENT_IDENTITY_ENDPOINT` | host or URL of the data and the control plane; default: those of the region |
//! | `ALIBABA_CLOUD_RAM_ENDPOINT`, `ALIBABA_CLOUD_IMS_ENDPOINT`, `ALIBABA_CLOUD_STS_ENDPOINT` | host or URL; default: production |
//!
//! Endpoints that are given are both on this machine or both are not, so that keys made for an emulator never go to production.
//!
//! # The caller's AccessKey
//! The first of these places that is configured is the one, decided when the client is built. Half a configuration, or one that
//! fails later, is an error that names the place; no other is tried, for its keys would be another identity's.
//!
//! 1. given in code
//! 2. `ALIBABA_CLOUD_ACCESS_KEY_ID`, `ALIBABA_CLOUD_ACCESS_KEY_SECRET`, with `ALIBABA_CLOUD_SECURITY_TOKEN` if it is temporary
//! 3. a role by OIDC: `ALIBABA_CLOUD_ROLE_ARN`, `ALIBABA_CLOUD_OIDC_PROVIDER_ARN`, `ALIBABA_CLOUD_OIDC_TOKEN_FILE`
//! 4. `ALIBABA_CLOUD_CREDENTIALS_URI`
//! 5. `~/.aliyun/config.json`, the profile that `ALIBABA_CLOUD_PROFILE` names, else the current one, of mode `AK`, `StsToken`,
//!    `RamRoleArn`, `EcsRamRole` or `OIDC`; unless `ALIBABA_CLOUD_CLI_PROFILE_DISABLED=true`
//! 6. `ALIBABA_CLOUD_CREDENTIALS_FILE`, else `~/.alibabacloud/credentials.ini`, of type `access_key`, `ram_role_arn`,
//!    `ecs_ram_role` or `oidc_role_arn`
//! 7. the role of the ECS instance (`ALIBABA_CLOUD_ECS_METADATA` names it), unless `ALIBABA_CLOUD_ECS_METADATA_DISABLED=true`

mod api_key_providers;
mod applications;
mod call;
mod chain;
mod config;
mod form;
mod identity_providers;
mod kept;
mod keys;
mod oauth2_providers;
mod page;
mod platform;
mod ram;
mod refusal;
mod token_vaults;
mod types;
mod workload;
mod workload_identities;

use std::{fmt, sync::Arc, time::Duration};

use secrecy::SecretString;
use serde_json::Value;

pub(crate) use self::config::is_configured;
pub use self::{
    api_key_providers::ApiKeyCredentialProviders,
    applications::{Application, ApplicationKind, ApplicationScope, ApplicationUpdate, Applications, NewApplication},
    config::ResourceSigner,
    identity_providers::{IdentityProviderUpdate, IdentityProviders, NewIdentityProvider},
    keys::CredentialSource,
    oauth2_providers::{NewOAuth2Provider, OAuth2Config, OAuth2CredentialProviders, OAuth2ProviderUpdate},
    page::{ListOptions, Page},
    ram::{AttachedPolicy, Ram, RamPolicy, RamRole},
    token_vaults::{NewTokenVault, TokenVaults},
    types::{ApiKeyCredentialProvider, IdentityProvider, OAuth2CredentialProvider, TokenVault, WorkloadIdentity},
    workload_identities::{NewWorkloadIdentity, WorkloadIdentities, WorkloadIdentityUpdate},
};
use self::{
    call::{Call, Caller, Plane},
    config::{Given, Settings},
    form::Form,
    keys::{Keys, Origin},
    workload::Workload,
};
use crate::{
    env::Environment,
    error::{BuildError, Error},
    name::{AgentIdentityName, ProviderName},
    retry::RetryPolicy,
    surroundings::{Surroundings, surroundings, texts},
    transport::{HttpOptions, Transport},
};

/// The platform's name for a workload whose runtime gave a token and no name.
const UNNAMED: &str = "workload-of-the-runtime";

/// Alibaba Cloud Agent Identity, as a workload there. Cheap to clone; clones share tokens, keys and connections.
///
/// Nothing is sent when it is built.
#[derive(Clone)]
pub struct AgentIdentity {
    management: Management,
    workload: Workload,
    name: AgentIdentityName,
    signer: ResourceSigner,
    vault: Option<ProviderName>,
}

impl AgentIdentity {
    /// Builds one piece by piece.
    pub fn builder() -> AgentIdentityBuilder {
        AgentIdentityBuilder::default()
    }

    /// From the variables of the process and the files of the vendor's tools.
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
    pub fn workload_identity(&self) -> &AgentIdentityName {
        &self.name
    }

    /// The management API with the caller's own keys.
    #[must_use]
    pub fn management(&self) -> &Management {
        &self.management
    }

    /// The same workload with the providers of another token vault. Default: the vault `default`.
    ///
    /// # Errors
    /// If it is no name.
    pub fn with_token_vault(&self, name: &str) -> Result<Self, BuildError> {
        Ok(Self { vault: Some(config::vault_name(name)?), ..self.clone() })
    }

    /// Where the caller's AccessKey comes from; nothing if there is none, and the runtime's token is all that there is.
    #[must_use]
    pub fn source(&self) -> Option<CredentialSource> {
        self.management.source()
    }

    fn caller(&self) -> &Caller {
        &self.management.caller
    }
}

impl fmt::Debug for AgentIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentIdentity")
            .field("workload_identity", &self.name)
            .field("endpoint", self.caller().endpoint())
            .field("credentials", &self.source())
            .field("token_vault", &self.vault)
            .finish_non_exhaustive()
    }
}

/// The management API of Alibaba Cloud Agent Identity. Cheap to clone; clones share keys and connections.
///
/// # Errors
/// All operations share these, and name their own besides:
///
/// | kind | when |
/// | --- | --- |
/// | [`ConfigurationMissing`](crate::ErrorKind::ConfigurationMissing) | no AccessKey is configured |
/// | [`InvalidRequest`](crate::ErrorKind::InvalidRequest) | a name is none (nothing was sent), or the platform refused a parameter |
/// | [`Unauthenticated`](crate::ErrorKind::Unauthenticated) | the signature or the AccessKey was refused |
/// | [`PermissionDenied`](crate::ErrorKind::PermissionDenied) | the AccessKey's identity may not do this; the hint names the permission |
/// | [`NotFound`](crate::ErrorKind::NotFound), [`Conflict`](crate::ErrorKind::Conflict) | the name is unknown, or taken |
/// | [`RateLimited`](crate::ErrorKind::RateLimited), [`Unavailable`](crate::ErrorKind::Unavailable), [`Transport`](crate::ErrorKind::Transport), [`Timeout`](crate::ErrorKind::Timeout) | the tries of [`RetryPolicy`] did not help |
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
    /// From the variables of the process and the files of the vendor's tools.
    ///
    /// # Errors
    /// A [`BuildError`] that names what is missing, or what is there but cannot be used and where it came from.
    pub fn from_env() -> Result<Self, BuildError> {
        AgentIdentity::builder().with_environment(&Environment::process()).build_management()
    }

    /// Issuers of the users' tokens.
    #[must_use]
    pub fn identity_providers(&self) -> IdentityProviders {
        IdentityProviders::new(self.caller.clone())
    }

    /// Workload identities.
    #[must_use]
    pub fn workload_identities(&self) -> WorkloadIdentities {
        WorkloadIdentities::new(self.caller.clone())
    }

    /// Providers of OAuth 2.0 tokens.
    #[must_use]
    pub fn oauth2_credential_providers(&self) -> OAuth2CredentialProviders {
        OAuth2CredentialProviders::new(self.caller.clone())
    }

    /// Providers of API keys.
    #[must_use]
    pub fn api_key_credential_providers(&self) -> ApiKeyCredentialProviders {
        ApiKeyCredentialProviders::new(self.caller.clone())
    }

    /// Token vaults.
    #[must_use]
    pub fn token_vaults(&self) -> TokenVaults {
        TokenVaults::new(self.caller.clone())
    }

    /// The RAM roles and policies that workload identities need.
    #[must_use]
    pub fn ram(&self) -> Ram {
        Ram::new(self.caller.clone())
    }

    /// The account's OAuth applications: the clients with which people sign in to Alibaba Cloud.
    #[must_use]
    pub fn applications(&self) -> Applications {
        Applications::new(self.caller.clone())
    }

    /// Any other operation of the control plane (version 2025-09-01), signed: user pools, their clients, users and roles, policy
    /// sets and gateways. `parameters` is an object: text and numbers are sent as they are, `true` and `false` spelled `True` and
    /// `False`, lists and objects as JSON, `null` not at all. `UpdateLoginPreference` alone has two of its parameters in the
    /// query, and that is seen to. The answer is passed on as it came, secrets included.
    ///
    /// It is tried again after an unclear outcome only if the action begins with `Get` or `List`.
    ///
    /// ```no_run
    /// # async fn run(management: identity_client::agent_identity::Management) -> Result<(), identity_client::Error> {
    /// use serde_json::json;
    ///
    /// let pool = management.call("CreateUserPool", &json!({ "UserPoolName": "customers" })).await?;
    /// # drop(pool);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) if the action is no word or the parameters are no object; else see [`Management`].
    ///
    /// # Cancel safety
    /// Dropped midway, a write may have been carried out.
    pub async fn call(&self, action: &str, parameters: &Value) -> Result<Value, Error> {
        const IN_THE_QUERY: [&str; 2] = ["AllowedPostLogoutRedirectUris", "LoginPreference"];
        if !(1..=64).contains(&action.len()) || !action.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(Error::invalid("an action is a word of ASCII letters and digits, for example `GetUserPool`"));
        }
        let fields =
            parameters.as_object().ok_or_else(|| Error::invalid("the parameters of an operation are an object"))?;
        let mut form = Form::new();
        let mut query = Vec::new();
        for (name, value) in fields {
            if action == "UpdateLoginPreference" && IN_THE_QUERY.contains(&name.as_str()) {
                query.push((name.clone(), value.to_string()));
                continue;
            }
            form = match value {
                Value::Null => form,
                Value::Bool(flag) => form.flag(name, *flag),
                Value::Number(number) => form.text(name, &number.to_string()),
                Value::String(text) => form.text(name, text),
                Value::Array(_) | Value::Object(_) => form.json(name, value)?,
            };
        }
        let call = Call::new(Plane::Control, "call the control plane", action, form).with_query(query);
        let call = call.hiding(fields.values().filter_map(Value::as_str));
        let is_read = action.starts_with("Get") || action.starts_with("List");
        let call = if is_read { call } else { call.once() };
        self.caller.send(&call).await?.json()
    }

    /// Where the caller's AccessKey comes from.
    #[must_use]
    pub fn source(&self) -> Option<CredentialSource> {
        self.caller.source().cloned()
    }

    /// The URL of the control plane.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        self.caller.control().url().as_str()
    }
}

impl fmt::Debug for Management {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Management")
            .field("endpoint", self.caller.control())
            .field("credentials", &self.source())
            .finish_non_exhaustive()
    }
}

/// Builds an [`AgentIdentity`] or a [`Management`].
#[derive(Default)]
#[must_use]
pub struct AgentIdentityBuilder {
    given: Given,
    surroundings: Surroundings,
}

impl AgentIdentityBuilder {
    texts! {
        /// The region. Default: `cn-beijing`.
        with_region = region;
        /// The workload identity, by name.
        with_workload_identity = workload_identity;
        /// The token vault that the providers are in. Default: the vault `default`.
        with_token_vault = token_vault;
        /// The data plane's host or URL. Default: `agentidentitydata.{region}.aliyuncs.com`; within a VPC
        /// `agentidentitydata-vpc.{region}.aliyuncs.com`.
        with_data_endpoint = data_endpoint;
        /// The control plane's host or URL. Default: `agentidentity.{region}.aliyuncs.com`.
        with_control_endpoint = control_endpoint;
        /// RAM's host or URL. Default: `ram.aliyuncs.com`.
        with_ram_endpoint = ram_endpoint;
        /// The host or URL of IMS, where OAuth applications are registered. Default: `ims.aliyuncs.com`.
        with_ims_endpoint = ims_endpoint;
        /// The host or URL of STS, where a role of the caller is assumed. Default: `sts.aliyuncs.com`.
        with_sts_endpoint = sts_endpoint;
        /// An ECS metadata service on this machine, for tests. Default: that of ECS.
        with_metadata_endpoint = metadata_endpoint;
    }

    /// The caller's AccessKey.
    pub fn with_access_key(mut self, id: impl Into<String>, secret: impl Into<SecretString>) -> Self {
        self.given.key = Some((id.into(), secret.into(), None));
        self
    }

    /// The caller's AccessKey, a temporary one. It is not renewed.
    pub fn with_temporary_access_key(
        mut self,
        id: impl Into<String>,
        secret: impl Into<SecretString>,
        security_token: impl Into<SecretString>,
    ) -> Self {
        self.given.key = Some((id.into(), secret.into(), Some(security_token.into())));
        self
    }

    /// A workload access token that the runtime gave. It is used for the agent itself, for nobody can tell for whom else it is
    /// good; tokens for users are always asked for.
    pub fn with_workload_token(mut self, token: impl Into<SecretString>) -> Self {
        self.given.workload_token = Some(token.into());
        self
    }

    /// Who signs the requests for credentials. Default: [`ResourceSigner::RuntimeRole`].
    pub fn with_resource_signer(mut self, signer: ResourceSigner) -> Self {
        self.given.signer = Some(signer);
        self
    }

    surroundings! {
        /// How the platform is reached.
        with_http;
        /// Takes what is not given in code from variables, then from files. Without this, nothing is taken from anywhere.
        with_environment;
        /// Tells the time for signatures and for the lifetime of tokens and keys. Default: [`SystemClock`](crate::SystemClock).
        with_clock;
    }

    /// Builds an [`AgentIdentity`]. Nothing is sent.
    ///
    /// # Errors
    /// [`BuildError::is_missing`] if neither an AccessKey nor a workload access token is configured; else what is there and
    /// cannot be used, or that the workload identity is missing.
    pub fn build(self) -> Result<AgentIdentity, BuildError> {
        let clock = Arc::clone(&self.surroundings.clock);
        let is_named = self.surroundings.environment.as_ref().is_some_and(is_configured);
        let (management, settings) = self.resolve()?;
        // The metadata service is where keys are looked for if nobody says anything.
        let is_guess = matches!(&settings.keys, Some((Origin::Metadata { role: None, .. }, CredentialSource::EcsRole)));
        let has_token = settings.workload_token.is_some();
        if settings.keys.is_none() && !has_token {
            return Err(BuildError::missing(
                "neither an AccessKey of Alibaba Cloud nor a workload access token is configured",
                "set ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET, or run `aliyun configure`, or give one in code with `with_access_key(..)`",
            ));
        }
        let named = settings.workload_identity;
        let name = match &named {
            Some(name) => name.clone(),
            None if has_token => {
                AgentIdentityName::new(UNNAMED).map_err(|error| BuildError::broken(error.to_string(), "report this"))?
            }
            None => {
                let problem = "Alibaba Cloud Agent Identity is configured, but not as which workload identity to act";
                let hint = "set AGENT_IDENTITY_WORKLOAD_IDENTITY_NAME, or give it in code with `with_workload_identity(..)`; none is made up and none is created for you; to only manage, use `build_management()`";
                return Err(if is_guess && !is_named {
                    BuildError::missing(problem, hint)
                } else {
                    BuildError::broken(problem, hint)
                });
            }
        };
        let workload = Workload::new(management.caller.clone(), named, settings.workload_token, &clock);
        Ok(AgentIdentity { management, workload, name, signer: settings.signer, vault: settings.token_vault })
    }

    /// Builds a [`Management`]; a workload identity is not needed. Nothing is sent.
    ///
    /// # Errors
    /// As [`build`](Self::build), the workload identity aside.
    pub fn build_management(self) -> Result<Management, BuildError> {
        let (management, settings) = self.resolve()?;
        if settings.keys.is_none() {
            return Err(BuildError::missing(
                "no AccessKey of Alibaba Cloud is configured",
                "set ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET, or run `aliyun configure`, or give one in code with `with_access_key(..)`",
            ));
        }
        Ok(management)
    }

    fn resolve(self) -> Result<(Management, Settings), BuildError> {
        let settings = Settings::resolve(self.given, self.surroundings.environment.as_ref())?;
        let transport = self.surroundings.transport(&HttpOptions::new())?;
        let Surroundings { environment, clock, .. } = self.surroundings;
        // The metadata service is on this machine's own network: near, and never behind a proxy.
        let near = HttpOptions::new()
            .with_connect_timeout(Duration::from_secs(1))
            .with_attempt_timeout(Duration::from_secs(2))
            .with_retry(RetryPolicy::new().with_max_attempts(2).with_deadline(Duration::from_secs(5)));
        let local = Transport::new(&near, Arc::clone(&clock))?;
        let environment = environment.unwrap_or_else(|| Environment::of::<String, String>([]));
        let keys = settings.keys.clone().map(|found| {
            let transports = (transport.clone(), local);
            Keys::new(found, settings.services.clone(), environment, transports, Arc::clone(&clock))
        });
        let endpoints = [&settings.data, &settings.control, &settings.ram, &settings.ims].map(Clone::clone);
        let caller = Caller::new(endpoints, transport, keys, clock);
        Ok((Management { caller }, settings))
    }
}

impl fmt::Debug for AgentIdentityBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentIdentityBuilder")
            .field("region", &self.given.region)
            .field("workload_identity", &self.given.workload_identity)
            .field("environment", &self.surroundings.environment)
            .finish_non_exhaustive()
    }
}
