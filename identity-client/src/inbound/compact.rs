//! A signed token in its three parts (RFC 7515 section 7.1), checked as far as no key is needed.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use super::{
    algorithm::Algorithm,
    json::{self, Flaw},
    refusal::RefusalCode,
};

/// The longest token that is looked at, in bytes. Servers refuse longer headers anyway.
pub const MAX_TOKEN_LENGTH: usize = 16 * 1024;

/// The longest key id, in bytes.
const MAX_KEY_ID: usize = 256;

/// A token whose signature has not been checked: nothing of it may be believed.
pub(crate) struct Compact<'a> {
    pub(crate) algorithm: Algorithm,
    pub(crate) key_id: Option<String>,
    /// `typ`, in lower case and without the `application/` that may be left out.
    pub(crate) kind: Option<String>,
    /// What is signed.
    pub(crate) message: &'a [u8],
    pub(crate) payload: Vec<u8>,
    pub(crate) signature: Vec<u8>,
}

impl<'a> Compact<'a> {
    /// Takes a token apart. `allowed` are the algorithms that the verifier accepts.
    pub(crate) fn parse(token: &'a str, allowed: &[Algorithm]) -> Result<Self, RefusalCode> {
        if token.len() > MAX_TOKEN_LENGTH {
            return Err(RefusalCode::TokenTooLong);
        }
        let mut parts = token.split('.');
        let (header, payload, signature) = match (parts.next(), parts.next(), parts.next(), parts.count()) {
            (Some(header), Some(payload), Some(signature), 0) => (header, payload, signature),
            (_, _, Some(_), 2) => return Err(RefusalCode::Encrypted),
            _ => return Err(RefusalCode::NotCompact),
        };
        let message = &token.as_bytes()[..header.len() + 1 + payload.len()];
        let header = decode(header).ok_or(RefusalCode::HeaderEncoding)?;
        let header = members(&header, RefusalCode::HeaderMalformed, RefusalCode::HeaderRepeated)?;
        let algorithm = algorithm(&header, allowed)?;
        refuse_what_is_not_supported(&header)?;
        Ok(Self {
            algorithm,
            key_id: key_id(&header)?,
            kind: kind(&header)?,
            message,
            payload: decode(payload).ok_or(RefusalCode::PayloadEncoding)?,
            signature: decode(signature).ok_or(RefusalCode::SignatureEncoding)?,
        })
    }

    /// The claims, which may not be believed before the signature was checked.
    pub(crate) fn claims(&self) -> Result<Map<String, Value>, RefusalCode> {
        members(&self.payload, RefusalCode::PayloadMalformed, RefusalCode::PayloadRepeated)
    }
}

/// Without padding, white space, or bits that are left over: a token has one spelling.
pub(crate) fn decode(part: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).ok()
}

fn members(text: &[u8], malformed: RefusalCode, repeated: RefusalCode) -> Result<Map<String, Value>, RefusalCode> {
    json::object(text).map_err(|flaw| match flaw {
        Flaw::Malformed | Flaw::Deep => malformed,
        Flaw::Repeated => repeated,
    })
}

fn algorithm(header: &Map<String, Value>, allowed: &[Algorithm]) -> Result<Algorithm, RefusalCode> {
    // Only an encrypted token has it, and its `alg` is one of another list.
    if header.contains_key("enc") {
        return Err(RefusalCode::Encrypted);
    }
    let name = header.get("alg").and_then(Value::as_str).ok_or(RefusalCode::AlgorithmMissing)?;
    if name.trim().eq_ignore_ascii_case("none") {
        return Err(RefusalCode::AlgorithmNone);
    }
    let algorithm = Algorithm::parse(name).ok_or(RefusalCode::AlgorithmUnknown)?;
    if !allowed.contains(&algorithm) {
        return Err(RefusalCode::AlgorithmNotAllowed);
    }
    Ok(algorithm)
}

/// What a token says about its own key is the word of whoever made it; an ignored `jku` would be harmless, but a token that has
/// one was made for a verifier that follows it.
fn refuse_what_is_not_supported(header: &Map<String, Value>) -> Result<(), RefusalCode> {
    // `b64` first: by RFC 7797 it comes with `crit`, and its own code says more.
    for (member, code) in [
        ("b64", RefusalCode::Unencoded),
        ("crit", RefusalCode::Critical),
        ("zip", RefusalCode::Compressed),
        ("jwk", RefusalCode::KeyEmbedded),
        ("jku", RefusalCode::KeyByUrl),
        ("x5u", RefusalCode::KeyByUrl),
        ("x5c", RefusalCode::CertificateEmbedded),
        ("cty", RefusalCode::Nested),
    ] {
        if header.contains_key(member) {
            return Err(code);
        }
    }
    Ok(())
}

fn key_id(header: &Map<String, Value>) -> Result<Option<String>, RefusalCode> {
    match header.get("kid") {
        None => Ok(None),
        Some(Value::String(id)) if is_key_id(id) => Ok(Some(id.clone())),
        Some(_) => Err(RefusalCode::KeyIdMalformed),
    }
}

pub(crate) fn is_key_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= MAX_KEY_ID && !id.chars().any(char::is_control)
}

fn kind(header: &Map<String, Value>) -> Result<Option<String>, RefusalCode> {
    match header.get("typ") {
        None => Ok(None),
        Some(Value::String(kind)) => Ok(Some(normal_kind(kind))),
        Some(_) => Err(RefusalCode::TypeNotAllowed),
    }
}

/// Media types are compared without case; `application/` may be left out where no other slash follows (RFC 7515 section 4.1.9).
pub(crate) fn normal_kind(kind: &str) -> String {
    let kind = kind.to_ascii_lowercase();
    match kind.strip_prefix("application/") {
        Some(rest) if !rest.contains('/') => rest.to_owned(),
        _ => kind,
    }
}
