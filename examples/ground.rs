//! What the examples stand on: the platform that `GREENNODE_*` names, or an emulator in this process.

mod agent;
mod agent_identity_ground;
mod agentkit_ground;
mod chat;
mod http;
mod idaas_ground;
mod object_store;
pub mod sample;
mod terminal;
mod visitor;

use identity_client::{
    BuildError, Environment, Error, IdentityClient, Platform,
    agentbase::{AgentBase, IdentityUpdate, OAuth2Client},
};
use identity_emulator::{Emulator, EmulatorBuilder, Human};

pub use agent::{AgentServer, People, Question, return_url};
pub use agent_identity_ground::{AgentIdentityGround, ROLE};
pub use agentkit_ground::AgentKitGround;
pub use chat::Chat;
pub use http::{bounded, without_redirects};
pub use idaas_ground::{IdaasGround, IdaasNames};
pub use object_store::ObjectStore;
pub use terminal::{Failure, argument, arguments, countdown, ctrl_c, human, listen, listen_at};
pub use visitor::{Arrival, Visitor, attribute};

/// Any error; [`Failure`] shows it.
pub type Anything = Box<dyn std::error::Error + Send + Sync>;

/// The agent identity that the examples use on the emulator.
pub const AGENT: &str = "example-agent";

/// Where an example runs.
#[derive(Debug)]
pub struct Ground {
    /// The platform, for its management API.
    pub agentbase: AgentBase,
    /// The emulator behind it, unless it is the real one.
    pub emulator: Option<Emulator>,
}

impl Ground {
    /// The platform if `GREENNODE_CLIENT_ID` is set, else a new emulator that knows the agent and nothing else.
    ///
    /// # Errors
    /// If the configuration is broken, or the emulator does not start.
    pub async fn find() -> Result<Self, Anything> {
        Self::find_with(Human::Manual).await
    }

    /// As [`find`](Self::find), with a person who does this when the emulator asks for consent.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub async fn find_with(human: Human) -> Result<Self, Anything> {
        Self::find_on(Emulator::builder().with_human(human)).await
    }

    /// As [`find`](Self::find), with an emulator set up like this.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub async fn find_on(emulator: EmulatorBuilder) -> Result<Self, Anything> {
        match configured(AgentBase::from_environment(&Environment::process()))? {
            Some(agentbase) => Ok(Self { agentbase, emulator: None }),
            None => Self::emulated(emulator).await,
        }
    }

    /// On this emulator, whatever is configured.
    ///
    /// # Errors
    /// If the emulator does not start.
    pub async fn emulated(emulator: EmulatorBuilder) -> Result<Self, Anything> {
        let emulator = emulator.start().await?;
        let access = emulator.agentbase();
        let agentbase = AgentBase::builder()
            .with_client_credentials(access.client_id(), access.client_secret().clone())
            .with_agent_identity(AGENT)
            .with_identity_endpoint(access.identity_url())
            .with_iam_token_endpoint(access.token_url())
            .build()?;
        agentbase.identities().create(identity_client::agentbase::NewIdentity::new(AGENT)?).await?;
        Ok(Self { agentbase, emulator: Some(emulator) })
    }

    /// A client of it, installed for the attributes.
    ///
    /// # Errors
    /// If one is installed already.
    pub fn install(&self) -> Result<IdentityClient, Error> {
        install(self.agentbase.clone())
    }

    /// Registers the emulator's own OAuth2 provider under this name. On the platform it must exist already.
    ///
    /// # Errors
    /// If the name is taken.
    pub async fn register_provider(&self, name: &str) -> Result<(), Error> {
        let Some(emulator) = &self.emulator else { return Ok(()) };
        let provider = emulator.provider();
        let client = OAuth2Client::new(
            provider.client_id(),
            provider.client_secret().clone(),
            provider.authorization_url(),
            provider.token_url(),
        )?;
        self.agentbase.oauth2_providers().create(name, client).await?;
        Ok(())
    }

    /// Where the browser lands after a consent: a page of this process, or the first return URL that the platform allows the agent.
    ///
    /// # Errors
    /// If the platform allows none.
    pub async fn return_url(&self) -> Result<String, Anything> {
        let identities = self.agentbase.identities();
        if self.emulator.is_some() {
            let page = terminal::landing_page().await?;
            identities.update(AGENT, IdentityUpdate::new().with_allowed_return_urls([page.as_str()])).await?;
            return Ok(page);
        }
        let identity = identities.get(self.agentbase.agent_identity().as_str()).await?;
        let allowed = identity.allowed_return_urls.into_iter().next();
        Ok(allowed.ok_or("the agent identity allows no return URL; add one on the platform")?)
    }
}

/// A secret for this run.
fn random_secret() -> Result<String, getrandom::Error> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}")))
}

/// A platform, unless none is configured. One that is configured and cannot be used is an error.
fn configured<P>(found: Result<P, BuildError>) -> Result<Option<P>, BuildError> {
    match found {
        Ok(platform) => Ok(Some(platform)),
        Err(error) if error.is_missing() => Ok(None),
        Err(error) => Err(error),
    }
}

fn install(platform: impl Platform) -> Result<IdentityClient, Error> {
    let client = IdentityClient::builder().with_platform(platform).build()?;
    client.clone().install()?;
    Ok(client)
}
