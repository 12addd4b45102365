//! Errors on the wire: `{"message": …}`.
//!
//! The platform documents no error body; `message` is the member that the vendor's SDK looks for (contract section 3.2).

use std::borrow::Cow;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::json;

use crate::oauth::OAuthFailure;
use crate::trouble::Trouble;
use crate::vault::{Refusal, Thing, VaultError};

/// A refusal with a message that names what was wrong and never repeats a value.
#[derive(Debug)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    pub(crate) message: Cow<'static, str>,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, message: message.into() }
    }

    pub(crate) fn invalid(field: &str, rule: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, format!("{field}: {rule}"))
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        (self.status, Json(json!({ "message": self.message }))).into_response()
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let (status, message) = match refusal {
            Refusal::Missing(Thing::Identity) => (StatusCode::NOT_FOUND, "Agent identity not found"),
            Refusal::Missing(Thing::Provider) => (StatusCode::NOT_FOUND, "Provider not found"),
            Refusal::Missing(Thing::Session) => (StatusCode::NOT_FOUND, "session not found"),
            Refusal::Missing(_) => (StatusCode::NOT_FOUND, "credential not found"),
            Refusal::Exists(Thing::Identity) => {
                (StatusCode::CONFLICT, "An agent identity with this name already exists")
            }
            Refusal::Exists(_) => (StatusCode::CONFLICT, "A provider with this name already exists"),
            Refusal::Full(_) => {
                (StatusCode::INSUFFICIENT_STORAGE, "The emulator keeps no more of these; delete some first")
            }
        };
        Self::new(status, message)
    }
}

impl From<VaultError> for ApiError {
    fn from(error: VaultError) -> Self {
        tracing::error!(%error, "a change was not stored");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "The change was not stored; the emulator's log says why")
    }
}

impl From<OAuthFailure> for ApiError {
    fn from(failure: OAuthFailure) -> Self {
        let status = match failure {
            OAuthFailure::InvalidRequest(_) => StatusCode::BAD_REQUEST,
            OAuthFailure::Unequipped(_) => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_GATEWAY,
        };
        Self::new(status, failure.to_string())
    }
}

impl From<Trouble> for ApiError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Refused(refusal) => refusal.into(),
            Trouble::Unstored(error) => error.into(),
            Trouble::OAuth(failure) => failure.into(),
            Trouble::Unusable => {
                let text = "The provider's registered URLs cannot be used; update the provider";
                Self::new(StatusCode::BAD_GATEWAY, text)
            }
        }
    }
}
