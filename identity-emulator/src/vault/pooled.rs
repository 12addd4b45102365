//! Records of platforms that keep their objects in pools, and what may be done to them.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::records::{Grant, Identity, KeyProvider, OAuthProvider, Session, SessionStatus, State};
use super::sealed;
use super::state::{self, Refusal, Thing};
use super::user_credentials::{UserCredential, UserCredentialKey};

/// What a named object of a pool is filed under. Neither half may have a slash, so that no two pairs meet.
pub(crate) fn pooled_name(pool: &str, name: &str) -> String {
    format!("{pool}/{name}")
}

/// Everything that belongs to pools.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Pooled {
    /// PKCS#8 in base64: signs the tokens of every pool.
    #[serde(default, with = "sealed::optional_secret")]
    pub(crate) signing_key: Option<SecretString>,
    /// By name.
    pub(crate) workload_pools: BTreeMap<String, Arc<WorkloadPool>>,
    /// By [`pooled_name`], as the next two.
    pub(crate) workloads: BTreeMap<String, Arc<Workload>>,
    pub(crate) providers: BTreeMap<String, Arc<PooledProvider>>,
    pub(crate) keys: BTreeMap<String, Arc<PooledKey>>,
    /// By id, as the next two.
    pub(crate) user_pools: BTreeMap<String, Arc<UserPool>>,
    pub(crate) clients: BTreeMap<String, Arc<PoolClient>>,
    pub(crate) inbound: BTreeMap<String, Arc<InboundConfig>>,
    #[serde(default, with = "sealed::pairs")]
    pub(crate) user_credentials: BTreeMap<UserCredentialKey, Arc<UserCredential>>,
    /// What is allowed; everything else is not.
    pub(crate) permissions: Vec<PermissionRule>,
    /// Names of roles that the account may assume.
    pub(crate) roles: Vec<String>,
}

/// A pool of workload identities.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct WorkloadPool {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) project: Option<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// An agent in a pool.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Workload {
    pub(crate) identity: Identity,
    pub(crate) pool: String,
    pub(crate) category: Option<String>,
    pub(crate) source: Option<String>,
    /// As the platform's API spells it.
    pub(crate) metadata: Option<Value>,
}

/// An OAuth2 client in a pool, with what is asked for when a request does not say.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PooledProvider {
    pub(crate) provider: Arc<OAuthProvider>,
    pub(crate) pool: String,
    pub(crate) vendor: i64,
    pub(crate) flow: Option<String>,
    pub(crate) scopes: Vec<String>,
    pub(crate) redirect_url: Option<String>,
    /// The rest of the configuration as it was given, without a secret.
    pub(crate) config: Map<String, Value>,
    /// What is shown of a client that the platform registered by itself.
    #[serde(default)]
    pub(crate) registered: Option<Value>,
    pub(crate) project: String,
}

/// An API key in a pool.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PooledKey {
    pub(crate) provider: KeyProvider,
    pub(crate) pool: String,
    /// Where in a request the key belongs, as the platform's API spells it.
    pub(crate) placement: Option<Value>,
    pub(crate) project: String,
}

/// A pool of people.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct UserPool {
    pub(crate) id: String,
    pub(crate) name: String,
    /// Switches, as they were given.
    pub(crate) settings: Map<String, Value>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// An application at which people of a pool log in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PoolClient {
    pub(crate) id: String,
    pub(crate) pool: String,
    pub(crate) name: String,
    pub(crate) kind: String,
    #[serde(with = "sealed::secret")]
    pub(crate) secret: SecretString,
    pub(crate) callback_urls: Vec<String>,
    /// How long tokens live, in seconds.
    pub(crate) token_seconds: u64,
    /// Switches, as they were given.
    pub(crate) settings: Map<String, Value>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// How a deployed agent checks who calls it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct InboundConfig {
    pub(crate) id: String,
    /// As it was given.
    pub(crate) config: Map<String, Value>,
    pub(crate) instances: Vec<String>,
    pub(crate) created_at: Timestamp,
}

/// One thing that somebody may do. `*` means any.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PermissionRule {
    pub(crate) namespace: String,
    pub(crate) principal: String,
    pub(crate) operation: String,
    pub(crate) resource: String,
}

