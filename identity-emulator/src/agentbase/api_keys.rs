//! Static API keys: contract section 5.2.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::CACHE_CONTROL;
use http::{HeaderMap, StatusCode, Uri};
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::error::ApiError;
use super::pages::PageQuery;
use super::types::KeyProviderBody;
use super::validation::{Fields, length};
use crate::audit::AuditOutcome;
use crate::core::Core;
use crate::vault::{Grant, KeyProvider};

fn body_of(provider: &KeyProvider) -> KeyProviderBody {
    KeyProviderBody::new(&provider.id, &provider.name, provider.created_at, provider.updated_at)
}

pub(super) async fn create(
    State(core): State<Arc<Core>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let mut fields = Fields::read(&headers, &body)?;
    let name = fields.name()?;
    let key = fields.secret("apikey", length(1, 1000))?;
    let now = core.clock.now();
    let provider =
        core.vault.change(move |state| state.create_key_provider(&name, key, now).map_err(ApiError::from)).await?;
    Ok(Json(body_of(&provider)).into_response())
}

pub(super) async fn list(State(core): State<Arc<Core>>, uri: Uri) -> Result<Response, ApiError> {
    let query = PageQuery::read(&uri)?;
    let state = core.vault.read();
    let items: Vec<_> = state.key_providers.values().collect();
    Ok(Json(query.cut(items, |item| (&item.name, item.created_at), |item| body_of(item))).into_response())
}

pub(super) async fn get(State(core): State<Arc<Core>>, Path(name): Path<String>) -> Result<Response, ApiError> {
    let state = core.vault.read();
    Ok(Json(body_of(state.key_provider(&name)?)).into_response())
}

pub(super) async fn update(
    State(core): State<Arc<Core>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let key = Fields::read(&headers, &body)?.secret("apikey", length(1, 1000))?;
    let now = core.clock.now();
    let provider = core.vault.change(move |state| state.rotate_key(&name, key, now).map_err(ApiError::from)).await?;
    Ok(Json(body_of(&provider)).into_response())
}

pub(super) async fn delete(State(core): State<Arc<Core>>, Path(name): Path<String>) -> Result<StatusCode, ApiError> {
    core.vault.change(move |state| state.delete_key_provider(&name).map_err(ApiError::from)).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn key(
    State(core): State<Arc<Core>>,
    Path((provider, identity)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let state = core.vault.read();
    let found = state.key_provider(&provider).and_then(|found| state.identity(&identity).map(|_| found));
    let outcome = if found.is_ok() { AuditOutcome::Released } else { AuditOutcome::Failed };
    let grant = Grant { identity, provider_id: provider, user: String::new() };
    core.audit("get_api_key_for_agent_identity", &grant, None, outcome);
    let body = Json(json!({ "apikey": found?.key.expose_secret() }));
    Ok(([(CACHE_CONTROL, "no-store")], body).into_response())
}
