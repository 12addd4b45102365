//! What a platform refused a request with, as far as anybody may see it.

use std::time::Duration;

use crate::error::{Error, ErrorKind};

/// A refused request. Each platform reads it in its own way, through [`shown`](crate::shown); the raw body is never shown.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    /// A code of the platform's, `[A-Za-z0-9_.-]{1,64}`.
    pub(crate) code: Option<String>,
    pub(crate) text: Option<String>,
    pub(crate) request_id: Option<String>,
    pub(crate) retry_after: Option<Duration>,
}

impl Refusal {
    #[cfg(any(feature = "agentbase", feature = "agentkit", feature = "idaas"))]
    pub(crate) fn has_code(&self, codes: &[&str]) -> bool {
        self.code.as_deref().is_some_and(|code| codes.contains(&code))
    }

    /// What it is, as far as the status alone says it.
    pub(crate) fn kind_of_status(&self) -> ErrorKind {
        match self.status {
            400 | 422 => ErrorKind::InvalidRequest,
            401 => ErrorKind::Unauthenticated,
            403 => ErrorKind::PermissionDenied,
            404 => ErrorKind::NotFound,
            409 => ErrorKind::Conflict,
            429 => ErrorKind::RateLimited,
            408 | 500..=599 => ErrorKind::Unavailable,
            _ => ErrorKind::Protocol,
        }
    }

    /// `operation` is what was tried, as in "could not get the API key"; `who` refused it.
    pub(crate) fn error(&self, kind: ErrorKind, operation: &str, who: &str) -> Error {
        let said = self.text.as_ref().map_or_else(String::new, |text| format!(": {who} says \"{text}\""));
        self.facts(Error::new(kind, format!("could not {operation}{said}")))
    }

    /// The facts of this refusal on an error that was made of it.
    pub(crate) fn facts(&self, error: Error) -> Error {
        error
            .with_status(self.status)
            .with_code(self.code.clone())
            .with_request_id(self.request_id.clone())
            .with_retry_after(self.retry_after)
    }
}

/// A code as text; some platforms write theirs as numbers.
#[cfg(any(feature = "agentbase", feature = "agentkit", feature = "idaas"))]
pub(crate) fn code_text(value: &serde_json::Value) -> Option<String> {
    match value {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
