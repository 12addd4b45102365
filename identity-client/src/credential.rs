//! Secrets with a lifetime.

use std::{
    fmt,
    sync::{Arc, Weak},
    time::SystemTime,
};

use identity_grammar::is_loopback_host;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use crate::{
    audit::Bound,
    client::Inner as ClientInner,
    credential_request::CredentialRequest,
    error::Error,
    name::{ProviderName, Scope},
};

/// The kinds of credential that a platform releases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CredentialKind {
    /// A static or delegated API key.
    ApiKey,
    /// An OAuth 2.0 access token.
    AccessToken,
}

impl CredentialKind {
    pub(crate) const fn noun(self) -> &'static str {
        match self {
            Self::ApiKey => "API key",
            Self::AccessToken => "access token",
        }
    }

    /// The name in receipts and spans: `api_key`, `access_token`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ApiKey => "api_key",
            Self::AccessToken => "access_token",
        }
    }
}

/// Where a credential came from, so that it can be refused and renewed.
#[derive(Clone)]
pub(crate) struct Origin {
    pub(crate) client: Weak<ClientInner>,
    pub(crate) request: Arc<CredentialRequest>,
    pub(crate) generation: u64,
    pub(crate) bound: Bound,
}

struct Released {
    secret: SecretString,
    expires_at: Option<SystemTime>,
    scopes: Vec<Scope>,
    origin: Option<Origin>,
}

impl Released {
    fn checked(kind: CredentialKind, secret: SecretString) -> Result<Self, Error> {
        let text = secret.expose_secret();
        if text.trim().is_empty() {
            return Err(Error::invalid(format!("an empty {} is no credential", kind.noun())));
        }
        Ok(Self { secret, expires_at: None, scopes: Vec::new(), origin: None })
    }
}

/// An API key. Cloning shares the secret instead of copying it.
///
/// `Debug` does not show it; it has no `Display`, no `Serialize` and no `Deref`. The one way out is
/// [`expose_secret`](Self::expose_secret).
#[derive(Clone)]
pub struct ApiKey(Arc<Released>);

/// An OAuth 2.0 access token of type Bearer. Cloning shares the secret instead of copying it.
///
/// `Debug` does not show it; it has no `Display`, no `Serialize` and no `Deref`. [`apply`](Self::apply) puts it on a request,
/// [`expose_secret`](Self::expose_secret) is the one other way out. It is never decoded (RFC 9068): whatever looks like a
/// claim in it is for the service that it is meant for.
#[derive(Clone)]
pub struct AccessToken(Arc<Released>);

impl ApiKey {
    /// A key that did not come from a platform: for tests, or from a store of your own.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) if it is empty or blank.
    pub fn new(secret: impl Into<SecretString>) -> Result<Self, Error> {
        Ok(Self(Arc::new(Released::checked(CredentialKind::ApiKey, secret.into())?)))
    }

    /// The key itself. Whatever is done with it from here on is no longer guarded.
    #[must_use]
    pub fn expose_secret(&self) -> &str {
        self.0.secret.expose_secret()
    }
}

impl AccessToken {
    /// A token that did not come from a platform: for tests, or from a store of your own.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) if it is empty or blank.
    pub fn new(secret: impl Into<SecretString>) -> Result<Self, Error> {
        Ok(Self(Arc::new(Released::checked(CredentialKind::AccessToken, secret.into())?)))
    }

    /// The token itself. Whatever is done with it from here on is no longer guarded.
    #[must_use]
    pub fn expose_secret(&self) -> &str {
        self.0.secret.expose_secret()
    }

    /// Until when the platform says that it is valid; `None` if it does not say.
    #[must_use]
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.0.expires_at
    }

    /// The scopes that the platform says it has; empty if it does not say, and then they are those that were asked for
    /// (RFC 6749 section 5.1).
    #[must_use]
    pub fn scopes(&self) -> &[Scope] {
        &self.0.scopes
    }

    /// Puts the token on a request, as exactly one `Authorization: Bearer` header that is marked sensitive.
    ///
    /// Works on `reqwest::Request` and on `http::Request` with an absolute URI.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest), and the request stays as it was: if the request goes over plain http to another
    /// machine, has an `Authorization` already, has no absolute URI, or if the token has characters that RFC 6750 does not
    /// allow in a header.
    pub fn apply(&self, request: &mut impl OutgoingRequest) -> Result<(), Error> {
        let (scheme, host) = request.destination().ok_or_else(|| {
            Error::invalid(
                "the request has no absolute URL, so it cannot be told whether the token would travel encrypted",
            )
        })?;
        if scheme != "https" && !(scheme == "http" && is_loopback_host(&host)) {
            return Err(Error::invalid(
                "the access token would travel unencrypted; use an https URL (http only on loopback)",
            ));
        }
        if request.headers().contains_key(http::header::AUTHORIZATION) {
            return Err(Error::invalid(
                "the request has an Authorization header already; remove it, or do not apply the token",
            ));
        }
        let token = self.expose_secret();
        if !is_b64token(token) {
            return Err(Error::invalid(
                "the access token has characters that a bearer header cannot carry (RFC 6750 section 2.1)",
            ));
        }
        let mut value = http::HeaderValue::try_from(format!("Bearer {token}"))
            .map_err(|_| Error::invalid("the access token cannot stand in a header"))?;
        value.set_sensitive(true);
        request.headers_mut().insert(http::header::AUTHORIZATION, value);
        Ok(())
    }
}

