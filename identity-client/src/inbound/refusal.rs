//! Why a caller is refused: in full for the log, and as little as RFC 6750 asks for to the caller.

use std::{error::Error as StdError, fmt, sync::Arc, time::Duration};

use http::HeaderValue;
use url::Url;

use crate::error::{BuildError, Error, ErrorKind};

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $answer:ident;)*) => {
        /// Why a caller is refused, for logs and counters. The caller itself is told one of three codes of RFC 6750.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum RefusalCode {
            $($(#[$doc])* $name,)*
        }

        impl RefusalCode {
            #[cfg(test)]
            const ALL: &[Self] = &[$(Self::$name),*];

            /// The code as text, for example `signature_invalid`. Stable.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)*
                }
            }

            fn answer(self) -> Answer {
                match self {
                    $(Self::$name => Answer::$answer,)*
                }
            }
        }
    };
}

/// What the caller is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// 401 without an error code: it did not try to authenticate with a bearer token.
    Authenticate,
    /// 400.
    InvalidRequest,
    /// 401.
    InvalidToken,
    /// 403.
    InsufficientScope,
    /// 503: nothing can be said about the token.
    Unavailable,
}

codes! {
    /// The request has no `Authorization` header.
    TokenMissing = "token_missing", Authenticate;
    /// The `Authorization` header is of another scheme than `Bearer`.
    SchemeNotBearer = "scheme_not_bearer", Authenticate;
    /// More than one `Authorization` header.
    AuthorizationRepeated = "authorization_repeated", InvalidRequest;
    /// An `Authorization` header that is not `Bearer`, one space and a token.
    AuthorizationMalformed = "authorization_malformed", InvalidRequest;

    /// Longer than [`MAX_TOKEN_LENGTH`](crate::inbound::MAX_TOKEN_LENGTH).
    TokenTooLong = "token_too_long", InvalidToken;
    /// Not three parts separated by dots.
    NotCompact = "not_compact", InvalidToken;
    /// An encrypted token (JWE): five parts, or `enc` in the header.
    Encrypted = "encrypted", InvalidToken;
    /// The header is not base64url without padding, or not in its one canonical form.
    HeaderEncoding = "header_encoding", InvalidToken;
    /// The header is no JSON object, or too deep.
    HeaderMalformed = "header_malformed", InvalidToken;
    /// A member stands twice in the header.
    HeaderRepeated = "header_repeated", InvalidToken;
    /// As `HeaderEncoding`, for the payload.
    PayloadEncoding = "payload_encoding", InvalidToken;
    /// The payload is no JSON object, or too deep.
    PayloadMalformed = "payload_malformed", InvalidToken;
    /// A member stands twice in the payload.
    PayloadRepeated = "payload_repeated", InvalidToken;
    /// As `HeaderEncoding`, for the signature.
    SignatureEncoding = "signature_encoding", InvalidToken;

    /// The header names no algorithm, or not as text.
    AlgorithmMissing = "algorithm_missing", InvalidToken;
    /// The header says that the token is not signed: `none`, in whatever case.
    AlgorithmNone = "algorithm_none", InvalidToken;
    /// The header names an algorithm that is not known here.
    AlgorithmUnknown = "algorithm_unknown", InvalidToken;
    /// The header names an algorithm that this verifier does not accept.
    AlgorithmNotAllowed = "algorithm_not_allowed", InvalidToken;
    /// `typ` says that this is another kind of token.
    TypeNotAllowed = "type_not_allowed", InvalidToken;
    /// The payload is another token (`cty` is `JWT`), or of another content type.
    Nested = "nested", InvalidToken;
    /// `crit` names what must be understood (RFC 7515 section 4.1.11); nothing is.
    Critical = "critical", InvalidToken;
    /// `b64`, an unencoded payload (RFC 7797).
    Unencoded = "unencoded", InvalidToken;
    /// The token brings its own key (`jwk`).
    KeyEmbedded = "key_embedded", InvalidToken;
    /// The token says where its key can be fetched (`jku`, `x5u`).
    KeyByUrl = "key_by_url", InvalidToken;
    /// The token brings its own certificates (`x5c`).
    CertificateEmbedded = "certificate_embedded", InvalidToken;
    /// `zip`: compressed content.
    Compressed = "compressed", InvalidToken;

    /// `kid` is no text, empty, longer than 256 bytes, or has control characters.
    KeyIdMalformed = "key_id_malformed", InvalidToken;
    /// The issuer has no key of this id, and was asked lately.
    KeyUnknown = "key_unknown", InvalidToken;
    /// The token names no key, and not exactly one fits.
    KeyAmbiguous = "key_ambiguous", InvalidToken;
    /// The key of this id is of another type or curve, or is published for another algorithm or use.
    KeyUnfit = "key_unfit", InvalidToken;
    /// The key of this id is too weak: RSA below 2048 bits, or with an exponent that is even or 1; or published with its private
    /// part, so that everybody can sign with it.
    KeyWeak = "key_weak", InvalidToken;
    /// The signature is not that of the key.
    SignatureInvalid = "signature_invalid", InvalidToken;
    /// The issuer's keys cannot be had; [`Refusal::source`](std::error::Error::source) says why. The token was not judged.
    KeysUnavailable = "keys_unavailable", Unavailable;

    /// No `iss`, or not as text.
    IssuerMissing = "issuer_missing", InvalidToken;
    /// `iss` is not, character by character, the expected issuer.
    IssuerMismatch = "issuer_mismatch", InvalidToken;
    /// No `sub`, where one is required.
    SubjectMissing = "subject_missing", InvalidToken;
    /// `sub` is no text, or empty.
    SubjectMalformed = "subject_malformed", InvalidToken;
    /// No `aud`.
    AudienceMissing = "audience_missing", InvalidToken;
    /// `aud` is neither text nor a list of texts, or the list has more than 64.
    AudienceMalformed = "audience_malformed", InvalidToken;
    /// `aud` has none of the audiences of this verifier.
    AudienceMismatch = "audience_mismatch", InvalidToken;
    /// An ID token is for somebody whom this client does not trust, too.
    AudienceUntrusted = "audience_untrusted", InvalidToken;
    /// Clients are restricted, and the token names none (`client_id`, `azp`).
    ClientMissing = "client_missing", InvalidToken;
    /// `client_id` or `azp` is no text.
    ClientMalformed = "client_malformed", InvalidToken;
    /// The token was issued to a client that is not allowed.
    ClientNotAllowed = "client_not_allowed", InvalidToken;
    /// `exp`, `nbf` or `iat` is no number, negative, or beyond the year 9999.
    DateMalformed = "date_malformed", InvalidToken;
    /// No `exp`.
    ExpiryMissing = "expiry_missing", InvalidToken;
    /// `exp` is over, leeway included.
    Expired = "expired", InvalidToken;
    /// `nbf` is to come, leeway included.
    NotYetValid = "not_yet_valid", InvalidToken;
    /// No `iat`, where one is required.
    IssuedAtMissing = "issued_at_missing", InvalidToken;
    /// `iat` is in the future, leeway included.
    IssuedInFuture = "issued_in_future", InvalidToken;
    /// `iat` is longer ago than this verifier allows.
    TooOld = "too_old", InvalidToken;
    /// An ID token where an access token is expected.
    IdToken = "id_token", InvalidToken;
    /// An access token where an ID token is expected.
    AccessToken = "access_token", InvalidToken;

    /// `nonce` is missing from an ID token, or is no text.
    NonceMissing = "nonce_missing", InvalidToken;
    /// `nonce` is that of another login.
    NonceMismatch = "nonce_mismatch", InvalidToken;
    /// An ID token for several audiences does not say who asked for it (`azp`).
    AuthorizedPartyMissing = "authorized_party_missing", InvalidToken;
    /// `azp` is not this client.
    AuthorizedPartyMismatch = "authorized_party_mismatch", InvalidToken;
    /// `at_hash` is required and missing, or is no text.
    AccessTokenHashMissing = "access_token_hash_missing", InvalidToken;
    /// `at_hash` is not that of the access token.
    AccessTokenHashMismatch = "access_token_hash_mismatch", InvalidToken;

    /// `scope` (or `scp`) is neither text nor a list of texts.
    ScopeMalformed = "scope_malformed", InvalidToken;
    /// A required scope is missing.
    ScopeMissing = "scope_missing", InsufficientScope;
}

