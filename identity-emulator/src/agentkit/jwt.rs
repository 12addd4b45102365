//! Signed tokens (RFC 7519) and the key that signs them: RS256, the algorithm that the vendor's packages expect.

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    self, KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// No token of ours is longer.
const LONGEST: usize = 16 * 1024;

pub(crate) struct Signer {
    key: RsaKeyPair,
    public: Vec<u8>,
    id: String,
    modulus: String,
    exponent: String,
}

impl Signer {
    /// A new key and, to be kept, its PKCS#8 in base64. Takes a good part of a second.
    pub(crate) fn generate() -> Option<(Self, SecretString)> {
        let key = RsaKeyPair::generate(KeySize::Rsa2048).ok()?;
        let der: Pkcs8V1Der<'static> = key.as_der().ok()?;
        let kept = SecretString::from(STANDARD.encode(der.as_ref()));
        Some((Self::new(key)?, kept))
    }

    pub(crate) fn kept(kept: &SecretString) -> Option<Self> {
        let der = Zeroizing::new(STANDARD.decode(kept.expose_secret()).ok()?);
        Self::new(RsaKeyPair::from_pkcs8(&der).ok()?)
    }

    fn new(key: RsaKeyPair) -> Option<Self> {
        let public = key.public_key().as_ref().to_vec();
        let (modulus, exponent) = members(&public)?;
        let encoded = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let id = encoded(&Sha256::digest(&public)).get(..16)?.to_owned();
        let (modulus, exponent) = (encoded(modulus), encoded(exponent));
        Some(Self { key, public, id, modulus, exponent })
    }

    /// The public key as a JWK set (RFC 7517).
    pub(crate) fn jwks(&self) -> Value {
        json!({ "keys": [{
            "kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.id, "n": self.modulus, "e": self.exponent,
        }] })
    }

    pub(crate) fn sign(&self, claims: &Value) -> Option<SecretString> {
        let header = json!({ "alg": "RS256", "typ": "JWT", "kid": self.id });
        let encoded = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = Zeroizing::new(format!("{}.{}", encoded(&header), encoded(claims)));
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).ok()?;
        Some(SecretString::from(format!("{}.{}", *signed, URL_SAFE_NO_PAD.encode(signature))))
    }

    /// The claims of a token that this key signed; whether they still hold is the caller's to see.
    pub(crate) fn claims(&self, token: &str) -> Option<Map<String, Value>> {
        let (signed, signature) = token.rsplit_once('.').filter(|_| token.len() <= LONGEST)?;
        let (header, claims) = signed.split_once('.')?;
        let header: Map<String, Value> = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
        if header.get("alg").and_then(Value::as_str) != Some("RS256") || header.contains_key("crit") {
            return None;
        }
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        let public: UnparsedPublicKey<&[u8]> =
            signature::UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, self.public.as_slice());
        public.verify(signed.as_bytes(), &signature).ok()?;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
    }
}

/// Modulus and exponent of an `RSAPublicKey` (RFC 8017 appendix A.1.1).
fn members(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (sequence, rest) = element(der, 0x30)?;
    let (modulus, exponent) = element(sequence, 0x02)?;
    let (exponent, end) = element(exponent, 0x02)?;
    let unsigned = |integer: &'_ [u8]| integer.iter().position(|byte| *byte != 0);
    (rest.is_empty() && end.is_empty()).then_some(())?;
    Some((modulus.get(unsigned(modulus)?..)?, exponent.get(unsigned(exponent)?..)?))
}

/// The content of the first element, which must have this tag, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&[found, first], rest) = der.split_first_chunk::<2>()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 => (usize::from(*rest.first()?), rest.get(1..)?),
        0x82 => (usize::from(u16::from_be_bytes(*rest.first_chunk::<2>()?)), rest.get(2..)?),
        _ => return None,
    };
    (found == tag).then(|| rest.split_at_checked(length)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_what_its_key_signed_and_nothing_else() {
        let (signer, kept) = Signer::generate().unwrap();
        let token = signer.sign(&json!({ "sub": "alice" })).unwrap();
        let token = token.expose_secret();
        let again = Signer::kept(&kept).unwrap();
        assert_eq!(again.claims(token).unwrap()["sub"], "alice");
        assert_eq!(again.jwks(), signer.jwks());
        assert_eq!(signer.jwks()["keys"][0]["e"], "AQAB");
        let parts: Vec<&str> = token.split('.').collect();
        let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
        let other = URL_SAFE_NO_PAD.encode(r#"{"sub":"mallory"}"#);
        for forged in [
            format!("{none}.{}.", parts[1]),
            format!("{}.{other}.{}", parts[0], parts[2]),
            format!("{}.{}", parts[0], parts[1]),
            String::new(),
            "a.b.c".to_owned(),
        ] {
            assert!(signer.claims(&forged).is_none(), "{forged}");
        }
    }
}
