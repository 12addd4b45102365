//! A client that knows nothing of the SDK: requests signed by hand.

use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::hmac;
use identity_emulator::{Emulator, EmulatorBuilder, Human};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Response};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::common;
pub(crate) use crate::common::{form, http, location, read, text};
pub(crate) use crate::signed::{Key, parameter};
use crate::signed::{canonical, hex, sha256};

pub(crate) const AGENT: &str = "my-agent";
pub(crate) const START: &str = "2025-12-01T08:00:00Z";
pub(crate) const RETURN_URL: &str = "https://app.example.com/bound";
pub(crate) const DATA: &str = "2025-11-27";
pub(crate) const CONTROL: &str = "2025-09-01";
pub(crate) const RAM: &str = "2015-05-01";

/// A request before it is signed.
#[derive(Clone)]
pub(crate) struct Draft {
    pub(crate) action: String,
    pub(crate) version: &'static str,
    pub(crate) date: String,
    pub(crate) nonce: String,
    pub(crate) body: String,
}

impl Draft {
    pub(crate) fn new(version: &'static str, action: &str, parameters: &[(&str, &str)]) -> Self {
        static NONCES: AtomicU64 = AtomicU64::new(0);
        let nonce = format!("by-hand-{}", NONCES.fetch_add(1, Ordering::Relaxed));
        Self { action: action.to_owned(), version, date: START.to_owned(), nonce, body: form(parameters) }
    }

