//! JSON on the wire, for every platform: what is read leniently, and what is checked before it is sent.

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};

use crate::error::Error;

/// Reads a JSON object. An array would be taken for one too, its items for the fields in their order. The parser's own words
/// may quote a credential, so there are none.
pub(crate) fn object<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    body.trim_ascii_start().starts_with(b"{").then(|| serde_json::from_slice(body).ok())?
}

/// A body of JSON. Its buffer is not moved while no more than `capacity` bytes are written, so that no copy of a secret stays
/// behind.
#[cfg(any(feature = "agentbase", feature = "agentkit", feature = "idaas"))]
pub(crate) fn body(operation: &str, content: &impl serde::Serialize, capacity: usize) -> Result<bytes::Bytes, Error> {
    let mut buffer = zeroize::Zeroizing::new(Vec::with_capacity(capacity));
    serde_json::to_writer(&mut *buffer, content)
        .map_err(|_| Error::invalid(format!("could not {operation}: the request cannot be written as JSON")))?;
    Ok(bytes::Bytes::from_owner(buffer))
}

/// RFC 3339. One that cannot be read counts as missing: it must not cost the whole page.
#[cfg(any(feature = "agent-identity", feature = "agentbase", feature = "agentkit"))]
pub(crate) fn timestamp<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<std::time::SystemTime>, D::Error> {
    let value = Option::<serde_json::Value>::deserialize(deserializer)?;
    let parsed =
        value.as_ref().and_then(serde_json::Value::as_str).and_then(|text| text.parse::<jiff::Timestamp>().ok());
    Ok(parsed.map(std::time::SystemTime::from))
}

/// `null` as nothing.
pub(crate) fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Whether a secret of an answer is one: blank is none.
#[cfg(any(feature = "agentbase", feature = "agentkit", feature = "agent-identity", feature = "idaas"))]
pub(crate) fn filled(secret: &SecretString) -> bool {
    !secret.expose_secret().trim().is_empty()
}

/// Pairs as a JSON object, in the order given.
#[cfg(any(feature = "agentbase", feature = "agent-identity"))]
pub(crate) struct Pairs<'a>(pub(crate) &'a [(String, String)]);

#[cfg(any(feature = "agentbase", feature = "agent-identity"))]
impl serde::Serialize for Pairs<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// A number of seconds, or digits in a string; nothing for zero, less, or anything else. What is out of bounds is very long.
#[cfg(any(feature = "agentbase", feature = "idaas"))]
pub(crate) fn seconds(value: &serde_json::Value) -> Option<std::time::Duration> {
    use std::time::Duration;

    let seconds = match value {
        serde_json::Value::Number(number) => number.as_f64()?,
        serde_json::Value::String(text) => u32::try_from(text.trim().parse::<u64>().ok()?).unwrap_or(u32::MAX).into(),
        _ => return None,
    };
    (seconds >= 1.0).then(|| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
}

#[cfg(any(feature = "agentbase", feature = "agentkit", feature = "idaas"))]
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
