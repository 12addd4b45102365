//! Signs users in to an application, and knows them again.

use std::{fmt, sync::Arc, time::Duration};

use axum::Router;
use http::HeaderMap;
use identity_client::{
    BuildError, Clock, Environment, User,
    login::{RelyingParty, SignedIn},
};
use zeroize::Zeroizing;

use super::{
    builder::LoginClientBuilder,
    cookies::Names,
    key::{KeyRing, random_text},
    layer::LoginLayer,
    routes,
    seal::{SealedAttempt, SealedSession, SealedTokens, Seconds, seconds},
    session::LoginSession,
    spent::Spent,
    store::Store,
};
use crate::return_url::path::OwnPath;

/// Names and addresses are shown to their own user; what is longer is none.
const LONGEST_SHOWN: usize = 256;

/// Signs users in to an application at an OpenID issuer, and knows them again by an encrypted cookie. Clones are one.
///
/// - `GET /login` sends the browser to the issuer; with `?return_to=/some/path` the user comes back there afterwards.
/// - `GET` on the path of the redirect URI takes the issuer's answer.
/// - `POST /logout` ends the session. It takes the session's [`csrf_token`](LoginSession::csrf_token) as the form field
///   `csrf_token`, and then sends the browser to the issuer to sign out there, too.
///
/// Put [`layer`](Self::layer) around the application: it gives handlers the [`LoginSession`], and renews cookies.
///
/// ```no_run
/// use identity_client::Environment;
/// use identity_runtime::{LoginClient, LoginSession};
///
/// # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
/// async fn home(session: LoginSession) -> String {
///     format!("Hello {}", session.name().unwrap_or("you"))
/// }
///
/// let login = LoginClient::from_environment(&Environment::process())?.build()?;
/// let app = axum::Router::new()
///     .route("/", axum::routing::get(home))
///     .merge(login.router())
///     .layer(login.layer());
/// # axum::serve(tokio::net::TcpListener::bind("127.0.0.1:8082").await?, app).await?;
/// # Ok(()) }
/// ```
///
/// # Sessions
/// A session is in the browser: who the user is and their tokens, sealed with XChaCha20-Poly1305, in `__Host-` cookies that are
/// `Secure`, `HttpOnly` and `SameSite=Lax`; up to three, for tokens can be long, and longer ones are refused at the sign-in. It ends
/// with its lifetime, at a sign-out, and when the issuer refuses to renew its tokens. A process remembers which sessions have ended,
/// so a copied cookie is of no use afterwards; several processes that share a key do not know of each other's sign-outs, and should
/// get all requests of one session if the issuer rotates refresh tokens.
///
/// # Attempts
/// Each attempt to sign in has a cookie of its own, so two tabs do not disturb each other, and is good once, for ten minutes.
#[derive(Clone)]
pub struct LoginClient(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) party: RelyingParty,
    pub(super) names: Names,
    pub(super) keys: KeyRing,
    /// What every cookie is sealed for: this client of this issuer.
    pub(super) purpose: String,
    pub(super) lifetime: Duration,
    pub(super) landing: OwnPath,
    pub(super) signed_out: OwnPath,
    pub(super) post_logout: Option<String>,
    pub(super) local_logout: bool,
    pub(super) insecure_loopback: bool,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) spent: Spent,
    pub(super) store: Store,
}

impl LoginClient {
    /// Where the browser sets out to sign in.
    pub const LOGIN_PATH: &str = "/login";
    /// Where a form signs out.
    pub const LOGOUT_PATH: &str = "/logout";

    /// A login client for a client of an issuer.
    pub fn builder(party: RelyingParty) -> LoginClientBuilder {
        LoginClientBuilder::new(party)
    }

    /// The same from the variables of the platforms' tutorials: see [`RelyingParty::from_environment`].
    ///
    /// # Errors
    /// As there, and as [`identity_client::login::RelyingPartyBuilder::build`].
    pub fn from_environment(environment: &Environment) -> Result<LoginClientBuilder, BuildError> {
        Ok(Self::builder(RelyingParty::from_environment(environment)?.build()?))
    }

