//! The signature algorithms, and what each needs of a key.

use std::fmt;

use aws_lc_rs::{
    digest, hmac,
    rsa::PublicKeyComponents,
    signature::{
        self, ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519, ParsedPublicKey,
        RsaParameters,
    },
};

/// A signature algorithm of RFC 7518, RFC 8037 or RFC 9864.
///
/// Which ones a verifier accepts is its own decision; the header of a token can only name one of them. `none` is not among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// ECDSA on P-521 with SHA-512.
    Es512,
    /// Ed25519, named `EdDSA` (RFC 8037) or `Ed25519` (RFC 9864) in headers and keys. Ed448 is not supported.
    EdDsa,
    /// HMAC with SHA-256: only with [`TokenVerifier::shared_secret`](crate::inbound::TokenVerifier::shared_secret).
    Hs256,
    /// HMAC with SHA-384, as above.
    Hs384,
    /// HMAC with SHA-512, as above.
    Hs512,
}

/// What kind of key an algorithm works with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    Rsa,
    P256,
    P384,
    P521,
    Ed25519,
    Secret,
}

impl Algorithm {
    const ALL: [Self; 13] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::Es512,
        Self::EdDsa,
        Self::Hs256,
        Self::Hs384,
        Self::Hs512,
    ];

    /// The name in headers and keys.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::EdDsa => "EdDSA",
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
        }
    }

    /// Names are compared as they are: RFC 7515 makes them case-sensitive.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        if name == "Ed25519" {
            return Some(Self::EdDsa);
        }
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == name)
    }

    pub(crate) fn family(self) -> Family {
        match self {
            Self::Rs256 | Self::Rs384 | Self::Rs512 | Self::Ps256 | Self::Ps384 | Self::Ps512 => Family::Rsa,
            Self::Es256 => Family::P256,
            Self::Es384 => Family::P384,
            Self::Es512 => Family::P521,
            Self::EdDsa => Family::Ed25519,
            Self::Hs256 | Self::Hs384 | Self::Hs512 => Family::Secret,
        }
    }

    pub(crate) fn is_symmetric(self) -> bool {
        self.family() == Family::Secret
    }

    /// Reads an RSA key for this algorithm; `None` if it is no key or no RSA algorithm.
    pub(crate) fn rsa_key(self, modulus: &[u8], exponent: &[u8]) -> Option<ParsedPublicKey> {
        let parameters: &'static RsaParameters = match self {
            Self::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
            Self::Rs384 => &signature::RSA_PKCS1_2048_8192_SHA384,
            Self::Rs512 => &signature::RSA_PKCS1_2048_8192_SHA512,
            Self::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
            Self::Ps384 => &signature::RSA_PSS_2048_8192_SHA384,
            Self::Ps512 => &signature::RSA_PSS_2048_8192_SHA512,
            _ => return None,
        };
        PublicKeyComponents { n: modulus, e: exponent }.to_parsed_public_key(parameters).ok()
    }

    /// Reads a point of a curve for this algorithm; `None` if it is not on the curve.
    pub(crate) fn curve_key(self, point: &[u8]) -> Option<ParsedPublicKey> {
        match self {
            Self::Es256 => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).ok(),
            Self::Es384 => ParsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point).ok(),
            Self::Es512 => ParsedPublicKey::new(&ECDSA_P521_SHA512_FIXED, point).ok(),
            Self::EdDsa => ParsedPublicKey::new(&ED25519, point).ok(),
            _ => None,
        }
    }

    /// The MAC of a symmetric algorithm, with the length in bytes that its secret must have at least (RFC 7518 section 3.2).
    pub(crate) fn mac(self) -> Option<(hmac::Algorithm, usize)> {
        match self {
            Self::Hs256 => Some((hmac::HMAC_SHA256, 32)),
            Self::Hs384 => Some((hmac::HMAC_SHA384, 48)),
            Self::Hs512 => Some((hmac::HMAC_SHA512, 64)),
            _ => None,
        }
    }

    /// The hash that `at_hash` is made with (OpenID Connect Core 3.1.3.6); for Ed25519 the one inside it.
    pub(crate) fn hash(self) -> &'static digest::Algorithm {
        match self {
            Self::Rs256 | Self::Ps256 | Self::Es256 | Self::Hs256 => &digest::SHA256,
            Self::Rs384 | Self::Ps384 | Self::Es384 | Self::Hs384 => &digest::SHA384,
            Self::Rs512 | Self::Ps512 | Self::Es512 | Self::Hs512 | Self::EdDsa => &digest::SHA512,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
