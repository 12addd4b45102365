//! The dialect of Volcengine Agent Identity (AgentKit): its signed API, the vault's OAuth2 callback, and the issuers of its pools.
//!
//! Written from the contract of the platform, independently of the client: no wire type is shared.

mod actions;
mod api_keys;
mod body;
mod consent;
mod error;
mod identity_token;
mod inbound;
mod issuer;
mod jwt;
mod outbound;
mod permission;
mod pool_clients;
mod providers;
mod registered_providers;
mod signature;
mod sts;
mod user_credentials;
mod user_pools;
mod workloads;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::routing::get;
use jiff::Timestamp;
use secrecy::SecretString;
use tokio::sync::OnceCell;

pub(crate) use self::actions::{operation, serve};
use self::error::ApiError;
pub(crate) use self::issuer::user_pool_issuer;
pub(crate) use self::jwt::Signer;
pub(crate) use self::providers::FEISHU;
pub(crate) use self::workloads::{DEFAULT_POOL, pool as new_pool};
use crate::access::Access;
use crate::core::{Core, ServiceAccount};
pub(crate) use crate::naming::{NAME_RULE, is_name};
use crate::provider::BuiltInProvider;
use crate::vault::State;

/// The region that the emulator names where nobody else did.
pub(crate) const REGION: &str = "cn-beijing";
/// The account in the names of its objects.
const ACCOUNT: &str = "2100000000";
/// With what keys and tokens of role sessions begin.
pub(crate) const SESSION_PREFIXES: (&str, &str) = ("AKTP", "STS");
/// Where the OAuth2 callback of the vault is.
pub(crate) const CALLBACK_PATH: &str = "/api/v1/oauth2callback";

/// What the dialect keeps beside the vault.
pub(crate) struct Platform {
    pub(crate) access: Access<String>,
    signer: OnceCell<Arc<Signer>>,
    /// The login of each client of a user pool, by client id.
    logins: Mutex<HashMap<String, BuiltInProvider>>,
}

impl Platform {
    pub(crate) fn new(account: ServiceAccount) -> Self {
        Self { access: Access::new(account), signer: OnceCell::new(), logins: Mutex::default() }
    }
}

/// Everything that AgentKit serves.
pub(crate) fn router(core: &Arc<Core>) -> Router {
    Router::new()
        .route(CALLBACK_PATH, get(consent::callback))
        .nest("/workloadpool/{pool}", issuer::workload_pool())
        .nest("/userpool/{pool}", issuer::user_pool())
        .with_state(Arc::clone(core))
}

/// The role that the account may assume when nothing else was said.
pub(crate) fn default_role() -> String {
    format!("trn:iam::{ACCOUNT}:role/EmulatedRuntimeRole")
}

/// The last part of a role's name.
pub(crate) fn role_name(trn: &str) -> Option<&str> {
    let (_, name) = trn.rsplit_once("role/")?;
    is_name(name).then_some(name)
}

/// What is there from the start.
pub(crate) fn prepare(state: &mut State, now: Timestamp) {
    // An error means that it is there already.
    let _ = state.create_workload_pool(workloads::pool(DEFAULT_POOL.to_owned(), now));
    let role = default_role();
    if !state.pooled.roles.contains(&role) {
        state.pooled.roles.push(role);
    }
}

/// A random access key id and its secret.
pub(crate) fn new_account() -> ServiceAccount {
    let id = format!("AKLT{}", crate::random::uuid().replace('-', ""));
    ServiceAccount { id, secret: crate::random::secret() }
}

/// The key that signs every token of the pools; made when it is first needed and kept in the vault.
async fn signer(core: &Core) -> Result<Arc<Signer>, ApiError> {
    let kept = core.agentkit.signer.get_or_try_init(|| make_signer(core)).await?;
    Ok(Arc::clone(kept))
}

async fn make_signer(core: &Core) -> Result<Arc<Signer>, ApiError> {
    let failed = || ApiError::new(http::StatusCode::INTERNAL_SERVER_ERROR, "ServiceFailure", "no signing key");
    let kept: Option<SecretString> = core.vault.read().pooled.signing_key.clone();
    if let Some(kept) = kept {
        return Signer::kept(&kept).map(Arc::new).ok_or_else(failed);
    }
    let made = tokio::task::spawn_blocking(Signer::generate).await;
    let (signer, kept) = made.ok().flatten().ok_or_else(failed)?;
    let change = core.vault.change(move |state| {
        state.pooled.signing_key = Some(kept);
        Ok::<_, ApiError>(())
    });
    change.await?;
    Ok(Arc::new(signer))
}
