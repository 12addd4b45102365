//! Stands in for the identity provider of an organisation: its tokens and its browser sessions are real, but it believes
//! whoever names a user.

use std::time::{Duration, UNIX_EPOCH};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use axum::{
    Json, Router,
    response::{Html, IntoResponse as _, Response},
    routing::get,
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use http::{
    HeaderMap,
    header::{COOKIE, SET_COOKIE},
};
use identity_client::{BuildError, Clock as _, SystemClock, User, inbound::TokenVerifier};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::AnyError;

pub(crate) const CLIENT: &str = "mcp-host";
const LIFETIME: Duration = Duration::from_secs(3600);

/// The issuer.
pub(crate) struct SignIn {
    issuer: String,
    key: EcdsaKeyPair,
}

impl SignIn {
    /// Publishes its keys as long as this process runs.
    pub(crate) async fn start() -> Result<Self, AnyError> {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let issuer = format!("http://{}", listener.local_addr()?);
        // After one byte that says that the point is not compressed.
        let (x, y) = key.public_key().as_ref()[1..].split_at(32);
        let jwk = json!({ "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": "1", "x": base64(x), "y": base64(y) });
        let keys = json!({ "keys": [jwk] });
        let document = json!({ "issuer": issuer, "jwks_uri": format!("{issuer}/keys") });
        let routes = Router::new()
            .route("/.well-known/openid-configuration", get(async move || Json(document)))
            .route("/keys", get(async move || Json(keys)));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Ok(Self { issuer, key })
    }

    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    pub(crate) fn discovery(&self) -> String {
        format!("{}/.well-known/openid-configuration", self.issuer)
    }

    /// A token of this user for a service. One for the MCP server is no browser session, and the other way round.
    pub(crate) fn token(&self, user: &str, service: &str) -> Result<String, AnyError> {
        let now = SystemClock.now().wall.duration_since(UNIX_EPOCH)?.as_secs();
        let claims = json!({
            "iss": self.issuer, "sub": user, "aud": service, "client_id": CLIENT, "iat": now, "exp": now + LIFETIME.as_secs(),
        });
        let part = |value: &Value| base64(value.to_string().as_bytes());
        let signed = format!("{}.{}", part(&json!({ "alg": "ES256", "kid": "1", "typ": "at+jwt" })), part(&claims));
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes())?;
        Ok(format!("{signed}.{}", base64(signature.as_ref())))
    }

    /// Verifies browser sessions of this site.
    pub(crate) fn sessions(&self, site: &str) -> Result<TokenVerifier, BuildError> {
        TokenVerifier::issuer(&self.issuer).with_audience(site).with_allowed_client(CLIENT).build()
    }
}

fn base64(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// Whose browser it is.
pub(crate) async fn user_of(sessions: TokenVerifier, headers: HeaderMap) -> Option<User> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let session = cookies.flat_map(|value| value.split("; ")).find_map(|cookie| cookie.strip_prefix("session="))?;
    User::from_verified_token(&sessions.verify(session).await.ok()?).ok()
}

/// The page where a person becomes one of these users.
pub(crate) fn page(users: &[&str]) -> Html<String> {
    let buttons: Vec<_> =
        users.iter().map(|user| format!("<button name=user value={user}>I am {user}</button>")).collect();
    let buttons = buttons.concat();
    Html(format!(
        "<!doctype html><html lang=en><title>Sign in</title><h1>Sign in</h1><form method=post>{buttons}</form></html>"
    ))
}

/// Begins a browser session.
pub(crate) fn signed_in(session: &str) -> Response {
    let cookie = format!("session={session}; Path=/; HttpOnly; SameSite=Lax");
    ([(SET_COOKIE, cookie)], "Signed in. Open the link again.").into_response()
}