/// `1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`
fn is_b64token(token: &str) -> bool {
    let body = token.trim_end_matches('=');
    !body.is_empty() && body.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b))
}

/// A request that can carry a token: `reqwest::Request`, `http::Request`.
pub trait OutgoingRequest: sealed::Sealed {
    #[doc(hidden)]
    fn destination(&self) -> Option<(String, String)>;
    #[doc(hidden)]
    fn headers(&self) -> &http::HeaderMap;
    #[doc(hidden)]
    fn headers_mut(&mut self) -> &mut http::HeaderMap;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for reqwest::Request {}
    impl<B> Sealed for http::Request<B> {}
}

impl OutgoingRequest for reqwest::Request {
    fn destination(&self) -> Option<(String, String)> {
        Some((self.url().scheme().to_owned(), self.url().host_str()?.to_owned()))
    }

    fn headers(&self) -> &http::HeaderMap {
        Self::headers(self)
    }

    fn headers_mut(&mut self) -> &mut http::HeaderMap {
        Self::headers_mut(self)
    }
}

impl<B> OutgoingRequest for http::Request<B> {
    fn destination(&self) -> Option<(String, String)> {
        Some((self.uri().scheme_str()?.to_ascii_lowercase(), self.uri().host()?.to_owned()))
    }

    fn headers(&self) -> &http::HeaderMap {
        Self::headers(self)
    }

    fn headers_mut(&mut self) -> &mut http::HeaderMap {
        Self::headers_mut(self)
    }
}

macro_rules! redacted {
    ($name:ident) => {
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut out = f.debug_struct(stringify!($name));
                if let Some(origin) = &self.0.origin {
                    out.field("provider", origin.request.provider());
                }
                if let Some(at) = self.0.expires_at {
                    out.field("expires_at", &at);
                }
                out.finish_non_exhaustive()
            }
        }
    };
}
redacted!(ApiKey);
redacted!(AccessToken);

/// A credential of either kind, as the client keeps and hands it.
#[derive(Debug, Clone)]
pub(crate) enum Credential {
    ApiKey(ApiKey),
    AccessToken(AccessToken),
}

impl Credential {
    pub(crate) fn released(
        kind: CredentialKind,
        secret: SecretString,
        expires_at: Option<SystemTime>,
        scopes: Vec<Scope>,
        origin: Origin,
    ) -> Result<Self, Error> {
        let mut released = Released::checked(kind, secret)?;
        released.expires_at = expires_at;
        released.scopes = scopes;
        released.origin = Some(origin);
        let released = Arc::new(released);
        Ok(match kind {
            CredentialKind::ApiKey => Self::ApiKey(ApiKey(released)),
            CredentialKind::AccessToken => Self::AccessToken(AccessToken(released)),
        })
    }

    /// Whether the consent behind it was shown to be its user's own.
    pub(crate) fn bound(&self) -> Option<Bound> {
        let (Self::ApiKey(ApiKey(released)) | Self::AccessToken(AccessToken(released))) = self;
        released.origin.as_ref().map(|origin| origin.bound)
    }
}

impl Credential {
    /// The same secret as the credential of another request, which it serves as well.
    pub(crate) fn serving(&self, request: &Arc<CredentialRequest>, generation: u64) -> Self {
        let (Self::ApiKey(ApiKey(released)) | Self::AccessToken(AccessToken(released))) = self;
        let origin = released.origin.as_ref().map(|origin| Origin {
            request: Arc::clone(request),
            generation,
            ..origin.clone()
        });
        let released = Arc::new(Released {
            secret: released.secret.clone(),
            expires_at: released.expires_at,
            scopes: released.scopes.clone(),
            origin,
        });
        match self {
            Self::ApiKey(_) => Self::ApiKey(ApiKey(released)),
            Self::AccessToken(_) => Self::AccessToken(AccessToken(released)),
        }
    }

