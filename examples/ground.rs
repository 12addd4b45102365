//! What the examples stand on: the platform that `GREENNODE_*` names, or an emulator in this process.

use identity_client::{Environment, Error, IdentityClient, agentbase::AgentBase};
use identity_emulator::Emulator;

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
    pub async fn find() -> Result<Self, Box<dyn std::error::Error>> {
        match AgentBase::from_environment(&Environment::process()) {
            Ok(agentbase) => return Ok(Self { agentbase, emulator: None }),
            Err(error) if error.is_missing() => {}
            Err(error) => return Err(error.into()),
        }
        let emulator = Emulator::start().await?;
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
        let client = IdentityClient::builder().with_platform(self.agentbase.clone()).build()?;
        client.clone().install()?;
        Ok(client)
    }
}
