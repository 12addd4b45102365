//! Random tokens and PKCE (RFC 7636).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::SecretString;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::OAuthFailure;

/// 256 random bits as 43 unreserved characters: fit for a PKCE verifier, a `state`, a token or a secret.
pub(crate) fn random_token() -> Result<SecretString, OAuthFailure> {
    let mut bytes = Zeroizing::new([0_u8; 32]);
    getrandom::fill(bytes.as_mut()).map_err(|_| OAuthFailure::Unequipped("no random bytes from the system"))?;
    Ok(SecretString::from(URL_SAFE_NO_PAD.encode(bytes.as_ref())))
}

/// The S256 challenge of a verifier (RFC 7636 section 4.2).
pub(crate) fn challenge_of(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn std_7636_01_challenge_matches_appendix_b_without_padding() {
        let challenge = challenge_of("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert_eq!(challenge, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn std_7636_02_verifier_is_unique_and_long_enough() {
        let mut seen = HashSet::new();
        for _ in 0..1000 {
            let token = random_token().unwrap();
            let text = token.expose_secret();
            assert!((43..=128).contains(&text.len()));
            assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~')));
            assert!(seen.insert(text.to_owned()));
        }
    }
}