impl fmt::Display for RefusalCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// That a caller is refused. Holds nothing of the token, so it can be logged.
///
/// Log [`code`](Self::code); answer with [`status`](Self::status) and [`www_authenticate`](Self::www_authenticate).
#[derive(Debug, Clone)]
pub struct Refusal {
    code: RefusalCode,
    scopes: Option<Arc<str>>,
    source: Option<Error>,
}

impl Refusal {
    pub(crate) fn lacking(scopes: Arc<str>) -> Self {
        Self { code: RefusalCode::ScopeMissing, scopes: Some(scopes), source: None }
    }

    pub(crate) fn unavailable(error: Error) -> Self {
        Self { code: RefusalCode::KeysUnavailable, scopes: None, source: Some(error) }
    }

    /// Why, for logs and counters.
    #[must_use]
    pub fn code(&self) -> RefusalCode {
        self.code
    }

    /// The HTTP status to answer with: 400, 401, 403, or 503 if the issuer's keys cannot be had.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self.code.answer() {
            Answer::InvalidRequest => 400,
            Answer::Authenticate | Answer::InvalidToken => 401,
            Answer::InsufficientScope => 403,
            Answer::Unavailable => 503,
        }
    }

    /// The error code of RFC 6750 section 3.1 for the caller; `None` when it did not try to authenticate, and with 503.
    #[must_use]
    pub fn error_code(&self) -> Option<&'static str> {
        match self.code.answer() {
            Answer::InvalidRequest => Some("invalid_request"),
            Answer::InvalidToken => Some("invalid_token"),
            Answer::InsufficientScope => Some("insufficient_scope"),
            Answer::Authenticate | Answer::Unavailable => None,
        }
    }

    /// The value of the `WWW-Authenticate` header to answer with; `None` with 503.
    #[must_use]
    pub fn www_authenticate(&self, challenge: &Challenge) -> Option<HeaderValue> {
        if self.code.answer() == Answer::Unavailable {
            return None;
        }
        Some(challenge.header(self.error_code(), self.scopes.as_deref()))
    }

    /// For `Retry-After`, when the issuer asked for it.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.source.as_ref().and_then(Error::retry_after)
    }
}

