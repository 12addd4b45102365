//! What a login client is made of.

use std::{fmt, sync::Arc, time::Duration};

use identity_client::{Clock, SystemClock, login::RelyingParty};

use super::{
    client::{Inner, LoginClient},
    cookies::Names,
    key::{KeyRing, SessionKey},
};
use crate::{PathRefusal, return_url::path::OwnPath};

const DEFAULT_LIFETIME: Duration = Duration::from_secs(8 * 60 * 60);
const LONGEST_LIFETIME: Duration = Duration::from_secs(30 * 24 * 60 * 60);
const MOST_KEYS: usize = 8;

/// Why a login client could not be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoginBuildError {
    /// The redirect URI is plain http, where browsers keep no secure cookies for sure.
    #[error(
        "the redirect URI is plain http; use https, or on the own machine say `dangerously_use_insecure_cookies_on_loopback`"
    )]
    PlainHttp,
    /// Insecure cookies were asked for where none are needed.
    #[error("insecure cookies were asked for, but the redirect URI is https; leave that out")]
    NeedlesslyInsecure,
    /// The path of the redirect URI is that of another route of the login, or has characters that no plain path has.
    #[error(
        "the path of the redirect URI cannot be served; give it one of its own, of letters, digits, `/`, `-`, `_`, `.` and `~`"
    )]
    RedirectPath,
    /// The lifetime of sessions is below a minute or above 30 days.
    #[error("the session lifetime must be from one minute to 30 days")]
    Lifetime,
    /// More than eight previous keys.
    #[error("more than {MOST_KEYS} previous session keys were given; keep those that cookies may still be sealed with")]
    TooManyKeys,
    /// The operating system gives no random bytes for a key.
    #[error("the operating system gave no random bytes for a session key")]
    NoRandomness,
}

/// Sets up a [`LoginClient`].
#[must_use]
pub struct LoginClientBuilder {
    party: RelyingParty,
    key: Option<SessionKey>,
    previous: Vec<SessionKey>,
    lifetime: Duration,
    landing: Option<OwnPath>,
    signed_out: Option<OwnPath>,
    post_logout: Option<String>,
    local_logout: bool,
    insecure_loopback: bool,
    clock: Arc<dyn Clock>,
}

impl LoginClientBuilder {
    pub(super) fn new(party: RelyingParty) -> Self {
        Self {
            party,
            key: None,
            previous: Vec::new(),
            lifetime: DEFAULT_LIFETIME,
            landing: None,
            signed_out: None,
            post_logout: None,
            local_logout: false,
            insecure_loopback: false,
            clock: Arc::new(SystemClock),
        }
    }

    /// Seals cookies with this key. Default: a random one of this process, so that a restart signs everybody out.
    pub fn with_session_key(mut self, key: SessionKey) -> Self {
        self.key = Some(key);
        self
    }

    /// Opens cookies that were sealed with this key as well, and seals them anew with the current one: so keys are changed without
    /// anybody being signed out. At most eight.
    pub fn with_previous_session_key(mut self, key: SessionKey) -> Self {
        self.previous.push(key);
        self
    }

    /// How long after the sign-in a session ends, whatever happens in it. Default: 8 hours; one minute to 30 days.
    pub fn with_session_lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// Where a user goes after signing in, unless they were on their way to another page. Default: `/`.
    ///
    /// # Errors
    /// If it is not a path of this application.
    pub fn with_landing_path(mut self, path: &str) -> Result<Self, PathRefusal> {
        self.landing = Some(OwnPath::new(path)?);
        Ok(self)
    }

    /// Where a user goes after signing out, if the issuer has no page for that. Default: `/`.
    ///
    /// # Errors
    /// If it is not a path of this application.
    pub fn with_signed_out_path(mut self, path: &str) -> Result<Self, PathRefusal> {
        self.signed_out = Some(OwnPath::new(path)?);
        Ok(self)
    }

    /// Where the issuer sends a user back to after signing out there; it must be registered there. Default: the issuer is not
    /// asked to.
    pub fn with_post_logout_redirect_uri(mut self, uri: impl Into<String>) -> Self {
        self.post_logout = Some(uri.into());
        self
    }

    /// Ends the session here alone. Default: the browser is then sent to the issuer, if it offers to end its own, too.
    pub fn with_local_logout_only(mut self) -> Self {
        self.local_logout = true;
        self
    }

    /// Leaves `Secure` and `__Host-` out of the cookies, so that a login works over plain http on the own machine. Requests to any
    /// other host than loopback are then refused. **Other programs on the same host can read and set such cookies.**
    pub fn dangerously_use_insecure_cookies_on_loopback(mut self) -> Self {
        self.insecure_loopback = true;
        self
    }

    /// Tells the time. Default: [`SystemClock`].
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Builds it. Nothing is sent.
    ///
    /// # Errors
    /// See [`LoginBuildError`].
    pub fn build(self) -> Result<LoginClient, LoginBuildError> {
        let redirect_uri = self.party.redirect_uri();
        match (redirect_uri.scheme(), self.insecure_loopback) {
            ("https", false) => {}
            ("https", true) => return Err(LoginBuildError::NeedlesslyInsecure),
            (_, false) => return Err(LoginBuildError::PlainHttp),
            (_, true) => tracing::warn!(
                "the cookies of the login are insecure: other programs on this machine can read and set them"
            ),
        }
        let path = redirect_uri.path();
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte);
        if [LoginClient::LOGIN_PATH, LoginClient::LOGOUT_PATH].contains(&path) || !path.bytes().all(is_plain) {
            return Err(LoginBuildError::RedirectPath);
        }
        if !(Duration::from_secs(60)..=LONGEST_LIFETIME).contains(&self.lifetime) {
            return Err(LoginBuildError::Lifetime);
        }
        if self.previous.len() > MOST_KEYS {
            return Err(LoginBuildError::TooManyKeys);
        }
        let key = self.key.or_else(SessionKey::random).ok_or(LoginBuildError::NoRandomness)?;
        let purpose = format!("identity-runtime login 1\n{}\n{}\n", self.party.issuer(), self.party.client_id());
        Ok(LoginClient(Arc::new(Inner {
            names: Names::new(redirect_uri.port(), !self.insecure_loopback),
            party: self.party,
            keys: KeyRing::new(key, self.previous),
            purpose,
            lifetime: self.lifetime,
            landing: self.landing.unwrap_or_else(OwnPath::root),
            signed_out: self.signed_out.unwrap_or_else(OwnPath::root),
            post_logout: self.post_logout,
            local_logout: self.local_logout,
            insecure_loopback: self.insecure_loopback,
            clock: self.clock,
            spent: super::spent::Spent::default(),
            store: super::store::Store::default(),
        })))
    }
}

impl fmt::Debug for LoginClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginClientBuilder").field("party", &self.party).finish_non_exhaustive()
    }
}
