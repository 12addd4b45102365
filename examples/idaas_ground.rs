//! What the examples on Alibaba Cloud IDaaS stand on: the instance that the SDK's file names, or an emulator in this process.

use identity_client::{
    Environment, Error, Flow, IdentityClient,
    idaas::{ClientAuthentication, Idaas},
};
use identity_emulator::{Emulator, Seed};
use serde_json::json;

use crate::{Anything, argument, configured, install, random_secret};

/// What the vendor's sample agent takes from its variables, with the emulator's own as the default.
#[derive(Debug)]
pub struct IdaasNames {
    /// `AGENT_AUDIENCE` and `AGENT_SCOPE`: what callers of the agent must have, as `audience|permission`.
    pub access: String,
    /// `LLM_API_KEY_IDENTIFIER`: the model's key.
    pub model_key: String,
    /// `EXTERNAL_SERVER_API_KEY_IDENTIFIER`: the key of a service outside.
    pub external_key: String,
    /// `ENTERPRISE_SERVICE_SCOPE`: what the agent needs of the internal service, as `audience|permission`.
    pub service_scope: String,
}

impl IdaasNames {
    fn find() -> Self {
        let (audience, scope) =
            (variable("AGENT_AUDIENCE", "https://agent.example.com"), variable("AGENT_SCOPE", "agent.access"));
        Self {
            access: format!("{audience}|{scope}"),
            model_key: variable("LLM_API_KEY_IDENTIFIER", "llm_api_key"),
            external_key: variable("EXTERNAL_SERVER_API_KEY_IDENTIFIER", "external_server_api_key"),
            service_scope: variable("ENTERPRISE_SERVICE_SCOPE", "https://orders.example.com|read"),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the variables of the vendor's sample, of which the SDK knows nothing")]
fn variable(name: &str, default: &str) -> String {
    std::env::var(name).ok().filter(|value| !value.is_empty()).unwrap_or_else(|| default.to_owned())
}

/// As [`Ground`](crate::Ground), on Alibaba Cloud IDaaS.
#[derive(Debug)]
pub struct IdaasGround {
    /// The instance, as the agent's application.
    pub idaas: Idaas,
    /// Whose tokens callers show.
    pub issuer: String,
    /// Whether the agent acts for its callers (`ACCESS_IDENTITY=Human`), or for itself (`Machine`).
    pub is_human: bool,
    /// What is called how there.
    pub names: IdaasNames,
    /// The emulator behind it, unless it is the real one.
    pub emulator: Option<Emulator>,
}

impl IdaasGround {
    /// The instance if the SDK's file is found, else a new emulator with all that [`IdaasNames`] names: the service outside has one
    /// key for the agent and another one for alice. `--access Human` or `Machine` goes before `ACCESS_IDENTITY`.
    ///
    /// # Errors
    /// If the configuration is broken, or the emulator does not start.
    pub async fn find() -> Result<Self, Anything> {
        let is_human = match argument("--access").unwrap_or_else(|| variable("ACCESS_IDENTITY", "Machine")).as_str() {
            "Human" => true,
            "Machine" => false,
            other => return Err(format!("`{other}` is neither `Machine` nor `Human`").into()),
        };
        // Whose the keys are that a handler asks for without naming anybody.
        let flow = if is_human { Flow::UserFederation } else { Flow::MachineToMachine };
        let names = IdaasNames::find();
        let found = Idaas::builder().with_environment(&Environment::process()).with_api_key_flow(flow).build();
        if let Some(idaas) = configured(found)? {
            let issuer = idaas.issuer().ok_or("the configuration has no `issuer`; add it")?.to_owned();
            return Ok(Self { idaas, issuer, is_human, names, emulator: None });
        }
        let emulator = Emulator::builder().with_seed(seed(&names)?).start().await?;
        let handle = emulator.idaas();
        let secret = ClientAuthentication::client_secret_jwt(handle.client_secret().clone());
        let idaas = Idaas::builder()
            .with_instance_id(handle.instance_id())
            .with_client_id(handle.client_id())
            .with_issuer(handle.issuer())
            .with_developer_api_endpoint(handle.developer_api_endpoint())
            .with_authentication(secret)
            .with_api_key_flow(flow)
            .build()?;
        Ok(Self { issuer: handle.issuer().to_owned(), idaas, is_human, names, emulator: Some(emulator) })
    }

    /// A client of it, installed for the attributes.
    ///
    /// # Errors
    /// If one is installed already.
    pub fn install(&self) -> Result<IdentityClient, Error> {
        install(self.idaas.clone())
    }
}

fn seed(names: &IdaasNames) -> Result<Seed, Anything> {
    let (audience, permission) = names.service_scope.split_once('|').ok_or("a scope is `audience|permission`")?;
    let secret = random_secret()?;
    let seed = json!({ "idaas": {
        "applications": [{
            "client_id": "app_example_agent",
            "client_secret": secret,
            "permissions": { "urn:cloud:idaas:pam": ["credential:obtain"], audience: [permission] },
        }],
        "api_keys": [
            { "identifier": names.model_key, "apikey": "sk-synthetic-key-of-the-model" },
            { "identifier": names.external_key, "apikey": "synthetic-key-of-the-agent" },
            { "identifier": names.external_key, "apikey": "synthetic-key-of-alice", "exclusive_user": "alice" },
        ],
    } });
    Ok(Seed::from_json(&seed.to_string())?)
}
