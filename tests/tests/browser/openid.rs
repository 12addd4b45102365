//! The certified OpenID provider of `peers/oidc-provider`, as a process of the test.

use std::{path::Path, time::Duration};

use identity_client::agentbase::OAuth2Client;
use identity_tests::{Anything, NpmPeer};
use serde_json::{Value, json};

pub(super) const CLIENT: (&str, &str) = ("web-confidential", "web-confidential-secret");

/// The running provider. It ends with the test: by id when it is dropped, by itself when its standard input closes.
pub(super) struct OpenIdProvider {
    _process: NpmPeer,
    issuer: String,
    control: String,
    http: reqwest::Client,
}

impl OpenIdProvider {
    pub(super) async fn start(options: &[&str]) -> Result<Self, Anything> {
        let usual = ["--quiet", "--exit-on-stdin-close", "--max-seconds", "300"];
        let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let (process, ready) = NpmPeer::start("oidc-provider", target, &[&usual, options].concat()).await?;
        let ready: Value = serde_json::from_str(&ready)?;
        let text = |name: &str| ready[name].as_str().map(str::to_owned).ok_or_else(|| format!("no {name}"));
        Ok(Self { issuer: text("issuer")?, control: text("control")?, _process: process, http: http()? })
    }

    pub(super) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Registers another client (RFC 7591), and gives its id.
    pub(super) async fn register(&self, metadata: &Value) -> Result<String, Anything> {
        let sent = self.http.post(format!("{}/reg", self.issuer)).json(metadata).send().await?;
        let (status, answer) = (sent.status(), sent.bytes().await?);
        let answer: Value = serde_json::from_slice(&answer)?;
        let id = answer["client_id"].as_str().map(str::to_owned);
        id.ok_or_else(|| format!("{status}: {}", answer["error_description"]).into())
    }

    /// The client registered there, as AgentBase wants to know it.
    pub(super) fn client(&self) -> Result<OAuth2Client, Anything> {
        let at = |path: &str| format!("{}{path}", self.issuer);
        Ok(OAuth2Client::new(CLIENT.0, CLIENT.1.to_owned(), at("/auth"), at("/token"))?)
    }

    /// Registers a redirect URI for the client, as an operator does by hand.
    pub(super) async fn allow_redirect(&self, uri: &str) -> Result<(), Anything> {
        self.control("redirect-uri", &json!({ "client_id": CLIENT.0, "uri": uri })).await
    }

    /// What only a test can do; see the provider's README.
    pub(super) async fn control(&self, what: &str, how: &Value) -> Result<(), Anything> {
        self.http.post(format!("{}/{what}", self.control)).json(how).send().await?.error_for_status()?;
        Ok(())
    }

    /// Posts a form as this client, with its secret, and gives the answer.
    pub(super) async fn post(
        &self,
        path: &str,
        client: (&str, &str),
        form: &[(&str, &str)],
    ) -> Result<Value, Anything> {
        post_form(&self.http, &format!("{}{path}", self.issuer), client, form).await
    }

    /// What the provider itself says about a token: RFC 7662.
    pub(super) async fn introspect(&self, token: &str) -> Result<Value, Anything> {
        self.post("/token/introspection", CLIENT, &[("token", token)]).await
    }

    /// How often it was asked this, for example `POST /token`.
    pub(super) async fn count(&self, request: &str) -> Result<u64, Anything> {
        let answer = self.http.get(format!("{}/counts", self.control)).send().await?.bytes().await?;
        Ok(serde_json::from_slice::<Value>(&answer)?[request].as_u64().unwrap_or_default())
    }
}

/// Posts a form as this client, with its secret, and gives the answer, be it an error.
pub(super) async fn post_form(
    http: &reqwest::Client,
    url: &str,
    client: (&str, &str),
    form: &[(&str, &str)],
) -> Result<Value, Anything> {
    let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let request = http.post(url).basic_auth(client.0, Some(client.1));
    let request = request.header("content-type", "application/x-www-form-urlencoded").body(form);
    Ok(serde_json::from_slice(&request.send().await?.bytes().await?)?)
}

#[expect(clippy::disallowed_methods, reason = "the test's own questions to a peer on loopback")]
pub(super) fn http() -> Result<reqwest::Client, Anything> {
    let builder = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    Ok(builder.timeout(Duration::from_secs(10)).build()?)
}
