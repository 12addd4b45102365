//! What an answer that is not a success says, without passing on what it should not.

use std::time::Duration;

use http::HeaderMap;
use serde_json::Value;

use crate::{
    error::{Error, ErrorKind},
    shown::{shown_code, shown_text},
};

/// An error answer, read. The shape of the body is documented nowhere, so every shape that has been seen is tried; the raw
/// body is never shown.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    /// A code of the platform's, `[A-Za-z0-9_.-]{1,64}`.
    pub(crate) code: Option<String>,
    text: Option<String>,
    request_id: Option<String>,
    pub(crate) retry_after: Option<Duration>,
}

impl Refusal {
    /// `hidden` is what the request held and nobody may see: a text that repeats any of it is left out.
    pub(crate) fn read(status: u16, headers: &HeaderMap, body: &[u8], hidden: &[&str]) -> Self {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let first = &body["errors"][0];
        let error = body["error"].as_str();
        let text = [body["message"].as_str(), body["error_description"].as_str(), error, body["detail"].as_str()]
            .into_iter()
            .chain([first["message"].as_str()])
            .flatten()
            .find_map(|text| shown_text(text, hidden));
        let code = [&body["code"], &body["errorCode"], &first["code"]]
            .into_iter()
            .find_map(|code| shown_code(&as_text(code)?, hidden))
            .or_else(|| error.and_then(|error| shown_code(error, hidden)));
        let request_id = ["x-request-id", "x-correlation-id"]
            .into_iter()
            .find_map(|name| shown_code(headers.get(name)?.to_str().ok()?, hidden));
        Self { status, code, text, request_id, retry_after: None }
    }

    pub(crate) fn with_retry_after(mut self, after: Option<Duration>) -> Self {
        self.retry_after = after;
        self
    }

    /// The kind of a status of the identity API.
    pub(crate) fn kind(&self) -> ErrorKind {
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
    pub(crate) fn error(&self, kind: ErrorKind, operation: &str, who: &str) -> Error {
        let answered = self.text.as_ref().map_or_else(String::new, |text| format!(": {who} says \"{text}\""));
        Error::new(kind, format!("could not {operation}{answered}"))
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
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn read(body: &str, hidden: &[&str]) -> Refusal {
        Refusal::read(404, &HeaderMap::new(), body.as_bytes(), hidden)
    }

    #[test]
    fn every_shape_that_was_seen_is_read() {
        for (body, text, code) in [
            (r#"{"message":"not found"}"#, Some("not found"), None),
            (r#"{"error":"Not Found","status":404}"#, Some("Not Found"), None),
            (r#"{"detail":"no such thing"}"#, Some("no such thing"), None),
            (
                r#"{"errors":[{"code":"AUTHENTICATION_FAILED","message":"wrong"}]}"#,
                Some("wrong"),
                Some("AUTHENTICATION_FAILED"),
            ),
            (
                r#"{"error":"invalid_client","error_description":"Bad client"}"#,
                Some("Bad client"),
                Some("invalid_client"),
            ),
            (r#"{"code":"NOT_FOUND","message":"gone"}"#, Some("gone"), Some("NOT_FOUND")),
            (r#"{"errorCode":1404,"message":"gone"}"#, Some("gone"), Some("1404")),
            (r#"{"code":"has space","message":7}"#, None, None),
            ("upstream down", None, None),
            ("[]", None, None),
            ("null", None, None),
            ("", None, None),
        ] {
            let refusal = read(body, &[]);
            assert_eq!((refusal.text.as_deref(), refusal.code.as_deref()), (text, code), "{body}");
        }
    }

    #[test]
    fn w33_what_looks_like_a_secret_is_not_shown() {
        let shown =
            |text: &str, hidden: &[&str]| read(&serde_json::json!({ "message": text }).to_string(), hidden).text;
        assert_eq!(shown("key sk-live-0123456789abcdef refused", &[]).as_deref(), Some("key … refused"));
        assert_eq!(
            shown("see https://h/p?token=abcdefghij0123456789&x=1", &[]).as_deref(),
            Some("see https://h/p?…&x=1")
        );
        assert_eq!(
            shown("Unable-to-find-the-requested-provider", &[]).as_deref(),
            Some("Unable-to-find-the-requested-provider")
        );
        assert_eq!(shown("bad key hunter-two!", &["hunter-two!"]), None);
        assert_eq!(shown("user bob, unknown", &["bob"]), None);
        assert_eq!(shown("a bobsleigh", &["bob"]).as_deref(), Some("a bobsleigh"));
        assert_eq!(shown("two\nlines", &[]), None);
        assert_eq!(shown("turned \u{202e}round", &[]), None);
        assert_eq!(shown(&"long ".repeat(60), &[]), None);
        assert_eq!(read(r#"{"code":"hunter2"}"#, &["hunter2"]).code, None);
    }

    #[test]
    fn the_request_id_is_shown_if_it_looks_like_one() {
        let id = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("x-correlation-id", HeaderValue::from_static(value));
            Refusal::read(500, &headers, b"", &["secret-1"]).request_id
        };
        assert_eq!(id("5f0c-11").as_deref(), Some("5f0c-11"));
        for bad in ["a b", "", "x\"y", "secret-1"] {
            assert_eq!(id(bad), None);
        }
    }

    proptest! {
        #[test]
        fn w33_no_text_ever_repeats_what_is_hidden(before in "[ -~]{0,40}", secret in "[!-~]{6,60}", after in "[ -~]{0,40}") {
            let body = serde_json::json!({ "message": format!("{before}{secret}{after}"), "code": secret });
            let refusal = Refusal::read(400, &HeaderMap::new(), body.to_string().as_bytes(), &[&secret]);
            let error = refusal.error(refusal.kind(), "do it", "AgentBase");
            prop_assert!(refusal.text.is_none() && refusal.code.is_none());
            let fragment = "could not do it (HTTP 400)";
            prop_assert_eq!(error.to_string(), fragment);
        }
    }
}
