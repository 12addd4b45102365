//! Where a person hands over an API key: contract section 5.5.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode};
use secrecy::SecretString;
use serde_json::json;
use url::Url;

use super::consent::failed;
use super::delegated;
use super::error::ApiError;
use super::html::KeyForm;
use super::validation::{Fields, length};
use crate::core::Core;
use crate::html;
use crate::random;
use crate::returning::{dead_link, landing, redirect};
use crate::vault::Session;

const CSRF_COOKIE: &str = "identity_emulator_csrf";
/// Longest key that a form may bring; the same bound as for static keys.
const LONGEST_KEY: usize = 1_000;

/// `GET`: the form.
pub(super) async fn show(
    State(core): State<Arc<Core>>,
    Path(provider_id): Path<String>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let state = query.get("state").map(String::as_str).unwrap_or_default();
    let vault = core.vault.read();
    match vault.session_by_state(&provider_id, state, core.clock.now()) {
        Ok(session) => form(&core, session, state, None),
        Err(_) => dead_link(),
    }
}

/// The form with a CSRF value that only this browser can send back: once in the page, once in a cookie.
fn form(core: &Core, session: &Session, state: &str, complaint: Option<&'static str>) -> Response {
    let vault = core.vault.read();
    let provider = vault.user_key_providers.values().find(|provider| provider.id == session.grant.provider_id);
    let csrf = random::token();
    let form = KeyForm {
        agent: &session.grant.identity,
        provider: provider.map_or("", |provider| &provider.name),
        user: &session.grant.user,
        state,
        csrf: &csrf,
        complaint,
        leads_to: leads_to(&session.return_url),
    };
    let mut response = form.into_response();
    let path = format!("/identity/api-key/delegate/{}", session.grant.provider_id);
    let cookie = format!("{CSRF_COOKIE}={csrf}; Path={path}; HttpOnly; SameSite=Strict; Max-Age=3600");
    if let Ok(cookie) = HeaderValue::try_from(cookie) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

/// The form leads to the return URL by a redirect.
fn leads_to(return_url: &str) -> String {
    Url::parse(return_url).map_or_else(|_| "'self'".to_owned(), |url| html::form_targets(&url))
}

/// `POST`: JSON from the vendor's SDK, or the form. Anything else, and a form without its CSRF value, is refused.
pub(super) async fn submit(
    State(core): State<Arc<Core>>,
    Path(provider_id): Path<String>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Ok(submit_form(&core, provider_id, &headers, &body).await);
    }
    let key = Fields::read(&headers, &body)?.secret("apikey", length(1, LONGEST_KEY))?;
    let state = query.get("state").cloned().filter(|state| !state.is_empty());
    let state = state.ok_or_else(|| ApiError::invalid("state", "is required"))?;
    let session = delegated::complete(&core, provider_id, state, key).await?;
    let answer = json!({ "success": true, "message": "authorized", "redirectUrl": landing(&session, None) });
    Ok(([(CACHE_CONTROL, "no-store")], Json(answer)).into_response())
}

async fn submit_form(core: &Core, provider_id: String, headers: &HeaderMap, body: &[u8]) -> Response {
    let mut fields: HashMap<String, String> = url::form_urlencoded::parse(body).into_owned().collect();
    let mut field = |name: &str| fields.remove(name).unwrap_or_default();
    let (state, csrf, key, decision) = (field("state"), field("csrf"), field("apikey"), field("decision"));
    let cookie = cookie(headers);
    if csrf.is_empty() || !random::same_secret(cookie.unwrap_or_default(), &csrf) {
        let text = "This form was not opened in this browser, or was opened again since. Open the link again.";
        return failed(&ApiError::new(StatusCode::FORBIDDEN, text));
    }
    let key = key.trim().to_owned();
    let outcome = match decision.as_str() {
        "deny" => {
            delegated::refuse(core, provider_id, state).await.map(|session| landing(&session, Some("access_denied")))
        }
        _ if key.is_empty() || key.chars().count() > LONGEST_KEY => {
            let vault = core.vault.read();
            return match vault.session_by_state(&provider_id, &state, core.clock.now()) {
                Ok(session) => form(core, session, &state, Some("Enter a key of 1 to 1000 characters, or decline.")),
                Err(_) => dead_link(),
            };
        }
        _ => {
            let completed = delegated::complete(core, provider_id, state, SecretString::from(key)).await;
            completed.map(|session| landing(&session, None))
        }
    };
    match outcome {
        Ok(location) => redirect(&location),
        Err(error) if error.status == StatusCode::NOT_FOUND => dead_link(),
        Err(error) => failed(&error),
    }
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == CSRF_COOKIE).map(|(_, value)| value)
}
