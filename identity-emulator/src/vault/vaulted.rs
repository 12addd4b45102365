//! Records of platforms that keep credential providers in token vaults and give agents a role in the cloud.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::records::{Grant, Identity, KeyProvider, OAuthProvider, State};
use super::sealed;
use super::state::{self, Refusal, Thing};

/// What a named object of a token vault is filed under. Neither half may have a slash, so that no two pairs meet.
fn place(vault: &str, name: &str) -> String {
    format!("{vault}/{name}")
}

/// What an agent of these platforms is called in a grant: no name of an agent elsewhere has a colon.
pub(crate) fn bound_name(agent: &str) -> String {
    format!("workloadidentity:{agent}")
}

/// Everything of these platforms.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Vaulted {
    /// Seals the tokens of agents.
    #[serde(default, with = "sealed::optional_secret")]
    pub(crate) sealing_key: Option<SecretString>,
    /// By name, as the next two.
    pub(crate) issuers: BTreeMap<String, Arc<TrustedIssuer>>,
    pub(crate) agents: BTreeMap<String, Arc<BoundAgent>>,
    pub(crate) vaults: BTreeMap<String, Arc<TokenVault>>,
    /// By vault and name, as the next one.
    pub(crate) providers: BTreeMap<String, Arc<VaultedProvider>>,
    pub(crate) keys: BTreeMap<String, Arc<VaultedKey>>,
    /// By name, as the next two.
    pub(crate) roles: BTreeMap<String, Arc<CloudRole>>,
    pub(crate) policies: BTreeMap<String, Arc<CloudPolicy>>,
    /// By id.
    #[serde(default)]
    pub(crate) applications: BTreeMap<String, Arc<CloudApplication>>,
    /// Buckets of the object store; what is in them lives in memory.
    pub(crate) buckets: BTreeSet<String>,
}

/// Whose tokens about users are believed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct TrustedIssuer {
    pub(crate) name: String,
    pub(crate) discovery_url: String,
    pub(crate) audiences: Vec<String>,
    pub(crate) description: Option<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// An agent with its place in the cloud.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct BoundAgent {
    pub(crate) identity: Identity,
    pub(crate) role: Option<String>,
    /// Name of a [`TrustedIssuer`].
    pub(crate) issuer: Option<String>,
    /// Whether an application has to say whose browser came back from a consent.
    pub(crate) binds_sessions: bool,
    /// The rest as it was given.
    pub(crate) settings: Map<String, Value>,
}

/// A place for credential providers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct TokenVault {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) role: Option<String>,
    /// As it was given.
    pub(crate) encryption: Option<Value>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// An OAuth2 client in a token vault.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct VaultedProvider {
    pub(crate) provider: Arc<OAuthProvider>,
    pub(crate) vault: String,
    pub(crate) vendor: String,
    pub(crate) flow: Option<String>,
    /// The last part of the callback's path.
    pub(crate) callback_id: String,
    /// The callback's URL if it was chosen.
    pub(crate) callback_url: Option<String>,
    /// As it was given, without a secret.
    pub(crate) config: Value,
    pub(crate) description: Option<String>,
}

/// An API key in a token vault.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct VaultedKey {
    pub(crate) provider: KeyProvider,
    pub(crate) vault: String,
    pub(crate) description: Option<String>,
}

/// A role that an agent may have.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CloudRole {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    /// Who may take the role, as it was given.
    pub(crate) trust: String,
    /// The longest session, in seconds.
    pub(crate) longest_session: u64,
    /// Names of policies.
    pub(crate) attached: BTreeSet<(String, String)>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// What a role may do, as it was given.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CloudPolicy {
    pub(crate) name: String,
    /// The one that counts, and its number.
    pub(crate) document: String,
    #[serde(default = "first")]
    pub(crate) version: u32,
    /// Documents that do not count, by number.
    #[serde(default)]
    pub(crate) others: BTreeMap<u32, String>,
    pub(crate) description: Option<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// A client of the vendor's own sign-in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CloudApplication {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) display_name: String,
    pub(crate) kind: String,
    /// Of OAuth.
    pub(crate) version: String,
    pub(crate) redirect_uris: Vec<String>,
    /// Each with whether users cannot leave it out.
    pub(crate) scopes: Vec<(String, bool)>,
    pub(crate) is_multi_tenant: bool,
    pub(crate) secret_required: bool,
    /// Lifetimes of its tokens, in seconds.
    pub(crate) access_token: u64,
    pub(crate) refresh_token: u64,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

