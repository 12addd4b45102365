//! The token endpoint: contract sections 4 to 6.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::HeaderMap;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::access_token::{AccessToken, LIFETIME, Subject, issue, verify};
use super::error::IdaasError;
use super::{Scope, client, issuer};
use crate::core::Core;
use crate::provider::Parameters;
use crate::vault::Application;

pub(super) const CLIENT_CREDENTIALS: &str = "client_credentials";
pub(super) const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

pub(super) async fn answer(
    State(core): State<Arc<Core>>,
    Path(instance): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, IdaasError> {
    issuer::known(&core, &instance)?;
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(IdaasError::invalid("the body must be application/x-www-form-urlencoded"));
    }
    let form = Parameters::parse(&body);
    let application = Box::pin(client::authenticate(&core, &headers, &form)).await?;
    let (token, exchanged) = match form.get("grant_type")? {
        Some(CLIENT_CREDENTIALS) => (own(&core, &application, &form)?, false),
        Some(TOKEN_EXCHANGE) => (exchange(&core, &application, &form).await?, true),
        Some(_) => {
            let description = "the grant is neither client_credentials nor token exchange";
            return Err(IdaasError::new(http::StatusCode::BAD_REQUEST, "unsupported_grant_type", description));
        }
        None => return Err(IdaasError::missing("grant_type")),
    };
    let issued = issue(&core, &token).await?;
    let mut answer = json!({
        "token_type": "Bearer",
        "access_token": issued.expose_secret(),
        "expires_in": token.end - core.clock.now().as_second(),
        "expires_at": token.end,
    });
    if exchanged {
        answer["issued_token_type"] = ACCESS_TOKEN.into();
    }
    Ok(([(CACHE_CONTROL, "no-store")], Json(answer)).into_response())
}

fn scope(form: &Parameters) -> Result<Scope, IdaasError> {
    Scope::read(form.get("scope")?.ok_or_else(|| IdaasError::scope("scope is missing"))?)
}

/// For the application itself.
fn own(core: &Core, application: &Application, form: &Parameters) -> Result<AccessToken, IdaasError> {
    let scope = scope(form)?;
    Ok(AccessToken {
        client: application.id.clone(),
        subject: Subject::Application,
        permissions: scope.granted(application)?,
        audience: scope.audience,
        end: core.clock.now().as_second().saturating_add(LIFETIME),
    })
}

/// For the user of the token that the application was given (RFC 8693).
async fn exchange(core: &Core, application: &Application, form: &Parameters) -> Result<AccessToken, IdaasError> {
    let subject = form.get("subject_token")?.ok_or_else(|| IdaasError::missing("subject_token"))?;
    if form.get("subject_token_type")? != Some(ACCESS_TOKEN) {
        return Err(IdaasError::invalid("subject_token_type must be that of an access token"));
    }
    if form.get("requested_token_type")?.is_some_and(|wanted| wanted != ACCESS_TOKEN) {
        return Err(IdaasError::invalid("requested_token_type must be that of an access token"));
    }
    if form.get("actor_token")?.is_some() || form.get("actor_token_type")?.is_some() {
        return Err(IdaasError::invalid("actor_token is not taken: the client itself is the actor"));
    }
    let scope = scope(form)?;
    let permissions = scope.granted(application)?;
    let refused = || IdaasError::invalid("subject_token is not a live access token of this authorization server");
    let subject = verify(core, subject).await?.ok_or_else(refused)?;
    // What was made from a token does not outlive it.
    let end = core.clock.now().as_second().saturating_add(LIFETIME).min(subject.end);
    Ok(AccessToken {
        client: application.id.clone(),
        subject: subject.handed_to(&application.id)?,
        permissions,
        audience: scope.audience,
        end,
    })
}
