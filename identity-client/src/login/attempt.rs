//! One attempt to sign in, from the departure of the browser to its return.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroize as _;

use crate::{error::Error, hash::sha256, random};

/// What one attempt to sign in must be recognised by: state, nonce and the verifier of PKCE, 256 random bits each.
///
/// It can be serialized, to be kept in the browser encrypted. Whoever reads it can finish the login in the user's place.
#[derive(Clone, Serialize, Deserialize)]
pub struct LoginAttempt {
    /// For whom it is: an answer of another issuer is none to it.
    pub(crate) issuer: String,
    pub(crate) state: String,
    pub(crate) nonce: String,
    pub(crate) verifier: String,
}

impl LoginAttempt {
    pub(crate) fn new(issuer: &str) -> Result<Self, Error> {
        Ok(Self { issuer: issuer.to_owned(), state: token()?, nonce: token()?, verifier: token()? })
    }

    /// The state, which comes back as a parameter of the redirect URI.
    #[must_use]
    pub fn state(&self) -> &str {
        &self.state
    }

    /// RFC 7636 section 4.2, method S256.
    pub(crate) fn challenge(&self) -> String {
        challenge_of(&self.verifier)
    }

    pub(crate) fn has_state(&self, state: &str) -> bool {
        !self.state.is_empty() && bool::from(self.state.as_bytes().ct_eq(state.as_bytes()))
    }
}

impl Drop for LoginAttempt {
    fn drop(&mut self) {
        self.state.zeroize();
        self.nonce.zeroize();
        self.verifier.zeroize();
    }
}

impl fmt::Debug for LoginAttempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginAttempt").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// That the browser sets out to sign in.
#[non_exhaustive]
pub struct LoginDeparture {
    /// To be kept where only this browser has it, until it comes back.
    pub attempt: LoginAttempt,
    pub(crate) authorization_url: String,
}

impl LoginDeparture {
    /// Where to send the browser.
    #[must_use]
    pub fn authorization_url(&self) -> &str {
        &self.authorization_url
    }
}

impl fmt::Debug for LoginDeparture {
    /// The URL has the state in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginDeparture").field("attempt", &self.attempt).finish_non_exhaustive()
    }
}

fn token() -> Result<String, Error> {
    Ok(URL_SAFE_NO_PAD.encode(random::bytes::<32>("no login can be begun")?))
}

fn challenge_of(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(sha256(verifier))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn std_7636_01_the_challenge_is_that_of_appendix_b() {
        assert_eq!(
            challenge_of("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
    }

    #[test]
    fn std_7636_02_every_attempt_has_secrets_of_its_own_and_shows_none() {
        let (one, other) = (LoginAttempt::new("https://a").unwrap(), LoginAttempt::new("https://a").unwrap());
        let all = [&one.state, &one.nonce, &one.verifier, &other.state, &other.nonce, &other.verifier];
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), 6);
        assert!(all.iter().all(|text| text.len() == 43));
        assert!(all.iter().all(|text| !format!("{one:?}{other:?}").contains(text.as_str())));
        assert!(one.has_state(&one.state) && !one.has_state(&other.state) && !one.has_state(""));
    }
}