impl State {
    pub(crate) fn workload_pool(&self, name: &str) -> Result<&Arc<WorkloadPool>, Refusal> {
        state::found(&self.pooled.workload_pools, name, Thing::Pool)
    }

    pub(crate) fn create_workload_pool(&mut self, pool: WorkloadPool) -> Result<Arc<WorkloadPool>, Refusal> {
        let name = pool.name.clone();
        state::add(&mut self.pooled.workload_pools, &name, pool, Thing::Pool)
    }

    pub(crate) fn workload(&self, pool: &str, name: &str) -> Result<&Arc<Workload>, Refusal> {
        state::found(&self.pooled.workloads, &pooled_name(pool, name), Thing::Identity)
    }

    pub(crate) fn create_workload(&mut self, workload: Workload) -> Result<Arc<Workload>, Refusal> {
        self.workload_pool(&workload.pool)?;
        let place = pooled_name(&workload.pool, &workload.identity.name);
        state::add(&mut self.pooled.workloads, &place, workload, Thing::Identity)
    }

    pub(crate) fn workload_mut(&mut self, pool: &str, name: &str) -> Result<&mut Workload, Refusal> {
        state::found_mut(&mut self.pooled.workloads, &pooled_name(pool, name), Thing::Identity)
    }

    /// Takes along everything that users granted to this agent: a later agent of the same name must not inherit it.
    pub(crate) fn delete_workload(&mut self, pool: &str, name: &str) -> Result<(), Refusal> {
        let place = pooled_name(pool, name);
        self.pooled.workloads.remove(&place).ok_or(Refusal::Missing(Thing::Identity))?;
        self.pooled.user_credentials.retain(|key, _| key.identity != place);
        self.forget(|grant| grant.identity == place);
        Ok(())
    }

    pub(crate) fn pooled_key(&self, pool: &str, name: &str) -> Result<&Arc<PooledKey>, Refusal> {
        state::found(&self.pooled.keys, &pooled_name(pool, name), Thing::Provider)
    }

    pub(crate) fn create_pooled_key(&mut self, key: PooledKey) -> Result<Arc<PooledKey>, Refusal> {
        self.workload_pool(&key.pool)?;
        let place = pooled_name(&key.pool, &key.provider.name);
        state::add(&mut self.pooled.keys, &place, key, Thing::Provider)
    }

    pub(crate) fn pooled_key_mut(&mut self, pool: &str, name: &str) -> Result<&mut PooledKey, Refusal> {
        state::found_mut(&mut self.pooled.keys, &pooled_name(pool, name), Thing::Provider)
    }

    pub(crate) fn delete_pooled_key(&mut self, pool: &str, name: &str) -> Result<(), Refusal> {
        self.pooled.keys.remove(&pooled_name(pool, name)).map(drop).ok_or(Refusal::Missing(Thing::Provider))
    }

    pub(crate) fn pooled_provider(&self, pool: &str, name: &str) -> Result<&Arc<PooledProvider>, Refusal> {
        state::found(&self.pooled.providers, &pooled_name(pool, name), Thing::Provider)
    }

    pub(crate) fn create_pooled_provider(&mut self, provider: PooledProvider) -> Result<Arc<PooledProvider>, Refusal> {
        self.workload_pool(&provider.pool)?;
        let place = pooled_name(&provider.pool, &provider.provider.name);
        state::add(&mut self.pooled.providers, &place, provider, Thing::Provider)
    }

    /// Another client or other endpoints end every grant, as in `update_oauth_provider`.
    pub(crate) fn replace_pooled_provider(&mut self, next: PooledProvider) -> Result<Arc<PooledProvider>, Refusal> {
        let place = pooled_name(&next.pool, &next.provider.name);
        let kept = state::found_mut(&mut self.pooled.providers, &place, Thing::Provider)?;
        let moved = kept.provider.is_moved(&next.provider);
        let id = next.provider.id.clone();
        *kept = next;
        if moved {
            self.forget(|grant| grant.provider_id == id);
        }
        state::found(&self.pooled.providers, &place, Thing::Provider).cloned()
    }

