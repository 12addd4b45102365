//! A platform that answers by the name of the provider, and writes down what it was asked.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use identity_client::{
    Acquired, AgentIdentityName, Capabilities, CredentialKind, CredentialRequest, Description, Error, ErrorKind, Flow,
    IdentityClient, Issued, PendingAuthorization, PendingParts, Platform, Polled, Principal, ProviderName,
    RequestContext, Scope, SecretString, User,
};
use tokio::sync::Barrier;

/// Providers whose name starts so are refused.
pub(crate) const REFUSED: &str = "refused";
/// Providers whose name starts so want the user to agree, who does so at the first question after it.
pub(crate) const CONSENT: &str = "consent";
/// Two providers whose names start so answer only when both have been asked.
pub(crate) const TOGETHER: &str = "together";

#[derive(Debug, Clone)]
pub(crate) struct Vault(Arc<State>);

#[derive(Debug)]
struct State {
    identity: AgentIdentityName,
    asked: Mutex<Vec<String>>,
    both: Barrier,
}

impl Vault {
    pub(crate) fn new() -> Self {
        let identity = AgentIdentityName::new("agent-1").unwrap();
        Self(Arc::new(State { identity, asked: Mutex::default(), both: Barrier::new(2) }))
    }

    pub(crate) fn client(&self) -> IdentityClient {
        IdentityClient::builder().with_platform(self.clone()).build().unwrap()
    }

    /// A context with a client of this platform and a user.
    pub(crate) fn context(&self) -> RequestContext {
        RequestContext::new().with_client(self.client()).with_user(User::asserted("user-of-context").unwrap())
    }

    /// What was asked so far, oldest first.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.0.asked.lock().unwrap().clone()
    }

    fn write_down(&self, request: &CredentialRequest) {
        let user = match request.principal() {
            Principal::User(user) => user.id(),
            _ => "agent",
        };
        let scopes: Vec<_> = request.scopes().iter().map(Scope::as_str).collect();
        let options = request.options();
        let line = format!(
            "{} of {} for {user}, scopes {scopes:?}, return {:?}, force {}, state {:?}, extra {:?}",
            request.credential().as_str(),
            request.provider(),
            options.return_url,
            options.force,
            options.custom_state,
            options.custom_parameters,
        );
        self.0.asked.lock().unwrap().push(line);
    }

    fn pending(&self, request: &CredentialRequest, user: &User) -> PendingAuthorization {
        PendingAuthorization::new(PendingParts {
            platform: "vault".to_owned(),
            endpoint: "https://vault.example.com".to_owned(),
            agent_identity: self.0.identity.clone(),
            credential: request.credential(),
            provider: request.provider().clone(),
            user: user.clone(),
            scopes: request.scopes().to_vec(),
            return_url: request.options().return_url.clone(),
            authorization_url: format!("https://vault.example.com/consent?of={}", request.provider()),
            session: Some("session-1".to_owned()),
            custom_state: None,
            custom_parameters: Vec::new(),
            started_at: SystemTime::UNIX_EPOCH,
            expires_at: None,
        })
    }
}

/// The secret that a provider's credential has.
pub(crate) fn secret(provider: &str) -> String {
    format!("SECRET-OF-{provider}")
}

fn issue(kind: CredentialKind, provider: &ProviderName) -> Issued {
    let secret = SecretString::from(secret(provider.as_str()));
    let issued = match kind {
        CredentialKind::AccessToken => Issued::access_token(secret),
        CredentialKind::StsCredentials => Issued::sts_credentials("STS.id", secret, "SECRET-SECURITY-TOKEN".into()),
        CredentialKind::WorkloadToken => Issued::workload_token(secret),
        _ => Issued::api_key(secret),
    };
    issued.with_lifetime(Some(Duration::from_secs(3600)))
}

impl Platform for Vault {
    fn describe(&self) -> Description<'_> {
        Description { name: "vault", endpoint: "https://vault.example.com", agent_identity: &self.0.identity }
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::none();
        capabilities.sts_credentials = true;
        capabilities.workload_tokens = true;
        capabilities.on_behalf_of = true;
        capabilities
    }

    fn check(&self, _: &CredentialRequest) -> Result<(), Error> {
        Ok(())
    }

    async fn api_key_flow(&self, _: &ProviderName) -> Result<Flow, Error> {
        Ok(Flow::MachineToMachine)
    }

    async fn acquire(&self, request: &CredentialRequest) -> Result<Acquired<Issued>, Error> {
        self.write_down(request);
        let provider = request.provider();
        if provider.as_str().starts_with(REFUSED) {
            return Err(Error::from_platform(ErrorKind::PermissionDenied, "the vault refuses"));
        }
        if provider.as_str().starts_with(TOGETHER) {
            let both = tokio::time::timeout(Duration::from_secs(5), self.0.both.wait()).await;
            both.map_err(|_| Error::from_platform(ErrorKind::Timeout, "the other one was not asked at the same time"))?;
        }
        match request.principal() {
            Principal::User(user) if provider.as_str().starts_with(CONSENT) => {
                Ok(Acquired::NeedsConsent(self.pending(request, user)))
            }
            _ => Ok(Acquired::Ready(issue(request.credential(), provider))),
        }
    }

    async fn poll(&self, pending: &PendingAuthorization) -> Result<Polled<Issued>, Error> {
        Ok(Polled::Ready(issue(pending.credential(), pending.provider())))
    }
}