impl From<RefusalCode> for Refusal {
    fn from(code: RefusalCode) -> Self {
        Self { code, scopes: None, source: None }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the caller is refused: {}", self.code)
    }
}

impl StdError for Refusal {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().map(|error| error as _)
    }
}

impl From<Refusal> for Error {
    /// For handlers that know one error only: unauthenticated, permission denied, or unavailable, with the refusal's code.
    fn from(refusal: Refusal) -> Self {
        let kind = match refusal.code.answer() {
            Answer::InsufficientScope => ErrorKind::PermissionDenied,
            Answer::Unavailable => ErrorKind::Unavailable,
            Answer::Authenticate | Answer::InvalidRequest | Answer::InvalidToken => ErrorKind::Unauthenticated,
        };
        Self::new(kind, "the caller is refused").with_code(Some(refusal.code.as_str().to_owned())).with_source(refusal)
    }
}

/// The constant part of a `WWW-Authenticate` header: `Bearer` with the parameters of RFC 6750 section 3, and where the metadata of
/// the resource is (RFC 9728 section 5.1).
///
/// ```
/// # use identity_client::inbound::{Challenge, Refusal, RefusalCode};
/// let challenge = Challenge::new().with_realm("agents")?;
/// let refusal = Refusal::from(RefusalCode::Expired);
/// let header = refusal.www_authenticate(&challenge);
/// assert_eq!(header.unwrap(), r#"Bearer realm="agents", error="invalid_token""#);
/// # Ok::<(), identity_client::BuildError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Challenge {
    realm: Option<String>,
    resource_metadata: Option<String>,
}

impl Challenge {
    /// Without any parameter.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What is protected, in words for a person.
    ///
    /// # Errors
    /// For text that is not printable ASCII.
    pub fn with_realm(mut self, realm: impl Into<String>) -> Result<Self, BuildError> {
        let realm = realm.into();
        if !realm.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return Err(BuildError::broken("the realm cannot stand in a header", "give printable ASCII"));
        }
        self.realm = Some(realm);
        Ok(self)
    }

    /// Where the metadata of this resource is, from which a client learns whom to ask for a token.
    ///
    /// # Errors
    /// For anything but an absolute http or https URL.
    pub fn with_resource_metadata(mut self, url: impl AsRef<str>) -> Result<Self, BuildError> {
        let broken =
            || BuildError::broken("the URL of the resource metadata is no http URL", "give an absolute https URL");
        let url = Url::parse(url.as_ref()).map_err(|_| broken())?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(broken());
        }
        self.resource_metadata = Some(url.into());
        Ok(self)
    }

    fn header(&self, error: Option<&str>, scopes: Option<&str>) -> HeaderValue {
        let parameters = [
            ("realm", self.realm.as_deref()),
            ("error", error),
            ("scope", scopes),
            ("resource_metadata", self.resource_metadata.as_deref()),
        ];
        let quoted = parameters.into_iter().filter_map(|(name, value)| {
            let value = value?.replace('\\', "\\\\").replace('"', "\\\"");
            Some(format!("{name}=\"{value}\""))
        });
        let quoted: Vec<_> = quoted.collect();
        let text = if quoted.is_empty() { "Bearer".to_owned() } else { format!("Bearer {}", quoted.join(", ")) };
        // Everything in it was checked to be printable ASCII.
        HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("Bearer"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_stands_on_the_troubleshooting_page() {
        let page = include_str!("../../../TROUBLESHOOTING.md");
        let section = page.split("\n## ").find(|section| section.starts_with("Who is calling")).unwrap();
        let words: Vec<_> = section.split(|letter: char| !letter.is_ascii_lowercase() && letter != '_').collect();
        for code in RefusalCode::ALL {
            assert!(words.contains(&code.as_str()), "{code}");
        }
    }
}
