//! What a token says, once it was verified.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use secrecy::SecretString;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{
    error::{Error, ErrorKind},
    principal::User,
};

/// The claims of a token that a [`TokenVerifier`](super::TokenVerifier) has verified. Nothing else makes one, and only this makes
/// a [`User::from_verified_token`]. Cheap to clone.
///
/// `Debug` shows no claim but the issuer: the others are about a person.
#[derive(Clone)]
pub struct VerifiedClaims {
    pub(crate) checked: Arc<Checked>,
    /// The token itself, if its user is to carry it.
    pub(crate) token: Option<SecretString>,
}

/// What the rules have found.
pub(crate) struct Checked {
    pub(crate) issuer: Arc<str>,
    pub(crate) subject: Option<String>,
    pub(crate) audiences: Vec<String>,
    pub(crate) client_id: Option<String>,
    pub(crate) scopes: Vec<String>,
    pub(crate) expires_at: Duration,
    pub(crate) issued_at: Option<Duration>,
    pub(crate) all: Map<String, Value>,
    /// Users are told apart by issuer, too.
    pub(crate) qualified: bool,
}

impl VerifiedClaims {
    /// `iss`, which is the issuer that the verifier expects.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.checked.issuer
    }

    /// `sub`: whom the token is about, unique at this issuer.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.checked.subject.as_deref()
    }

    /// `aud`, one or several. Those that the verifier does not know are among them.
    #[must_use]
    pub fn audiences(&self) -> &[String] {
        &self.checked.audiences
    }

    /// `client_id`, else `azp`: the client that the token was issued to.
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        self.checked.client_id.as_deref()
    }

    /// `scope`, else `scp`, in the order of the token.
    #[must_use]
    pub fn scopes(&self) -> &[String] {
        &self.checked.scopes
    }

    /// Whether the token has this scope, word for word.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.checked.scopes.iter().any(|of| of == scope)
    }

    /// `exp`, without the leeway of the verifier.
    #[must_use]
    pub fn expires_at(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + self.checked.expires_at
    }

    /// `iat`.
    #[must_use]
    pub fn issued_at(&self) -> Option<SystemTime> {
        self.checked.issued_at.map(|at| SystemTime::UNIX_EPOCH + at)
    }

    /// A claim that is text, for example `email` or `jti`. A claim of another type is `None`.
    ///
    /// Who is who is told by [`subject`](Self::subject) alone: an e-mail address can be given to somebody else, and at many issuers
    /// a user chooses it.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.checked.all.get(name).and_then(Value::as_str)
    }

    /// All claims, as a type of yours.
    ///
    /// # Errors
    /// [`ErrorKind::Protocol`] if they do not have that form. The message does not quote them.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_value(Value::Object(self.checked.all.clone())).map_err(|_| {
            Error::new(ErrorKind::Protocol, "the claims of the token do not have the form that was asked for")
                .with_hint("compare the type with the claims that the issuer documents")
        })
    }
}

impl fmt::Debug for VerifiedClaims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedClaims").field("issuer", &self.checked.issuer).finish_non_exhaustive()
    }
}

impl User {
    /// The user that a verified token is about.
    ///
    /// Its id is the token's `sub` as it is: right where one issuer names all users, as `sub` is unique at its issuer only. With
    /// [`with_qualified_users`](super::TokenVerifierBuilder::with_qualified_users) it is the issuer, `#` and `sub`. An issuer has
    /// no `#`, so no two pairs give one id.
    ///
    /// With [`with_kept_token`](super::TokenVerifierBuilder::with_kept_token), and by default for tokens of Alibaba Cloud IDaaS, the
    /// user carries the token, see [`with_token`](Self::with_token).
    ///
    /// # Errors
    /// [`ErrorKind::UserMissing`] for a token without a `sub`, and [`ErrorKind::InvalidRequest`] for an id that is longer than 512
    /// bytes.
    pub fn from_verified_token(claims: &VerifiedClaims) -> Result<Self, Error> {
        let subject = claims.subject().ok_or_else(|| Error::user_missing("the verified token names no user"))?;
        let user = if claims.checked.qualified {
            Self::asserted(format!("{}#{subject}", claims.issuer()))?
        } else {
            Self::asserted(subject)?
        };
        match &claims.token {
            Some(token) => user.with_token(token.clone()),
            None => Ok(user),
        }
    }
}
