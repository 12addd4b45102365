//! Private keys that sign assertions.
//!
//! A key is read, used and dropped with each token request; its memory is AWS-LC's, which wipes it.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING,
        EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512,
        RsaEncoding, RsaKeyPair,
    },
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

/// The curves of RFC 7518 section 3.4, each with its one algorithm.
const CURVES: [(&str, &EcdsaSigningAlgorithm); 3] = [
    ("ES256", &ECDSA_P256_SHA256_FIXED_SIGNING),
    ("ES384", &ECDSA_P384_SHA384_FIXED_SIGNING),
    ("ES512", &ECDSA_P521_SHA512_FIXED_SIGNING),
];

/// A private key with the algorithm that it signs with.
pub(crate) struct SigningKey {
    pair: Pair,
    algorithm: &'static str,
}

enum Pair {
    Rsa(RsaKeyPair, &'static dyn RsaEncoding),
    Ec(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl SigningKey {
    /// Reads PEM: `PRIVATE KEY` (PKCS#8), `RSA PRIVATE KEY` (PKCS#1), `EC PRIVATE KEY` (SEC 1). Line ends may have become spaces,
    /// or the two characters `\n`, as happens to variables.
    ///
    /// # Errors
    /// What is wrong with it, in words that follow "the private key".
    pub(crate) fn parse(pem: &str) -> Result<Self, &'static str> {
        let (label, der) = decode(pem)?;
        match label {
            "RSA PRIVATE KEY" => RsaKeyPair::from_der(&der).map_or(Err(WEAK_RSA), |pair| Ok(Self::rsa(pair))),
            "EC PRIVATE KEY" => Self::ec(&der).ok_or(UNSUPPORTED),
            "PRIVATE KEY" => RsaKeyPair::from_pkcs8(&der)
                .ok()
                .map(Self::rsa)
                .or_else(|| Self::ec(&der))
                .or_else(|| Self::ed25519(&der))
                .ok_or(UNSUPPORTED),
            _ => Err("is not a private key: its PEM label says that it is something else"),
        }
    }

    /// By size, as the vendor's current SDK signs.
    fn rsa(pair: RsaKeyPair) -> Self {
        let (algorithm, encoding): (_, &'static dyn RsaEncoding) = match pair.public_modulus_len() * 8 {
            ..=2048 => ("RS256", &RSA_PKCS1_SHA256),
            2049..=3072 => ("RS384", &RSA_PKCS1_SHA384),
            _ => ("RS512", &RSA_PKCS1_SHA512),
        };
        Self { pair: Pair::Rsa(pair, encoding), algorithm }
    }

    fn ec(der: &[u8]) -> Option<Self> {
        CURVES.into_iter().find_map(|(algorithm, curve)| {
            let pair = EcdsaKeyPair::from_private_key_der(curve, der).ok()?;
            Some(Self { pair: Pair::Ec(pair), algorithm })
        })
    }

    fn ed25519(der: &[u8]) -> Option<Self> {
        let pair = Ed25519KeyPair::from_pkcs8(der).ok()?;
        Some(Self { pair: Pair::Ed25519(pair), algorithm: "EdDSA" })
    }

    /// Signs RSA with SHA-256 whatever the key's size: the one algorithm that the vendor's guide names.
    pub(crate) fn with_rs256(mut self) -> Self {
        if let Pair::Rsa(_, encoding) = &mut self.pair {
            *encoding = &RSA_PKCS1_SHA256;
            self.algorithm = "RS256";
        }
        self
    }

    /// The name in headers (RFC 7518, RFC 8037).
    pub(crate) fn algorithm(&self) -> &'static str {
        self.algorithm
    }

    /// In the form of RFC 7518: for EC the two numbers side by side. Nothing if the machine has no randomness.
    pub(crate) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair, encoding) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(*encoding, &random, message, &mut signature).ok()?;
                Some(signature)
            }
            Pair::Ec(pair) => pair.sign(&random, message).ok().map(|signature| signature.as_ref().to_vec()),
            Pair::Ed25519(pair) => pair.try_sign(message).ok().map(|signature| signature.as_ref().to_vec()),
        }
    }
}

const UNSUPPORTED: &str =
    "is of a kind that cannot sign here: use RSA of 2048 to 8192 bits, EC on P-256, P-384 or P-521, or Ed25519";
const WEAK_RSA: &str = "is no sound RSA key of 2048 to 8192 bits";

