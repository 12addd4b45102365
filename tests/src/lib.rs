//! The stage for tests across crates: an emulator in process and a client of it.

#[cfg(feature = "peers")]
mod npm;

use std::time::Duration;

use identity_client::{
    IdentityClient, IdentityClientBuilder, Scope,
    agentbase::{AgentBase, NewIdentity, OAuth2Client},
};
use identity_emulator::{Emulator, EmulatorBuilder};

#[cfg(feature = "peers")]
pub use npm::NpmPeer;

/// Compiles the examples of the project's README, and runs those that an emulator can serve.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

/// What goes wrong on a stage ends the test.
pub type Anything = Box<dyn std::error::Error + Send + Sync>;

/// The agent identity of every stage.
pub const AGENT: &str = "stage-agent";
/// Its static API key provider, and the key.
pub const KEY_PROVIDER: &str = "openai-key";
/// The key that the static provider holds.
pub const KEY: &str = "sk-stage-static-key";
/// Its delegated API key provider.
pub const DELEGATED_PROVIDER: &str = "personal-key";
/// Its OAuth2 provider, which is the emulator's own.
pub const OAUTH_PROVIDER: &str = "crm-oauth";
/// The return URL that the identity allows.
pub const RETURN_URL: &str = "https://app.example.com/done";

/// An emulator with an identity and a provider of each kind, and a client of it.
#[derive(Debug)]
pub struct Stage {
    /// The platform.
    pub emulator: Emulator,
    /// Its management API.
    pub agentbase: AgentBase,
    /// A client of it, with nothing in its cache.
    pub client: IdentityClient,
}

impl Stage {
    /// The usual stage.
    ///
    /// # Errors
    /// If the emulator does not start, or does not do what it is told.
    pub async fn new() -> Result<Self, Anything> {
        Self::with(Emulator::builder(), IdentityClient::builder()).await
    }

    /// A stage of one's own making.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub async fn with(emulator: EmulatorBuilder, client: IdentityClientBuilder) -> Result<Self, Anything> {
        let emulator = emulator.start().await?;
        let agentbase = Self::agentbase(&emulator)?;
        agentbase.identities().create(NewIdentity::new(AGENT)?.with_allowed_return_url(RETURN_URL)).await?;
        agentbase.api_key_providers().create(KEY_PROVIDER, KEY).await?;
        agentbase.delegated_api_key_providers().create(DELEGATED_PROVIDER).await?;
        let provider = emulator.provider();
        let oauth = OAuth2Client::new(
            provider.client_id(),
            provider.client_secret().clone(),
            provider.authorization_url(),
            provider.token_url(),
        )?;
        agentbase.oauth2_providers().create(OAUTH_PROVIDER, oauth).await?;
        emulator.counters().reset();
        let client = client.with_platform(agentbase.clone()).build()?;
        Ok(Self { emulator, agentbase, client })
    }

    /// Another AgentBase client of the same emulator, with a service token of its own.
    ///
    /// # Errors
    /// If the configuration is refused.
    pub fn agentbase(emulator: &Emulator) -> Result<AgentBase, Anything> {
        let access = emulator.agentbase();
        let agentbase = AgentBase::builder()
            .with_client_credentials(access.client_id(), access.client_secret().clone())
            .with_agent_identity(AGENT)
            .with_identity_endpoint(access.identity_url())
            .with_iam_token_endpoint(access.token_url())
            .with_http(identity_client::HttpOptions::new().with_retry(fast_retry()))
            .build()?;
        Ok(agentbase)
    }

    /// How often an operation was asked for.
    #[must_use]
    pub fn count(&self, operation: &str) -> u64 {
        self.emulator.counters().count(operation)
    }
}

/// Tries as often as usual, with short pauses.
#[must_use]
pub fn fast_retry() -> identity_client::RetryPolicy {
    identity_client::RetryPolicy::new().with_base(Duration::from_millis(2)).with_cap(Duration::from_millis(20))
}

/// Scopes, checked.
///
/// # Errors
/// If one is none.
pub fn scopes(list: &[&str]) -> Result<Vec<Scope>, Anything> {
    Ok(list.iter().map(Scope::new).collect::<Result<_, _>>()?)
}
