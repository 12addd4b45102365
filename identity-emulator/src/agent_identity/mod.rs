//! The dialect of Alibaba Cloud Agent Identity: both planes of its signed API, the roles that agents take, and the pages of a consent.
//!
//! Written from the contract of the platform, independently of the client: no wire type is shared.

mod actions;
mod api_keys;
mod applications;
mod consent;
mod error;
mod form;
mod identity_providers;
mod nonces;
mod oauth2_providers;
mod outbound;
mod ram;
mod role;
mod sealed_token;
mod signature;
mod token_vaults;
mod user_token;
mod workload_token;
mod workloads;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use jiff::Timestamp;

pub(crate) use self::actions::{Answer, Call, action, operation, serve};
pub(crate) use self::error::{ApiError, throttled};
use self::nonces::Nonces;
pub(crate) use self::oauth2_providers::{CUSTOM, FEISHU, FLOWS};
use crate::access::Access;
use crate::core::{Core, ServiceAccount};
use crate::object_store::{Objects, Policy};
use crate::random;
use crate::vault::{State, TokenVault};

/// The region that the emulator names.
pub(crate) const REGION: &str = "cn-beijing";
/// The account in the names of its objects.
pub(crate) const ACCOUNT: &str = "1000000000000001";
/// The token vault that everybody has.
pub(crate) const DEFAULT_VAULT: &str = "default";
/// The bucket that everybody has.
pub(crate) const DEFAULT_BUCKET: &str = "agent-bucket";
/// With what keys and tokens of sessions begin.
pub(crate) const SESSION_PREFIXES: (&str, &str) = ("STS.", "CAIS");
/// Below this the third party sends the browser back; the provider's part follows.
const CALLBACK_PATH: &str = "/oauth2/callback/";

/// What temporary credentials stand for.
#[derive(Clone, Debug)]
pub(crate) struct StsSession {
    /// The role's ARN.
    pub(crate) role: String,
    /// The agent that took the role; `None` for credentials that a test let in.
    pub(crate) agent: Option<String>,
    /// What narrows the role for this session.
    pub(crate) policy: Option<Arc<Policy>>,
}

/// What the dialect keeps beside the vault.
pub(crate) struct Platform {
    pub(crate) access: Access<StsSession>,
    nonces: Nonces,
    /// How long a workload access token counts.
    token_lifetime: Duration,
    pub(crate) objects: Objects,
}

impl Platform {
    pub(crate) fn new(account: ServiceAccount, token_lifetime: Duration) -> Self {
        Self { access: Access::new(account), nonces: Nonces::default(), token_lifetime, objects: Objects::default() }
    }
}

/// The pages that a browser sees; the API is served by [`serve`].
pub(crate) fn router(core: &Arc<Core>) -> Router {
    Router::new()
        .route("/oauth2/authorize", get(consent::set_out))
        .route("/oauth2/callback/{id}", get(consent::callback))
        .with_state(Arc::clone(core))
}

/// What is there from the start.
pub(crate) fn prepare(state: &mut State, now: Timestamp) {
    // An error means that it is there already.
    let _ = state.create_token_vault(new_vault(DEFAULT_VAULT.to_owned(), now));
    state.vaulted.sealing_key.get_or_insert_with(random::secret);
    if state.vaulted.buckets.is_empty() {
        state.vaulted.buckets.insert(DEFAULT_BUCKET.to_owned());
    }
}

pub(crate) fn new_vault(name: String, now: Timestamp) -> TokenVault {
    TokenVault { name, description: None, role: None, encryption: None, created_at: now, updated_at: now }
}

/// The ARN of something of this service.
pub(crate) fn arn(rest: impl std::fmt::Display) -> String {
    format!("acs:agentidentity:{REGION}:{ACCOUNT}:{rest}")
}

/// The ARN of the account's role of this name.
pub(crate) fn role_arn(name: &str) -> String {
    format!("acs:ram::{ACCOUNT}:role/{name}")
}

/// The name in the ARN of a role.
pub(crate) fn role_name(arn: &str) -> Option<&str> {
    let (account, name) = arn.strip_prefix("acs:ram::")?.split_once(":role/")?;
    (account.bytes().all(|byte| byte.is_ascii_digit()) && crate::naming::is_name(name)).then_some(name)
}

/// A random access key id and its secret.
pub(crate) fn new_account() -> ServiceAccount {
    let id = format!("LTAI{}", random::uuid().replace('-', ""));
    ServiceAccount { id, secret: random::secret() }
}
