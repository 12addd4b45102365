//! Real tokens, changed.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use identity_tests::Anything;
use serde_json::Value;

/// A part of a token: 0 is the header, 1 the claims.
pub(crate) fn part(token: &str, index: usize) -> Result<Value, Anything> {
    let part = token.split('.').nth(index).ok_or("no JWT")?;
    Ok(serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part)?)?)
}

/// The token with another value in one of its parts, under the signature that it had.
pub(crate) fn with(token: &str, index: usize, name: &str, value: &str) -> Result<String, Anything> {
    let mut changed = part(token, index)?;
    changed[name] = value.into();
    let changed = URL_SAFE_NO_PAD.encode(changed.to_string());
    let parts = token.split('.').enumerate();
    Ok(parts.map(|(at, part)| if at == index { &changed } else { part }).collect::<Vec<_>>().join("."))
}

/// The token with one bit of its signature turned over.
pub(crate) fn with_another_signature(token: &str) -> Result<String, Anything> {
    let (signed, signature) = token.rsplit_once('.').ok_or("no JWT")?;
    let mut signature = URL_SAFE_NO_PAD.decode(signature)?;
    *signature.get_mut(20).ok_or("a short signature")? ^= 1;
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}