fn first() -> u32 {
    1
}

impl State {
    pub(crate) fn agent(&self, name: &str) -> Result<&Arc<BoundAgent>, Refusal> {
        state::found(&self.vaulted.agents, name, Thing::Identity)
    }

    pub(crate) fn create_agent(&mut self, agent: BoundAgent) -> Result<Arc<BoundAgent>, Refusal> {
        let name = agent.identity.name.clone();
        state::add(&mut self.vaulted.agents, &name, agent, Thing::Identity)
    }

    pub(crate) fn agent_mut(&mut self, name: &str) -> Result<&mut BoundAgent, Refusal> {
        state::found_mut(&mut self.vaulted.agents, name, Thing::Identity)
    }

    /// Takes along everything that users granted to this agent.
    pub(crate) fn delete_agent(&mut self, name: &str) -> Result<(), Refusal> {
        self.vaulted.agents.remove(name).ok_or(Refusal::Missing(Thing::Identity))?;
        let bound = bound_name(name);
        self.forget(|grant| grant.identity == bound);
        Ok(())
    }

    pub(crate) fn issuer(&self, name: &str) -> Result<&Arc<TrustedIssuer>, Refusal> {
        state::found(&self.vaulted.issuers, name, Thing::Config)
    }

    pub(crate) fn create_issuer(&mut self, issuer: TrustedIssuer) -> Result<Arc<TrustedIssuer>, Refusal> {
        let name = issuer.name.clone();
        state::add(&mut self.vaulted.issuers, &name, issuer, Thing::Config)
    }

    pub(crate) fn issuer_mut(&mut self, name: &str) -> Result<&mut TrustedIssuer, Refusal> {
        state::found_mut(&mut self.vaulted.issuers, name, Thing::Config)
    }

    pub(crate) fn delete_issuer(&mut self, name: &str) -> Result<(), Refusal> {
        self.vaulted.issuers.remove(name).map(drop).ok_or(Refusal::Missing(Thing::Config))
    }

    pub(crate) fn token_vault(&self, name: &str) -> Result<&Arc<TokenVault>, Refusal> {
        state::found(&self.vaulted.vaults, name, Thing::Pool)
    }

    pub(crate) fn create_token_vault(&mut self, vault: TokenVault) -> Result<Arc<TokenVault>, Refusal> {
        let name = vault.name.clone();
        state::add(&mut self.vaulted.vaults, &name, vault, Thing::Pool)
    }

    pub(crate) fn token_vault_mut(&mut self, name: &str) -> Result<&mut TokenVault, Refusal> {
        state::found_mut(&mut self.vaulted.vaults, name, Thing::Pool)
    }

    /// Only an empty one.
    pub(crate) fn delete_token_vault(&mut self, name: &str) -> Result<(), Refusal> {
        self.token_vault(name)?;
        let providers = self.vaulted.providers.values().map(|item| &item.vault);
        let mut owners = providers.chain(self.vaulted.keys.values().map(|item| &item.vault));
        if owners.any(|owner| owner == name) {
            return Err(Refusal::Exists(Thing::Provider));
        }
        self.vaulted.vaults.remove(name);
        Ok(())
    }

    pub(crate) fn vaulted_key(&self, vault: &str, name: &str) -> Result<&Arc<VaultedKey>, Refusal> {
        state::found(&self.vaulted.keys, &place(vault, name), Thing::Provider)
    }

    pub(crate) fn create_vaulted_key(&mut self, key: VaultedKey) -> Result<Arc<VaultedKey>, Refusal> {
        self.token_vault(&key.vault)?;
        let place = place(&key.vault, &key.provider.name);
        state::add(&mut self.vaulted.keys, &place, key, Thing::Provider)
    }

    pub(crate) fn vaulted_key_mut(&mut self, vault: &str, name: &str) -> Result<&mut VaultedKey, Refusal> {
        state::found_mut(&mut self.vaulted.keys, &place(vault, name), Thing::Provider)
    }

