//! What the signatures of all dialects have in common: the canonical form of what was received.

use aws_lc_rs::digest::{SHA256, digest};
use http::header::HOST;
use http::{HeaderMap, HeaderName, Method, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// What was received.
#[derive(Clone, Copy)]
pub(crate) struct Received<'a> {
    pub(crate) method: &'a Method,
    pub(crate) uri: &'a Uri,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
}

/// The one value of this header.
pub(crate) fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    if values.next().is_some() { None } else { first.to_str().ok().map(str::trim) }
}

/// What a plus sign means in a query.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plus {
    Itself,
    /// As in a form.
    Space,
}

/// The parameters of a query: decoded, encoded anew as RFC 3986 has it, sorted.
pub(crate) fn canonical_query(query: &str, plus: Plus) -> Option<String> {
    let mut pairs = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        pairs.push((encoded(name, plus)?, encoded(value, plus)?));
    }
    pairs.sort();
    Some(pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&"))
}

fn encoded(part: &str, plus: Plus) -> Option<String> {
    let part = if plus == Plus::Space { part.replace('+', "%20") } else { part.to_owned() };
    let decoded = percent_decode_str(&part).decode_utf8().ok()?;
    Some(utf8_percent_encode(&decoded, KEPT).to_string())
}

/// The host that a request names.
pub(crate) fn host(received: Received<'_>) -> Option<&str> {
    only(received.headers, &HOST).or_else(|| received.uri.authority().map(http::uri::Authority::as_str))
}

/// The canonical request: method, path, query, the signed headers, of which `host` has this value, and the body's hash.
pub(crate) fn canonical_request(
    received: Received<'_>,
    plus: Plus,
    signed: &[&str],
    host: Option<&str>,
    body_hash: &str,
) -> Option<String> {
    let mut lines = String::new();
    for name in signed {
        let value = if *name == "host" {
            host?
        } else {
            only(received.headers, &HeaderName::try_from(*name).ok().filter(|known| known.as_str() == *name)?)?
        };
        lines.extend([name, ":", value, "\n"]);
    }
    let query = canonical_query(received.uri.query().unwrap_or_default(), plus)?;
    let (method, path) = (received.method, received.uri.path());
    Some(format!("{method}\n{path}\n{query}\n{lines}\n{}\n{body_hash}", signed.join(";")))
}

/// SHA-256 in small hex digits.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(digest(&SHA256, bytes).as_ref())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_is_canonical_however_it_was_written() {
        let expected = "A=%2A&a=%E4%B8%AD&b%20c=x%2Fy%2Bz%3D~";
        assert_eq!(canonical_query("b%20c=x/y%2Bz=%7e&a=%e4%b8%ad&A=*", Plus::Itself).as_deref(), Some(expected));
        assert_eq!(canonical_query("a=b+c", Plus::Space).as_deref(), Some("a=b%20c"));
        assert_eq!(canonical_query("a=b+c", Plus::Itself).as_deref(), Some("a=b%2Bc"));
    }
}
