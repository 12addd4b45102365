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
    platform::Issued,
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
    /// Temporary credentials of a cloud role (STS).
    StsCredentials,
    /// What proves to a platform's own services which workload asks, and for whom.
    WorkloadToken,
}

impl CredentialKind {
    pub(crate) const fn noun(self) -> &'static str {
        match self {
            Self::ApiKey => "API key",
            Self::AccessToken => "access token",
            Self::StsCredentials => "STS credentials",
            Self::WorkloadToken => "workload token",
        }
    }

    /// The name in receipts and spans: `api_key`, `access_token`, `sts_credentials`, `workload_token`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ApiKey => "api_key",
            Self::AccessToken => "access_token",
            Self::StsCredentials => "sts_credentials",
            Self::WorkloadToken => "workload_token",
        }
    }

    /// Whether a user may have to agree before one is released.
    pub(crate) const fn may_need_consent(self) -> bool {
        matches!(self, Self::ApiKey | Self::AccessToken)
    }
}

/// What stands for the provider of credentials that are the agent identity's own and have none: of its role, and of itself.
pub(crate) const RUNTIME_ROLE: &str = "runtime-role";
pub(crate) const WORKLOAD_IDENTITY: &str = "workload-identity";

/// Where a credential came from, so that it can be refused and renewed.
#[derive(Clone)]
pub(crate) struct Origin {
    pub(crate) client: Weak<ClientInner>,
    pub(crate) request: Arc<CredentialRequest>,
    pub(crate) generation: u64,
    pub(crate) bound: Bound,
}

/// What temporary credentials have besides their secret.
#[derive(Clone)]
pub(crate) struct TemporaryKey {
    pub(crate) access_key_id: String,
    pub(crate) security_token: SecretString,
}

struct Released {
    secret: SecretString,
    temporary: Option<TemporaryKey>,
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
        Ok(Self { secret, temporary: None, expires_at: None, scopes: Vec::new(), origin: None })
    }

    fn temporary(secret: SecretString, key: TemporaryKey) -> Result<Self, Error> {
        if key.access_key_id.trim().is_empty() || key.security_token.expose_secret().trim().is_empty() {
            return Err(Error::invalid("STS credentials have three parts, and one of them is empty"));
        }
        Ok(Self { temporary: Some(key), ..Self::checked(CredentialKind::StsCredentials, secret)? })
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
        apply_bearer(self.expose_secret(), "access token", request)
    }
}

fn apply_bearer(token: &str, what: &str, request: &mut impl OutgoingRequest) -> Result<(), Error> {
    let (scheme, host) = request.destination().ok_or_else(|| {
        Error::invalid("the request has no absolute URL, so it cannot be told whether the token would travel encrypted")
    })?;
    if scheme != "https" && !(scheme == "http" && is_loopback_host(&host)) {
        return Err(Error::invalid(format!(
            "the {what} would travel unencrypted; use an https URL (http only on loopback)"
        )));
    }
    if request.headers().contains_key(http::header::AUTHORIZATION) {
        return Err(Error::invalid(
            "the request has an Authorization header already; remove it, or do not apply the token",
        ));
    }
    if !is_b64token(token) {
        return Err(Error::invalid(format!(
            "the {what} has characters that a bearer header cannot carry (RFC 6750 section 2.1)"
        )));
    }
    let mut value = http::HeaderValue::try_from(format!("Bearer {token}"))
        .map_err(|_| Error::invalid(format!("the {what} cannot stand in a header")))?;
    value.set_sensitive(true);
    request.headers_mut().insert(http::header::AUTHORIZATION, value);
    Ok(())
}

/// Temporary credentials of a cloud role (STS): an AccessKey id, its secret, and the security token that goes with them.
/// Cloning shares them instead of copying them.
///
/// `Debug` shows none of the three; there is no `Display`, no `Serialize` and no `Deref`. They are signed with and never sent,
/// so they fit what signs requests to an object store. With `rusty-s3`, for example (Alibaba Cloud OSS speaks S3, too):
///
/// ```
/// use std::time::Duration;
///
/// use identity_client::{Error, StsCredentials, requires_sts_credentials};
/// use rusty_s3::{Bucket, Credentials, S3Action as _, UrlStyle};
///
/// #[requires_sts_credentials(session_duration = "15m")]
/// async fn link_to_report(bucket: &Bucket, sts_credentials: StsCredentials) -> Result<String, Error> {
///     let credentials = Credentials::new_with_token(
///         sts_credentials.access_key_id(),
///         sts_credentials.expose_access_key_secret(),
///         sts_credentials.expose_security_token(),
///     );
///     let link = bucket.get_object(Some(&credentials), "report.pdf").sign(Duration::from_secs(60));
///     Ok(link.to_string())
/// }
/// # let endpoint = "https://s3.oss-cn-beijing.aliyuncs.com".parse().unwrap();
/// # let bucket = Bucket::new(endpoint, UrlStyle::VirtualHost, "reports", "oss-cn-beijing").unwrap();
/// # drop(link_to_report(&bucket));
/// ```
///
/// `object_store` (`AmazonS3Builder::with_access_key_id`, `with_secret_access_key`, `with_token`) and `reqsign`
/// (`Credential::with_security_token`) take the same three texts. Sign each request with credentials that are fresh then: ask
/// the client again, which is free until they age, instead of keeping them.
#[derive(Clone)]
pub struct StsCredentials(Arc<Released>);

