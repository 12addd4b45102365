//! A token, verified.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::HeaderMap;
use secrecy::SecretString;
use subtle::ConstantTimeEq as _;

use super::{
    algorithm::Algorithm,
    bearer,
    claims::VerifiedClaims,
    compact::Compact,
    jwk::Choice,
    keys::KeySource,
    refusal::{Refusal, RefusalCode},
    rules::{Kind, Rules},
};
use crate::clock::Clock;

/// Verifies the tokens of one issuer. Cheap to clone; clones share the keys.
///
/// While the keys are fresh nothing is sent and nothing is waited for. They are fetched at the first token, once however many
/// wait, and again ahead of their time while tokens come in.
///
/// Make one with [`issuer`](Self::issuer) or one of the presets.
#[derive(Clone)]
pub struct TokenVerifier(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) rules: Rules,
    pub(crate) allowed: Vec<Algorithm>,
    pub(crate) source: KeySource,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) keeps_token: bool,
}

/// What the ID token of a login must have, beside what every ID token of this issuer must have.
#[derive(Clone)]
pub struct IdTokenCheck {
    nonce: String,
    access_token: Option<String>,
    needs_hash: bool,
}

impl IdTokenCheck {
    /// With the nonce of the authorization request: 128 random bits or more, bound to the browser that logs in.
    #[must_use]
    pub fn new(nonce: impl Into<String>) -> Self {
        Self { nonce: nonce.into(), access_token: None, needs_hash: false }
    }

    /// The access token that came with the ID token; `at_hash` must be its hash, if there is one.
    #[must_use]
    pub fn with_access_token(mut self, access_token: impl Into<String>) -> Self {
        self.access_token = Some(access_token.into());
        self
    }

    /// `at_hash` must be there. Default: it may be left out, as OpenID Connect Core 3.1.3.6 allows.
    #[must_use]
    pub fn with_required_hash(mut self) -> Self {
        self.needs_hash = true;
        self
    }
}

impl fmt::Debug for IdTokenCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdTokenCheck").finish_non_exhaustive()
    }
}

impl TokenVerifier {
    /// Verifies the bearer token of a request with these headers.
    ///
    /// # Errors
    /// As [`verify`](Self::verify), and for anything but exactly one `Authorization: Bearer` header.
    pub async fn verify_request(&self, headers: &HeaderMap) -> Result<VerifiedClaims, Refusal> {
        self.verify(bearer::token(headers)?).await
    }

    /// Verifies a token: form, algorithm, key, signature, issuer, audience, client, time, kind and scopes.
    ///
    /// # Errors
    /// [`Refusal`] with the first reason found. With [`RefusalCode::KeysUnavailable`] the issuer's keys cannot be had, and the
    /// token was not judged.
    ///
    /// # Cancel safety
    /// Cancel safe: a fetch of keys goes on for the others who wait for it.
    pub async fn verify(&self, token: &str) -> Result<VerifiedClaims, Refusal> {
        let (claims, _) = self.verified(token).await?;
        Ok(claims)
    }

    /// Verifies the ID token of a login (OpenID Connect Core 3.1.3.7).
    ///
    /// # Errors
    /// As [`verify`](Self::verify), and for another nonce or another access token. [`RefusalCode::IdToken`] if this verifier is
    /// not one for ID tokens, see [`for_id_tokens`](super::TokenVerifierBuilder::for_id_tokens).
    ///
    /// # Cancel safety
    /// As [`verify`](Self::verify).
    pub async fn verify_id_token(&self, token: &str, check: &IdTokenCheck) -> Result<VerifiedClaims, Refusal> {
        if self.0.rules.kind == Kind::Access {
            return Err(RefusalCode::IdToken.into());
        }
        let (claims, algorithm) = self.verified(token).await?;
        let nonce = claims.text("nonce").ok_or(RefusalCode::NonceMissing)?;
        // An empty nonce binds nothing, whichever side left it empty.
        if check.nonce.is_empty() || !bool::from(nonce.as_bytes().ct_eq(check.nonce.as_bytes())) {
            return Err(RefusalCode::NonceMismatch.into());
        }
        check_hash(&claims, algorithm, check)?;
        Ok(claims)
    }

    /// The issuer whose tokens it verifies.
    #[must_use]
    pub fn issuer_name(&self) -> &str {
        &self.0.rules.issuer
    }

    async fn verified(&self, token: &str) -> Result<(VerifiedClaims, Algorithm), Refusal> {
        let inner = &*self.0;
        let compact = Compact::parse(token, &inner.allowed)?;
        inner.rules.check_type(compact.kind.as_deref())?;
        let claims = compact.claims()?;
        inner.rules.check_issuer(&claims)?;
        inner.check_signature(&compact).await?;
        let now = inner.clock.now().wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::MAX / 2);
        let checked = inner.rules.check(claims, now)?;
        let token = inner.keeps_token.then(|| SecretString::from(token));
        Ok((VerifiedClaims { checked: Arc::new(checked), token }, compact.algorithm))
    }
}

impl Inner {
    async fn check_signature(&self, compact: &Compact<'_>) -> Result<(), Refusal> {
        let mut keys = self.source.keys().await.map_err(Refusal::unavailable)?;
        // Once with what is there, once with what was on its way, once with what was asked for because of this token.
        for _ in 0..3 {
            match keys.choose(compact.key_id.as_deref(), compact.algorithm, self.clock.now()) {
                Choice::Key(key) => {
                    return Ok(key.check(compact.algorithm, compact.message, &compact.signature)?);
                }
                Choice::Refused(code) => return Err(code.into()),
                Choice::Unknown => {}
            }
            match self.source.newer(&keys).await.map_err(Refusal::unavailable)? {
                Some(newer) => keys = newer,
                None => break,
            }
        }
        Err(RefusalCode::KeyUnknown.into())
    }
}

/// The left half of the hash of the access token (OpenID Connect Core 3.1.3.6).
fn check_hash(claims: &VerifiedClaims, algorithm: Algorithm, check: &IdTokenCheck) -> Result<(), RefusalCode> {
    let Some(access_token) = &check.access_token else {
        return if check.needs_hash { Err(RefusalCode::AccessTokenHashMissing) } else { Ok(()) };
    };
    let Some(value) = claims.checked.all.get("at_hash") else {
        return if check.needs_hash { Err(RefusalCode::AccessTokenHashMissing) } else { Ok(()) };
    };
    let told = value.as_str().ok_or(RefusalCode::AccessTokenHashMissing)?;
    let hash = digest::digest(algorithm.hash(), access_token.as_bytes());
    let half = &hash.as_ref()[..hash.as_ref().len() / 2];
    let ours = URL_SAFE_NO_PAD.encode(half);
    if bool::from(ours.as_bytes().ct_eq(told.as_bytes())) { Ok(()) } else { Err(RefusalCode::AccessTokenHashMismatch) }
}

impl fmt::Debug for TokenVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenVerifier")
            .field("rules", &self.0.rules)
            .field("keys", &self.0.source)
            .finish_non_exhaustive()
    }
}
