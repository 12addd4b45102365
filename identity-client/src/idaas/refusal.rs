//! What an answer that is not a success says, in any of the three forms that IDaaS has.

use std::time::Duration;

use http::HeaderMap;
use serde_json::Value;

use crate::{
    error::{Error, ErrorKind},
    shown::{shown_code, shown_text},
    transport::Answer,
};

/// The forms, as (code, text, request id): OAuth's, Alibaba Cloud's, and that of the developer API.
const FORMS: [[&str; 3]; 3] =
    [["error", "error_description", "request_id"], ["Code", "Message", "RequestId"], ["code", "message", "requestId"]];

/// An error answer, read. The raw body is never shown.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    /// A code of the service's, `[A-Za-z0-9_.-]{1,64}`.
    pub(crate) code: Option<String>,
    text: Option<String>,
    request_id: Option<String>,
    pub(crate) retry_after: Option<Duration>,
}

impl Refusal {
    /// `hidden` is what the request held and nobody may see.
    pub(crate) fn of(answer: &Answer, hidden: &[&str]) -> Self {
        Self { retry_after: answer.retry_after(), ..Self::read(answer.status, &answer.headers, &answer.body, hidden) }
    }

    fn read(status: u16, headers: &HeaderMap, body: &[u8], hidden: &[&str]) -> Self {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let member = |column: usize| FORMS.iter().filter_map(move |form| form.get(column)).map(|name| &body[*name]);
        let code = member(0).find_map(|code| shown_code(&as_text(code)?, hidden));
        let text = member(1).find_map(|text| shown_text(text.as_str()?, hidden));
        let header = ["x-acs-request-id", "x-request-id"]
            .into_iter()
            .find_map(|name| shown_code(headers.get(name)?.to_str().ok()?, hidden));
        let request_id = member(2).find_map(|id| shown_code(id.as_str()?, hidden)).or(header);
        Self { status, code, text, request_id, retry_after: None }
    }

    pub(crate) fn has_code(&self, codes: &[&str]) -> bool {
        self.code.as_deref().is_some_and(|code| codes.contains(&code))
    }

    /// What it is, as far as status and code say it of any operation.
    pub(crate) fn kind(&self) -> ErrorKind {
        // The OpenAPI gateway throttles with 400.
        if self.code.as_deref().is_some_and(|code| code.starts_with("Throttling")) {
            return ErrorKind::RateLimited;
        }
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

    /// `operation` is what was tried, as in "could not get the API key".
    pub(crate) fn error(&self, kind: ErrorKind, operation: &str) -> Error {
        let said = self.text.as_ref().map_or_else(String::new, |text| format!(": IDaaS says \"{text}\""));
        Error::new(kind, format!("could not {operation}{said}"))
            .with_status(self.status)
            .with_code(self.code.clone())
            .with_request_id(self.request_id.clone())
            .with_retry_after(self.retry_after)
    }
}

fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn w16_w17_every_form_of_an_error_keeps_its_code_text_and_request_id() {
        for (status, body, code, text, id, kind) in [
            (
                401,
                r#"{"error":"invalid_client","error_description":"no","request_id":"R1"}"#,
                Some("invalid_client"),
                Some("no"),
                Some("R1"),
                ErrorKind::Unauthenticated,
            ),
            (
                403,
                r#"{"Code":"Forbidden","Message":"no permission","RequestId":"R2"}"#,
                Some("Forbidden"),
                Some("no permission"),
                Some("R2"),
                ErrorKind::PermissionDenied,
            ),
            (
                404,
                r#"{"code":"404","message":"nf","requestId":"R5"}"#,
                Some("404"),
                Some("nf"),
                Some("R5"),
                ErrorKind::NotFound,
            ),
            (404, r#"{"code":404}"#, Some("404"), None, None, ErrorKind::NotFound),
            (
                400,
                r#"{"Code":"Throttling.User","Message":"slow"}"#,
                Some("Throttling.User"),
                Some("slow"),
                None,
                ErrorKind::RateLimited,
            ),
            (404, "<html>nope</html>", None, None, None, ErrorKind::NotFound),
            (400, "[1]", None, None, None, ErrorKind::InvalidRequest),
            (502, "", None, None, None, ErrorKind::Unavailable),
            (307, "null", None, None, None, ErrorKind::Protocol),
        ] {
            let refusal = Refusal::read(status, &HeaderMap::new(), body.as_bytes(), &[]);
            assert_eq!((refusal.code.as_deref(), refusal.text.as_deref()), (code, text), "{body}");
            assert_eq!((refusal.request_id.as_deref(), refusal.kind()), (id, kind), "{body}");
            let error = refusal.error(refusal.kind(), "do it").to_string();
            assert!(error.contains(&status.to_string()) && !error.contains("None") && !error.contains('<'), "{error}");
        }
    }

    proptest! {
        #[test]
        fn w22_no_error_repeats_what_is_hidden(before in "[ -~]{0,40}", secret in "[!-~]{6,60}", after in "[ -~]{0,40}") {
            let body = serde_json::json!({ "error_description": format!("{before}{secret}{after}"), "error": secret });
            let refusal = Refusal::read(400, &HeaderMap::new(), body.to_string().as_bytes(), &[&secret]);
            prop_assert!(refusal.text.is_none() && refusal.code.is_none());
        }
    }
}