impl StsCredentials {
    /// Credentials that did not come from a platform: for tests, or from a store of your own.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) if one of the three is empty or blank.
    pub fn new(
        access_key_id: impl Into<String>,
        access_key_secret: impl Into<SecretString>,
        security_token: impl Into<SecretString>,
    ) -> Result<Self, Error> {
        let key = TemporaryKey { access_key_id: access_key_id.into(), security_token: security_token.into() };
        Ok(Self(Arc::new(Released::temporary(access_key_secret.into(), key)?)))
    }

    /// The id of the AccessKey, which is sent with each signed request. No secret, and shown in no `Debug` all the same.
    #[must_use]
    pub fn access_key_id(&self) -> &str {
        self.0.temporary.as_ref().map_or("", |key| &key.access_key_id)
    }

    /// The secret to sign with. Whatever is done with it from here on is no longer guarded.
    #[must_use]
    pub fn expose_access_key_secret(&self) -> &str {
        self.0.secret.expose_secret()
    }

    /// The token that goes with the other two. Whatever is done with it from here on is no longer guarded.
    #[must_use]
    pub fn expose_security_token(&self) -> &str {
        self.0.temporary.as_ref().map_or("", |key| key.security_token.expose_secret())
    }

    /// Until when the platform says that they are valid; `None` if it does not say.
    #[must_use]
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.0.expires_at
    }
}

/// A workload access token: proves to a platform's own services which workload asks, and for which user. Cloning shares the
/// secret instead of copying it.
///
/// Whoever has it can act as that workload for that user, so it is guarded like a key: `Debug` does not show it, and there is no
/// `Display`, no `Serialize` and no `Deref`. It is opaque and never decoded.
#[derive(Clone)]
pub struct WorkloadToken(Arc<Released>);

impl WorkloadToken {
    /// A token that did not come from a platform: for tests, or handed over by a runtime.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) if it is empty or blank.
    pub fn new(secret: impl Into<SecretString>) -> Result<Self, Error> {
        Ok(Self(Arc::new(Released::checked(CredentialKind::WorkloadToken, secret.into())?)))
    }

    /// The token itself. Whatever is done with it from here on is no longer guarded.
    #[must_use]
    pub fn expose_secret(&self) -> &str {
        self.0.secret.expose_secret()
    }

    /// Until when it is used; `None` if nobody says.
    #[must_use]
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.0.expires_at
    }

    /// Puts the token on a request to a gateway of the platform, as [`AccessToken::apply`] does.
    ///
    /// # Errors
    /// As [`AccessToken::apply`].
    pub fn apply(&self, request: &mut impl OutgoingRequest) -> Result<(), Error> {
        apply_bearer(self.expose_secret(), "workload token", request)
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
redacted!(StsCredentials);
redacted!(WorkloadToken);

/// A credential of any kind, as the client keeps and hands it.
#[derive(Debug, Clone)]
pub(crate) enum Credential {
    ApiKey(ApiKey),
    AccessToken(AccessToken),
    StsCredentials(StsCredentials),
    WorkloadToken(WorkloadToken),
}

impl Credential {
    pub(crate) fn released(issued: Issued, expires_at: Option<SystemTime>, origin: Origin) -> Result<Self, Error> {
        let released = match (issued.kind, issued.temporary) {
            (CredentialKind::StsCredentials, Some(key)) => Released::temporary(issued.secret, key)?,
            (kind, _) => Released::checked(kind, issued.secret)?,
        };
        let released = Released { expires_at, scopes: issued.scopes, origin: Some(origin), ..released };
        Ok(Self::of(issued.kind, Arc::new(released)))
    }

    fn of(kind: CredentialKind, released: Arc<Released>) -> Self {
        match kind {
            CredentialKind::ApiKey => Self::ApiKey(ApiKey(released)),
            CredentialKind::AccessToken => Self::AccessToken(AccessToken(released)),
            CredentialKind::StsCredentials => Self::StsCredentials(StsCredentials(released)),
            CredentialKind::WorkloadToken => Self::WorkloadToken(WorkloadToken(released)),
        }
    }

    fn as_ref(&self) -> CredentialRef<'_> {
        match self {
            Self::ApiKey(key) => key.into(),
            Self::AccessToken(token) => token.into(),
            Self::StsCredentials(credentials) => credentials.into(),
            Self::WorkloadToken(token) => token.into(),
        }
    }

    /// Whether the consent behind it was shown to be its user's own.
    pub(crate) fn bound(&self) -> Option<Bound> {
        self.origin().map(|origin| origin.bound)
    }

    pub(crate) fn origin(&self) -> Option<&Origin> {
        self.as_ref().released().origin.as_ref()
    }

    /// The same secret as the credential of another request, which it serves as well.
    pub(crate) fn serving(&self, request: &Arc<CredentialRequest>, generation: u64) -> Self {
        let borrowed = self.as_ref();
        let released = borrowed.released();
        let origin = self.origin().map(|origin| Origin { request: Arc::clone(request), generation, ..origin.clone() });
        let released = Released {
            secret: released.secret.clone(),
            temporary: released.temporary.clone(),
            expires_at: released.expires_at,
            scopes: released.scopes.clone(),
            origin,
        };
        Self::of(borrowed.kind(), Arc::new(released))
    }

    pub(crate) fn expires_at(&self) -> Option<SystemTime> {
        self.as_ref().released().expires_at
    }
}

