//! JSON on the wire, for every platform: what is read leniently, and what is checked before it is sent.

use std::time::SystemTime;

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};

use crate::error::Error;

/// Reads a JSON object. An array would be taken for one too, its items for the fields in their order. The parser's own words
/// may quote a credential, so there are none.
pub(crate) fn object<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    body.trim_ascii_start().starts_with(b"{").then(|| serde_json::from_slice(body).ok())?
}

/// RFC 3339. One that cannot be read counts as missing: it must not cost the whole page.
pub(crate) fn timestamp<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SystemTime>, D::Error> {
    let value = Option::<serde_json::Value>::deserialize(deserializer)?;
    let parsed =
        value.as_ref().and_then(serde_json::Value::as_str).and_then(|text| text.parse::<jiff::Timestamp>().ok());
    Ok(parsed.map(SystemTime::from))
}

/// `null` as nothing.
pub(crate) fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

#[cfg(any(feature = "agentbase", feature = "agentkit"))]
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
pub(crate) fn is_false(value: &bool) -> bool {
    !*value
}

/// Counts characters, as the platform's schema does.
pub(crate) fn check_length(text: &str, what: &str, min: usize, max: usize) -> Result<(), Error> {
    let length = text.chars().count();
    if (min..=max).contains(&length) {
        return Ok(());
    }
    Err(Error::invalid(format!("the {what} has {length} characters; {min} to {max} are allowed")))
}

pub(crate) fn check_secret(secret: &SecretString, what: &str, max: usize) -> Result<(), Error> {
    let text = secret.expose_secret();
    check_length(text, what, 1, max)?;
    if text.trim().is_empty() {
        return Err(Error::invalid(format!("the {what} is blank")));
    }
    Ok(())
}
