//! The token requests.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use http::{
    HeaderValue,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE},
};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::OnceCell;
use url::{Url, form_urlencoded};

use super::{AuthorizationStart, OAuthFailure, ProviderRegistration, TokenGrant, authorization, client_authentication};
use super::{grant, scope};

/// How long and how much; one set for production, smaller ones for tests.
#[derive(Debug, Clone, Copy)]
struct Limits {
    connect: Duration,
    total: Duration,
    body: usize,
}

/// RFC 8693 section 2.1.
pub(crate) const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

const LIMITS: Limits = Limits { connect: Duration::from_secs(5), total: Duration::from_secs(15), body: 256 * 1024 };

/// The endpoints that a discovery document names.
#[derive(Debug)]
pub(crate) struct Published {
    pub(crate) authorization: Url,
    pub(crate) token: Url,
    pub(crate) registration: Option<Url>,
}

/// Runs OAuth2 grants against outside providers. Cheap to make and to clone; the machine's TLS roots are loaded when the
/// first https provider is asked.
#[derive(Debug, Clone)]
pub struct OAuthEngine {
    outside: Arc<OnceCell<reqwest::Client>>,
    loopback: reqwest::Client,
    limits: Limits,
}

impl OAuthEngine {
    /// An engine with the limits that the module names.
    ///
    /// # Errors
    /// [`OAuthFailure::Unequipped`] when no HTTP client can be set up on this machine.
    pub fn new() -> Result<Self, OAuthFailure> {
        Self::with_limits(LIMITS)
    }

    fn with_limits(limits: Limits) -> Result<Self, OAuthFailure> {
        let loopback = loopback(limits).build().map_err(|_| OAuthFailure::Unequipped("no HTTP client"))?;
        Ok(Self { outside: Arc::default(), loopback, limits })
    }

    /// The client for https, built apart from the runtime's threads: the system's TLS roots are many files.
    async fn outside(&self) -> Result<&reqwest::Client, OAuthFailure> {
        let unequipped = || OAuthFailure::Unequipped("no HTTP client with TLS");
        let limits = self.limits;
        let build = async || {
            let built = tokio::task::spawn_blocking(move || outside(limits).build()).await;
            built.ok().and_then(Result::ok).ok_or_else(unequipped)
        };
        self.outside.get_or_try_init(build).await
    }

    /// The client credentials grant (RFC 6749 section 4.4): a token for the agent itself.
    ///
    /// # Errors
    /// Any [`OAuthFailure`].
    pub async fn client_credentials(
        &self,
        registration: &ProviderRegistration,
        scopes: &[String],
    ) -> Result<TokenGrant, OAuthFailure> {
        let scope = scope::joined(scopes)?;
        let body = form(&[("grant_type", "client_credentials")], scope.as_deref());
        self.ask(registration, body, scope, &[]).await
    }

    /// Exchanges the token with which a user came for one on their behalf (RFC 8693).
    ///
    /// # Errors
    /// Any [`OAuthFailure`].
    pub(crate) async fn on_behalf_of(
        &self,
        registration: &ProviderRegistration,
        subject_token: &SecretString,
        audience: Option<&str>,
        scopes: &[String],
    ) -> Result<TokenGrant, OAuthFailure> {
        let scope = scope::joined(scopes)?;
        let mut pairs = vec![
            ("grant_type", TOKEN_EXCHANGE),
            ("subject_token", subject_token.expose_secret()),
            ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"),
        ];
        pairs.extend(audience.map(|audience| ("audience", audience)));
        let body = form(&pairs, scope.as_deref());
        self.ask(registration, body, scope, &[subject_token]).await
    }

    /// Begins the authorization code grant with PKCE S256 and a fresh state. Sends nothing.
    ///
    /// # Errors
    /// [`OAuthFailure::InvalidRegistration`]; [`OAuthFailure::InvalidRequest`] for a bad scope or callback URL and for
    /// a custom parameter with the name of one of the protocol's own.
    pub fn begin_authorization(
        &self,
        registration: &ProviderRegistration,
        callback_url: &Url,
        scopes: &[String],
        custom_parameters: &BTreeMap<String, String>,
    ) -> Result<AuthorizationStart, OAuthFailure> {
        authorization::begin(registration, callback_url, scopes, custom_parameters)
    }