impl AccessToken {
    pub(crate) fn origin(&self) -> Option<&Origin> {
        self.0.origin.as_ref()
    }
}

/// A credential of any kind, borrowed; see [`Error::credential_rejected`].
#[derive(Debug, Clone, Copy)]
pub struct CredentialRef<'a>(Borrowed<'a>);

#[derive(Debug, Clone, Copy)]
enum Borrowed<'a> {
    ApiKey(&'a ApiKey),
    AccessToken(&'a AccessToken),
    StsCredentials(&'a StsCredentials),
    WorkloadToken(&'a WorkloadToken),
}

macro_rules! borrowed {
    ($($name:ident),*) => {$(
        impl<'a> From<&'a $name> for CredentialRef<'a> {
            fn from(credential: &'a $name) -> Self {
                Self(Borrowed::$name(credential))
            }
        }
    )*};
}
borrowed!(ApiKey, AccessToken, StsCredentials, WorkloadToken);

impl<'a> CredentialRef<'a> {
    /// Which kind it is.
    #[must_use]
    pub fn kind(&self) -> CredentialKind {
        match self.0 {
            Borrowed::ApiKey(_) => CredentialKind::ApiKey,
            Borrowed::AccessToken(_) => CredentialKind::AccessToken,
            Borrowed::StsCredentials(_) => CredentialKind::StsCredentials,
            Borrowed::WorkloadToken(_) => CredentialKind::WorkloadToken,
        }
    }

    fn released(&self) -> &'a Released {
        match self.0 {
            Borrowed::ApiKey(ApiKey(released))
            | Borrowed::AccessToken(AccessToken(released))
            | Borrowed::StsCredentials(StsCredentials(released))
            | Borrowed::WorkloadToken(WorkloadToken(released)) => released,
        }
    }

    pub(crate) fn request(&self) -> Option<&'a CredentialRequest> {
        self.released().origin.as_ref().map(|origin| &*origin.request)
    }

    /// Tells the client that released it, if that still exists, and names the provider.
    pub(crate) fn reject(&self) -> Option<ProviderName> {
        let origin = self.released().origin.as_ref()?;
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
    fn w17_nothing_of_sts_credentials_or_a_workload_token_is_printed() {
        let credentials = StsCredentials::new("STS.hunter2", "hunter2-secret", "hunter2-token").unwrap();
        assert_eq!(credentials.access_key_id(), "STS.hunter2");
        assert_eq!(credentials.expose_access_key_secret(), "hunter2-secret");
        assert_eq!(credentials.expose_security_token(), "hunter2-token");
        let token = WorkloadToken::new("hunter2.a.b.c.d").unwrap();
        let printed = format!("{credentials:?} {credentials:#?} {token:?} {:?}", CredentialRef::from(&credentials));
        assert!(!printed.contains("hunter2"), "{printed}");
        let mut outgoing = request("https://gateway.example.com/mcp");
        token.apply(&mut outgoing).unwrap();
        assert!(outgoing.headers()["authorization"].is_sensitive());
        assert!(token.apply(&mut request("http://gateway.example.com/mcp")).is_err());
    }

    #[test]
    fn w4_an_empty_credential_is_no_credential() {
        for blank in ["", " ", "\n\t"] {
            assert!(ApiKey::new(blank).is_err());
            assert!(AccessToken::new(blank).is_err());
            assert!(WorkloadToken::new(blank).is_err());
            for parts in [[blank, "s", "t"], ["i", blank, "t"], ["i", "s", blank]] {
                assert!(StsCredentials::new(parts[0], parts[1], parts[2]).is_err());
            }
        }
    }
}
