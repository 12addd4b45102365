//! `GET /userinfo`: a protected resource (RFC 6750).

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::BuiltInProvider;

/// A token of the client itself answers with the client id as `sub`, as RFC 9068 section 2.2 has it.
pub(super) async fn answer(State(provider): State<BuiltInProvider>, headers: HeaderMap) -> Response {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let bearer = values.next().and_then(|value| value.to_str().ok()).and_then(bearer_of);
    if values.next().is_some() {
        return refused(StatusCode::BAD_REQUEST, "Bearer realm=\"userinfo\", error=\"invalid_request\"");
    }
    // No token at all: the challenge has no error code (RFC 6750 section 3.1).
    let Some(token) = bearer else { return refused(StatusCode::UNAUTHORIZED, "Bearer realm=\"userinfo\"") };
    let Some(info) = provider.introspect(token) else {
        let challenge = "Bearer realm=\"userinfo\", error=\"invalid_token\", \
                         error_description=\"the token is unknown, revoked or expired\"";
        return refused(StatusCode::UNAUTHORIZED, challenge);
    };
    let subject = info.subject.unwrap_or_else(|| provider.client_id.to_string());
    Json(json!({ "sub": subject, "scope": info.scopes.join(" ") })).into_response()
}

fn bearer_of(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn refused(status: StatusCode, challenge: &'static str) -> Response {
    (status, [(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge))]).into_response()
}
