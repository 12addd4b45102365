//! The JWT by which a client shows that it holds a key (RFC 7523 section 2.2), as the contract has it.

use std::time::{Duration, SystemTime};

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use zeroize::Zeroizing;

use super::key::SigningKey;
use crate::{acs3::nonce, error::Error};

/// The shortest life that an official client of the vendor gives its assertions: long enough for clocks that differ a little.
const LIFE: Duration = Duration::from_secs(300);

/// What an assertion is signed with.
pub(crate) enum Signer {
    /// HS256 with the bytes of the client secret.
    Secret(SecretString),
    /// The key's own algorithm.
    Key(SigningKey),
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    typ: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a str>,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    /// One text and no list: whoever else may accept it is none of ours.
    aud: &'a str,
    jti: String,
    iat: u64,
    exp: u64,
}

impl Signer {
    fn algorithm(&self) -> &'static str {
        match self {
            Self::Secret(_) => "HS256",
            Self::Key(key) => key.algorithm(),
        }
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        match self {
            Self::Secret(secret) => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
                Ok(hmac::sign(&key, message).as_ref().to_vec())
            }
            Self::Key(key) => {
                key.sign(message).ok_or_else(|| Error::invalid("this machine has no randomness to sign with"))
            }
        }
    }

    /// A new assertion, good once and for five minutes. `audience` is the token endpoint, exactly as the request goes there.
    pub(crate) fn assertion(
        &self,
        client_id: &str,
        audience: &str,
        key_id: Option<&str>,
        at: SystemTime,
    ) -> Result<Zeroizing<String>, Error> {
        let at = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let header = Header { alg: self.algorithm(), typ: "JWT", kid: key_id };
        let claims = Claims {
            iss: client_id,
            sub: client_id,
            aud: audience,
            jti: nonce()?,
            iat: at.as_secs(),
            exp: (at + LIFE).as_secs(),
        };
        let mut text = Zeroizing::new(part(&header)?);
        text.push('.');
        text.push_str(&part(&claims)?);
        let signature = self.sign(text.as_bytes())?;
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut text);
        Ok(text)
    }
}

fn part(value: &impl Serialize) -> Result<String, Error> {
    let json = serde_json::to_vec(value).map_err(|_| Error::invalid("the assertion cannot be written as JSON"))?;
    Ok(URL_SAFE_NO_PAD.encode(json))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn read(assertion: &str) -> (Value, Value) {
        let mut parts = assertion.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap());
        let mut json = || serde_json::from_slice(&parts.next().unwrap()).unwrap();
        (json(), json())
    }

    #[test]
    fn w13_who_asks_and_whom_is_in_every_assertion() {
        let signer = Signer::Secret("CSsynthetic+secret/0001=".into());
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_303_195_900);
        let endpoint = "https://127.0.0.1:18443/api/v2/iauths_system/oauth2/token";
        let assertion = signer.assertion("app_synthetic0001", endpoint, None, at).unwrap();
        let (header, claims) = read(&assertion);
        assert_eq!(header, serde_json::json!({ "alg": "HS256", "typ": "JWT" }));
        assert_eq!((&claims["iss"], &claims["sub"]), (&"app_synthetic0001".into(), &"app_synthetic0001".into()));
        assert_eq!(claims["aud"], endpoint);
        assert_eq!((claims["iat"].as_u64(), claims["exp"].as_u64()), (Some(1_795_303_195), Some(1_795_303_495)));
        let (_, again) = read(&signer.assertion("app_synthetic0001", endpoint, Some("key-1"), at).unwrap());
        assert_ne!(claims["jti"], again["jti"]);
        assert!(again.get("nbf").is_none() && claims["jti"].as_str().unwrap().len() >= 22);
    }

    #[test]
    fn w12_a_key_id_is_in_the_header_if_there_is_one() {
        let signer = Signer::Secret("secret".into());
        let assertion = signer.assertion("app", "https://h/token", Some("key-1"), SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(read(&assertion).0["kid"], "key-1");
    }

    /// The same bytes as the vendor's SDK, where a signature is a matter of the message alone.
    #[test]
    fn recorded_hs256_signatures_come_out_the_same() {
        let recorded = include_str!("../../../tests/fixtures/wire/alibaba-idaas.jsonl");
        let mut seen = 0;
        for row in recorded.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
            let Some(secret) = row["assertion"]["hmac_secret"].as_str() else { continue };
            let (message, signature) = row["form"]["client_assertion"].as_str().unwrap().rsplit_once('.').unwrap();
            let ours = Signer::Secret(secret.into()).sign(message.as_bytes()).unwrap();
            assert_eq!(URL_SAFE_NO_PAD.encode(ours), signature);
            seen += 1;
        }
        assert_eq!(seen, 2);
    }
}
