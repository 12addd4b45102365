//! OAuth2 providers and the tokens that agents ask for: contract section 5.4.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::CACHE_CONTROL;
use http::{HeaderMap, StatusCode, Uri};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::error::ApiError;
use super::pages::PageQuery;
use super::sessions;
use super::types::{OAuthProviderBody, callback_url};
use super::validation::{Fields, UNBOUNDED, length};
use crate::audit::AuditOutcome;
use crate::core::Core;
use crate::oauth::ProviderRegistration;
use crate::tokens;
use crate::trouble::Trouble;
use crate::vault::{Asks, Endpoints, Grant, OAuthProvider, SessionStatus};

fn outside(fields: &mut Fields) -> Result<Endpoints, ApiError> {
    Ok(Endpoints::Outside {
        authorization_url: fields.provider_url("authorizationUrl")?,
        token_url: fields.provider_url("tokenUrl")?,
    })
}

pub(super) async fn create(
    State(core): State<Arc<Core>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let mut fields = Fields::read(&headers, &body)?;
    let name = fields.name()?;
    let client_id = fields.required_text("clientId", length(1, 100))?;
    let client_secret = fields.secret("clientSecret", length(1, 100))?;
    let endpoints = outside(&mut fields)?;
    let now = core.clock.now();
    let change = core.vault.change(move |state| {
        state.create_oauth_provider(&name, client_id, client_secret, endpoints, now).map_err(ApiError::from)
    });
    let provider = change.await?;
    Ok(Json(OAuthProviderBody::new(&core, &provider)).into_response())
}

pub(super) async fn list(State(core): State<Arc<Core>>, uri: Uri) -> Result<Response, ApiError> {
    let query = PageQuery::read(&uri)?;
    let state = core.vault.read();
    let items: Vec<_> = state.oauth_providers.values().collect();
    let page = query.cut(items, |item| (&item.name, item.created_at), |item| OAuthProviderBody::new(&core, item));
    Ok(Json(page).into_response())
}

pub(super) async fn get(State(core): State<Arc<Core>>, Path(name): Path<String>) -> Result<Response, ApiError> {
    let state = core.vault.read();
    Ok(Json(OAuthProviderBody::new(&core, state.oauth_provider(&name)?)).into_response())
}

pub(super) async fn update(
    State(core): State<Arc<Core>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let mut fields = Fields::read(&headers, &body)?;
    let client_id = fields.required_text("clientId", length(1, 100))?;
    let client_secret = fields.secret("clientSecret", length(1, 100))?;
    let endpoints = outside(&mut fields)?;
    let now = core.clock.now();
    let change = core.vault.change(move |state| {
        state.update_oauth_provider(&name, client_id, client_secret, endpoints, now).map_err(ApiError::from)
    });
    let provider = change.await?;
    if !is_built_in(&core, &provider) {
        core.provider.disallow_redirect_uri(&callback(&core, &provider)?);
    }
    Ok(Json(OAuthProviderBody::new(&core, &provider)).into_response())
}

pub(super) async fn delete(State(core): State<Arc<Core>>, Path(name): Path<String>) -> Result<StatusCode, ApiError> {
    let provider = core.vault.change(move |state| state.delete_oauth_provider(&name).map_err(ApiError::from)).await?;
    core.provider.disallow_redirect_uri(&callback(&core, &provider)?);
    Ok(StatusCode::NO_CONTENT)
}

/// The provider's registration; one that cannot be used is the platform's fault, not the caller's.
pub(super) fn registration(core: &Core, provider: &OAuthProvider) -> Result<ProviderRegistration, ApiError> {
    core.registration(provider).ok_or_else(|| Trouble::Unusable.into())
}

/// A token for the agent itself, fetched anew from the provider each time.
pub(super) async fn m2m(
    State(core): State<Arc<Core>>,
    Path((provider_name, identity_name)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let scopes: Vec<String> = Fields::read(&headers, &body)?.scopes()?.into_iter().collect();
    let provider = {
        let state = core.vault.read();
        state.identity(&identity_name)?;
        Arc::clone(state.oauth_provider(&provider_name)?)
    };
    let granted = core.engine.client_credentials(&registration(&core, &provider)?, &scopes).await;
    let outcome = if granted.is_ok() { AuditOutcome::Released } else { AuditOutcome::Failed };
    let grant = Grant { identity: identity_name, provider_id: provider_name, user: String::new() };
    core.audit("get_m2m_token", &grant, None, outcome);
    let granted = granted?;
    let body = json!({ "accessToken": granted.access_token.expose_secret(), "tokenType": granted.token_type });
    Ok(([(CACHE_CONTROL, "no-store")], Json(body)).into_response())
}

struct UserTokenRequest {
    user: String,
    scopes: BTreeSet<String>,
    return_url: String,
    session_id: Option<String>,
    parameters: BTreeMap<String, String>,
    custom_state: Option<String>,
    force: bool,
}

impl UserTokenRequest {
    fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::read(headers, body)?;
        Ok(Self {
            user: fields.required_text("agentUserId", length(1, UNBOUNDED))?,
            scopes: fields.scopes()?,
            return_url: fields.required_text("returnUrl", length(0, 1000))?,
            session_id: fields.session_id()?,
            parameters: fields.text_map("customParameters")?,
            custom_state: fields.text("customState", length(1, 100))?,
            force: fields.flag("forceAuthentication")?,
        })
    }
}