    /// Exchanges the code that the browser brought back. `callback_url` and `verifier` are those of the start.
    ///
    /// The grant's `scope` is `None` when the provider granted just what the start asked for.
    ///
    /// # Errors
    /// Any [`OAuthFailure`]; [`OAuthFailure::RefusedByProvider`] with `invalid_grant` when the code is old or used.
    pub async fn exchange_code(
        &self,
        registration: &ProviderRegistration,
        callback_url: &Url,
        code: &str,
        verifier: &SecretString,
    ) -> Result<TokenGrant, OAuthFailure> {
        if code.is_empty() {
            return Err(OAuthFailure::InvalidRequest("the browser brought back no code; start a new authorization"));
        }
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "authorization_code")
            .append_pair("code", code)
            .append_pair("redirect_uri", callback_url.as_str())
            .append_pair("code_verifier", verifier.expose_secret())
            .finish();
        let code = SecretString::from(code);
        self.ask(registration, body, None, &[&code, verifier]).await
    }

    /// Refreshes. No scopes means those of the original grant; others may only narrow it.
    ///
    /// The grant always has a refresh token: the new one if the provider rotated it, else the one given.
    ///
    /// # Errors
    /// Any [`OAuthFailure`]; [`OAuthFailure::RefusedByProvider`] with `invalid_grant` when the user must consent again.
    pub async fn refresh(
        &self,
        registration: &ProviderRegistration,
        refresh_token: &SecretString,
        scopes: &[String],
    ) -> Result<TokenGrant, OAuthFailure> {
        if refresh_token.expose_secret().is_empty() {
            return Err(OAuthFailure::InvalidRequest("the refresh token is empty; start a new authorization"));
        }
        let scope = scope::joined(scopes)?;
        let pairs = [("grant_type", "refresh_token"), ("refresh_token", refresh_token.expose_secret())];
        let body = form(&pairs, scope.as_deref());
        let mut granted = self.ask(registration, body, scope, &[refresh_token]).await?;
        granted.refresh_token.get_or_insert_with(|| refresh_token.clone());
        Ok(granted)
    }

    /// Where the provider whose discovery document this is wants browsers and token requests, and registers clients.
    ///
    /// # Errors
    /// [`OAuthFailure::Unreachable`] and [`OAuthFailure::BadAnswer`].
    pub(crate) async fn discover(&self, document: &Url) -> Result<Published, OAuthFailure> {
        let named = self.fetch(document).await?;
        let endpoint = |name: &str| {
            let url = named.get(name)?.as_str()?.parse().ok()?;
            super::is_usable(&url).then_some(url)
        };
        let both = endpoint("authorization_endpoint").zip(endpoint("token_endpoint"));
        let (authorization, token) =
            both.ok_or(OAuthFailure::BadAnswer("the discovery document names no usable endpoints"))?;
        Ok(Published { authorization, token, registration: endpoint("registration_endpoint") })
    }

    /// A public JSON document: of discovery, or of keys.
    ///
    /// # Errors
    /// [`OAuthFailure::InvalidRegistration`], [`OAuthFailure::Unreachable`] and [`OAuthFailure::BadAnswer`].
    pub(crate) async fn fetch(&self, document: &Url) -> Result<serde_json::Value, OAuthFailure> {
        if !super::is_usable(document) {
            return Err(OAuthFailure::InvalidRegistration("a document's URL must be https (http only on loopback)"));
        }
        let client = if document.scheme() == "https" { self.outside().await? } else { &self.loopback };
        let accept = HeaderValue::from_static("application/json");
        let response = client.get(document.clone()).header(ACCEPT, accept).send().await;
        let response = response.map_err(|error| unreachable(&error))?;
        if !response.status().is_success() {
            return Err(OAuthFailure::BadAnswer("the document is not there"));
        }
        let body = read_body(response, self.limits.body).await?;
        serde_json::from_slice(&body).map_err(|_| OAuthFailure::BadAnswer("the document is not JSON"))
    }

    async fn ask(
        &self,
        registration: &ProviderRegistration,
        body: String,
        requested_scope: Option<String>,
        secrets: &[&SecretString],
    ) -> Result<TokenGrant, OAuthFailure> {
        registration.validate_token_url()?;
        let basic = client_authentication::basic(registration)?;
        let kind = "application/x-www-form-urlencoded";
        let (status, answer) = self.post(&registration.token_url, kind, Some(basic.header), body).await?;
        let sensitive: Vec<&SecretString> = secrets.iter().copied().chain(&basic.sensitive).collect();
        grant::read(status, &answer, requested_scope, &sensitive)
    }

    /// Posts to an endpoint that was found usable: the status, and what is in the answer.
    pub(super) async fn post(
        &self,
        endpoint: &Url,
        kind: &'static str,
        authorization: Option<HeaderValue>,
        body: String,
    ) -> Result<(u16, zeroize::Zeroizing<Vec<u8>>), OAuthFailure> {
        let client = if endpoint.scheme() == "https" { self.outside().await? } else { &self.loopback };
        let mut request = client
            .post(endpoint.clone())
            .header(ACCEPT, HeaderValue::from_static("application/json"))
            .header(CONTENT_TYPE, HeaderValue::from_static(kind));
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let response = request.body(body).send().await.map_err(|error| unreachable(&error))?;
        let status = response.status();
        tracing::debug!(host = endpoint.host_str(), status = status.as_u16(), "an outside endpoint answered");
        if status.is_redirection() {
            return Err(OAuthFailure::BadAnswer("it is a redirect, and credentials do not follow redirects"));
        }
        Ok((status.as_u16(), read_body(response, self.limits.body).await?))
    }
}

