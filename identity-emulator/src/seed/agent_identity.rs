//! The part of a seed that is for Alibaba Cloud Agent Identity.

use std::sync::Arc;

use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::{Map, Value};

use super::node::Node;
use super::{OwnClients, SeedError, tolerate};
use crate::agent_identity::{CUSTOM, DEFAULT_VAULT, FEISHU, FLOWS, new_vault, role_arn};
use crate::core::ServiceAccount;
use crate::random;
use crate::vault::{
    BoundAgent, Endpoints, Identity, KeyProvider, OAuthProvider, State, TrustedIssuer, VaultedKey, VaultedProvider,
};

#[derive(Clone, Debug, Default)]
pub(super) struct AgentIdentitySeed {
    account: Option<ServiceAccount>,
    issuers: Vec<IssuerSeed>,
    agents: Vec<AgentSeed>,
    keys: Vec<KeySeed>,
    oauth: Vec<ProviderSeed>,
    buckets: Vec<String>,
}

#[derive(Clone, Debug)]
struct IssuerSeed {
    name: String,
    discovery_url: String,
    audiences: Vec<String>,
}

#[derive(Clone, Debug)]
struct AgentSeed {
    name: String,
    role: Option<String>,
    issuer: Option<String>,
    return_urls: Vec<String>,
    binds_sessions: bool,
}

#[derive(Clone, Debug)]
struct KeySeed {
    vault: String,
    name: String,
    key: SecretString,
}

#[derive(Clone, Debug)]
struct ProviderSeed {
    vault: String,
    name: String,
    flow: Option<String>,
    client: Client,
}

#[derive(Clone, Debug)]
enum Client {
    BuiltIn,
    Feishu,
    Outside { id: String, secret: SecretString, endpoints: Endpoints },
}

fn flag(node: &mut Node, key: &str) -> Result<bool, SeedError> {
    match node.take(key) {
        None => Ok(false),
        Some(Value::Bool(flag)) => Ok(flag),
        Some(_) => Err(SeedError::new(format_args!("{}.{key}", node.place), "must be true or false")),
    }
}

fn vault(node: &mut Node) -> Result<String, SeedError> {
    Ok(node.plain_name_or("vault")?.unwrap_or_else(|| DEFAULT_VAULT.to_owned()))
}

impl AgentIdentitySeed {
    pub(super) fn read(mut node: Node) -> Result<Self, SeedError> {
        let account = match (node.text("access_key_id")?, node.text("access_key_secret")?) {
            (None, None) => None,
            (Some(id), Some(secret)) => Some(ServiceAccount { id, secret: secret.into() }),
            _ => return Err(SeedError::new(&node.place, "access_key_id and access_key_secret go together")),
        };
        let seed = Self {
            account,
            issuers: node.list("identity_providers", IssuerSeed::read)?,
            agents: node.list("workload_identities", AgentSeed::read)?,
            keys: node.list("api_key_providers", KeySeed::read)?,
            oauth: node.list("oauth2_providers", ProviderSeed::read)?,
            buckets: node.texts("buckets")?,
        };
        node.finish()?;
        Ok(seed)
    }

    pub(super) fn account(&self) -> Option<ServiceAccount> {
        self.account.clone()
    }

    pub(super) fn apply(self, state: &mut State, own: &OwnClients, now: Timestamp) -> Result<(), SeedError> {
        for seed in self.issuers {
            tolerate("agent_identity.identity_providers", state.create_issuer(seed.record(now)))?;
        }
        for seed in self.agents {
            tolerate("agent_identity.workload_identities", state.create_agent(seed.record(now)))?;
        }
        for seed in self.keys {
            ensure_vault(state, &seed.vault, now);
            tolerate("agent_identity.api_key_providers", state.create_vaulted_key(seed.record(now)))?;
        }
        for seed in self.oauth {
            ensure_vault(state, &seed.vault, now);
            tolerate("agent_identity.oauth2_providers", state.create_vaulted_provider(seed.record(own, now)))?;
        }
        state.vaulted.buckets.extend(self.buckets);
        Ok(())
    }
}

fn ensure_vault(state: &mut State, name: &str, now: Timestamp) {
    // An error means that it is there already.
    let _ = state.create_token_vault(new_vault(name.to_owned(), now));
}

