//! `POST /token` (RFC 6749 sections 4, 5 and 6).

use std::sync::atomic::Ordering;

use axum::{
    Json,
    body::Bytes,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use secrecy::ExposeSecret;
use serde_json::json;

use super::BuiltInProvider;
use super::client::{self, ClientRefusal};
use super::parameters::{Parameters, Repeated, scopes_of};
use super::store::{Issued, Mint, Refusal};
use crate::oauth::TOKEN_EXCHANGE;

/// An error answer of RFC 6749 section 5.2.
struct TokenError {
    status: StatusCode,
    code: &'static str,
    description: &'static str,
}

impl TokenError {
    fn new(code: &'static str, description: &'static str) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code, description }
    }

    fn missing() -> Self {
        Self::new("invalid_request", "a required parameter of this grant is missing")
    }
}

impl From<Repeated> for TokenError {
    fn from(_: Repeated) -> Self {
        Self::new("invalid_request", "a parameter is repeated")
    }
}

impl From<ClientRefusal> for TokenError {
    fn from(refusal: ClientRefusal) -> Self {
        match refusal {
            ClientRefusal::Confused(description) => Self::new("invalid_request", description),
            ClientRefusal::Unknown => {
                let description = "the client id or secret is wrong";
                Self { status: StatusCode::UNAUTHORIZED, code: "invalid_client", description }
            }
        }
    }
}

impl From<Refusal> for TokenError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Grant(description) => Self::new("invalid_grant", description),
            Refusal::Scope => Self::new("invalid_scope", "a refresh cannot widen the scope"),
            Refusal::Unequipped => {
                let description = "no random bytes from the system";
                Self { status: StatusCode::INTERNAL_SERVER_ERROR, code: "server_error", description }
            }
        }
    }
}

impl IntoResponse for TokenError {
    fn into_response(self) -> Response {
        let body = Json(json!({ "error": self.code, "error_description": self.description }));
        let mut response = (self.status, body).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Basic realm=\"token\", charset=\"UTF-8\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

pub(super) async fn answer(State(provider): State<BuiltInProvider>, headers: HeaderMap, body: Bytes) -> Response {
    provider.token_requests.fetch_add(1, Ordering::Relaxed);
    match grant(&provider, &headers, &body) {
        Ok(issued) => success(&provider, &issued),
        Err(error) => error.into_response(),
    }
}

fn grant(provider: &BuiltInProvider, headers: &HeaderMap, body: &[u8]) -> Result<Issued, TokenError> {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(TokenError::new("invalid_request", "the body must be application/x-www-form-urlencoded"));
    }
    let form = Parameters::parse(body);
    client::authenticate(provider, headers, &form)?;
    let invalid_scope = || TokenError::new("invalid_scope", "scope is not a list of scope tokens");
    let scopes = scopes_of(form.get("scope")?).ok_or_else(invalid_scope)?;
    let mint = |info: &super::TokenInfo| provider.mint(info);
    let (lifetime, now) = ((provider.token_lifetime, &mint as Mint<'_>), provider.now());
    let issued = match form.get("grant_type")? {
        Some("client_credentials") => provider.store().issue_once(None, scopes, lifetime, now),
        Some(TOKEN_EXCHANGE) => {
            let subject = form.get("subject_token")?.ok_or_else(TokenError::missing)?;
            let unknown = || TokenError::new("invalid_grant", "the subject token is none of ours, or has expired");
            let subject = provider.subject_of(subject).ok_or_else(unknown)?;
            let audience = form.get("audience")?;
            let mint = |info: &super::TokenInfo| provider.mint_exchanged(info, audience);
            provider.store().issue_once(Some(subject), scopes, (lifetime.0, &mint), now)
        }
        Some("authorization_code") => {
            let code = form.get("code")?.ok_or_else(TokenError::missing)?;
            let redirect_uri = form.get("redirect_uri")?.ok_or_else(TokenError::missing)?;
            let verifier = form.get("code_verifier")?;
            if verifier.is_none() && provider.dialect.requires_pkce() {
                return Err(TokenError::missing());
            }
            provider.store().redeem(code, redirect_uri, verifier, lifetime, now)
        }
        Some("refresh_token") => {
            let token = form.get("refresh_token")?.ok_or_else(TokenError::missing)?;
            provider.store().refresh(token, scopes, lifetime, now)
        }
        Some(_) => return Err(TokenError::new("unsupported_grant_type", "this grant is not served")),
        None => return Err(TokenError::missing()),
    };
    Ok(issued?)
}

fn success(provider: &BuiltInProvider, issued: &Issued) -> Response {
    let mut body = json!({
        "access_token": issued.access_token.expose_secret(),
        "token_type": "Bearer",
        "expires_in": provider.token_lifetime.as_secs(),
    });
    if let Some(token) = provider.id_token(issued) {
        body["id_token"] = token.expose_secret().into();
    }
    let refresh_token = issued.refresh_token.as_ref().filter(|_| provider.dialect.refreshes(&issued.scopes));
    if let Some(token) = refresh_token {
        body["refresh_token"] = token.expose_secret().into();
    }
    if !issued.scopes.is_empty() {
        body["scope"] = issued.scopes.join(" ").into();
    }
    Json(body).into_response()
}
