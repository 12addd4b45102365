//! What the vault holds, in terms of no platform.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::idaas::Idaas;
use super::pooled::Pooled;
use super::sealed;
use super::vaulted::Vaulted;

/// A machine's id and secret, with which a client gets in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) id: String,
    #[serde(with = "sealed::secret")]
    pub(crate) secret: SecretString,
}

/// An agent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) return_urls: Vec<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// One API key that every agent may use.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct KeyProvider {
    pub(crate) id: String,
    pub(crate) name: String,
    #[serde(with = "sealed::secret")]
    pub(crate) key: SecretString,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// A service for which each user brings a key of their own.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct UserKeyProvider {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// Where an OAuth2 client is registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Endpoints {
    /// The emulator's own provider, whose URLs change with the port.
    BuiltIn,
    /// The emulator's own imitation of Feishu.
    Feishu,
    /// An outside provider.
    Outside { authorization_url: String, token_url: String },
}

/// An OAuth2 client registered at a provider.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct OAuthProvider {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) client_id: String,
    #[serde(with = "sealed::secret")]
    pub(crate) client_secret: SecretString,
    pub(crate) endpoints: Endpoints,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

impl OAuthProvider {
    /// Whether what was granted at this one means nothing at the other.
    pub(super) fn is_moved(&self, to: &Self) -> bool {
        self.client_id != to.client_id || self.endpoints != to.endpoints
    }
}

/// Whose: one user's grant to one agent at one provider.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Grant {
    pub(crate) identity: String,
    pub(crate) provider_id: String,
    pub(crate) user: String,
}

/// Whose, and for what: a token's place in the vault.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct TokenKey {
    pub(crate) grant: Grant,
    pub(crate) scopes: BTreeSet<String>,
}

/// What a provider issued for a user.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StoredToken {
    #[serde(with = "sealed::secret")]
    pub(crate) access_token: SecretString,
    pub(crate) token_type: String,
    #[serde(with = "sealed::optional_secret")]
    pub(crate) refresh_token: Option<SecretString>,
    pub(crate) expires_at: Option<Timestamp>,
}

/// A person is, or was, asked for something.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) grant: Grant,
    pub(crate) return_url: String,
    pub(crate) custom_state: Option<String>,
    /// Comes back with the browser, once; then it is gone.
    #[serde(with = "sealed::optional_secret")]
    pub(crate) state: Option<SecretString>,
    pub(crate) asks: Asks,
    /// How the browser sets out, on platforms that hand out the provider's own URL.
    #[serde(default)]
    pub(crate) setting_out: Option<SettingOut>,
    /// Granted, but kept back until the application has said for whom.
    #[serde(default)]
    pub(crate) held: Option<StoredToken>,
    pub(crate) status: SessionStatus,
    pub(crate) created_at: Timestamp,
    pub(crate) expires_at: Timestamp,
}

/// The authorization request of a session, made when the session was opened.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SettingOut {
    /// Where the browser goes; holds the `state`.
    #[serde(with = "sealed::secret")]
    pub(crate) url: SecretString,
    /// The `redirect_uri` in it.
    pub(crate) callback: String,
    /// Whether a browser has been sent there, on platforms whose own link works once.
    #[serde(default)]
    pub(crate) followed: bool,
}

/// What a session asks the person for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Asks {
    /// To enter an API key.
    Key,
    /// To consent at an OAuth2 provider.
    Consent {
        scopes: BTreeSet<String>,
        parameters: BTreeMap<String, String>,
        /// The PKCE verifier, while the browser is at the provider.
        #[serde(with = "sealed::optional_secret")]
        verifier: Option<SecretString>,
    },
}

/// How far a session has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum SessionStatus {
    Open,
    Completed,
    Failed,
}

impl Session {
    /// The status as of `now`: an open session past its end has failed.
    pub(crate) fn status_at(&self, now: Timestamp) -> SessionStatus {
        if self.status == SessionStatus::Open && now >= self.expires_at { SessionStatus::Failed } else { self.status }
    }
}

/// Everything. Records are shared, so that a copy of the state costs pointers only.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct State {
    /// By dialect.
    pub(crate) accounts: BTreeMap<String, Account>,
    /// By name, as the next three.
    pub(crate) identities: BTreeMap<String, Arc<Identity>>,
    pub(crate) key_providers: BTreeMap<String, Arc<KeyProvider>>,
    pub(crate) user_key_providers: BTreeMap<String, Arc<UserKeyProvider>>,
    pub(crate) oauth_providers: BTreeMap<String, Arc<OAuthProvider>>,
    #[serde(with = "sealed::pairs")]
    pub(crate) user_keys: BTreeMap<Grant, Arc<UserKey>>,
    #[serde(with = "sealed::pairs")]
    pub(crate) tokens: BTreeMap<TokenKey, Arc<StoredToken>>,
    /// By id.
    pub(crate) sessions: BTreeMap<String, Arc<Session>>,
    /// What belongs to pools.
    #[serde(default)]
    pub(crate) pooled: Pooled,
    /// What belongs to an instance of IDaaS.
    #[serde(default)]
    pub(crate) idaas: Idaas,
    /// What belongs to token vaults and roles.
    #[serde(default)]
    pub(crate) vaulted: Vaulted,
}

/// The key that a user entered.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct UserKey {
    #[serde(with = "sealed::secret")]
    pub(crate) key: SecretString,
}
