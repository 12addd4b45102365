//! Delegated API keys, as agents ask for them: contract section 5.3.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::CACHE_CONTROL;
use http::{HeaderMap, StatusCode, Uri};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::error::ApiError;
use super::pages::PageQuery;
use super::sessions;
use super::types::KeyProviderBody;
use super::validation::{Fields, UNBOUNDED, length};
use crate::audit::AuditOutcome;
use crate::core::Core;
use crate::vault::{Asks, Grant, Session, SessionStatus, UserKeyProvider};

const OPERATION: &str = "get_delegated_api_key_for_agent_identity";

fn body_of(provider: &UserKeyProvider) -> KeyProviderBody {
    KeyProviderBody::new(&provider.id, &provider.name, provider.created_at, provider.updated_at)
}

pub(super) async fn create(
    State(core): State<Arc<Core>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let name = Fields::read(&headers, &body)?.name()?;
    let now = core.clock.now();
    let provider =
        core.vault.change(move |state| state.create_user_key_provider(&name, now).map_err(ApiError::from)).await?;
    Ok(Json(body_of(&provider)).into_response())
}

pub(super) async fn list(State(core): State<Arc<Core>>, uri: Uri) -> Result<Response, ApiError> {
    let query = PageQuery::read(&uri)?;
    let state = core.vault.read();
    let items: Vec<_> = state.user_key_providers.values().collect();
    Ok(Json(query.cut(items, |item| (&item.name, item.created_at), |item| body_of(item))).into_response())
}

pub(super) async fn get(State(core): State<Arc<Core>>, Path(name): Path<String>) -> Result<Response, ApiError> {
    let state = core.vault.read();
    Ok(Json(body_of(state.user_key_provider(&name)?)).into_response())
}

pub(super) async fn delete(State(core): State<Arc<Core>>, Path(name): Path<String>) -> Result<StatusCode, ApiError> {
    core.vault.change(move |state| state.delete_user_key_provider(&name).map_err(ApiError::from)).await?;
    Ok(StatusCode::NO_CONTENT)
}

struct KeyRequest {
    user: String,
    return_url: String,
    custom_state: Option<String>,
    session_id: Option<String>,
    force: bool,
}

impl KeyRequest {
    fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::read(headers, body)?;
        Ok(Self {
            user: fields.required_text("agentUserId", length(1, UNBOUNDED))?,
            return_url: fields.required_text("returnUrl", length(1, UNBOUNDED))?,
            custom_state: fields.text("customState", length(1, 50))?,
            session_id: fields.session_id()?,
            force: fields.flag("forceDelegation")?,
        })
    }
}

pub(super) async fn key(
    State(core): State<Arc<Core>>,
    Path((provider_name, identity_name)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let request = KeyRequest::read(&headers, &body)?;
    let grant = {
        let state = core.vault.read();
        let provider = state.user_key_provider(&provider_name)?;
        let identity = state.identity(&identity_name)?;
        sessions::check_return_url(identity, &request.return_url)?;
        Grant { identity: identity_name, provider_id: provider.id.clone(), user: request.user }
    };
    let (outcome, answer) = match request.session_id {
        // With a session id the force flag only repeats what opened the session: contract section 6.2, step 3.
        Some(id) => poll(&core, &grant, &id).await?,
        None => ask(&core, &grant, request.return_url, request.custom_state, request.force).await?,
    };
    let audited = Grant { provider_id: provider_name, ..grant };
    core.audit(OPERATION, &audited, Some(&audited.user), outcome);
    Ok(([(CACHE_CONTROL, "no-store")], Json(answer)).into_response())
}

/// The key if the user has given one, else a session in which they can.
async fn ask(
    core: &Arc<Core>,
    grant: &Grant,
    return_url: String,
    custom_state: Option<String>,
    force: bool,
) -> Result<(AuditOutcome, Value), ApiError> {
    if !force {
        core.human.settle(core, grant).await;
        if let Some(key) = core.vault.read().user_key(grant) {
            return Ok((AuditOutcome::Released, json!({ "apikey": key.expose_secret(), "status": "COMPLETED" })));
        }
    }
    let session = sessions::open(core, grant.clone(), return_url, custom_state, Asks::Key).await?;
    let link = link(core, &session);
    let answer = json!({ "authorizationUrl": link, "sessionId": session.id, "status": "IN_PROGRESS" });
    Ok((AuditOutcome::ConsentAsked, answer))
}

/// A poll tells the status only; the key comes with the request after it, as recorded (`flow.delegated_polling`).
async fn poll(core: &Arc<Core>, grant: &Grant, id: &str) -> Result<(AuditOutcome, Value), ApiError> {
    let session = Arc::clone(core.vault.read().session(id, grant)?);
    if !matches!(session.asks, Asks::Key) {
        return Err(ApiError::new(StatusCode::NOT_FOUND, "session not found"));
    }
    core.human.polled(core, &session).await;
    let session = Arc::clone(core.vault.read().session(id, grant)?);
    let status = session.status_at(core.clock.now());
    let outcome = match status {
        SessionStatus::Open => AuditOutcome::Pending,
        SessionStatus::Completed => AuditOutcome::Granted,
        SessionStatus::Failed => AuditOutcome::Denied,
    };
    Ok((outcome, json!({ "sessionId": session.id, "status": sessions::status_text(status) })))
}

/// Where a person enters their key.
fn link(core: &Core, session: &Session) -> String {
    let state = session.state.as_ref().map(ExposeSecret::expose_secret).unwrap_or_default();
    format!("{}/api-key/delegate/{}?state={state}", core.identity_url(), session.grant.provider_id)
}

/// Stores the key that the holder of `state` entered, and completes the session. Works once.
pub(crate) async fn complete(
    core: &Core,
    provider_id: String,
    state: String,
    key: SecretString,
) -> Result<Arc<Session>, ApiError> {
    let now = core.clock.now();
    let change = core.vault.change(move |vault| {
        let session = vault.take_state(&provider_id, &state, now)?;
        vault.store_user_key(session.grant.clone(), key)?;
        vault.finish_session(&session.id, SessionStatus::Completed, now)?;
        Ok::<_, ApiError>(session)
    });
    let session = change.await?;
    core.audit("authorize_delegated_api_key", &session.grant, Some(&session.grant.user), AuditOutcome::Granted);
    Ok(session)
}

/// Ends the session of the holder of `state` without a key.
pub(crate) async fn refuse(core: &Core, provider_id: String, state: String) -> Result<Arc<Session>, ApiError> {
    let now = core.clock.now();
    let change = core.vault.change(move |vault| {
        let session = vault.take_state(&provider_id, &state, now)?;
        vault.finish_session(&session.id, SessionStatus::Failed, now)?;
        Ok::<_, ApiError>(session)
    });
    let session = change.await?;
    core.audit("authorize_delegated_api_key", &session.grant, Some(&session.grant.user), AuditOutcome::Denied);
    Ok(session)
}
