//! What the examples on AgentKit stand on: the platform that `VOLCENGINE_*` names, or an emulator in this process.

use identity_client::{
    Environment, Error, Flow, IdentityClient,
    agentkit::{AgentKit, NewIdentity, OAuth2Config, Vendor},
};
use identity_emulator::{Emulator, Human};

use crate::{AGENT, Anything, configured, install};

/// As [`Ground`](crate::Ground), on Volcengine Agent Identity.
#[derive(Debug)]
pub struct AgentKitGround {
    /// The platform, with its management API.
    pub agentkit: AgentKit,
    /// The emulator behind it, unless it is the real one.
    pub emulator: Option<Emulator>,
}

impl AgentKitGround {
    /// The platform if an access key is configured, else a new emulator that knows the agent and nothing else, with a person
    /// who does this when they are asked for consent.
    ///
    /// # Errors
    /// If the configuration is broken, or the emulator does not start.
    pub async fn find_with(human: Human) -> Result<Self, Anything> {
        Self::find_returning(human, None).await
    }

    /// The same, with an agent whose users may come back to this URL from a consent. On the platform it must be allowed already.
    ///
    /// # Errors
    /// As [`find_with`](Self::find_with).
    pub async fn find_returning(human: Human, return_url: Option<&str>) -> Result<Self, Anything> {
        if let Some(agentkit) = configured(AgentKit::from_environment(&Environment::process()))? {
            return Ok(Self { agentkit, emulator: None });
        }
        let emulator = Emulator::builder().with_human(human).start().await?;
        let access = emulator.agentkit();
        let agentkit = AgentKit::builder()
            .with_access_key(access.access_key(), access.secret_key().clone())
            .with_workload_name(AGENT)
            .with_endpoint(access.endpoint())
            .with_callback_url(access.callback_url())
            .build()?;
        let mut agent = NewIdentity::new(AGENT)?;
        if let Some(url) = return_url {
            agent = agent.with_allowed_return_url(url);
        }
        agentkit.management().identities().create(agent).await?;
        Ok(Self { agentkit, emulator: Some(emulator) })
    }

    /// A client of it, installed for the attributes.
    ///
    /// # Errors
    /// If one is installed already.
    pub fn install(&self) -> Result<IdentityClient, Error> {
        install(self.agentkit.clone())
    }

    /// Registers the emulator's own OAuth2 provider under this name, for users. On the platform it must exist already.
    ///
    /// # Errors
    /// If the name is taken.
    pub async fn register_provider(&self, name: &str, scopes: &[&str]) -> Result<(), Error> {
        let Some(emulator) = &self.emulator else { return Ok(()) };
        let provider = emulator.provider();
        let config = OAuth2Config::new(provider.client_id(), provider.client_secret().clone(), Flow::UserFederation)?
            .with_scopes(scopes.iter().copied())
            .with_endpoints(
                provider.token_url().replace("/token", ""),
                provider.authorization_url(),
                provider.token_url(),
            )
            .with_redirect_url(emulator.agentkit().callback_url());
        self.agentkit.oauth2_providers().create(name, Vendor::Custom, &config).await?;
        Ok(())
    }

    /// Registers the emulator's imitation of Feishu under this name. On the platform it must exist already.
    ///
    /// # Errors
    /// If the name is taken.
    pub async fn register_feishu(&self, name: &str, scopes: &[&str]) -> Result<(), Error> {
        let Some(emulator) = &self.emulator else { return Ok(()) };
        let feishu = emulator.feishu();
        let config = OAuth2Config::new(feishu.client_id(), feishu.client_secret().clone(), Flow::UserFederation)?
            .with_scopes(scopes.iter().copied())
            .with_redirect_url(emulator.agentkit().callback_url());
        self.agentkit.oauth2_providers().create(name, Vendor::Feishu, &config).await?;
        Ok(())
    }
}