/// Apart from the futures, which could not move between threads with the serializer inside.
fn form(pairs: &[(&str, &str)], scope: Option<&str>) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(pairs);
    if let Some(scope) = scope {
        form.append_pair("scope", scope);
    }
    form.finish()
}

#[expect(clippy::disallowed_methods, reason = "the one home of the emulator's outgoing HTTP client")]
fn builder(limits: Limits) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(concat!("identity-emulator/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .connect_timeout(limits.connect)
        .timeout(limits.total)
}

/// For https and nothing else.
fn outside(limits: Limits) -> reqwest::ClientBuilder {
    builder(limits).https_only(true)
}

/// For http on loopback: safe in clear only if no proxy sits between, and fast to build without a single TLS root.
fn loopback(limits: Limits) -> reqwest::ClientBuilder {
    builder(limits).no_proxy().tls_certs_only([])
}

/// Reads chunk by chunk, so that a hostile answer never fills the memory.
async fn read_body(mut response: reqwest::Response, limit: usize) -> Result<zeroize::Zeroizing<Vec<u8>>, OAuthFailure> {
    let mut body = zeroize::Zeroizing::new(Vec::new());
    while let Some(chunk) = response.chunk().await.map_err(|error| unreachable(&error))? {
        if body.len() + chunk.len() > limit {
            return Err(OAuthFailure::BadAnswer("it is larger than 256 KiB"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Only the kind of failure: the text of the library's error has the URL in it.
fn unreachable(error: &reqwest::Error) -> OAuthFailure {
    OAuthFailure::Unreachable(if error.is_timeout() {
        "did not answer in time"
    } else if error.is_connect() {
        "could not be reached"
    } else {
        "broke off the exchange"
    })
}

/// A bare client with the engine's habits (no redirects, bounded in time), for tests of the other side.
#[cfg(test)]
pub(crate) fn client_for_tests() -> reqwest::Client {
    loopback(LIMITS).build().expect("a client without TLS roots can always be built")
}

#[cfg(test)]
#[path = "engine_tests.rs"]
mod tests;
