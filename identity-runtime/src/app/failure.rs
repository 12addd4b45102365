//! What a caller is told when there is no result, and what the log is told.

use std::{borrow::Cow, error::Error as StdError, fmt, time::Duration};

use http::{
    HeaderValue, Response, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
};
use identity_client::{Error, ErrorKind, PendingAuthorization};
use serde_json::{Map, Value, json};

/// Any error of a handler.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// An error whose text is meant for the caller. Of every other error of a handler the caller learns only that there was one.
///
/// It may stand anywhere in the chain of sources of the error that a handler returns.
#[derive(Debug, Clone)]
pub struct HandlerError {
    status: StatusCode,
    code: Cow<'static, str>,
    message: String,
}

impl HandlerError {
    /// A status of 400 to 599 (another one becomes 500), a code that programs can compare, and words for a person. All three
    /// go to the caller.
    pub fn new(status: StatusCode, code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        let is_error = status.is_client_error() || status.is_server_error();
        let status = if is_error { status } else { StatusCode::INTERNAL_SERVER_ERROR };
        Self { status, code: code.into(), message: message.into() }
    }
}

impl fmt::Display for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for HandlerError {}

/// What a handler failed with.
pub(crate) struct Thrown {
    error: BoxError,
    /// The type of it, which is all that a log gets of an error that is not ours: its text may hold anything.
    type_name: &'static str,
}

impl Thrown {
    pub(crate) fn new<E: Into<BoxError>>(error: E) -> Self {
        Self { error: error.into(), type_name: std::any::type_name::<E>() }
    }
}

/// Why there is no result, in the form that the contract gives errors.
#[derive(Debug, PartialEq)]
pub(crate) struct Failure {
    pub(crate) status: StatusCode,
    pub(crate) code: Cow<'static, str>,
    text: Cow<'static, str>,
    details: Map<String, Value>,
    retry_after: Option<Duration>,
    /// The consents that stand between the caller and a result.
    pub(crate) pendings: Vec<PendingAuthorization>,
}

impl Failure {
    pub(crate) fn new(
        status: StatusCode,
        code: impl Into<Cow<'static, str>>,
        text: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            status,
            code: code.into(),
            text: text.into(),
            details: Map::new(),
            retry_after: None,
            pendings: Vec::new(),
        }
    }

    pub(crate) fn handler_failed() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "handler_failed", "Handler execution failed")
    }

    pub(crate) fn shutting_down() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "shutting_down", "The agent is shutting down")
            .with_retry_after(Duration::from_secs(1))
    }

    pub(crate) fn deadline() -> Self {
        Self::new(StatusCode::GATEWAY_TIMEOUT, "deadline_exceeded", "The invocation took too long")
    }

    pub(crate) fn with_retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    pub(crate) fn with_detail(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    /// Makes of a handler's error what its caller may know, and logs it by kind. `noted` are the consents that turned out to
    /// be missing on the way: an error type that hides its source hides them.
    pub(crate) fn of_handler(thrown: &Thrown, noted: Vec<PendingAuthorization>, request_id: &str) -> Self {
        let mut next: Option<&(dyn StdError + 'static)> = Some(&*thrown.error);
        while let Some(error) = next {
            if let Some(own) = error.downcast_ref::<HandlerError>() {
                tracing::info!(request_id, status = own.status.as_u16(), code = &*own.code, "a handler refused");
                return Self::new(own.status, own.code.clone(), own.message.clone());
            }
            if let Some(identity) = error.downcast_ref::<Error>() {
                return Self::of_identity(identity, request_id);
            }
            next = error.source();
        }
        if noted.is_empty() {
            tracing::error!(request_id, error_type = thrown.type_name, "a handler failed");
            return Self::handler_failed();
        }
        Self { pendings: noted, ..Self::consent_missing() }
    }

    fn consent_missing() -> Self {
        Self::new(StatusCode::ACCEPTED, "authorization_required", "The user must give consent first")
    }

    fn of_identity(error: &Error, request_id: &str) -> Self {
        let kind = error.kind();
        let failure = match kind {
            ErrorKind::AuthorizationRequired | ErrorKind::AuthorizationTimedOut if error.pending().is_some() => {
                tracing::info!(request_id, ?kind, "a consent is missing");
                return Self { pendings: error.pendings().to_vec(), ..Self::consent_missing() };
            }
            ErrorKind::AuthorizationRequired
            | ErrorKind::AuthorizationTimedOut
            | ErrorKind::AuthorizationDenied
            | ErrorKind::AuthorizationExpired => {
                Self::new(StatusCode::FORBIDDEN, "authorization_denied", "The user did not give consent")
            }
            ErrorKind::UserMissing => {
                Self::new(StatusCode::UNAUTHORIZED, "user_missing", "The request names no verified user")
            }
            ErrorKind::RateLimited | ErrorKind::Unavailable => {
                let after = error.retry_after().unwrap_or(Duration::from_secs(1));
                Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "credentials_unavailable",
                    "A credential cannot be had at present",
                )
                .with_retry_after(after)
            }
            ErrorKind::Timeout => Self::new(
                StatusCode::GATEWAY_TIMEOUT,
                "credentials_timeout",
                "A credential could not be obtained in time",
            ),
            ErrorKind::Transport | ErrorKind::Protocol => {
                Self::new(StatusCode::BAD_GATEWAY, "credentials_unreachable", "A credential could not be obtained")
            }
            // The agent's own affairs: the caller can do nothing about them, and a 401 or 403 would tell them otherwise.
            _ => {
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "credentials_failed", "A credential could not be obtained")
            }
        };
        tracing::error!(request_id, ?kind, status = failure.status.as_u16(), %error, "a handler got no credential");
        failure
    }

    /// `{"error", "error_type", "details"}`.
    pub(crate) fn body(self, request_id: Option<&str>) -> Value {
        let mut details = self.details;
        details.insert("code".to_owned(), self.code.into());
        if let Some(id) = request_id {
            details.insert("request_id".to_owned(), id.into());
        }
        json!({ "error": self.text, "error_type": error_type(self.status), "details": details })
    }

    pub(crate) fn response<B: From<String>>(self, request_id: Option<&str>) -> Response<B> {
        let (status, retry_after) = (self.status, self.retry_after);
        let mut response = Response::new(B::from(self.body(request_id).to_string()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(after) = retry_after {
            // Rounded up: who comes back too early is sent away again.
            let seconds = after.as_secs().saturating_add(u64::from(after.subsec_nanos() > 0));
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// The names that the contract gives to errors; callers written for the platform compare them.
fn error_type(status: StatusCode) -> &'static str {
    if status.is_client_error() { "GreenNodeRequestError" } else { "GreenNodeRuntimeError" }
}
