//! Errors on the wire: contract section 11, in the form of OAuth2 with a request id.

use std::borrow::Cow;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde_json::json;

use super::plain_id;
use crate::oauth::OAuthFailure;
use crate::provider::Repeated;
use crate::trouble::Trouble;
use crate::vault::{Refusal, Thing, VaultError};

/// A refusal with a description that names what was wrong and never repeats a secret.
#[derive(Debug)]
pub(crate) struct IdaasError {
    status: StatusCode,
    code: &'static str,
    description: Cow<'static, str>,
    challenge: Option<&'static str>,
}

impl IdaasError {
    pub(super) fn new(status: StatusCode, code: &'static str, description: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code, description: description.into(), challenge: None }
    }

    pub(super) fn invalid(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", description)
    }

    pub(super) fn missing(parameter: &str) -> Self {
        Self::invalid(format!("the parameter {parameter} is missing"))
    }

    /// The client is not who it says.
    pub(super) fn client(description: &'static str) -> Self {
        let challenge = Some("Basic realm=\"token\"");
        Self { challenge, ..Self::new(StatusCode::UNAUTHORIZED, "invalid_client", description) }
    }

    pub(super) fn scope(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_scope", description)
    }

    /// The bearer token counts for nothing.
    pub(super) fn token(description: &'static str) -> Self {
        let challenge = Some("Bearer error=\"invalid_token\"");
        Self { challenge, ..Self::new(StatusCode::UNAUTHORIZED, "invalid_token", description) }
    }

    pub(super) fn forbidden(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "insufficient_scope", description)
    }

    pub(super) fn not_found(code: &'static str, description: &'static str) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, description)
    }

    pub(super) fn code(&self) -> &'static str {
        self.code
    }

    pub(super) fn server(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", description)
    }
}

impl std::fmt::Display for IdaasError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.description)
    }
}

impl IntoResponse for IdaasError {
    fn into_response(self) -> Response {
        let body = json!({
            "error": self.code,
            "error_description": self.description,
            "request_id": plain_id(),
        });
        let mut response = (self.status, [(CACHE_CONTROL, "no-store")], Json(body)).into_response();
        if let Some(challenge) = self.challenge {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response
    }
}

impl From<Repeated> for IdaasError {
    fn from(_: Repeated) -> Self {
        Self::invalid("a parameter is repeated")
    }
}

impl From<Refusal> for IdaasError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Missing(Thing::Session) => {
                Self::not_found("oauth_authorization_session_not_found", "there is no such session of this caller")
            }
            Refusal::Missing(_) => {
                Self::not_found("credential_provider_not_found", "there is no such credential provider")
            }
            Refusal::Exists(_) => Self::invalid("there is one of this name already"),
            Refusal::Full(_) => Self::invalid("the emulator keeps no more of these"),
        }
    }
}

impl From<VaultError> for IdaasError {
    fn from(error: VaultError) -> Self {
        tracing::error!(%error, "a change was not stored");
        Self::server("the change was not stored; the emulator's log says why")
    }
}

impl From<OAuthFailure> for IdaasError {
    fn from(failure: OAuthFailure) -> Self {
        match failure {
            OAuthFailure::InvalidRequest(_) | OAuthFailure::InvalidRegistration(_) => {
                Self::invalid(failure.to_string())
            }
            _ => Self::server(failure.to_string()),
        }
    }
}

impl From<Trouble> for IdaasError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Refused(refusal) => refusal.into(),
            Trouble::Unstored(error) => error.into(),
            Trouble::OAuth(failure) => failure.into(),
            Trouble::Unusable => Self::invalid("the credential provider's URLs cannot be used; register it anew"),
        }
    }
}