impl IssuerSeed {
    fn read(node: &mut Node) -> Result<Self, SeedError> {
        let (discovery_url, audiences) = (node.url("discovery_url")?, node.texts("allowed_audience")?);
        Ok(Self { name: node.plain_name("name")?, discovery_url, audiences })
    }

    fn record(self, now: Timestamp) -> TrustedIssuer {
        let Self { name, discovery_url, audiences } = self;
        TrustedIssuer { name, discovery_url, audiences, description: None, created_at: now, updated_at: now }
    }
}

impl AgentSeed {
    fn read(node: &mut Node) -> Result<Self, SeedError> {
        Ok(Self {
            name: node.plain_name("name")?,
            role: node.plain_name_or("role")?,
            issuer: node.plain_name_or("identity_provider")?,
            return_urls: node.texts("allowed_return_urls")?,
            binds_sessions: flag(node, "session_binding")?,
        })
    }

    fn record(self, now: Timestamp) -> BoundAgent {
        let identity = Identity {
            id: random::uuid(),
            name: self.name,
            description: None,
            return_urls: self.return_urls,
            created_at: now,
            updated_at: now,
        };
        BoundAgent {
            identity,
            role: self.role.as_deref().map(role_arn),
            issuer: self.issuer,
            binds_sessions: self.binds_sessions,
            settings: Map::new(),
        }
    }
}

impl KeySeed {
    fn read(node: &mut Node) -> Result<Self, SeedError> {
        let key = node.required("apikey")?;
        if key.is_empty() {
            return Err(SeedError::new(format_args!("{}.apikey", node.place), "must have at least 1 character"));
        }
        Ok(Self { vault: vault(node)?, name: node.plain_name("name")?, key: key.into() })
    }

    fn record(self, now: Timestamp) -> VaultedKey {
        let provider =
            KeyProvider { id: random::uuid(), name: self.name, key: self.key, created_at: now, updated_at: now };
        VaultedKey { provider, vault: self.vault, description: None }
    }
}

impl ProviderSeed {
    fn read(node: &mut Node) -> Result<Self, SeedError> {
        let flow = node.text("flow")?;
        if flow.as_deref().is_some_and(|flow| !FLOWS.contains(&flow)) {
            let rule = "must be USER_FEDERATION, M2M or ON_BEHALF_OF";
            return Err(SeedError::new(format_args!("{}.flow", node.place), rule));
        }
        let client = match (flag(node, "builtin")?, node.text("vendor")?) {
            (true, None) => Client::BuiltIn,
            (false, Some(vendor)) if vendor == "feishu" => Client::Feishu,
            (false, None) => Client::Outside {
                id: node.required("client_id")?,
                secret: node.required("client_secret")?.into(),
                endpoints: Endpoints::Outside {
                    authorization_url: node.url("authorization_url")?,
                    token_url: node.url("token_url")?,
                },
            },
            _ => {
                let rule = "must have \"builtin\": true or \"vendor\": \"feishu\" or a client of its own";
                return Err(SeedError::new(&node.place, rule));
            }
        };
        Ok(Self { vault: vault(node)?, name: node.plain_name("name")?, flow, client })
    }

    fn record(self, own: &OwnClients, now: Timestamp) -> VaultedProvider {
        let (vendor, id, secret, endpoints) = match self.client {
            Client::BuiltIn => {
                (CUSTOM, own.built_in.client_id.clone(), own.built_in.client_secret.clone(), Endpoints::BuiltIn)
            }
            Client::Feishu => {
                (FEISHU, own.feishu.client_id.clone(), own.feishu.client_secret.clone(), Endpoints::Feishu)
            }
            Client::Outside { id, secret, endpoints } => (CUSTOM, id, secret, endpoints),
        };
        let provider = OAuthProvider {
            id: random::uuid(),
            name: self.name,
            client_id: id,
            client_secret: secret,
            endpoints,
            created_at: now,
            updated_at: now,
        };
        VaultedProvider {
            provider: Arc::new(provider),
            vault: self.vault,
            vendor: vendor.to_owned(),
            flow: self.flow,
            callback_id: random::uuid(),
            callback_url: None,
            config: Value::Object(Map::new()),
            description: None,
        }
    }
}
