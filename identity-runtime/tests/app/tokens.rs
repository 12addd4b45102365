//! Callers with tokens: an issuer on loopback with discovery and keys, and what gets in.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use axum::{Json, Router, routing::get};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use http::StatusCode;
use identity_client::{
    Clock as _, RequestContext, SystemClock,
    inbound::{Challenge, TokenVerifier, VerifiedClaims},
};
use identity_runtime::{AgentApp, AgentAppBuilder, CustomJwtLayer, InboundUser, TrustedHeadersLayer};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};
use tower::{Layer as _, Service as _, ServiceExt as _};

use crate::support::{Anything, Served, error, nothing, serve};

const CLIENT: &str = "portal";
const AUDIENCE: &str = "https://agent.example.com";

struct Issuer {
    name: String,
    key: EcdsaKeyPair,
    server: JoinHandle<()>,
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Issuer {
    async fn start() -> Result<Self, Anything> {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let name = format!("http://{}", listener.local_addr()?);
        let point = key.public_key().as_ref();
        let (x, y) = point[1..].split_at(32);
        let encode = |part: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(part);
        let jwk = json!({ "kty": "EC", "crv": "P-256", "kid": "1", "use": "sig", "alg": "ES256", "x": encode(x), "y": encode(y) });
        let keys = json!({ "keys": [jwk] });
        let document = json!({ "issuer": name, "jwks_uri": format!("{name}/keys") });
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(async move || Json(document)))
            .route("/keys", get(async move || Json(keys)));
        let server = tokio::spawn(async move { drop(axum::serve(listener, router).await) });
        Ok(Self { name, key, server })
    }

    fn layer(&self) -> Result<CustomJwtLayer, Anything> {
        let discovery = format!("{}/.well-known/openid-configuration", self.name);
        Ok(CustomJwtLayer::custom_jwt(&discovery, [CLIENT], [AUDIENCE])?)
    }

    /// A good token of this user, with some claims changed; null takes one out.
    fn token(&self, user: &str, changes: &Value) -> Result<String, Anything> {
        let now = SystemClock.now().wall.duration_since(std::time::UNIX_EPOCH)?.as_secs();
        let mut claims = json!({
            "iss": self.name, "sub": user, "aud": AUDIENCE, "client_id": CLIENT, "iat": now, "exp": now + 300,
        });
        for (name, value) in changes.as_object().into_iter().flatten() {
            claims[name] = value.clone();
        }
        claims.as_object_mut().ok_or("no object")?.retain(|_, value| !value.is_null());
        let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&json!({ "alg": "ES256", "kid": "1", "typ": "at+jwt" })), part(&claims));
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes())?;
        Ok(format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature.as_ref())))
    }
}

fn who() -> AgentAppBuilder {
    AgentApp::builder(async |_: Value, context: RequestContext| {
        Ok::<_, std::io::Error>(context.user().map(|user| user.id().to_owned()))
    })
}

async fn stage() -> Result<(Issuer, Served), Anything> {
    let issuer = Issuer::start().await?;
    let app = serve(who().with_inbound(issuer.layer()?)).await?;
    Ok((issuer, app))
}

#[tokio::test]
async fn a_verified_token_names_the_user_and_a_header_does_not() -> Result<(), Anything> {
    let (issuer, app) = stage().await?;
    let request = app.post(&nothing()).bearer_auth(issuer.token("alice", &nothing())?);
    let answer = request.header("X-GreenNode-AgentBase-User-Id", "mallory").send().await?;
    assert_eq!((answer.status(), answer.json::<Value>().await?), (StatusCode::OK, json!("alice")));
    Ok(())
}

#[tokio::test]
async fn a_token_that_names_no_user_does_not_leave_the_one_of_a_header() -> Result<(), Anything> {
    let issuer = Issuer::start().await?;
    let verifier = TokenVerifier::issuer(&issuer.name).with_audience(AUDIENCE).with_optional_subject().build()?;
    let header = TrustedHeadersLayer::dangerously_trust_the_user_id_header("to be overruled");
    // The header is looked at first.
    let app = serve(who().with_inbound(CustomJwtLayer::new([verifier])?).with_inbound(header)).await?;
    for (subject, user) in [(json!("alice"), json!("alice")), (Value::Null, Value::Null)] {
        let request = app.post(&nothing()).bearer_auth(issuer.token("", &json!({ "sub": subject }))?);
        let answer = request.header("X-GreenNode-AgentBase-User-Id", "mallory").send().await?;
        assert_eq!((answer.status(), answer.json::<Value>().await?), (StatusCode::OK, user));
    }
    Ok(())
}