/// The label and the content of the first block that holds a key.
fn decode(pem: &str) -> Result<(&str, Zeroizing<Vec<u8>>), &'static str> {
    let mut rest = pem;
    loop {
        let (_, after) =
            rest.split_once("-----BEGIN ").ok_or("is not PEM: it has no `-----BEGIN … PRIVATE KEY-----`")?;
        let (label, after) = after.split_once("-----").ok_or("is not PEM: its first line is cut off")?;
        let (body, after) = after.split_once("-----END ").ok_or("is not PEM: its last line is missing")?;
        // What `openssl ecparam -genkey` writes before the key.
        if label == "EC PARAMETERS" {
            rest = after;
            continue;
        }
        if label == "ENCRYPTED PRIVATE KEY" || body.contains("ENCRYPTED") {
            return Err("is encrypted: decrypt it (`openssl pkey`) and guard the file or variable instead");
        }
        let mut text = Zeroizing::new(String::with_capacity(body.len()));
        let lines = body.split("\\n").flat_map(|part| part.split("\\r"));
        text.extend(lines.flat_map(str::split_ascii_whitespace));
        let der =
            STANDARD.decode(text.as_bytes()).map_err(|_| "is not PEM: what is between its lines is not base64")?;
        return Ok((label, Zeroizing::new(der)));
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519, KeyPair as _,
        RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, UnparsedPublicKey,
        VerificationAlgorithm,
    };

    use super::*;

    impl SigningKey {
        fn public(&self) -> &[u8] {
            match &self.pair {
                Pair::Rsa(pair, _) => pair.public_key().as_ref(),
                Pair::Ec(pair) => pair.public_key().as_ref(),
                Pair::Ed25519(pair) => pair.public_key().as_ref(),
            }
        }
    }

    fn verifier(algorithm: &str) -> &'static dyn VerificationAlgorithm {
        match algorithm {
            "RS256" => &RSA_PKCS1_2048_8192_SHA256,
            "RS384" => &RSA_PKCS1_2048_8192_SHA384,
            "RS512" => &RSA_PKCS1_2048_8192_SHA512,
            "ES256" => &ECDSA_P256_SHA256_FIXED,
            "ES384" => &ECDSA_P384_SHA384_FIXED,
            "ES512" => &ECDSA_P521_SHA512_FIXED,
            "EdDSA" => &ED25519,
            other => panic!("{other}"),
        }
    }

    const KEYS: [(&str, &str, &str); 10] = [
        ("rsa2048.pkcs8", "RS256", include_str!("../../../tests/fixtures/keys/rsa2048.pkcs8.pem")),
        ("rsa2048.pkcs1", "RS256", include_str!("../../../tests/fixtures/keys/rsa2048.pkcs1.pem")),
        ("rsa3072.pkcs1", "RS384", include_str!("../../../tests/fixtures/keys/rsa3072.pkcs1.pem")),
        ("rsa4096.pkcs1", "RS512", include_str!("../../../tests/fixtures/keys/rsa4096.pkcs1.pem")),
        ("ec256.sec1", "ES256", include_str!("../../../tests/fixtures/keys/ec256.sec1.pem")),
        ("ec256.pkcs8", "ES256", include_str!("../../../tests/fixtures/keys/ec256.pkcs8.pem")),
        ("ec384.pkcs8", "ES384", include_str!("../../../tests/fixtures/keys/ec384.pkcs8.pem")),
        ("ec521.sec1", "ES512", include_str!("../../../tests/fixtures/keys/ec521.sec1.pem")),
        ("ec521.pkcs8", "ES512", include_str!("../../../tests/fixtures/keys/ec521.pkcs8.pem")),
        ("ed25519.pkcs8", "EdDSA", include_str!("../../../tests/fixtures/keys/ed25519.pkcs8.pem")),
    ];

    #[test]
    fn w11_w12_every_kind_of_key_signs_in_every_form_that_a_variable_gives_it() {
        for (name, algorithm, pem) in KEYS {
            for text in [pem.to_owned(), pem.replace('\n', "\\n"), pem.replace('\n', "\r\n"), pem.replace('\n', " "), {
                format!("\n  {}\n\n", pem.trim())
            }] {
                let key = SigningKey::parse(&text).unwrap_or_else(|problem| panic!("{name} {problem}"));
                assert_eq!(key.algorithm(), algorithm, "{name}");
                let signature = key.sign(b"message").unwrap();
                let public = UnparsedPublicKey::new(verifier(algorithm), key.public());
                public.verify(b"message", &signature).unwrap();
                public.verify(b"another", &signature).unwrap_err();
            }
        }
    }

    #[test]
    fn rsa_can_be_kept_to_the_algorithm_that_the_guide_names() {
        let key = SigningKey::parse(KEYS[3].2).unwrap().with_rs256();
        assert_eq!(key.algorithm(), "RS256");
        let signature = key.sign(b"message").unwrap();
        UnparsedPublicKey::new(verifier("RS256"), key.public()).verify(b"message", &signature).unwrap();
        assert_eq!(SigningKey::parse(KEYS[4].2).unwrap().with_rs256().algorithm(), "ES256");
    }

    #[test]
    fn what_is_no_key_is_refused_in_words_of_ours() {
        let rsa1024 = include_str!("../../../tests/fixtures/keys/rsa1024.pkcs1.pem");
        let k256 = include_str!("../../../tests/fixtures/keys/secp256k1.pkcs8.pem");
        for (pem, word) in [
            ("", "not PEM"),
            ("hunter2", "not PEM"),
            ("-----BEGIN PRIVATE KEY-----", "last line"),
            ("-----BEGIN PRIVATE KEY-----hunter2!-----END PRIVATE KEY-----", "base64"),
            ("-----BEGIN PRIVATE KEY-----aHVudGVyMg==-----END PRIVATE KEY-----", "cannot sign"),
            ("-----BEGIN RSA PRIVATE KEY-----aHVudGVyMg==-----END RSA PRIVATE KEY-----", "RSA"),
            ("-----BEGIN PUBLIC KEY-----aHVudGVyMg==-----END PUBLIC KEY-----", "something else"),
            ("-----BEGIN ENCRYPTED PRIVATE KEY-----aHVudGVyMg==-----END ENCRYPTED PRIVATE KEY-----", "encrypted"),
            (
                "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\naHVu\n-----END RSA PRIVATE KEY-----",
                "encrypted",
            ),
            (rsa1024, "2048"),
            (k256, "cannot sign"),
        ] {
            let problem = SigningKey::parse(pem).err().unwrap_or_else(|| panic!("{pem}"));
            assert!(problem.contains(word) && !problem.contains("hunter2"), "{problem}");
        }
    }
}