    /// The routes. Mount them with `merge`, not below a path.
    #[must_use = "the routes serve nothing until they are mounted"]
    pub fn router(&self) -> Router {
        routes::router(self)
    }

    /// Gives requests their session, and answers the cookies that changed.
    #[must_use = "a layer does nothing until it is added"]
    pub fn layer(&self) -> LoginLayer {
        LoginLayer::new(self.clone())
    }

    pub(crate) fn uses_insecure_cookies(&self) -> bool {
        self.0.insecure_loopback
    }

    /// The client of the issuer behind it.
    #[must_use]
    pub fn party(&self) -> &RelyingParty {
        &self.0.party
    }

    /// The session of a request with these headers; `None` if nobody is signed in.
    #[must_use]
    pub fn session(&self, headers: &HeaderMap) -> Option<LoginSession> {
        let sealed = self.0.names.session(headers)?;
        let (content, is_current) = self.0.keys.open(&self.0.session_purpose(), &sealed)?;
        let content: SealedSession = serde_json::from_slice(&content).ok()?;
        if content.until <= self.0.now() || self.0.store.is_over(&content.id) {
            return None;
        }
        LoginSession::new(self.clone(), content, is_current)
    }

    /// The user of a request with these headers; `None` if nobody is signed in.
    #[must_use]
    pub fn user(&self, headers: &HeaderMap) -> Option<User> {
        self.session(headers).map(|session| session.user().clone())
    }

    /// Where to send a visitor who has to sign in first and then come back to this path of the application.
    #[must_use]
    pub fn login_path(return_to: &str) -> String {
        let query: String = url::form_urlencoded::byte_serialize(return_to.as_bytes()).collect();
        format!("{}?return_to={query}", Self::LOGIN_PATH)
    }
}

impl Inner {
    pub(super) fn now(&self) -> Seconds {
        seconds(self.clock.now().wall)
    }

    fn session_purpose(&self) -> String {
        format!("{}session", self.purpose)
    }

    fn attempt_purpose(&self) -> String {
        format!("{}attempt", self.purpose)
    }

    pub(super) fn seal_attempt(&self, attempt: &SealedAttempt) -> Option<String> {
        let content = Zeroizing::new(serde_json::to_vec(attempt).ok()?);
        self.keys.seal(&self.attempt_purpose(), &content)
    }

    pub(super) fn open_attempt(&self, sealed: &str) -> Option<SealedAttempt> {
        let (content, _) = self.keys.open(&self.attempt_purpose(), sealed)?;
        serde_json::from_slice(&content).ok()
    }

    /// A new session; `None` if there are no random bytes.
    pub(super) fn begin_session(&self, signed_in: &SignedIn) -> Option<SealedSession> {
        let now = self.clock.now().wall;
        let shown = |name: &str| {
            let text = signed_in.claims.text(name)?.trim();
            (!text.is_empty() && text.len() <= LONGEST_SHOWN).then(|| text.to_owned())
        };
        Some(SealedSession {
            id: random_text()?,
            user: signed_in.user.id().to_owned(),
            name: shown("name").or_else(|| shown("preferred_username")),
            email: shown("email"),
            csrf: random_text()?,
            until: seconds(now + self.lifetime),
            tokens: SealedTokens::new(&signed_in.tokens, 0, now),
        })
    }

    /// The lines that set the cookies of a session; `None` if it is too long for them.
    pub(super) fn session_cookies(&self, session: &SealedSession, headers: &HeaderMap) -> Option<Vec<String>> {
        let content = Zeroizing::new(serde_json::to_vec(session).ok()?);
        let sealed = self.keys.seal(&self.session_purpose(), &content)?;
        self.names.set_session(&sealed, session.until.saturating_sub(self.now()), headers)
    }
}

impl fmt::Debug for LoginClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginClient").field("party", &self.0.party).finish_non_exhaustive()
    }
}