#[tokio::test]
async fn a_user_carries_the_very_token_only_where_the_application_says_so() -> Result<(), Anything> {
    let issuer = Issuer::start().await?;
    let token = issuer.token("alice", &nothing())?;
    for (keep, shown) in [(false, None), (true, Some(&token))] {
        let verifier = TokenVerifier::issuer(&issuer.name).with_audience(AUDIENCE).with_kept_token(keep).build()?;
        let layer = CustomJwtLayer::new([verifier])?;
        let carried = async |_: Value, context: RequestContext| {
            let user = context.user().cloned();
            Ok::<_, std::io::Error>(user.and_then(|user| Some(user.token()?.expose_secret().to_owned())))
        };
        let app = serve(AgentApp::builder(carried).with_inbound(layer.with_challenge(Challenge::new()))).await?;
        let answer = app.post(&nothing()).bearer_auth(&token).send().await?;
        assert_eq!((answer.status(), answer.json::<Value>().await?), (StatusCode::OK, json!(shown)));
    }
    Ok(())
}

#[tokio::test]
async fn what_is_no_good_token_is_refused_as_rfc_6750_says() -> Result<(), Anything> {
    let (issuer, app) = stage().await?;
    let other = Issuer::start().await?;
    let forged = other.token("alice", &json!({ "iss": issuer.name }))?;
    for (token, status, challenge) in [
        (None, 401, "Bearer"),
        (Some("garbage".to_owned()), 401, "Bearer error=\"invalid_token\""),
        (Some(forged), 401, "Bearer error=\"invalid_token\""),
        (Some(other.token("alice", &nothing())?), 401, "Bearer error=\"invalid_token\""),
        (
            Some(issuer.token("alice", &json!({ "aud": "https://other.example.com" }))?),
            401,
            "Bearer error=\"invalid_token\"",
        ),
        (Some(issuer.token("alice", &json!({ "client_id": "stranger" }))?), 401, "Bearer error=\"invalid_token\""),
        (Some(issuer.token("alice", &json!({ "exp": 1_000 }))?), 401, "Bearer error=\"invalid_token\""),
        (Some(issuer.token("", &nothing())?), 401, "Bearer error=\"invalid_token\""),
        (Some(issuer.token("alice ", &nothing())?), 401, "Bearer error=\"invalid_token\""),
    ] {
        let mut request = app.post(&nothing());
        if let Some(token) = &token {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await?;
        assert_eq!(answer.status().as_u16(), status, "{token:?}");
        assert_eq!(answer.headers()["www-authenticate"], challenge);
        assert_eq!(answer.headers()["x-accel-buffering"], "no");
        error(&answer.json().await?)?;
    }
    assert_eq!(app.health().await?["status"], "Healthy", "health needs no token");
    Ok(())
}

#[tokio::test]
async fn an_issuer_that_cannot_be_reached_is_503_and_lets_nobody_in() -> Result<(), Anything> {
    let (issuer, app) = stage().await?;
    let token = issuer.token("alice", &nothing())?;
    issuer.server.abort();
    // Until its port is closed.
    while tokio::net::TcpStream::connect(issuer.name.trim_start_matches("http://")).await.is_ok() {
        tokio::task::yield_now().await;
    }
    let answer = app.post(&nothing()).bearer_auth(token).send().await?;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.headers().contains_key("retry-after"));
    assert_eq!(error(&answer.json().await?)?.2, "keys_unavailable");
    Ok(())
}

#[tokio::test]
async fn the_layer_works_on_any_service_and_replaces_who_was_named_before() -> Result<(), Anything> {
    let issuer = Issuer::start().await?;
    let service = tower::service_fn(async |request: http::Request<()>| {
        let user = request.extensions().get().map(|InboundUser(user)| user.id().to_owned());
        let claims =
            request.extensions().get::<VerifiedClaims>().and_then(|claims| claims.client_id().map(str::to_owned));
        Ok::<_, std::convert::Infallible>(http::Response::new(format!("{user:?} {claims:?}")))
    });
    let mut service = issuer.layer()?.layer(service);
    let token = issuer.token("alice", &nothing())?;
    let mut request = http::Request::get("/").header("authorization", format!("Bearer {token}")).body(())?;
    request.extensions_mut().insert(InboundUser(identity_client::User::asserted("mallory")?));
    let answer: http::Response<String> = service.ready().await?.call(request).await?;
    assert_eq!(answer.body(), "Some(\"alice\") Some(\"portal\")");
    let refused = service.ready().await?.call(http::Request::new(())).await?;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    Ok(())
}

#[tokio::test]
async fn without_audience_and_clients_there_is_no_layer() -> Result<(), Anything> {
    let none: [&str; 0] = [];
    let discovery = "https://id.example.com/.well-known/openid-configuration";
    assert!(CustomJwtLayer::custom_jwt(discovery, none, none).is_err());
    assert!(CustomJwtLayer::custom_jwt("https://id.example.com", [CLIENT], none).is_err());
    assert!(CustomJwtLayer::custom_jwt(discovery, [CLIENT], none).is_ok());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_verified_users_at_once_never_mix() -> Result<(), Anything> {
    let (issuer, app) = stage().await?;
    let tokens = [issuer.token("alice", &nothing())?, issuer.token("bob", &nothing())?];
    let calls = (0..100).map(|number| app.post(&nothing()).bearer_auth(&tokens[number % 2]).send());
    let answers = futures_util::future::join_all(calls).await;
    for (number, answer) in answers.into_iter().enumerate() {
        assert_eq!(answer?.json::<String>().await?, ["alice", "bob"][number % 2]);
    }
    Ok(())
}
