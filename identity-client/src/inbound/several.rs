//! Tokens of more than one issuer.

use super::{
    bearer,
    claims::VerifiedClaims,
    compact::{MAX_TOKEN_LENGTH, decode},
    json,
    refusal::{Refusal, RefusalCode},
    verifier::TokenVerifier,
};
use crate::error::BuildError;

/// Verifies tokens of several issuers, each by its own rules and keys. Cheap to clone.
#[derive(Debug, Clone)]
pub struct TokenVerifiers(std::sync::Arc<[TokenVerifier]>);

impl TokenVerifiers {
    /// Takes one verifier an issuer.
    ///
    /// # Errors
    /// For none, for two of one issuer, and, if there are several, for one without
    /// [`with_qualified_users`](super::TokenVerifierBuilder::with_qualified_users): `sub` is unique at one issuer only.
    pub fn new(verifiers: impl IntoIterator<Item = TokenVerifier>) -> Result<Self, BuildError> {
        let verifiers: Vec<_> = verifiers.into_iter().collect();
        if verifiers.is_empty() {
            return Err(BuildError::missing("no issuer is accepted", "give one verifier an issuer"));
        }
        for (index, verifier) in verifiers.iter().enumerate() {
            if verifiers[..index].iter().any(|other| other.issuer_name() == verifier.issuer_name()) {
                return Err(BuildError::broken("two verifiers are for one issuer", "give one verifier an issuer"));
            }
            if verifiers.len() > 1 && !verifier.0.rules.qualified {
                return Err(BuildError::broken(
                    "users of several issuers would share ids",
                    "build each verifier `with_qualified_users`",
                ));
            }
        }
        Ok(Self(verifiers.into()))
    }

    /// As [`TokenVerifier::verify_request`].
    ///
    /// # Errors
    /// As there.
    pub async fn verify_request(&self, headers: &http::HeaderMap) -> Result<VerifiedClaims, Refusal> {
        self.verify(bearer::token(headers)?).await
    }

    /// As [`TokenVerifier::verify`], by the verifier of the issuer that the token names. What it names is only used to choose: the
    /// verifier checks it again.
    ///
    /// # Errors
    /// As there.
    pub async fn verify(&self, token: &str) -> Result<VerifiedClaims, Refusal> {
        let named = issuer(token);
        let verifier = self.0.iter().find(|verifier| Some(verifier.issuer_name()) == named.as_deref());
        match verifier.or_else(|| self.0.first()) {
            Some(verifier) => verifier.verify(token).await,
            None => Err(RefusalCode::IssuerMismatch.into()),
        }
    }
}

fn issuer(token: &str) -> Option<String> {
    if token.len() > MAX_TOKEN_LENGTH {
        return None;
    }
    let claims = json::object(&decode(token.split('.').nth(1)?)?).ok()?;
    Some(claims.get("iss")?.as_str()?.to_owned())
}
