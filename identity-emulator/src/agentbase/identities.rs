//! Agent identities: contract section 5.1.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, Uri};

use super::error::ApiError;
use super::pages::PageQuery;
use super::types::IdentityBody;
use super::validation::{Fields, length};
use crate::core::Core;

pub(super) async fn create(
    State(core): State<Arc<Core>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let mut fields = Fields::read(&headers, &body)?;
    let name = fields.name()?;
    let description = fields.text("description", length(0, 500))?;
    let return_urls = fields.return_urls()?.unwrap_or_default();
    let now = core.clock.now();
    let identity = core
        .vault
        .change(move |state| state.create_identity(&name, description, return_urls, now).map_err(ApiError::from))
        .await?;
    Ok(Json(IdentityBody::from(&*identity)).into_response())
}

pub(super) async fn list(State(core): State<Arc<Core>>, uri: Uri) -> Result<Response, ApiError> {
    let query = PageQuery::read(&uri)?;
    let state = core.vault.read();
    let items: Vec<_> = state.identities.values().collect();
    let page = query.cut(items, |item| (&item.name, item.created_at), |item| IdentityBody::from(&***item));
    Ok(Json(page).into_response())
}

pub(super) async fn get(State(core): State<Arc<Core>>, Path(name): Path<String>) -> Result<Response, ApiError> {
    let state = core.vault.read();
    Ok(Json(IdentityBody::from(&**state.identity(&name)?)).into_response())
}

/// Replaces what is given: `"allowedReturnUrls": []` wipes the list. What is absent or null stays: the platform's own handling of null is
/// not established (contract sections 3 and 14), and the vendor's SDK sends null for whatever a partial update does not name.
pub(super) async fn update(
    State(core): State<Arc<Core>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let mut fields = Fields::read(&headers, &body)?;
    let description = fields.text("description", length(0, 500))?;
    let return_urls = fields.return_urls()?;
    let now = core.clock.now();
    let identity = core
        .vault
        .change(move |state| state.update_identity(&name, description, return_urls, now).map_err(ApiError::from))
        .await?;
    Ok(Json(IdentityBody::from(&*identity)).into_response())
}

pub(super) async fn delete(State(core): State<Arc<Core>>, Path(name): Path<String>) -> Result<StatusCode, ApiError> {
    core.vault.change(move |state| state.delete_identity(&name).map_err(ApiError::from)).await?;
    Ok(StatusCode::NO_CONTENT)
}
