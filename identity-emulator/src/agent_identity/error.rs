//! Errors on the wire: contract section 7. Where the contract knows no status or code, the vendor's general ones are used.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};

use crate::oauth::OAuthFailure;
use crate::trouble::Trouble;
use crate::vault::{Refusal, VaultError};

/// A refusal with a message that names what was wrong and never repeats a secret.
#[derive(Debug)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    pub(crate) code: Cow<'static, str>,
    pub(crate) message: Cow<'static, str>,
    /// The action that nobody allowed, and who asked.
    denied: Option<Denied>,
}

#[derive(Debug)]
struct Denied {
    action: String,
    role: String,
}

impl ApiError {
    pub(super) fn new(
        status: StatusCode,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { status, code: code.into(), message: message.into(), denied: None }
    }

    pub(crate) fn bad(code: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// A parameter is not what it must be.
    pub(crate) fn invalid(parameter: &str, rule: impl AsRef<str>) -> Self {
        Self::bad(format!("InvalidParameter.{parameter}"), format!("{parameter} {}.", rule.as_ref()))
    }

    pub(super) fn missing(parameter: &str) -> Self {
        let message = format!("The parameter {parameter} is required.");
        Self::bad(format!("MissingParameter.{parameter}"), message)
    }

    pub(crate) fn not_found(entity: &str) -> Self {
        let message = format!("There is no such {entity} in this account.");
        Self::new(StatusCode::NOT_FOUND, format!("EntityNotExists.{entity}"), message)
    }

    /// What the vault answered about an entity of this kind.
    pub(super) fn about(entity: &str, refusal: Refusal) -> Self {
        match refusal {
            Refusal::Missing(_) => Self::not_found(entity),
            Refusal::Exists(_) => {
                let message = format!("There is a {entity} of this name already.");
                Self::new(StatusCode::CONFLICT, format!("EntityAlreadyExists.{entity}"), message)
            }
            Refusal::Full(_) => {
                let message = "The emulator keeps no more of these; delete some first.";
                Self::bad(format!("QuotaExceeded.{entity}"), message)
            }
        }
    }

    /// The session of a role that may not do this.
    pub(super) fn no_permission(action: String, role: &str) -> Self {
        let message = "The session of the role may not do this; sign with the account's access key.";
        let denied = Some(Denied { action, role: role.to_owned() });
        Self { denied, ..Self::new(StatusCode::FORBIDDEN, "NoPermission", message) }
    }

    pub(crate) fn internal(message: &'static str) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", message)
    }

    pub(super) fn body(&self, request_id: &str, host: &str) -> Value {
        let mut body = json!({
            "RequestId": request_id,
            "HostId": host,
            "Code": self.code,
            "Message": self.message,
            "Recommend": "https://api.aliyun.com/troubleshoot",
        });
        if let Some(denied) = &self.denied {
            body["AccessDeniedDetail"] = json!({
                "AuthAction": denied.action,
                "AuthPrincipalType": "AssumedRoleUser",
                "AuthPrincipalDisplayName": denied.role,
                "AuthPrincipalOwnerId": super::ACCOUNT,
                "NoPermissionType": "ImplicitDeny",
                "PolicyType": "AccountLevelIdentityBasedPolicy",
            });
        }
        body
    }
}

/// What a throttled client is answered; `milliseconds` rides in a header of the vendor's own.
pub(crate) fn throttled(milliseconds: u64) -> (StatusCode, HeaderMap, Value) {
    let mut headers = HeaderMap::new();
    headers.insert(HeaderName::from_static("x-acs-retry-after"), HeaderValue::from(milliseconds));
    let error =
        ApiError::new(StatusCode::TOO_MANY_REQUESTS, "Throttling.User", "Request was denied due to user flow control.");
    (error.status, headers, error.body(&crate::random::uuid().to_ascii_uppercase(), ""))
}

impl From<VaultError> for ApiError {
    fn from(error: VaultError) -> Self {
        tracing::error!(%error, "a change was not stored");
        Self::internal("The change was not stored; the emulator's log says why.")
    }
}

impl From<OAuthFailure> for ApiError {
    fn from(failure: OAuthFailure) -> Self {
        match failure {
            OAuthFailure::InvalidRequest(_) | OAuthFailure::InvalidRegistration(_) => {
                Self::bad("InvalidParameter", failure.to_string())
            }
            _ => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "ServiceUnavailable.UpstreamTokenEndpoint",
                failure.to_string(),
            ),
        }
    }
}

impl From<Trouble> for ApiError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Refused(refusal) => Self::about("Session", refusal),
            Trouble::Unstored(error) => error.into(),
            Trouble::OAuth(failure) => failure.into(),
            Trouble::Unusable => {
                Self::bad("InvalidParameter", "The URLs of the credential provider cannot be used; update it.")
            }
        }
    }
}
