//! Keys of an issuer that exists in tests only, and tokens signed with them.

use aws_lc_rs::{
    hmac,
    rand::SystemRandom,
    rsa,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING,
        EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512,
        RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding,
    },
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

pub enum Pair {
    Rsa(Box<rsa::KeyPair>),
    Curve(&'static str, Box<EcdsaKeyPair>),
    Edwards(Ed25519KeyPair),
    Secret(Vec<u8>),
}

impl Pair {
    pub fn rsa() -> Self {
        Self::Rsa(Box::new(rsa::KeyPair::generate(rsa::KeySize::Rsa2048).unwrap()))
    }

    pub fn curve(name: &'static str) -> Self {
        let algorithm = match name {
            "P-256" => &ECDSA_P256_SHA256_FIXED_SIGNING,
            "P-384" => &ECDSA_P384_SHA384_FIXED_SIGNING,
            "P-521" => &ECDSA_P521_SHA512_FIXED_SIGNING,
            _ => panic!("no such curve here: {name}"),
        };
        Self::Curve(name, Box::new(EcdsaKeyPair::generate(algorithm).unwrap()))
    }

    pub fn edwards() -> Self {
        Self::Edwards(Ed25519KeyPair::generate().unwrap())
    }

    pub fn secret(text: &str) -> Self {
        Self::Secret(text.as_bytes().to_vec())
    }

    /// The public part as a JWK, without an id.
    pub fn public(&self) -> Value {
        match self {
            Self::Rsa(pair) => {
                let (modulus, exponent) = rsa_numbers(pair.public_key().as_ref());
                json!({ "kty": "RSA", "n": base64(modulus), "e": base64(exponent) })
            }
            Self::Curve(name, pair) => {
                let point = &pair.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                json!({ "kty": "EC", "crv": name, "x": base64(x), "y": base64(y) })
            }
            Self::Edwards(pair) => json!({ "kty": "OKP", "crv": "Ed25519", "x": base64(pair.public_key().as_ref()) }),
            Self::Secret(secret) => json!({ "kty": "oct", "k": base64(secret) }),
        }
    }

    /// The public part as a JWK with this id, for signatures.
    pub fn published(&self, id: &str) -> Value {
        let mut key = self.public();
        key["kid"] = id.into();
        key["use"] = "sig".into();
        key
    }

    pub fn sign(&self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(pair) => {
                let padding: &'static dyn RsaEncoding = match algorithm {
                    "RS384" => &RSA_PKCS1_SHA384,
                    "RS512" => &RSA_PKCS1_SHA512,
                    "PS256" => &RSA_PSS_SHA256,
                    "PS384" => &RSA_PSS_SHA384,
                    "PS512" => &RSA_PSS_SHA512,
                    _ => &RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(padding, &random, message, &mut signature).unwrap();
                signature
            }
            Self::Curve(_, pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Self::Edwards(pair) => pair.sign(message).as_ref().to_vec(),
            Self::Secret(secret) => {
                let hash = match algorithm {
                    "HS384" => hmac::HMAC_SHA384,
                    "HS512" => hmac::HMAC_SHA512,
                    _ => hmac::HMAC_SHA256,
                };
                hmac::sign(&hmac::Key::new(hash, secret), message).as_ref().to_vec()
            }
        }
    }

    /// Signs two parts as they are, by the algorithm that the header names, whatever else they hold.
    pub fn seal(&self, header: &str, payload: &str) -> String {
        let named: Value = serde_json::from_str(header).unwrap_or_default();
        let message = format!("{}.{}", base64(header.as_bytes()), base64(payload.as_bytes()));
        let signature = self.sign(named["alg"].as_str().unwrap_or_default(), message.as_bytes());
        format!("{message}.{}", base64(&signature))
    }

    pub fn token(&self, header: &Value, claims: &Value) -> String {
        self.seal(&header.to_string(), &claims.to_string())
    }
}

pub fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Modulus and exponent of an `RSAPublicKey` of RFC 8017 appendix A.1.1.
fn rsa_numbers(der: &[u8]) -> (&[u8], &[u8]) {
    let (inner, _) = value(der);
    let (modulus, rest) = value(inner);
    let (exponent, _) = value(rest);
    (modulus.strip_prefix(&[0]).unwrap_or(modulus), exponent)
}

/// The value of the first element, and what follows it.
fn value(der: &[u8]) -> (&[u8], &[u8]) {
    let short = usize::from(der[1]);
    let (start, length) = match short {
        0x81 => (3, usize::from(der[2])),
        0x82 => (4, usize::from(der[2]) * 256 + usize::from(der[3])),
        _ => (2, short),
    };
    der[start..].split_at(length)
}