    /// Name and value of each header, signed for this host.
    pub(crate) fn signed(&self, key: &Key, host: &str) -> Vec<(&'static str, String)> {
        let body_hash = sha256(&self.body);
        let mut headers = vec![
            ("content-type", "application/x-www-form-urlencoded".to_owned()),
            ("host", host.to_owned()),
            ("x-acs-action", self.action.clone()),
            ("x-acs-content-sha256", body_hash.clone()),
            ("x-acs-date", self.date.clone()),
            ("x-acs-signature-nonce", self.nonce.clone()),
            ("x-acs-version", self.version.to_owned()),
        ];
        if let Some(token) = &key.token {
            headers.push(("x-acs-accesskey-id", key.id.clone()));
            headers.push(("x-acs-security-token", token.clone()));
            headers.sort();
        }
        let (names, lines) = canonical(&headers);
        let canonical = format!("POST\n/\n\n{lines}\n{names}\n{body_hash}");
        let to_sign = format!("ACS3-HMAC-SHA256\n{}", sha256(&canonical));
        let mac = hmac::Key::new(hmac::HMAC_SHA256, key.secret.expose_secret().as_bytes());
        let signature = hex(hmac::sign(&mac, to_sign.as_bytes()).as_ref());
        let value = format!("ACS3-HMAC-SHA256 Credential={},SignedHeaders={names},Signature={signature}", key.id);
        headers.push(("authorization", value));
        headers
    }
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
        let handle = emulator.agent_identity();
        let (id, secret) = (handle.access_key_id().to_owned(), handle.access_key_secret().clone());
        Self { emulator, http: http(), key: Key { id, secret, token: None } }
    }

    pub(crate) fn url(&self) -> String {
        format!("{}/", self.emulator.agent_identity().endpoint())
    }

    pub(crate) fn host(&self) -> String {
        self.emulator.agent_identity().endpoint().trim_start_matches("http://").to_owned()
    }

    pub(crate) async fn send(&self, draft: Draft, headers: &[(&'static str, String)]) -> Response {
        let request = self.http.post(self.url()).body(draft.body);
        let with =
            |request: reqwest::RequestBuilder, (name, value): &(&'static str, String)| request.header(*name, value);
        headers.iter().fold(request, with).send().await.unwrap()
    }

    pub(crate) async fn signed(&self, draft: Draft, key: &Key) -> (u16, Value) {
        let headers = draft.signed(key, &self.host());
        read(self.send(draft, &headers).await).await
    }

    pub(crate) async fn call(&self, version: &'static str, action: &str, parameters: &[(&str, &str)]) -> (u16, Value) {
        self.signed(Draft::new(version, action, parameters), &self.key).await
    }

    /// The answer of what must succeed.
    pub(crate) async fn done(&self, version: &'static str, action: &str, parameters: &[(&str, &str)]) -> Value {
        let (status, answer) = self.call(version, action, parameters).await;
        assert!(status == 200 && answer["RequestId"].is_string(), "{action}: {status} {answer}");
        answer
    }

    /// Status and code of what must fail.
    pub(crate) async fn refused(
        &self,
        version: &'static str,
        action: &str,
        parameters: &[(&str, &str)],
    ) -> (u16, String) {
        let (status, answer) = self.call(version, action, parameters).await;
        assert!(status >= 400, "{action}: {answer}");
        (status, text(&answer, "Code"))
    }

    /// An agent with a role, more parameters among it.
    pub(crate) async fn agent(&self, name: &str, more: &[(&str, &str)]) {
        let role = self.emulator.agent_identity().role_arn("AgentRole");
        let parameters = [&[("WorkloadIdentityName", name), ("RoleArn", role.as_str())], more].concat();
        self.done(CONTROL, "CreateWorkloadIdentity", &parameters).await;
    }

    pub(crate) async fn token_for(&self, agent: &str, user: &str) -> String {
        let parameters = [("WorkloadIdentityName", agent), ("UserId", user)];
        text(&self.done(DATA, "GetWorkloadAccessTokenForUserId", &parameters).await, "WorkloadAccessToken")
    }

    pub(crate) async fn plain_token(&self, agent: &str) -> String {
        let answer = self.done(DATA, "GetWorkloadAccessToken", &[("WorkloadIdentityName", agent)]).await;
        text(&answer, "WorkloadAccessToken")
    }

    /// Anonymous, as the vendor's SDK sends it.
    pub(crate) async fn assume(&self, token: &str, more: &[(&str, &str)]) -> (u16, Value) {
        let Draft { nonce, body, .. } = Draft::new(
            DATA,
            "AssumeRoleForWorkloadIdentity",
            &[&[("WorkloadAccessToken", token), ("RoleSessionName", "session")], more].concat(),
        );
        let query = form(&[("Timestamp", START), ("SignatureNonce", &nonce)]);
        let action = "Action=AssumeRoleForWorkloadIdentity&Format=json&Version=2025-11-27";
        let request = self.http.post(format!("{}?{action}&{query}", self.url())).body(body);
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").header("x-acs-version", DATA);
        read(request.header("x-acs-action", "AssumeRoleForWorkloadIdentity").send().await.unwrap()).await
    }

    pub(crate) async fn sts(&self, token: &str, more: &[(&str, &str)]) -> Key {
        let (status, answer) = self.assume(token, more).await;
        assert_eq!(status, 200, "{answer}");
        let made = &answer["Credentials"];
        let (id, secret) = (text(made, "AccessKeyId"), text(made, "AccessKeySecret"));
        Key { id, secret: secret.into(), token: Some(text(made, "SecurityToken")) }
    }

    /// A provider with the client of the built-in one.
    pub(crate) async fn provider(&self, name: &str, flow: &str) {
        let provider = self.emulator.provider();
        let (id, secret) = (provider.client_id(), provider.client_secret().expose_secret());
        self.provider_at(name, flow, (id, secret), (provider.authorization_url(), provider.token_url())).await;
    }

    pub(crate) async fn provider_at(&self, name: &str, flow: &str, client: (&str, &str), endpoints: (&str, &str)) {
        let config = json!({ "CustomOAuth2ProviderConfig": {
            "ClientId": client.0, "ClientSecret": client.1,
            "OAuth2Discovery": { "AuthorizationServerMetadata": {
                "AuthorizationRequest": { "Endpoint": endpoints.0 }, "TokenRequest": { "Endpoint": endpoints.1 },
            } },
        } });
        let parameters = [
            ("OAuth2CredentialProviderName", name),
            ("CredentialProviderVendor", "CustomOAuth2"),
            ("OAuthType", flow),
            ("OAuth2ProviderConfig", &config.to_string()),
        ];
        let answer = self.done(CONTROL, "CreateOAuth2CredentialProvider", &parameters).await;
        assert!(!answer.to_string().contains("ClientSecret"));
    }

    /// Follows the link of a consent and presses a button; where that sends the browser.
    pub(crate) async fn decide(&self, link: &str, login: &str, decision: &str) -> String {
        let page = self.http.get(link).send().await.unwrap();
        let url = if page.status().is_redirection() { location(&page) } else { link.to_owned() };
        common::decide(&self.http, &url, login, decision).await
    }
}
