//! What the headers of a request say. A caller chooses them, so none of them names a user.

use std::fmt::Write as _;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::failure::Failure;

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-greennode-agentbase-request-id");
const SESSION_ID: HeaderName = HeaderName::from_static("x-greennode-agentbase-session-id");
const CUSTOM: &str = "x-greennode-agentbase-custom-";

/// Room for any id that a gateway makes; what is longer is none.
const LONGEST_ID: usize = 256;

/// The caller's id of the request, else a new one.
pub(super) fn request_id(headers: &HeaderMap) -> Result<HeaderValue, Failure> {
    match single(headers, &REQUEST_ID)? {
        Some(id) => Ok(id.clone()),
        None => fresh_id(),
    }
}

pub(super) fn session_id(headers: &HeaderMap) -> Result<Option<&str>, Failure> {
    Ok(single(headers, &SESSION_ID)?.and_then(|id| id.to_str().ok()))
}

/// The headers that an application defines for itself.
pub(super) fn custom(headers: &HeaderMap) -> HeaderMap {
    let own = headers.iter().filter(|(name, _)| name.as_str().starts_with(CUSTOM));
    own.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// An id that is there once. An empty one is none.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a HeaderValue>, Failure> {
    let mut values = headers.get_all(name).iter();
    let (first, second) = (values.next(), values.next());
    let is_text = |value: &HeaderValue| value.len() <= LONGEST_ID && value.to_str().is_ok();
    match first.filter(|value| !value.is_empty()) {
        Some(value) if second.is_some() || !is_text(value) => {
            let text = "A header that holds an id is there twice, too long, or not plain text";
            Err(Failure::new(StatusCode::BAD_REQUEST, "invalid_header", text).with_detail("header", name.as_str()))
        }
        value => Ok(value),
    }
}

/// A UUID of version 4.
fn fresh_id() -> Result<HeaderValue, Failure> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|_| Failure::handler_failed())?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut id = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        if [4, 6, 8, 10].contains(&index) {
            id.push('-');
        }
        // Writing to a string cannot fail.
        let _ = write!(id, "{byte:02x}");
    }
    HeaderValue::try_from(id).map_err(|_| Failure::handler_failed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_the_callers_or_a_fresh_uuid() {
        let mut headers = HeaderMap::new();
        let (one, two) = (request_id(&headers).unwrap(), request_id(&headers).unwrap());
        assert!(one != two && one.len() == 36 && one.as_bytes()[14] == b'4' && b"89ab".contains(&one.as_bytes()[19]));
        headers.insert(REQUEST_ID, HeaderValue::from_static("mine"));
        assert_eq!(request_id(&headers).unwrap(), "mine");
        headers.append(REQUEST_ID, HeaderValue::from_static("other"));
        assert!(request_id(&headers).is_err());
        headers.insert(REQUEST_ID, HeaderValue::try_from("x".repeat(LONGEST_ID + 1)).unwrap());
        assert!(request_id(&headers).is_err());
        headers.insert(SESSION_ID, HeaderValue::from_static(""));
        assert_eq!(session_id(&headers).unwrap(), None);
    }
}
