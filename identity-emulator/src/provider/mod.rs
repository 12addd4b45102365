//! A small OAuth2 provider for offline use: the outside provider of examples and tests when there is no network.
//!
//! It is a real one in small: client authentication, PKCE, single-use codes, rotating refresh tokens, a consent page.
//! What it leaves out it does not claim: no id tokens, no passwords (any login name is believed), memory only.
//! It can imitate the scope rules of Feishu: [`BuiltInProvider::with_feishu_rules`].
//! Serve [`BuiltInProvider::router`] under the path of the base URL, on loopback.

mod authorize;
mod client;
mod dialect;
mod page;
mod parameters;
mod store;
mod token;
mod userinfo;

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, State},
    http::{HeaderValue, Uri, header},
    middleware::map_response,
    response::Response,
    routing::{get, post},
};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use url::Url;

use crate::agentkit::Signer;
use crate::oauth::{OAuthFailure, ProviderRegistration, random_token};
use dialect::Dialect;
pub(crate) use page::style;
pub(crate) use parameters::{Parameters, Repeated};
use store::Store;

/// No form of this provider needs more.
const BODY_LIMIT: usize = 16 * 1024;

/// How many redirect URIs one client may register.
const REDIRECT_URIS: usize = 100;

type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What a live access token stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenInfo {
    /// The login name of the user who allowed it; `None` for a token of the client itself.
    pub subject: Option<String>,
    /// The granted scopes.
    pub scopes: Vec<String>,
    /// From this moment the token is dead.
    pub expires_at: Timestamp,
}

/// The provider. Clones share clients, codes and tokens.
///
/// Configure with the `with_*` steps before the first clone is served.
#[derive(Clone)]
pub struct BuiltInProvider {
    issuer: Arc<Url>,
    client_id: Arc<str>,
    client_name: Arc<str>,
    client_secret: Arc<SecretString>,
    token_lifetime: Duration,
    clock: Clock,
    dialect: Dialect,
    store: Arc<Mutex<Store>>,
    token_requests: Arc<AtomicU64>,
}

impl BuiltInProvider {
    /// A provider at the base URL, such as `http://127.0.0.1:8080/provider`, with one client of random id and secret.
    ///
    /// A query and a fragment of the base URL are dropped, and slashes at its end.
    ///
    /// # Errors
    /// [`OAuthFailure::InvalidRegistration`] for a base URL that is neither https nor http on loopback,
    /// [`OAuthFailure::Unequipped`] when the system gives no random bytes.
    pub fn new(base_url: Url) -> Result<Self, OAuthFailure> {
        let mut issuer = base_url;
        issuer.set_query(None);
        issuer.set_fragment(None);
        if !crate::oauth::is_usable(&issuer) {
            return Err(OAuthFailure::InvalidRegistration("the base URL must be https (http only on loopback)"));
        }
        let path = issuer.path().trim_end_matches('/').to_owned();
        issuer.set_path(&path);
        let client_id = format!("client-{}", &random_token()?.expose_secret()[..22]);
        Ok(Self {
            issuer: Arc::new(issuer),
            client_id: Arc::from(client_id),
            client_name: Arc::from("Identity emulator"),
            client_secret: Arc::new(random_token()?),
            token_lifetime: Duration::from_secs(3600),
            clock: Arc::new(Timestamp::now),
            dialect: Dialect::Plain,
            store: Arc::default(),
            token_requests: Arc::default(),
        })
    }

    /// Gives the client this id and secret, for example those of an earlier run.
    #[must_use]
    pub fn with_client(mut self, client_id: &str, client_secret: SecretString) -> Self {
        self.client_id = Arc::from(client_id);
        self.client_secret = Arc::new(client_secret);
        self
    }

    /// The client's name on the consent page; "Identity emulator" by default.
    #[must_use]
    pub fn with_client_name(mut self, name: &str) -> Self {
        self.client_name = Arc::from(name);
        self
    }

    /// How long access tokens live; 3600 s by default, in whole seconds, at most ten years.
    #[must_use]
    pub fn with_token_lifetime(mut self, lifetime: Duration) -> Self {
        self.token_lifetime = Duration::from_secs(lifetime.as_secs().min(10 * 365 * 24 * 3600));
        self
    }

    /// Another clock, so that tests move time.
    #[must_use]
    pub fn with_clock(mut self, now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(now);
        self
    }

    /// With the scope rules of Feishu: no scope of OpenID Connect, and a refresh token only for `offline_access`. A request
    /// that breaks them ends on a page with Feishu's own error code, not at the application.
    #[must_use]
    pub fn with_feishu_rules(mut self) -> Self {
        self.dialect = Dialect::Feishu;
        self
    }

    /// As the login of a platform's user pool: access tokens and, for `openid`, ID tokens are signed with this key, PKCE is
    /// checked where it is used, and the endpoints are below `oauth/`.
    pub(crate) fn issuing_jwts(mut self, signer: Arc<Signer>) -> Self {
        self.dialect = Dialect::UserPool(signer);
        self
    }

