//! The developer API: who calls, and what they may do (contract sections 2, 9 and 10).

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::HeaderMap;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::access_token::verify;
use super::error::IdaasError;
use super::{ALL, PAM, consent, credentials, issuer, minted};
use crate::audit::AuditOutcome;
use crate::core::Core;
use crate::vault::{Grant, pooled_name};

pub(super) type Answer = Result<Value, IdaasError>;

pub(super) fn router() -> Router<Arc<Core>> {
    Router::new()
        .route("/v2/{instance}/credentials/_/actions/obtain", get(credentials::obtain))
        .route("/v2/{instance}/authenticationTokens", get(minted::list))
        .route("/v2/{instance}/authenticationTokens/_/actions/{action}", post(action))
        .route("/v2/{instance}/oauthAuthorizationSessions/_/actions/get", post(session))
}

/// Who calls, by their access token.
pub(super) struct Caller {
    /// The application.
    pub(super) client: String,
    /// For whom it acts.
    pub(super) user: Option<String>,
}

impl Caller {
    /// The bearer of a live token for the developer API with this permission.
    pub(super) async fn of(
        core: &Core,
        instance: &str,
        headers: &HeaderMap,
        permission: &str,
    ) -> Result<Self, IdaasError> {
        issuer::known(core, instance)?;
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let value = values.next().filter(|_| values.next().is_none()).and_then(|value| value.to_str().ok());
        let (scheme, token) = value.and_then(|value| value.split_once(' ')).unwrap_or_default();
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(IdaasError::token("send an access token as Authorization: Bearer"));
        }
        let refused = || IdaasError::token("the access token is invalid or has expired; get a new one");
        let token = verify(core, token.trim()).await?.ok_or_else(refused)?;
        if token.audience != PAM {
            return Err(IdaasError::token("the access token is for another audience than urn:cloud:idaas:pam"));
        }
        // What was issued for an application ends with it.
        let still = core.vault.read().idaas.applications.contains_key(&token.client);
        if !still {
            return Err(refused());
        }
        if !token.permissions.iter().any(|held| held == permission || held == ALL) {
            return Err(IdaasError::forbidden(format!("the access token lacks {PAM}|{permission}")));
        }
        let user = token.user().map(str::to_owned);
        Ok(Self { client: token.client, user })
    }

    /// The application, as the vault and the audit trail name it.
    pub(super) fn identity(&self, core: &Core) -> String {
        pooled_name(&core.idaas.instance, &self.client)
    }

    /// What belongs to this user of this application at a provider. A machine's own has an empty user.
    pub(super) fn grant(&self, core: &Core, provider_id: &str) -> Grant {
        let user = self.user.clone().unwrap_or_default();
        Grant { identity: self.identity(core), provider_id: provider_id.to_owned(), user }
    }

    /// Kind and id of whoever consumes what is handed out: the user for whom the application acts, else the application.
    pub(super) fn consumer(&self) -> (&'static str, &str) {
        match &self.user {
            Some(user) => ("custom", user),
            None => ("application", &self.client),
        }
    }

    pub(super) fn audited(&self, core: &Core, operation: &'static str, provider: &str, outcome: AuditOutcome) {
        core.audit(operation, &self.grant(core, provider), self.user.as_deref(), outcome);
    }
}

/// The body as the type of an action; an explicit null counts as absent. Messages never repeat a value: serde's own would.
pub(super) fn read<T: DeserializeOwned>(headers: &HeaderMap, body: &[u8]) -> Result<T, IdaasError> {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
        return Err(IdaasError::invalid("Content-Type must be application/json"));
    }
    let members: Map<String, Value> =
        serde_json::from_slice(body).map_err(|_| IdaasError::invalid("the body must be a JSON object"))?;
    let members = members.into_iter().filter(|(_, value)| !value.is_null()).collect();
    serde_json::from_value(Value::Object(members))
        .map_err(|_| IdaasError::invalid("a parameter does not have its documented type"))
}

/// What must be there, and not be empty.
pub(super) fn required(value: Option<String>, name: &str) -> Result<String, IdaasError> {
    value.filter(|text| !text.is_empty()).ok_or_else(|| IdaasError::missing(name))
}

pub(super) fn respond(answer: Answer) -> Response {
    match answer {
        Ok(body) => ([(CACHE_CONTROL, "no-store")], Json(body)).into_response(),
        Err(error) => error.into_response(),
    }
}

async fn action(
    State(core): State<Arc<Core>>,
    Path((instance, action)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let request = Request { core: &core, instance: &instance, headers: &headers, body: &body };
    respond(match action.as_str() {
        "fetchOAuthAccessToken" => Box::pin(consent::fetch(&request)).await,
        "generateJwt" => minted::generate(&request).await,
        "obtainJwt" => minted::obtain(&request).await,
        "obtainJwtByDerivedShortToken" => minted::obtain_by_short_token(&request),
        "validate" => minted::validate(&request),
        "revoke" => minted::set_revoked(&request, true).await,
        "reinstate" => minted::set_revoked(&request, false).await,
        "revokeByConsumer" => minted::set_revoked_by_consumer(&request, true).await,
        "reinstateByConsumer" => minted::set_revoked_by_consumer(&request, false).await,
        _ => Err(IdaasError::not_found("unsupported_operation", "this operation is not emulated")),
    })
}

async fn session(
    State(core): State<Arc<Core>>,
    Path(instance): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let request = Request { core: &core, instance: &instance, headers: &headers, body: &body };
    respond(consent::session(&request).await)
}

/// A call with a body.
pub(super) struct Request<'a> {
    pub(super) core: &'a Arc<Core>,
    instance: &'a str,
    headers: &'a HeaderMap,
    body: &'a [u8],
}

impl Request<'_> {
    pub(super) async fn caller(&self, permission: &str) -> Result<Caller, IdaasError> {
        Caller::of(self.core, self.instance, self.headers, permission).await
    }

    /// Without a caller: the two operations for which the token in the body is the credential.
    pub(super) fn known(&self) -> Result<(), IdaasError> {
        issuer::known(self.core, self.instance)
    }

    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, IdaasError> {
        read(self.headers, self.body)
    }
}