    pub(crate) fn delete_vaulted_key(&mut self, vault: &str, name: &str) -> Result<(), Refusal> {
        self.vaulted.keys.remove(&place(vault, name)).map(drop).ok_or(Refusal::Missing(Thing::Provider))
    }

    pub(crate) fn vaulted_provider(&self, vault: &str, name: &str) -> Result<&Arc<VaultedProvider>, Refusal> {
        state::found(&self.vaulted.providers, &place(vault, name), Thing::Provider)
    }

    pub(crate) fn create_vaulted_provider(&mut self, new: VaultedProvider) -> Result<Arc<VaultedProvider>, Refusal> {
        self.token_vault(&new.vault)?;
        let place = place(&new.vault, &new.provider.name);
        state::add(&mut self.vaulted.providers, &place, new, Thing::Provider)
    }

    /// Another client or other endpoints end every grant, as in `update_oauth_provider`.
    pub(crate) fn replace_vaulted_provider(&mut self, next: VaultedProvider) -> Result<(), Refusal> {
        let place = place(&next.vault, &next.provider.name);
        let kept = state::found_mut(&mut self.vaulted.providers, &place, Thing::Provider)?;
        let moved = kept.provider.is_moved(&next.provider);
        let id = next.provider.id.clone();
        *kept = next;
        if moved {
            self.forget(|grant| grant.provider_id == id);
        }
        Ok(())
    }

    pub(crate) fn delete_vaulted_provider(&mut self, vault: &str, name: &str) -> Result<Arc<VaultedProvider>, Refusal> {
        let removed = self.vaulted.providers.remove(&place(vault, name));
        let removed = removed.ok_or(Refusal::Missing(Thing::Provider))?;
        self.forget(|grant: &Grant| grant.provider_id == removed.provider.id);
        Ok(removed)
    }

    pub(crate) fn role(&self, name: &str) -> Result<&Arc<CloudRole>, Refusal> {
        state::found(&self.vaulted.roles, name, Thing::Config)
    }

    pub(crate) fn create_role(&mut self, role: CloudRole) -> Result<Arc<CloudRole>, Refusal> {
        let name = role.name.clone();
        state::add(&mut self.vaulted.roles, &name, role, Thing::Config)
    }

    pub(crate) fn role_mut(&mut self, name: &str) -> Result<&mut CloudRole, Refusal> {
        state::found_mut(&mut self.vaulted.roles, name, Thing::Config)
    }

    pub(crate) fn policy(&self, name: &str) -> Result<&Arc<CloudPolicy>, Refusal> {
        state::found(&self.vaulted.policies, name, Thing::Config)
    }

    pub(crate) fn policy_mut(&mut self, name: &str) -> Result<&mut CloudPolicy, Refusal> {
        state::found_mut(&mut self.vaulted.policies, name, Thing::Config)
    }

    pub(crate) fn cloud_application(&self, id: &str) -> Result<&Arc<CloudApplication>, Refusal> {
        state::found(&self.vaulted.applications, id, Thing::Config)
    }

    /// Names are unique, too.
    pub(crate) fn create_cloud_application(&mut self, new: CloudApplication) -> Result<Arc<CloudApplication>, Refusal> {
        if self.vaulted.applications.values().any(|known| known.name == new.name) {
            return Err(Refusal::Exists(Thing::Config));
        }
        let id = new.id.clone();
        state::add(&mut self.vaulted.applications, &id, new, Thing::Config)
    }

    pub(crate) fn cloud_application_mut(&mut self, id: &str) -> Result<&mut CloudApplication, Refusal> {
        state::found_mut(&mut self.vaulted.applications, id, Thing::Config)
    }

    pub(crate) fn delete_cloud_application(&mut self, id: &str) -> Result<(), Refusal> {
        self.vaulted.applications.remove(id).map(drop).ok_or(Refusal::Missing(Thing::Config))
    }

    pub(crate) fn create_policy(&mut self, policy: CloudPolicy) -> Result<Arc<CloudPolicy>, Refusal> {
        let name = policy.name.clone();
        state::add(&mut self.vaulted.policies, &name, policy, Thing::Config)
    }
}
