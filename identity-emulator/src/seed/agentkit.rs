//! The part of a seed that is for AgentKit.

use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::{Map, Value, json};

use super::node::Node;
use super::shared::{Client, identity_record, key, key_record};
use super::{OwnClients, SeedError, tolerate};
use crate::agentkit::{DEFAULT_POOL, FEISHU, role_name};
use crate::core::ServiceAccount;
use crate::random;
use crate::vault::{PermissionRule, PoolClient, PooledKey, PooledProvider, State, UserPool, Workload};

#[derive(Clone, Debug, Default)]
pub(super) struct AgentKitSeed {
    account: Option<ServiceAccount>,
    roles: Vec<String>,
    workloads: Vec<WorkloadSeed>,
    keys: Vec<KeySeed>,
    oauth: Vec<ProviderSeed>,
    user_pools: Vec<UserPoolSeed>,
    permissions: Vec<PermissionRule>,
}

#[derive(Clone, Debug)]
struct WorkloadSeed {
    pool: String,
    name: String,
    return_urls: Vec<String>,
}

#[derive(Clone, Debug)]
struct KeySeed {
    pool: String,
    name: String,
    key: SecretString,
    placement: Option<Value>,
}

#[derive(Clone, Debug)]
struct ProviderSeed {
    pool: String,
    name: String,
    flow: Option<String>,
    scopes: Vec<String>,
    client: Client,
}

#[derive(Clone, Debug)]
struct UserPoolSeed {
    name: String,
    clients: Vec<ClientSeed>,
}

#[derive(Clone, Debug)]
struct ClientSeed {
    name: String,
    id: String,
    secret: SecretString,
    callback_urls: Vec<String>,
}

fn pool(node: &mut Node) -> Result<String, SeedError> {
    Ok(node.plain_name_or("pool")?.unwrap_or_else(|| DEFAULT_POOL.to_owned()))
}

impl AgentKitSeed {
    pub(super) fn read(mut node: Node) -> Result<Self, SeedError> {
        let account = node.account("access_key", "secret_key")?;
        let roles = node.texts("roles")?;
        if !roles.iter().all(|role| role_name(role).is_some()) {
            let rule = "must be names like trn:iam::2100000000:role/RuntimeRole";
            return Err(SeedError::new(format_args!("{}.roles", node.place), rule));
        }
        let seed = Self {
            account,
            roles,
            workloads: node.list("workload_identities", WorkloadSeed::read)?,
            keys: node.list("api_key_providers", KeySeed::read)?,
            oauth: node.list("oauth2_providers", ProviderSeed::read)?,
            user_pools: node.list("user_pools", UserPoolSeed::read)?,
            permissions: node.list("permissions", permission)?,
        };
        node.finish()?;
        Ok(seed)
    }

    pub(super) fn account(&self) -> Option<ServiceAccount> {
        self.account.clone()
    }

    pub(super) fn apply(self, state: &mut State, own: &OwnClients, now: Timestamp) -> Result<(), SeedError> {
        for role in self.roles {
            if !state.pooled.roles.contains(&role) {
                state.pooled.roles.push(role);
            }
        }
        for seed in self.workloads {
            ensure_pool(state, &seed.pool, now);
            tolerate("agentkit.workload_identities", state.create_workload(seed.record(now)))?;
        }
        for seed in self.keys {
            ensure_pool(state, &seed.pool, now);
            tolerate("agentkit.api_key_providers", state.create_pooled_key(seed.record(now)))?;
        }
        for seed in self.oauth {
            ensure_pool(state, &seed.pool, now);
            tolerate("agentkit.oauth2_providers", state.create_pooled_provider(seed.record(own, now)))?;
        }
        for seed in self.user_pools {
            seed.apply(state, now)?;
        }
        for rule in self.permissions {
            if !state.pooled.permissions.contains(&rule) {
                state.pooled.permissions.push(rule);
            }
        }
        Ok(())
    }
}

fn ensure_pool(state: &mut State, name: &str, now: Timestamp) {
    // An error means that it is there already.
    let _ = state.create_workload_pool(crate::agentkit::new_pool(name.to_owned(), now));
}