    pub(crate) fn expires_at(&self) -> Option<SystemTime> {
        let (Self::ApiKey(ApiKey(released)) | Self::AccessToken(AccessToken(released))) = self;
        released.expires_at
    }
}

impl AccessToken {
    pub(crate) fn origin(&self) -> Option<&Origin> {
        self.0.origin.as_ref()
    }
}

/// An API key or an access token, borrowed; see [`Error::credential_rejected`].
#[derive(Debug, Clone, Copy)]
pub struct CredentialRef<'a>(Borrowed<'a>);

#[derive(Debug, Clone, Copy)]
enum Borrowed<'a> {
    ApiKey(&'a ApiKey),
    AccessToken(&'a AccessToken),
}

impl<'a> From<&'a ApiKey> for CredentialRef<'a> {
    fn from(key: &'a ApiKey) -> Self {
        Self(Borrowed::ApiKey(key))
    }
}

impl<'a> From<&'a AccessToken> for CredentialRef<'a> {
    fn from(token: &'a AccessToken) -> Self {
        Self(Borrowed::AccessToken(token))
    }
}

impl CredentialRef<'_> {
    /// Which kind it is.
    #[must_use]
    pub fn kind(&self) -> CredentialKind {
        match self.0 {
            Borrowed::ApiKey(_) => CredentialKind::ApiKey,
            Borrowed::AccessToken(_) => CredentialKind::AccessToken,
        }
    }

    pub(crate) fn request(&self) -> Option<&CredentialRequest> {
        let released = match self.0 {
            Borrowed::ApiKey(key) => &key.0,
            Borrowed::AccessToken(token) => &token.0,
        };
        released.origin.as_ref().map(|origin| &*origin.request)
    }

    /// Tells the client that released it, if that still exists, and names the provider.
    pub(crate) fn reject(&self) -> Option<ProviderName> {
        let released = match self.0 {
            Borrowed::ApiKey(key) => &key.0,
            Borrowed::AccessToken(token) => &token.0,
        };
        let origin = released.origin.as_ref()?;
        if let Some(client) = origin.client.upgrade() {
            client.reject(&origin.request, origin.generation);
        }
        Some(origin.request.provider().clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(url: &str) -> http::Request<()> {
        http::Request::get(url).body(()).unwrap()
    }

    #[test]
    fn std_6750_01_sets_one_sensitive_header_and_replaces_none() {
        let token = AccessToken::new("tok.en-1_~+/==").unwrap();
        let mut outgoing = request("https://api.example.com/x");
        token.apply(&mut outgoing).unwrap();
        let header = &outgoing.headers()["authorization"];
        assert_eq!(header, "Bearer tok.en-1_~+/==");
        assert!(header.is_sensitive());
        let refusal = AccessToken::new("other").unwrap().apply(&mut outgoing).unwrap_err();
        assert!(refusal.to_string().contains("already"), "{refusal}");
        assert_eq!(outgoing.headers()["authorization"], "Bearer tok.en-1_~+/==");
    }

    #[test]
    fn std_6750_02_refuses_what_could_break_out_of_the_header() {
        for bad in ["a\r\nx: y", "a b", "a\tb", "ümlaut", "a\"b", "=", "a=b", "a,b"] {
            let mut outgoing = request("https://api.example.com/");
            AccessToken::new(bad).unwrap().apply(&mut outgoing).unwrap_err();
            assert!(outgoing.headers().is_empty());
        }
    }

    #[test]
    fn a_token_does_not_travel_unencrypted() {
        let token = AccessToken::new("secret-token").unwrap();
        for url in ["http://api.example.com/", "http://127.0.0.1.example.com/", "ftp://api.example.com/", "/relative"] {
            let refusal = token.apply(&mut request(url)).unwrap_err().to_string();
            assert!(!refusal.contains("secret-token"));
        }
        for url in ["http://127.0.0.1:1/", "http://[::1]:1/", "http://localhost/", "HTTPS://api.example.com/"] {
            token.apply(&mut request(url)).unwrap();
        }
        let mut outgoing = reqwest::Request::new(http::Method::GET, "http://api.example.com/".parse().unwrap());
        token.apply(&mut outgoing).unwrap_err();
    }

    #[test]
    fn w4_an_empty_credential_is_no_credential() {
        for blank in ["", " ", "\n\t"] {
            assert!(ApiKey::new(blank).is_err());
            assert!(AccessToken::new(blank).is_err());
        }
    }
}
