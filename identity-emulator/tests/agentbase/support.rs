//! A client that knows nothing of the SDK: requests by hand, with redirects off.

use identity_emulator::{Emulator, EmulatorBuilder, Human};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Method, Response};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::common::decide;
pub(crate) use crate::common::{cookie, field, form, http, location, read, text};

pub(crate) const RETURN_URL: &str = "https://app.example.com/callback";
pub(crate) const IDENTITY: &str = "demo-agent";

/// A running emulator, and a bearer for it.
pub(crate) struct Bench {
    pub(crate) emulator: Emulator,
    pub(crate) http: Client,
    pub(crate) bearer: String,
}

impl Bench {
    pub(crate) async fn start() -> Self {
        Self::with(Emulator::builder()).await
    }

    pub(crate) async fn with_human(human: Human) -> Self {
        Self::with(Emulator::builder().with_human(human)).await
    }

    pub(crate) async fn with(builder: EmulatorBuilder) -> Self {
        let emulator = builder.start().await.unwrap();
        let http = http();
        let bearer = bearer(&emulator, &http).await;
        Self { emulator, http, bearer }
    }

    pub(crate) async fn renew(&mut self) {
        self.bearer = bearer(&self.emulator, &self.http).await;
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.emulator.agentbase().identity_url())
    }

    /// A request to the API, path from `/api/v1` on.
    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Response {
        let mut request = self.http.request(method, self.url(&format!("/api/v1{path}"))).bearer_auth(&self.bearer);
        if let Some(body) = body {
            request = request.json(&body);
        }
        request.send().await.unwrap()
    }

    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        read(self.send(method, path, body).await).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.call(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        self.call(Method::GET, path, None).await
    }

    /// As `post`, for what must succeed.
    pub(crate) async fn made(&self, path: &str, body: Value) -> Value {
        let (status, body) = self.post(path, body).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    pub(crate) async fn identity(&self) -> Value {
        self.made("/agent-identities", json!({ "name": IDENTITY, "allowedReturnUrls": [RETURN_URL] })).await
    }

    pub(crate) async fn static_key(&self, name: &str, key: &str) -> Value {
        self.made("/outbound-auth/api-key-providers", json!({ "name": name, "apikey": key })).await
    }

    pub(crate) async fn delegated(&self, name: &str) -> Value {
        self.made("/outbound-auth/delegated-api-key-providers", json!({ "name": name })).await
    }

    /// A provider registered with the client of the built-in one.
    pub(crate) async fn oauth(&self, name: &str) -> Value {
        let provider = self.emulator.provider();
        let body = json!({
            "name": name,
            "clientId": provider.client_id(),
            "clientSecret": provider.client_secret().expose_secret(),
            "authorizationUrl": provider.authorization_url(),
            "tokenUrl": provider.token_url(),
        });
        self.made("/outbound-auth/oauth2-providers", body).await
    }

    pub(crate) async fn ask_key(&self, provider: &str, extra: Value) -> (u16, Value) {
        let path = format!("/outbound-auth/delegated-api-key-providers/{provider}/agent-identities/{IDENTITY}/api-key");
        self.post(&path, merged(json!({ "agentUserId": "user-123", "returnUrl": RETURN_URL }), extra)).await
    }

    pub(crate) async fn ask_token(&self, provider: &str, extra: Value) -> (u16, Value) {
        let path = format!("/outbound-auth/oauth2-providers/{provider}/agent-identities/{IDENTITY}/tokens/3lo");
        let body = json!({ "agentUserId": "user-123", "returnUrl": RETURN_URL, "scopes": ["openid"] });
        self.post(&path, merged(body, extra)).await
    }

    pub(crate) async fn ask_m2m(&self, provider: &str, scopes: Value) -> (u16, Value) {
        let path = format!("/outbound-auth/oauth2-providers/{provider}/agent-identities/{IDENTITY}/tokens/m2m");
        self.post(&path, json!({ "scopes": scopes })).await
    }

    /// Walks from the link over the built-in provider's page to the callback, as a browser. Answers the callback's URL, not yet visited.
    pub(crate) async fn consent(&self, link: &str, decision: &str) -> String {
        let at_provider = location(&self.http.get(link).send().await.unwrap());
        decide(&self.http, &at_provider, "person", decision).await
    }
}

async fn bearer(emulator: &Emulator, http: &Client) -> String {
    let agentbase = emulator.agentbase();
    let request = http
        .post(agentbase.token_url())
        .basic_auth(agentbase.client_id(), Some(agentbase.client_secret().expose_secret()))
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body("grant_type=client_credentials");
    let (status, body) = read(request.send().await.unwrap()).await;
    assert_eq!(status, 200, "{body}");
    body["access_token"].as_str().unwrap().to_owned()
}

/// `base` with the members of `extra`.
pub(crate) fn merged(mut base: Value, extra: Value) -> Value {
    let Value::Object(extra) = extra else { panic!("members come in an object") };
    for (name, value) in extra {
        base[name] = value;
    }
    base
}
