//! The issuers of pools: discovery, keys and, for user pools, the login (contract sections 1, 12.1 and 13).

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use http::header::AUTHORIZATION;
use http::request::Parts;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::error::ApiError;
use super::signer;
use crate::core::Core;
use crate::provider::BuiltInProvider;
use crate::vault::PoolClient;

pub(super) const DISCOVERY: &str = "/.well-known/openid-configuration";
/// No form of a login needs more.
const BODY_LIMIT: usize = 16 * 1024;

pub(super) fn of_workload_pool(core: &Core, id: &str) -> String {
    format!("{}/workloadpool/{id}", core.origin)
}

pub(super) fn of_user_pool(core: &Core, id: &str) -> String {
    format!("{}/userpool/{id}", core.origin)
}

/// The issuer of the user pool with this name.
pub(crate) fn user_pool_issuer(core: &Core, name: &str) -> Option<String> {
    let state = core.vault.read();
    let pool = state.pooled.user_pools.values().find(|pool| pool.name == name)?;
    Some(of_user_pool(core, &pool.id))
}

/// The id in the issuer of a workload pool.
pub(super) fn workload_pool_of<'a>(core: &Core, issuer: &'a str) -> Option<&'a str> {
    issuer.strip_prefix(&core.origin)?.strip_prefix("/workloadpool/")
}

/// The id in the issuer of a user pool.
pub(super) fn user_pool_of<'a>(core: &Core, issuer: &'a str) -> Option<&'a str> {
    issuer.strip_prefix(&core.origin)?.strip_prefix("/userpool/")
}

pub(super) fn workload_pool() -> Router<Arc<Core>> {
    Router::new().route(DISCOVERY, get(workload_discovery)).route("/keys", get(workload_keys))
}

pub(super) fn user_pool() -> Router<Arc<Core>> {
    Router::new()
        .route(DISCOVERY, get(user_discovery))
        .route("/keys", get(user_keys))
        .route("/oauth/{endpoint}", any(login))
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        (self.status, Json(json!({ "ResponseMetadata": { "Error": self.body() } }))).into_response()
    }
}

fn known_workload_pool(core: &Core, id: &str) -> Result<(), ApiError> {
    let known = core.vault.read().pooled.workload_pools.values().any(|pool| pool.id == id);
    known.then_some(()).ok_or_else(|| ApiError::not_found("pool not found"))
}

async fn workload_discovery(State(core): State<Arc<Core>>, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    known_workload_pool(&core, &id)?;
    let issuer = of_workload_pool(&core, &id);
    Ok(Json(json!({
        "issuer": issuer,
        "jwks_uri": format!("{issuer}/keys"),
        "id_token_signing_alg_values_supported": ["RS256"],
    })))
}

async fn workload_keys(State(core): State<Arc<Core>>, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    known_workload_pool(&core, &id)?;
    Ok(Json(signer(&core).await?.jwks()))
}

async fn user_discovery(State(core): State<Arc<Core>>, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    core.vault.read().user_pool(&id)?;
    let issuer = of_user_pool(&core, &id);
    Ok(Json(json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/oauth/authorize"),
        "token_endpoint": format!("{issuer}/oauth/token"),
        "userinfo_endpoint": format!("{issuer}/oauth/userinfo"),
        "jwks_uri": format!("{issuer}/keys"),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "client_credentials", "refresh_token"],
        "subject_types_supported": ["public"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
    })))
}

async fn user_keys(State(core): State<Arc<Core>>, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    core.vault.read().user_pool(&id)?;
    Ok(Json(signer(&core).await?.jwks()))
}

/// Hands the request to the login of the client that it names.
async fn login(
    State(core): State<Arc<Core>>,
    Path((pool, endpoint)): Path<(String, String)>,
    request: Request,
) -> Response {
    if endpoint == "style.css" {
        return crate::provider::style().await.into_response();
    }
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, BODY_LIMIT).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let Some(provider) = (match login_of(&core, &pool, &parts, &body).await {
        Ok(provider) => provider,
        Err(error) => return error.into_response(),
    }) else {
        return unknown_client(&endpoint);
    };
    let mut request = Request::from_parts(parts, axum::body::Body::from(body));
    let path = match request.uri().query() {
        Some(query) => format!("/{endpoint}?{query}"),
        None => format!("/{endpoint}"),
    };
    let Ok(uri) = path.parse() else { return StatusCode::NOT_FOUND.into_response() };
    *request.uri_mut() = uri;
    provider.router().oneshot(request).await.into_response()
}

fn unknown_client(endpoint: &str) -> Response {
    if endpoint == "token" {
        let body = json!({ "error": "invalid_client", "error_description": "the client is not one of this user pool" });
        return (StatusCode::UNAUTHORIZED, Json(body)).into_response();
    }
    let text = "The user pool does not know the application that sent you here. Go back and check its client id.";
    crate::html::message(StatusCode::BAD_REQUEST, "This sign-in cannot go on", text)
}

async fn login_of(core: &Core, pool: &str, parts: &Parts, body: &[u8]) -> Result<Option<BuiltInProvider>, ApiError> {
    let client = client_named(core, parts, body).and_then(|id| core.vault.read().pool_client(pool, &id).ok().cloned());
    match client {
        Some(client) => provider_for(core, &client).await.map(Some),
        None => Ok(None),
    }
}

/// The client id in the query, the form, the Basic header or the bearer token: whether it is really that client is for the login to see.
fn client_named(core: &Core, parts: &Parts, body: &[u8]) -> Option<String> {
    let named = |encoded: &[u8]| {
        let pairs: HashMap<String, String> = url::form_urlencoded::parse(encoded).into_owned().collect();
        pairs.get("client_id").cloned()
    };
    let query = parts.uri.query().unwrap_or_default();
    let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let (scheme, value) = header.and_then(|header| header.split_once(' ')).unwrap_or_default();
    let basic = || {
        let pair = String::from_utf8(STANDARD.decode(value.trim()).ok()?).ok()?;
        Some(pair.split_once(':')?.0.to_owned())
    };
    let bearer = || {
        let claims = core.agentkit.signer.get()?.claims(value.trim())?;
        claims.get("client_id")?.as_str().map(str::to_owned)
    };
    let authorized = match scheme.to_ascii_lowercase().as_str() {
        "basic" => basic(),
        "bearer" => bearer(),
        _ => None,
    };
    authorized.or_else(|| named(query.as_bytes())).or_else(|| named(body))
}

/// The login of this client, made when it is first needed; its addresses are those of the vault as of now.
async fn provider_for(core: &Core, client: &PoolClient) -> Result<BuiltInProvider, ApiError> {
    let signer = signer(core).await?;
    let mut logins = core.agentkit.logins.lock().unwrap_or_else(PoisonError::into_inner);
    let known = logins.get(&client.id).cloned();
    let provider = if let Some(provider) = known {
        provider
    } else {
        let base = of_user_pool(core, &client.pool).parse();
        let base = base.map_err(|_| ApiError::invalid("the emulator's own address is no URL"))?;
        let clock = core.clock.clone();
        let provider = BuiltInProvider::new(base)?
            .with_client(&client.id, client.secret.clone())
            .with_client_name(&client.name)
            .with_clock(move || clock.now())
            .issuing_jwts(signer);
        logins.insert(client.id.clone(), provider.clone());
        provider
    };
    provider.allow_only(&client.callback_urls);
    Ok(provider.with_token_lifetime(Duration::from_secs(client.token_seconds)))
}
