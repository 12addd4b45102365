//! Signatures that others made (RFC 7515): assertions of applications, tokens of their issuers.

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{self, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject as _;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// The longest token that is looked at.
const LONGEST: usize = 16 * 1024;

/// Algorithms that keys of applications and issuers may use (contract section 5.1).
const RSA: [(&str, &RsaParameters); 3] = [
    ("RS256", &signature::RSA_PKCS1_2048_8192_SHA256),
    ("RS384", &signature::RSA_PKCS1_2048_8192_SHA384),
    ("RS512", &signature::RSA_PKCS1_2048_8192_SHA512),
];
/// Each with the curve that it belongs to.
const EC: [(&str, &str, &signature::EcdsaVerificationAlgorithm); 3] = [
    ("ES256", "P-256", &signature::ECDSA_P256_SHA256_FIXED),
    ("ES384", "P-384", &signature::ECDSA_P384_SHA384_FIXED),
    ("ES512", "P-521", &signature::ECDSA_P521_SHA512_FIXED),
];

/// A token in its compact form. Nothing in it is true before its signature was verified.
pub(super) struct Compact<'a> {
    signed: &'a str,
    signature: Vec<u8>,
    header: Map<String, Value>,
    claims: Map<String, Value>,
}

impl<'a> Compact<'a> {
    pub(super) fn parse(token: &'a str) -> Option<Self> {
        let (signed, signature) = token.rsplit_once('.').filter(|_| token.len() <= LONGEST)?;
        let (header, claims) = signed.split_once('.')?;
        let header: Map<String, Value> = decoded(header)?;
        // An extension that must be understood is not (RFC 7515 section 4.1.11).
        (!header.contains_key("crit")).then_some(())?;
        Some(Self { signed, signature: URL_SAFE_NO_PAD.decode(signature).ok()?, header, claims: decoded(claims)? })
    }

    fn names(&self, algorithm: &str) -> bool {
        self.header.get("alg").and_then(Value::as_str) == Some(algorithm)
    }

    /// The claims, if one of these secrets made the token.
    pub(super) fn by_secret<'s>(&self, secrets: impl Iterator<Item = &'s str>) -> Option<&Map<String, Value>> {
        let made = |secret: &str| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
            hmac::verify(&key, self.signed.as_bytes(), &self.signature).is_ok()
        };
        // Every one is tried, so that the time taken does not tell which it was.
        let hits = secrets.filter(|secret| !secret.is_empty() && made(secret)).count();
        (self.names("HS256") && hits > 0).then_some(&self.claims)
    }

    /// The claims, if this key (a SubjectPublicKeyInfo) signed the token.
    pub(super) fn by_key(&self, key: &[u8]) -> Option<&Map<String, Value>> {
        let rsa = RSA.iter().map(|(name, algorithm)| (*name, *algorithm as &dyn VerificationAlgorithm));
        let ec = EC.iter().map(|(name, _, algorithm)| (*name, *algorithm as &dyn VerificationAlgorithm));
        let edwards = [("EdDSA", &signature::ED25519 as &dyn VerificationAlgorithm)];
        let (_, algorithm) = rsa.chain(ec).chain(edwards).find(|(name, _)| self.names(name))?;
        algorithm.verify_sig(key, self.signed.as_bytes(), &self.signature).ok()?;
        Some(&self.claims)
    }

    /// The claims, if a key of this set (RFC 7517) signed the token. A token that names its key is verified with no other.
    pub(super) fn by_set(&self, set: &Value) -> Option<&Map<String, Value>> {
        let wanted = self.header.get("kid").and_then(Value::as_str);
        let named = |key: &&Value| wanted.is_none_or(|wanted| key["kid"].as_str() == Some(wanted));
        let for_this = |key: &&Value| {
            key["use"].as_str().is_none_or(|used| used == "sig")
                && key["alg"].as_str().is_none_or(|algorithm| self.names(algorithm))
        };
        let mut keys = set.get("keys")?.as_array()?.iter().filter(named).filter(for_this);
        keys.any(|key| self.is_signed_by(key).is_some()).then_some(&self.claims)
    }

    fn is_signed_by(&self, key: &Value) -> Option<()> {
        let member = |name: &str| URL_SAFE_NO_PAD.decode(key.get(name)?.as_str()?).ok();
        match key["kty"].as_str()? {
            "RSA" => {
                let (_, algorithm) = RSA.iter().find(|(name, _)| self.names(name))?;
                let components = RsaPublicKeyComponents { n: member("n")?, e: member("e")? };
                components.verify(algorithm, self.signed.as_bytes(), &self.signature).ok()
            }
            "EC" => {
                let of_curve = |curve: &str| key["crv"].as_str() == Some(curve);
                let (_, _, algorithm) = EC.iter().find(|(name, curve, _)| self.names(name) && of_curve(curve))?;
                let point = [vec![4], member("x")?, member("y")?].concat();
                let key = UnparsedPublicKey::new(*algorithm, point);
                key.verify(self.signed.as_bytes(), &self.signature).ok()
            }
            _ => None,
        }
    }

    /// The issuer that the token names, to find whom to ask: not true before the signature was verified.
    pub(super) fn claimed_issuer(&self) -> Option<&str> {
        self.claims.get("iss")?.as_str()
    }
}

fn decoded<T: DeserializeOwned>(part: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

/// The bytes of a public key in PEM.
pub(super) fn public_key(pem: &str) -> Option<SubjectPublicKeyInfoDer<'static>> {
    SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes()).ok()
}

/// Whether this is a public key that assertions can be verified with.
pub(crate) fn is_public_key(pem: &str) -> bool {
    public_key(pem).is_some()
}

/// A claim of text.
pub(super) fn text<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// A claim that is a moment, in seconds.
pub(super) fn seconds(claims: &Map<String, Value>, name: &str) -> Option<i64> {
    let value = claims.get(name)?;
    // NumericDate may have a fraction (RFC 7519 section 2); it is cut off by way of text, for lack of a safe cast.
    value.as_i64().or_else(|| format!("{:.0}", value.as_f64()?.floor()).parse().ok())
}

/// Whether the token is for this audience, perhaps among others.
pub(super) fn is_for(claims: &Map<String, Value>, audience: &str) -> bool {
    match claims.get("aud") {
        Some(Value::String(one)) => one == audience,
        Some(Value::Array(many)) => many.iter().any(|one| one.as_str() == Some(audience)),
        _ => false,
    }
}
