//! A platform that answers from memory, so that what is measured is the client.

use identity_client::{
    Acquired, AgentIdentityName, Capabilities, CredentialKind, CredentialRequest, Description, Error, Flow, Issued,
    PendingAuthorization, Platform, Polled, ProviderName, SecretString,
};

/// Issues the same key or token at once.
#[derive(Debug)]
pub struct MemoryPlatform {
    identity: AgentIdentityName,
}

impl MemoryPlatform {
    /// A platform that knows one agent.
    ///
    /// # Errors
    /// Never, for the name is valid.
    pub fn new() -> Result<Self, Error> {
        Ok(Self { identity: AgentIdentityName::new("bench-agent")? })
    }
}

impl Platform for MemoryPlatform {
    fn describe(&self) -> Description<'_> {
        Description { name: "memory", endpoint: "https://memory.example.com", agent_identity: &self.identity }
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::none()
    }

    fn check(&self, _: &CredentialRequest) -> Result<(), Error> {
        Ok(())
    }

    async fn api_key_flow(&self, _: &ProviderName) -> Result<Flow, Error> {
        Ok(Flow::MachineToMachine)
    }

    async fn acquire(&self, request: &CredentialRequest) -> Result<Acquired<Issued>, Error> {
        let secret = SecretString::from("sk-0123456789abcdef0123456789abcdef");
        Ok(Acquired::Ready(match request.credential() {
            CredentialKind::ApiKey => Issued::api_key(secret),
            _ => Issued::access_token(secret),
        }))
    }

    async fn poll(&self, _: &PendingAuthorization) -> Result<Polled<Issued>, Error> {
        Ok(Polled::Pending { interval: None })
    }
}
