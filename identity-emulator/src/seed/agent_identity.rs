//! The part of a seed that is for Alibaba Cloud Agent Identity.

use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::{Map, Value};

use super::node::Node;
use super::shared::{Client, identity_record, key, key_record};
use super::{OwnClients, SeedError, tolerate};
use crate::agent_identity::{CUSTOM, DEFAULT_VAULT, FEISHU, FLOWS, new_vault, role_arn};
use crate::core::ServiceAccount;
use crate::random;
use crate::vault::{BoundAgent, State, TrustedIssuer, VaultedKey, VaultedProvider};

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

fn vault(node: &mut Node) -> Result<String, SeedError> {
    Ok(node.plain_name_or("vault")?.unwrap_or_else(|| DEFAULT_VAULT.to_owned()))
}

impl AgentIdentitySeed {
    pub(super) fn read(mut node: Node) -> Result<Self, SeedError> {
        let account = node.account("access_key_id", "access_key_secret")?;
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
            binds_sessions: node.flag("session_binding")?,
        })
    }

    fn record(self, now: Timestamp) -> BoundAgent {
        BoundAgent {
            identity: identity_record(self.name, self.return_urls, now),
            role: self.role.as_deref().map(role_arn),
            issuer: self.issuer,
            binds_sessions: self.binds_sessions,
            settings: Map::new(),
        }
    }
}

impl KeySeed {
    fn read(node: &mut Node) -> Result<Self, SeedError> {
        let key = key(node)?;
        Ok(Self { vault: vault(node)?, name: node.plain_name("name")?, key })
    }

    fn record(self, now: Timestamp) -> VaultedKey {
        let provider = key_record(self.name, self.key, now);
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
        let built_in = node.flag("builtin")?.then_some(true);
        let client = Client::read(node, built_in)?;
        Ok(Self { vault: vault(node)?, name: node.plain_name("name")?, flow, client })
    }

    fn record(self, own: &OwnClients, now: Timestamp) -> VaultedProvider {
        let vendor = if matches!(self.client, Client::Feishu) { FEISHU } else { CUSTOM };
        VaultedProvider {
            provider: self.client.record(self.name, own, now),
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
