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
pub(super) const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

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
        Some(CLIENT_CREDENTIALS) => (own(&core, &application, scope(&form)?)?, false),
        Some(TOKEN_EXCHANGE) => {
            let exchange = Exchange {
                subject: (form.get("subject_token")?, form.get("subject_token_type")?),
                requested: form.get("requested_token_type")?,
                actor: (form.get("actor_token")?, form.get("actor_token_type")?),
            };
            (exchange.token(&core, &application, scope(&form)?).await?, true)
        }
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
        "expires_in": token.life.1 - token.life.0,
        "expires_at": token.life.1,
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
pub(super) fn own(core: &Core, application: &Application, scope: Scope) -> Result<AccessToken, IdaasError> {
    let now = core.clock.now().as_second();
    Ok(AccessToken {
        client: application.id.clone(),
        subject: Subject::Application,
        permissions: scope.granted(application)?,
        audience: scope.audience,
        life: (now, now.saturating_add(LIFETIME)),
    })
}

/// A user's token for the user's token with which the application was called (RFC 8693).
pub(super) struct Exchange<'a> {
    /// With its type.
    pub(super) subject: (Option<&'a str>, Option<&'a str>),
    pub(super) requested: Option<&'a str>,
    /// With its type.
    pub(super) actor: (Option<&'a str>, Option<&'a str>),
}

impl Exchange<'_> {
    pub(super) async fn token(
        &self,
        core: &Core,
        application: &Application,
        scope: Scope,
    ) -> Result<AccessToken, IdaasError> {
        let subject = self.subject.0.ok_or_else(|| IdaasError::missing("subject_token"))?;
        if self.subject.1 != Some(ACCESS_TOKEN) {
            return Err(IdaasError::invalid("subject_token_type must be that of an access token"));
        }
        if self.requested.is_some_and(|wanted| wanted != ACCESS_TOKEN) {
            return Err(IdaasError::invalid("requested_token_type must be that of an access token"));
        }
        self.check_actor(core, application).await?;
        let permissions = scope.granted(application)?;
        let refused = || IdaasError::invalid("subject_token is not a live access token of this authorization server");
        let subject = verify(core, subject).await?.ok_or_else(refused)?;
        // What was made from a token does not outlive it.
        let now = core.clock.now().as_second();
        let end = now.saturating_add(LIFETIME).min(subject.life.1);
        Ok(AccessToken {
            client: application.id.clone(),
            subject: subject.handed_to(&application.id)?,
            permissions,
            audience: scope.audience,
            life: (now, end),
        })
    }

    /// The actor is the client in any case, as its authentication shows: a token that is shown for it must be its own. What the
    /// platform does with one is not documented.
    async fn check_actor(&self, core: &Core, application: &Application) -> Result<(), IdaasError> {
        let (token, kind) = self.actor;
        let token = match (token, kind) {
            (None, None) => return Ok(()),
            (Some(token), Some(ACCESS_TOKEN)) => token,
            (None, Some(_)) => return Err(IdaasError::missing("actor_token")),
            (Some(_), _) => return Err(IdaasError::invalid("actor_token_type must be that of an access token")),
        };
        let actor = verify(core, token).await?;
        let own = actor.is_some_and(|token| token.client == application.id && token.subject == Subject::Application);
        own.then_some(())
            .ok_or_else(|| IdaasError::invalid("actor_token is not a live access token of the client's own"))
    }
}