    /// The browser may be sent back to these and no others. Unlike [`allow_redirect_uri`](Self::allow_redirect_uri) also to an
    /// application's own scheme: whoever registered them was asked.
    pub(crate) fn allow_only(&self, uris: &[String]) {
        self.store().redirect_uris = uris.iter().take(REDIRECT_URIS).cloned().collect();
    }

    /// How long new access tokens live.
    pub fn token_lifetime(&self) -> Duration {
        self.token_lifetime
    }

    /// What a platform registers to use this provider.
    pub fn registration(&self) -> ProviderRegistration {
        ProviderRegistration {
            client_id: self.client_id.to_string(),
            client_secret: self.client_secret.as_ref().clone(),
            authorization_url: self.endpoint("authorize"),
            token_url: self.endpoint("token"),
        }
    }

    /// Lets the browser be sent back to exactly this URI, which must be https or http on loopback.
    ///
    /// # Errors
    /// [`OAuthFailure::InvalidRegistration`] for another kind of URI, and for the 101st one.
    pub fn allow_redirect_uri(&self, uri: &Url) -> Result<(), OAuthFailure> {
        if !crate::oauth::is_usable(uri) {
            return Err(OAuthFailure::InvalidRegistration(
                "a redirect URI must be https (http only on loopback) without user name, password and fragment",
            ));
        }
        let mut store = self.store();
        if store.redirect_uris.contains(uri.as_str()) {
            return Ok(());
        }
        if store.redirect_uris.len() >= REDIRECT_URIS {
            return Err(OAuthFailure::InvalidRegistration("the client has 100 redirect URIs already"));
        }
        store.redirect_uris.insert(uri.as_str().to_owned());
        Ok(())
    }

    /// Takes back what [`allow_redirect_uri`](Self::allow_redirect_uri) allowed, and makes room for another.
    pub fn disallow_redirect_uri(&self, uri: &Url) {
        self.store().redirect_uris.remove(uri.as_str());
    }

    /// The routes, to be nested at the path of the base URL.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/authorize", get(authorize::show).post(authorize::decide))
            .route("/token", post(token::answer))
            .route("/userinfo", get(userinfo::answer))
            .route("/style.css", get(page::style))
            .route("/.well-known/openid-configuration", get(configuration))
            .layer(DefaultBodyLimit::max(BODY_LIMIT))
            .layer(map_response(harden))
            .with_state(self.clone())
    }

    /// How often the token endpoint was asked, whatever it answered.
    pub fn token_requests(&self) -> u64 {
        self.token_requests.load(Ordering::Relaxed)
    }

    /// What an access token stands for; `None` when it is unknown, revoked or expired.
    pub fn introspect(&self, token: &str) -> Option<TokenInfo> {
        let now = self.now();
        self.store().introspect(token, now)
    }

    fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// No code path leaves the store half changed, so a poisoned lock is as good as another.
    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The issuer as a string that is compared without normalization (RFC 9207): no slash at its end.
    fn issuer(&self) -> &str {
        self.issuer.as_str().trim_end_matches('/')
    }

    /// The path of an endpoint as the browser sees it.
    fn path(&self, name: &str) -> String {
        format!("{}/{}{name}", self.issuer.path().trim_end_matches('/'), self.dialect.below())
    }

    /// Where the consent form goes; one address may serve many clients, and the form itself names none.
    fn form_action(&self) -> String {
        let client: String = url::form_urlencoded::byte_serialize(self.client_id.as_bytes()).collect();
        match self.dialect {
            Dialect::UserPool(_) => format!("{}?client_id={client}", self.path("authorize")),
            Dialect::Plain | Dialect::Feishu => self.path("authorize"),
        }
    }

    fn endpoint(&self, name: &str) -> Url {
        let mut url = self.issuer.as_ref().clone();
        url.set_path(&self.path(name));
        url
    }
}

impl fmt::Debug for BuiltInProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BuiltInProvider")
            .field("issuer", &self.issuer())
            .field("token_lifetime", &self.token_lifetime)
            .finish_non_exhaustive()
    }
}

/// Only what is served: no id tokens, hence no keys and no signing algorithms.
async fn configuration(State(provider): State<BuiltInProvider>) -> Json<serde_json::Value> {
    Json(json!({
        "issuer": provider.issuer(),
        "authorization_endpoint": provider.endpoint("authorize").as_str(),
        "token_endpoint": provider.endpoint("token").as_str(),
        "userinfo_endpoint": provider.endpoint("userinfo").as_str(),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "client_credentials", "refresh_token"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
    }))
}

/// Every answer holds or leads to a credential: never stored, never sniffed, never named in a referrer.
async fn harden(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Whether the request names this host: a foreign name that resolves to loopback must not read the consent page.
fn is_addressed(provider: &BuiltInProvider, uri: &Uri, headers: &axum::http::HeaderMap) -> bool {
    let named = uri.authority().map(axum::http::uri::Authority::as_str);
    let named = named.or_else(|| headers.get(header::HOST)?.to_str().ok());
    let own = &provider.issuer[url::Position::BeforeHost..url::Position::AfterPort];
    named.is_some_and(|named| named.eq_ignore_ascii_case(own))
}

#[cfg(test)]
mod tests;