    pub(crate) fn delete_pooled_provider(&mut self, pool: &str, name: &str) -> Result<(), Refusal> {
        let removed = self.pooled.providers.remove(&pooled_name(pool, name));
        let removed = removed.ok_or(Refusal::Missing(Thing::Provider))?;
        self.forget(|grant| grant.provider_id == removed.provider.id);
        Ok(())
    }

    pub(crate) fn user_pool(&self, id: &str) -> Result<&Arc<UserPool>, Refusal> {
        state::found(&self.pooled.user_pools, id, Thing::Pool)
    }

    pub(crate) fn user_pool_mut(&mut self, id: &str) -> Result<&mut UserPool, Refusal> {
        state::found_mut(&mut self.pooled.user_pools, id, Thing::Pool)
    }

    pub(crate) fn create_user_pool(&mut self, pool: UserPool) -> Result<Arc<UserPool>, Refusal> {
        if self.pooled.user_pools.values().any(|known| known.name == pool.name) {
            return Err(Refusal::Exists(Thing::Pool));
        }
        let id = pool.id.clone();
        state::add(&mut self.pooled.user_pools, &id, pool, Thing::Pool)
    }

    /// The client of this pool.
    pub(crate) fn pool_client(&self, pool: &str, id: &str) -> Result<&Arc<PoolClient>, Refusal> {
        let client = state::found(&self.pooled.clients, id, Thing::Client)?;
        if client.pool == pool { Ok(client) } else { Err(Refusal::Missing(Thing::Client)) }
    }

    pub(crate) fn create_pool_client(&mut self, client: PoolClient) -> Result<Arc<PoolClient>, Refusal> {
        self.user_pool(&client.pool)?;
        let same = |known: &&Arc<PoolClient>| known.pool == client.pool && known.name == client.name;
        if self.pooled.clients.values().any(|known| same(&known)) {
            return Err(Refusal::Exists(Thing::Client));
        }
        let id = client.id.clone();
        state::add(&mut self.pooled.clients, &id, client, Thing::Client)
    }

    pub(crate) fn pool_client_mut(&mut self, pool: &str, id: &str) -> Result<&mut PoolClient, Refusal> {
        self.pool_client(pool, id)?;
        state::found_mut(&mut self.pooled.clients, id, Thing::Client)
    }

    pub(crate) fn create_inbound(&mut self, config: InboundConfig) -> Result<Arc<InboundConfig>, Refusal> {
        let id = config.id.clone();
        state::add(&mut self.pooled.inbound, &id, config, Thing::Config)
    }

    pub(crate) fn inbound_mut(&mut self, id: &str) -> Result<&mut InboundConfig, Refusal> {
        state::found_mut(&mut self.pooled.inbound, id, Thing::Config)
    }

    pub(crate) fn delete_inbound(&mut self, id: &str) -> Result<(), Refusal> {
        self.pooled.inbound.remove(id).map(drop).ok_or(Refusal::Missing(Thing::Config))
    }

    /// The newest open session of this grant that set out by itself.
    pub(crate) fn open_session_of(
        &self,
        grant: &Grant,
        now: Timestamp,
        concerns: impl Fn(&Session) -> bool,
    ) -> Option<&Arc<Session>> {
        let open = self.sessions.values().filter(|session| session.grant == *grant && session.setting_out.is_some());
        open.filter(|session| session.status_at(now) == SessionStatus::Open && concerns(session))
            .max_by_key(|session| session.created_at)
    }

    /// Uses up the `state` of a session that set out by itself, and answers the session as it was before.
    pub(crate) fn take_own_state(&mut self, secret: &str, now: Timestamp) -> Result<Arc<Session>, Refusal> {
        let session = self.session_with_state(secret, now, |session| session.setting_out.is_some())?;
        let session = Arc::clone(session);
        self.use_up_state(session, now)
    }

    /// Forgets the user's tokens at this provider and ends what was begun for them: the next consent counts, no other.
    pub(crate) fn start_over(&mut self, grant: &Grant) {
        self.tokens.retain(|key, _| key.grant != *grant);
        self.sessions.retain(|_, session| session.grant != *grant || session.setting_out.is_none());
    }
}
