//! One emulator with the same three providers on each of its platforms, and the configuration that leads an agent to each.

use std::{fs, net::SocketAddr, path::Path, time::Duration};

use identity_client::{
    Environment, SecretString,
    agent_identity::{AgentIdentity, NewIdentityProvider, NewWorkloadIdentity},
};
use identity_emulator::{Emulator, Seed};
use identity_tests::Anything;
use serde_json::{Value, json};

use crate::{
    agent::Settings,
    browser::{Browser, CALLBACK, CLIENT, SECRET},
};

pub(crate) const KEY: &str = "sk-synthetic-key-of-the-company";
const AGENT: &str = "crm-agent";
const POOL: &str = "people";
/// For whom the tokens are with which IDaaS's users call.
const AUDIENCE: &str = "https://agent.example.com";
const HOUR: Duration = Duration::from_secs(3600);

/// The agent on one platform, as its operator sets it up, and the token with which its user calls.
pub(crate) struct Deployment {
    pub(crate) platform: &'static str,
    pub(crate) environment: Environment,
    pub(crate) settings: Settings,
    pub(crate) user_token: SecretString,
}

/// The emulator, for an agent that is served at this address.
pub(crate) async fn emulator(agent: SocketAddr) -> Result<Emulator, Anything> {
    let seed = Seed::from_json(&seed(&format!("{}/return", consent_url(agent))).to_string())?;
    Ok(Emulator::builder().with_seed(seed).start().await?)
}

fn consent_url(agent: SocketAddr) -> String {
    format!("http://{agent}/consent")
}

fn seed(return_url: &str) -> Value {
    let keys = json!([{ "name": "openai-key", "apikey": KEY }]);
    let user_scopes = json!(["contacts.read"]);
    let own_scopes = json!(["reports.write"]);
    json!({
        "agentbase": {
            "identities": [{ "name": AGENT, "allowed_return_urls": [return_url] }],
            "api_key_providers": keys,
            "oauth2_providers": [{ "name": "crm-oauth", "builtin": true }, { "name": "reports-oauth", "builtin": true }],
        },
        "agentkit": {
            "workload_identities": [{ "name": AGENT, "allowed_return_urls": [return_url] }],
            "api_key_providers": keys,
            "oauth2_providers": [
                { "name": "crm-oauth", "builtin": true, "flow": "USER_FEDERATION", "scopes": user_scopes },
                { "name": "reports-oauth", "builtin": true, "flow": "M2M", "scopes": own_scopes },
            ],
            "user_pools": [{ "name": POOL, "clients": [
                { "name": "portal", "client_id": CLIENT, "client_secret": SECRET, "callback_urls": [CALLBACK] },
            ] }],
        },
        "agent_identity": {
            "api_key_providers": keys,
            "oauth2_providers": [
                { "name": "crm-oauth", "builtin": true, "flow": "USER_FEDERATION" },
                { "name": "reports-oauth", "builtin": true, "flow": "M2M" },
            ],
        },
        "idaas": {
            "applications": [{
                "client_id": "app_crm",
                "client_secret": "CSsynthetic+secret/of=the-application",
                "permissions": { "urn:cloud:idaas:pam": [".all"] },
            }],
            "api_keys": [{ "identifier": "openai-key", "apikey": KEY }],
            "oauth2_providers": [
                { "identifier": "crm-oauth", "builtin": true, "flow": "user_federation", "scopes": user_scopes },
                { "identifier": "reports-oauth", "builtin": true, "flow": "m2m", "scopes": own_scopes },
            ],
        },
    })
}

/// The four of them. All variables of all platforms are set at once, and `IDENTITY_PLATFORM` is all that differs between them;
/// beside who may call and where they come back to, for IDaaS's users bring tokens of IDaaS, and nobody comes back from there.
pub(crate) async fn deployments(
    emulator: &Emulator,
    agent: SocketAddr,
    folder: &Path,
) -> Result<[Deployment; 4], Anything> {
    let pool = emulator.user_pool_issuer(POOL).ok_or("the emulator has no user pool")?;
    trust_the_user_pool(emulator, &pool, agent).await?;
    let variables = variables(emulator, folder)?;
    let deployment = |platform: &'static str, settings, user_token: &SecretString| {
        let chosen = [("IDENTITY_PLATFORM", platform.to_owned())];
        let environment = Environment::of(variables.iter().cloned().chain(chosen));
        Deployment { platform, environment, settings, user_token: user_token.clone() }
    };
    let for_pool = || Settings {
        discovery_url: discovery(&pool),
        allowed_clients: vec![CLIENT.to_owned()],
        allowed_audiences: Vec::new(),
        consent_url: Some(consent_url(agent)),
    };
    let for_idaas = Settings {
        discovery_url: discovery(emulator.idaas().issuer()),
        allowed_clients: Vec::new(),
        allowed_audiences: vec![AUDIENCE.to_owned()],
        consent_url: None,
    };
    let of_pool = Browser::of("alice")?.token_of_pool(&pool).await?;
    let of_idaas = emulator.idaas_user_token("alice", &format!("{AUDIENCE}|agent.access"), HOUR).await?;
    Ok([
        deployment("agentbase", for_pool(), &of_pool),
        deployment("agentkit", for_pool(), &of_pool),
        deployment("agent-identity", for_pool(), &of_pool),
        deployment("idaas", for_idaas, &of_idaas),
    ])
}

fn discovery(issuer: &str) -> String {
    format!("{issuer}/.well-known/openid-configuration")
}

fn variables(emulator: &Emulator, folder: &Path) -> Result<Vec<(&'static str, String)>, Anything> {
    let file = folder.join("client-config.json");
    fs::write(&file, emulator.idaas().client_config())?;
    let mut variables = vec![
        ("GREENNODE_AGENT_IDENTITY", AGENT.to_owned()),
        ("VEIDENTITY_WORKLOAD_NAME", AGENT.to_owned()),
        ("AGENT_IDENTITY_WORKLOAD_IDENTITY_NAME", AGENT.to_owned()),
        ("CLOUD_IDAAS_CONFIG_PATH", file.display().to_string()),
    ];
    variables.extend(emulator.agentbase().variables());
    variables.extend(emulator.agentkit().variables());
    variables.extend(emulator.agent_identity().variables());
    variables.extend(emulator.idaas().variables());
    Ok(variables)
}

/// What only the emulator knows once it runs: the issuer of its user pool.
async fn trust_the_user_pool(emulator: &Emulator, issuer: &str, agent: SocketAddr) -> Result<(), Anything> {
    let access = emulator.agent_identity();
    let management = AgentIdentity::builder()
        .with_access_key(access.access_key_id(), access.access_key_secret().clone())
        .with_control_endpoint(access.endpoint())
        .with_data_endpoint(access.endpoint())
        .build_management()?;
    management.identity_providers().create(NewIdentityProvider::new(POOL, discovery(issuer), [CLIENT])?).await?;
    let agent = NewWorkloadIdentity::new(AGENT)?
        .with_role(access.role_arn("AgentRole"))
        .with_identity_provider(POOL)
        .with_return_urls([format!("{}/return", consent_url(agent))])
        .with_session_binding(true);
    management.workload_identities().create(agent).await?;
    Ok(())
}