/// A token on behalf of a user ("three-legged").
pub(super) async fn user_token(
    State(core): State<Arc<Core>>,
    Path((provider_name, identity_name)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let mut request = UserTokenRequest::read(&headers, &body)?;
    let (provider, grant) = {
        let state = core.vault.read();
        let provider = Arc::clone(state.oauth_provider(&provider_name)?);
        sessions::check_return_url(state.identity(&identity_name)?, &request.return_url)?;
        let user = std::mem::take(&mut request.user);
        let grant = Grant { identity: identity_name, provider_id: provider.id.clone(), user };
        (provider, grant)
    };
    let (outcome, answer) = match request.session_id.take() {
        // Forcing belongs to the first request; sent with a session it starts over: contract section 6.4.
        Some(id) if !request.force => poll(&core, &provider, &grant, &id).await?,
        _ => ask(&core, &provider, &grant, request).await?,
    };
    let audited = Grant { provider_id: provider_name, ..grant };
    core.audit("get_3lo_token", &audited, Some(&audited.user), outcome);
    Ok(([(CACHE_CONTROL, "no-store")], Json(answer)).into_response())
}

async fn ask(
    core: &Arc<Core>,
    provider: &OAuthProvider,
    grant: &Grant,
    request: UserTokenRequest,
) -> Result<(AuditOutcome, Value), ApiError> {
    if !request.force {
        core.human.settle(core, grant).await;
        if let Some(token) = tokens::current(core, provider, grant, &request.scopes).await? {
            let answer = json!({ "accessToken": token.access_token.expose_secret(), "tokenType": token.token_type });
            return Ok((AuditOutcome::Released, answer));
        }
    }
    // A dry run: what the provider could never be asked is refused now, not in the person's browser.
    begin(core, provider, &request.scopes, &request.parameters)?;
    let asks = Asks::Consent { scopes: request.scopes, parameters: request.parameters, verifier: None };
    let session = sessions::open(core, grant.clone(), request.return_url, request.custom_state, asks).await?;
    let link = format!("{}/oauth2/authorize?sessionId={}", core.identity_url(), session.id);
    let answer = json!({ "authorizationUrl": link, "sessionId": session.id, "status": "IN_PROGRESS" });
    Ok((AuditOutcome::ConsentAsked, answer))
}

async fn poll(
    core: &Arc<Core>,
    provider: &OAuthProvider,
    grant: &Grant,
    id: &str,
) -> Result<(AuditOutcome, Value), ApiError> {
    let session = Arc::clone(core.vault.read().session(id, grant)?);
    let Asks::Consent { scopes, .. } = &session.asks else {
        return Err(ApiError::new(StatusCode::NOT_FOUND, "session not found"));
    };
    core.human.polled(core, &session).await;
    let status = core.vault.read().session(id, grant)?.status_at(core.clock.now());
    let token = match status {
        SessionStatus::Completed => tokens::current(core, provider, grant, scopes).await?,
        SessionStatus::Open | SessionStatus::Failed => None,
    };
    let (outcome, answer) = match (status, token) {
        (SessionStatus::Completed, Some(token)) => {
            let answer = json!({
                "accessToken": token.access_token.expose_secret(),
                "tokenType": token.token_type,
                "sessionId": session.id,
                "status": "COMPLETED",
            });
            (AuditOutcome::Released, answer)
        }
        (SessionStatus::Open, _) => {
            (AuditOutcome::Pending, json!({ "sessionId": session.id, "status": "IN_PROGRESS" }))
        }
        // Also a session that was completed but whose token has ended since: there is nothing more to wait for.
        _ => (AuditOutcome::Denied, json!({ "sessionId": session.id, "status": "FAILED" })),
    };
    Ok((outcome, answer))
}

/// The engine's start of an authorization at this provider, with the callback that belongs to it.
pub(super) fn begin(
    core: &Core,
    provider: &OAuthProvider,
    scopes: &BTreeSet<String>,
    parameters: &BTreeMap<String, String>,
) -> Result<crate::oauth::AuthorizationStart, ApiError> {
    let scopes: Vec<String> = scopes.iter().cloned().collect();
    let (callback, registration) = (callback(core, provider)?, registration(core, provider)?);
    if is_built_in(core, provider) {
        // What an operator registers by hand at an outside provider.
        core.provider.allow_redirect_uri(&callback)?;
        // Deleted or moved meanwhile: whoever did that may have looked before it was allowed.
        let current = core.vault.read().oauth_provider_by_id(&provider.id).cloned();
        if !current.as_ref().is_ok_and(|current| is_built_in(core, current)) {
            core.provider.disallow_redirect_uri(&callback);
            current?;
        }
    }
    Ok(core.engine.begin_authorization(&registration, &callback, &scopes, parameters)?)
}

/// Whether consent at this provider is given on the built-in provider's page.
fn is_built_in(core: &Core, provider: &OAuthProvider) -> bool {
    core.registration(provider)
        .is_some_and(|registration| registration.authorization_url == core.built_in.authorization_url)
}

pub(super) fn callback(core: &Core, provider: &OAuthProvider) -> Result<url::Url, ApiError> {
    callback_url(core, &provider.id)
        .parse()
        .map_err(|_| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "The emulator's own URL cannot be used"))
}
