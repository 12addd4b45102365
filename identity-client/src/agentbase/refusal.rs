//! What an answer that is not a success says, without passing on what it should not.

use serde_json::Value;

use crate::{
    refusal::{Refusal, code_text},
    shown::{shown_code, shown_text},
    transport::Answer,
};

/// The shape of the body is documented nowhere, so every shape that has been seen is tried. `hidden` is what the request held
/// and nobody may see: a text that repeats any of it is left out.
pub(crate) fn read(answer: &Answer, hidden: &[&str]) -> Refusal {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let first = &body["errors"][0];
    let error = body["error"].as_str();
    let text = [body["message"].as_str(), body["error_description"].as_str(), error, body["detail"].as_str()]
        .into_iter()
        .chain([first["message"].as_str()])
        .flatten()
        .find_map(|text| shown_text(text, hidden));
    let code = [&body["code"], &body["errorCode"], &first["code"]]
        .into_iter()
        .find_map(|code| shown_code(&code_text(code)?, hidden))
        .or_else(|| error.and_then(|error| shown_code(error, hidden)));
    let request_id = ["x-request-id", "x-correlation-id"]
        .into_iter()
        .find_map(|name| shown_code(answer.headers.get(name)?.to_str().ok()?, hidden));
    Refusal { status: answer.status, code, text, request_id, retry_after: answer.retry_after() }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn read(body: &str, hidden: &[&str]) -> Refusal {
        super::read(&Answer::of(404, body.as_bytes()), hidden)
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
            let mut answer = Answer::of(500, b"");
            answer.headers.insert("x-correlation-id", HeaderValue::from_static(value));
            super::read(&answer, &["secret-1"]).request_id
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
            let refusal = super::read(&Answer::of(400, body.to_string().as_bytes()), &[&secret]);
            let error = refusal.error(refusal.kind_of_status(), "do it", "AgentBase");
            prop_assert!(refusal.text.is_none() && refusal.code.is_none());
            let fragment = "could not do it (HTTP 400)";
            prop_assert_eq!(error.to_string(), fragment);
        }
    }
}
