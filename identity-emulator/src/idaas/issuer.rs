//! The authorization server of the instance: discovery, keys and the token endpoint (contract section 1).

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Path, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::error::IdaasError;
use super::{AUTHORIZATION_SERVER, token};
use crate::core::Core;

/// No form of the token endpoint needs more: the largest has a chain of certificates.
const BODY_LIMIT: usize = 64 * 1024;

pub(super) fn router() -> Router<Arc<Core>> {
    let at = |path: &str| format!("/idaas/{{instance}}/{AUTHORIZATION_SERVER}{path}");
    Router::new()
        .route(&at("/.well-known/openid-configuration"), get(discovery))
        .route(&at("/jwks"), get(keys))
        .route(&at("/token"), post(token::answer))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
}

/// There is one instance.
pub(super) fn known(core: &Core, instance: &str) -> Result<(), IdaasError> {
    let missing = || IdaasError::not_found("instance_not_found", "there is no such instance");
    (instance == core.idaas.instance).then_some(()).ok_or_else(missing)
}

/// Only what is served: no login page, hence no authorization endpoint.
async fn discovery(State(core): State<Arc<Core>>, Path(instance): Path<String>) -> Result<Json<Value>, IdaasError> {
    known(&core, &instance)?;
    let issuer = &core.idaas.issuer;
    Ok(Json(json!({
        "issuer": issuer,
        "token_endpoint": core.idaas.token_endpoint(),
        "jwks_uri": format!("{issuer}/jwks"),
        "grant_types_supported": [token::CLIENT_CREDENTIALS, token::TOKEN_EXCHANGE],
        "token_endpoint_auth_methods_supported":
            ["client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported":
            ["HS256", "RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "EdDSA"],
        "id_token_signing_alg_values_supported": ["RS256"],
    })))
}

async fn keys(State(core): State<Arc<Core>>, Path(instance): Path<String>) -> Result<Json<Value>, IdaasError> {
    known(&core, &instance)?;
    Ok(Json(core.idaas.keys.jwks(&core).await?))
}
