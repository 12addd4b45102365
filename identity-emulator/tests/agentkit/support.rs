//! A client that knows nothing of the SDK: requests signed by hand.

use aws_lc_rs::hmac;
use identity_emulator::{Emulator, EmulatorBuilder, Human};
use reqwest::{Client, Response};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::common;
pub(crate) use crate::common::{form, http, location, read, text};
pub(crate) use crate::signed::{Key, parameter};
use crate::signed::{canonical, hex, sha256};

pub(crate) const AGENT: &str = "my-agent";
pub(crate) const START: &str = "2026-01-02T03:04:05Z";
pub(crate) const X_DATE: &str = "20260102T030405Z";
pub(crate) const RETURN_URL: &str = "https://app.example.com/bound";

/// A request before it is signed.
pub(crate) struct Draft<'a> {
    pub(crate) action: &'a str,
    pub(crate) version: &'a str,
    pub(crate) service: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) date: &'a str,
    pub(crate) body: String,
}

impl<'a> Draft<'a> {
    pub(crate) fn id(action: &'a str, body: &Value) -> Self {
        let (service, version, kind) = ("id", "2025-10-30", "application/json");
        Self { action, version, service, kind, date: X_DATE, body: body.to_string() }
    }

    pub(crate) fn sts(action: &'a str, pairs: &[(&str, &str)]) -> Self {
        let (service, version, kind) = ("sts", "2018-01-01", "application/x-www-form-urlencoded");
        Self { action, version, service, kind, date: X_DATE, body: form(pairs) }
    }

    /// Name and value of each header, signed for this host.
    pub(crate) fn signed(&self, key: &Key, host: &str) -> Vec<(&'static str, String)> {
        let body_hash = sha256(&self.body);
        let mut headers = vec![
            ("content-type", self.kind.to_owned()),
            ("host", host.to_owned()),
            ("x-content-sha256", body_hash.clone()),
            ("x-date", self.date.to_owned()),
        ];
        if let Some(token) = &key.token {
            headers.push(("x-security-token", token.clone()));
        }
        let (names, lines) = canonical(&headers);
        let query = format!("Action={}&Version={}", self.action, self.version);
        let canonical = format!("POST\n/\n{query}\n{lines}\n{names}\n{body_hash}");
        let day = &self.date[..8];
        let scope = format!("{day}/cn-beijing/{}/request", self.service);
        let hashed = sha256(&canonical);
        let to_sign = format!("HMAC-SHA256\n{}\n{scope}\n{hashed}", self.date);
        let mut signing = mac(key.secret.expose_secret().as_bytes(), day);
        for part in ["cn-beijing", self.service, "request"] {
            signing = mac(&signing, part);
        }
        let signature = hex(&mac(&signing, &to_sign));
        let credential = format!("{}/{scope}", key.id);
        let value = format!("HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature}");
        headers.push(("authorization", value));
        headers
    }
}

fn mac(key: &[u8], message: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message.as_bytes()).as_ref().to_vec()
}

/// A running emulator whose clock began at [`START`], and its account's key.
pub(crate) struct Bench {
    pub(crate) emulator: Emulator,
    pub(crate) http: Client,
    pub(crate) key: Key,
}

impl Bench {
    pub(crate) async fn start() -> Self {
        Self::with(Emulator::builder()).await
    }

    pub(crate) async fn with_human(human: Human) -> Self {
        Self::with(Emulator::builder().with_human(human)).await
    }

    pub(crate) async fn with(builder: EmulatorBuilder) -> Self {
        let emulator = builder.with_start_time(START.parse().unwrap()).start().await.unwrap();
        let handle = emulator.agentkit();
        let key = Key { id: handle.access_key().to_owned(), secret: handle.secret_key().clone(), token: None };
        Self { emulator, http: http(), key }
    }

    pub(crate) fn host(&self) -> String {
        self.emulator.agentkit().endpoint().trim_start_matches("http://").to_owned()
    }

    pub(crate) fn url(&self, action: &str, version: &str) -> String {
        format!("{}/?Action={action}&Version={version}", self.emulator.agentkit().endpoint())
    }

    pub(crate) async fn send(&self, draft: Draft<'_>, headers: &[(&'static str, String)]) -> Response {
        let mut request = self.http.post(self.url(draft.action, draft.version)).body(draft.body);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        request.send().await.unwrap()
    }

    pub(crate) async fn signed(&self, draft: Draft<'_>, key: &Key) -> (u16, Value) {
        let headers = draft.signed(key, &self.host());
        read(self.send(draft, &headers).await).await
    }

    pub(crate) async fn call(&self, action: &str, body: Value) -> (u16, Value) {
        self.signed(Draft::id(action, &body), &self.key).await
    }

    /// The result of what must succeed.
    pub(crate) async fn done(&self, action: &str, body: Value) -> Value {
        let (status, mut answer) = self.call(action, body).await;
        assert!(status == 200 && answer["ResponseMetadata"]["Error"].is_null(), "{action}: {status} {answer}");
        answer["Result"].take()
    }

    /// Status, code and message of what must fail.
    pub(crate) async fn refused(&self, action: &str, body: Value) -> (u16, String, String) {
        let (status, answer) = self.call(action, body).await;
        refusal(status, &answer)
    }

    pub(crate) async fn agent(&self) {
        let body = json!({ "Name": AGENT, "AllowedResourceOauth2ReturnUrls": [RETURN_URL] });
        self.done("CreateWorkloadIdentity", body).await;
    }

    pub(crate) async fn token_for(&self, user: &str) -> String {
        let body = json!({ "Name": AGENT, "UserId": user });
        text(&self.done("GetWorkloadAccessTokenForUserId", body).await, "WorkloadAccessToken")
    }

    pub(crate) async fn plain_token(&self) -> String {
        text(&self.done("GetWorkloadAccessToken", json!({ "Name": AGENT })).await, "WorkloadAccessToken")
    }

    /// A provider with the client of the built-in one.
    pub(crate) async fn provider(&self, name: &str, flow: &str) {
        let provider = self.emulator.provider();
        let config = json!({
            "ClientId": provider.client_id(),
            "ClientSecret": provider.client_secret().expose_secret(),
            "Flow": flow,
            "Scopes": ["read"],
            "Oauth2Discovery": { "AuthorizationServerMetadata": {
                "AuthorizationEndpoint": provider.authorization_url(), "TokenEndpoint": provider.token_url(),
            } },
        });
        self.done("CreateOauth2CredentialProvider", json!({ "Name": name, "Vendor": 0, "Config": config })).await;
    }

    pub(crate) async fn feishu(&self, name: &str, scopes: Value) {
        let feishu = self.emulator.feishu();
        let config = json!({
            "ClientId": feishu.client_id(), "ClientSecret": feishu.client_secret().expose_secret(),
            "Flow": "USER_FEDERATION", "Scopes": scopes,
        });
        self.done("CreateOauth2CredentialProvider", json!({ "Name": name, "Vendor": 4, "Config": config })).await;
    }

    /// Presses a button on the consent page behind this URL; where that sends the browser.
    pub(crate) async fn decide(&self, url: &str, login: &str, decision: &str) -> String {
        common::decide(&self.http, url, login, decision).await
    }
}

pub(crate) fn refusal(status: u16, answer: &Value) -> (u16, String, String) {
    let error = &answer["ResponseMetadata"]["Error"];
    assert!(error.is_object(), "{answer}");
    (status, text(error, "Code"), text(error, "Message"))
}