impl WorkloadSeed {
    fn read(node: &mut Node) -> Result<Self, SeedError> {
        let return_urls = node.texts("allowed_return_urls")?;
        Ok(Self { pool: pool(node)?, name: node.plain_name("name")?, return_urls })
    }

    fn record(self, now: Timestamp) -> Workload {
        let identity = identity_record(self.name, self.return_urls, now);
        Workload { identity, pool: self.pool, category: None, source: None, metadata: None }
    }
}

impl KeySeed {
    fn read(node: &mut Node) -> Result<Self, SeedError> {
        let placement = match (node.text("location")?, node.text("parameter_name")?, node.text("prefix")?) {
            (None, None, None) => None,
            (location, parameter, prefix) => Some(
                json!([{ "Location": location, "ParameterName": parameter, "Prefix": prefix.unwrap_or_default() }]),
            ),
        };
        let key = key(node)?;
        Ok(Self { pool: pool(node)?, name: node.plain_name("name")?, key, placement })
    }

    fn record(self, now: Timestamp) -> PooledKey {
        let provider = key_record(self.name, self.key, now);
        PooledKey { provider, pool: self.pool, placement: self.placement, project: "default".to_owned() }
    }
}

impl ProviderSeed {
    fn read(node: &mut Node) -> Result<Self, SeedError> {
        let flow = node.text("flow")?;
        if flow.as_deref().is_some_and(|flow| !["USER_FEDERATION", "M2M"].contains(&flow)) {
            return Err(SeedError::new(format_args!("{}.flow", node.place), "must be USER_FEDERATION or M2M"));
        }
        let built_in = node.take("builtin").map(|flag| flag == true);
        let client = Client::read(node, built_in)?;
        Ok(Self { pool: pool(node)?, name: node.plain_name("name")?, flow, scopes: node.texts("scopes")?, client })
    }

    fn record(self, own: &OwnClients, now: Timestamp) -> PooledProvider {
        let vendor = if matches!(self.client, Client::Feishu) { FEISHU } else { 0 };
        PooledProvider {
            provider: self.client.record(self.name, own, now),
            pool: self.pool,
            vendor,
            flow: self.flow,
            scopes: self.scopes,
            redirect_url: None,
            config: Map::new(),
            registered: None,
            project: "default".to_owned(),
        }
    }
}

impl UserPoolSeed {
    fn read(node: &mut Node) -> Result<Self, SeedError> {
        Ok(Self { name: node.plain_name("name")?, clients: node.list("clients", ClientSeed::read)? })
    }

    fn apply(self, state: &mut State, now: Timestamp) -> Result<(), SeedError> {
        let known = state.pooled.user_pools.values().find(|pool| pool.name == self.name);
        let pool = known.map_or_else(random::uuid, |pool| pool.id.clone());
        let settings = Map::new();
        let new = UserPool { id: pool.clone(), name: self.name, settings, created_at: now, updated_at: now };
        tolerate("agentkit.user_pools", state.create_user_pool(new))?;
        for client in self.clients {
            tolerate("agentkit.user_pools.clients", state.create_pool_client(client.record(pool.clone(), now)))?;
        }
        Ok(())
    }
}

impl ClientSeed {
    fn read(node: &mut Node) -> Result<Self, SeedError> {
        let callback_urls = node.texts("callback_urls")?;
        let id = node.text("client_id")?.unwrap_or_else(random::uuid);
        let secret = node.text("client_secret")?.map_or_else(random::secret, SecretString::from);
        Ok(Self { name: node.plain_name("name")?, id, secret, callback_urls })
    }

    fn record(self, pool: String, now: Timestamp) -> PoolClient {
        PoolClient {
            id: self.id,
            pool,
            name: self.name,
            kind: "WEB_APPLICATION".to_owned(),
            secret: self.secret,
            callback_urls: self.callback_urls,
            token_seconds: 36_000,
            settings: Map::new(),
            created_at: now,
            updated_at: now,
        }
    }
}

fn permission(node: &mut Node) -> Result<PermissionRule, SeedError> {
    Ok(PermissionRule {
        namespace: node.text("namespace")?.unwrap_or_else(|| "*".to_owned()),
        principal: node.required("principal")?,
        operation: node.required("operation")?,
        resource: node.required("resource")?,
    })
}
