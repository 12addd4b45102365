//! Errors on the wire: contract section 4.

use std::borrow::Cow;

use http::StatusCode;
use serde_json::{Value, json};

use crate::oauth::OAuthFailure;
use crate::trouble::Trouble;
use crate::vault::{Refusal, Thing, VaultError};

/// A refusal with a message that names what was wrong and never repeats a secret.
#[derive(Debug)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    code: &'static str,
    pub(crate) message: Cow<'static, str>,
}

/// The numbers that go with some codes on the platform's public pages.
const NUMBERS: [(&str, u32); 11] = [
    ("MissingParameter", 100_002),
    ("MissingAuthenticationToken", 100_003),
    ("MissingRequestInfo", 100_004),
    ("MissingSignature", 100_005),
    ("InvalidTimestamp", 100_006),
    ("ServiceNotFound", 100_007),
    ("InvalidActionOrVersion", 100_008),
    ("InvalidAccessKey", 100_009),
    ("SignatureDoesNotMatch", 100_010),
    ("LackPolicy", 100_012),
    ("AccessDenied", 100_013),
];

impl ApiError {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code, message: message.into() }
    }

    pub(super) fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "InvalidParameter", message)
    }

    pub(super) fn missing(field: &str) -> Self {
        let message = format!("The required parameter {field} is missing");
        Self::new(StatusCode::BAD_REQUEST, "MissingParameter", message)
    }

    pub(super) fn not_found(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NotFound", message)
    }

    pub(super) fn denied(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "AccessDenied", message)
    }

    /// As the official samples recognise it, recorded inside HTTP 200.
    pub(super) fn duplicate(name: &str) -> Self {
        Self::new(StatusCode::OK, "InternalError", format!("Duplicate entry '{name}'"))
    }

    /// Why an object of this name was not made.
    pub(super) fn creating(name: &str, refusal: Refusal) -> Self {
        match refusal {
            Refusal::Exists(_) => Self::duplicate(name),
            other => other.into(),
        }
    }

    pub(super) fn body(&self) -> Value {
        let number = NUMBERS.iter().find(|(code, _)| *code == self.code);
        match number {
            Some((_, number)) => json!({ "CodeN": number, "Code": self.code, "Message": self.message }),
            None => json!({ "Code": self.code, "Message": self.message }),
        }
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Missing(Thing::Identity) => Self::not_found("Workload identity not found"),
            Refusal::Missing(Thing::Provider) => Self::not_found("Credential provider not found"),
            Refusal::Missing(Thing::Session) => Self::not_found("session not found"),
            Refusal::Missing(Thing::Pool) => Self::not_found("pool not found"),
            Refusal::Missing(Thing::Client) => Self::not_found("client not found"),
            Refusal::Missing(_) => Self::not_found("not found"),
            Refusal::Exists(_) => Self::duplicate("an object of this name"),
            Refusal::Full(_) => {
                let message = "The emulator keeps no more of these; delete some first";
                Self::new(StatusCode::BAD_REQUEST, "QuotaExceeded", message)
            }
        }
    }
}

impl From<VaultError> for ApiError {
    fn from(error: VaultError) -> Self {
        tracing::error!(%error, "a change was not stored");
        let message = "The change was not stored; the emulator's log says why";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "ServiceFailure", message)
    }
}

impl From<OAuthFailure> for ApiError {
    fn from(failure: OAuthFailure) -> Self {
        match failure {
            OAuthFailure::InvalidRequest(_) | OAuthFailure::InvalidRegistration(_) => {
                Self::invalid(failure.to_string())
            }
            _ => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "ServiceFailure", failure.to_string()),
        }
    }
}

impl From<Trouble> for ApiError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Refused(refusal) => refusal.into(),
            Trouble::Unstored(error) => error.into(),
            Trouble::OAuth(failure) => failure.into(),
            Trouble::Unusable => Self::invalid("The credential provider's URLs cannot be used; update the provider"),
        }
    }
}
