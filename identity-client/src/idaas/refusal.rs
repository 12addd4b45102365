//! What an answer that is not a success says, in any of the three forms that IDaaS has.

use serde_json::Value;

use crate::{
    error::ErrorKind,
    refusal::{Refusal, code_text},
    shown::{shown_code, shown_text},
    transport::Answer,
};

/// The forms, as (code, text, request id): OAuth's, Alibaba Cloud's, and that of the developer API.
const FORMS: [[&str; 3]; 3] =
    [["error", "error_description", "request_id"], ["Code", "Message", "RequestId"], ["code", "message", "requestId"]];

/// `hidden` is what the request held and nobody may see.
pub(crate) fn read(answer: &Answer, hidden: &[&str]) -> Refusal {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let member = |column: usize| FORMS.iter().filter_map(move |form| form.get(column)).map(|name| &body[*name]);
    let code = member(0).find_map(|code| shown_code(&code_text(code)?, hidden));
    let text = member(1).find_map(|text| shown_text(text.as_str()?, hidden));
    let header = ["x-acs-request-id", "x-request-id"]
        .into_iter()
        .find_map(|name| shown_code(answer.headers.get(name)?.to_str().ok()?, hidden));
    let request_id = member(2).find_map(|id| shown_code(id.as_str()?, hidden)).or(header);
    Refusal { status: answer.status, code, text, request_id, retry_after: answer.retry_after() }
}

/// What it is, as far as status and code say it of any operation.
pub(crate) fn kind(refusal: &Refusal) -> ErrorKind {
    // The OpenAPI gateway throttles with 400.
    let throttled = refusal.code.as_deref().is_some_and(|code| code.starts_with("Throttling"));
    if throttled { ErrorKind::RateLimited } else { refusal.kind_of_status() }
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
            let refusal = read(&Answer::of(status, body.as_bytes()), &[]);
            assert_eq!((refusal.code.as_deref(), refusal.text.as_deref()), (code, text), "{body}");
            assert_eq!((refusal.request_id.as_deref(), super::kind(&refusal)), (id, kind), "{body}");
            let error = refusal.error(kind, "do it", "IDaaS").to_string();
            assert!(error.contains(&status.to_string()) && !error.contains("None") && !error.contains('<'), "{error}");
        }
    }

    proptest! {
        #[test]
        fn w22_no_error_repeats_what_is_hidden(before in "[ -~]{0,40}", secret in "[!-~]{6,60}", after in "[ -~]{0,40}") {
            let body = serde_json::json!({ "error_description": format!("{before}{secret}{after}"), "error": secret });
            let refusal = read(&Answer::of(400, body.to_string().as_bytes()), &[&secret]);
            prop_assert!(refusal.text.is_none() && refusal.code.is_none());
        }
    }
}
