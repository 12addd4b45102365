//! Return URLs: where the browser lands after consent.

use crate::Violation;

/// AgentBase takes 0 to 1000 characters.
const MAX_URL: usize = 1000;

/// Checks a return URL: absolute, https (http only on loopback), a host, no user information, no fragment, at most 1000 bytes.
///
/// # Errors
/// A [`Violation`] that says what to change. The URL itself is not quoted.
pub fn check_return_url(url: &str) -> Result<(), Violation> {
    if url.len() > MAX_URL {
        return Err(Violation::new(format!("the return URL has {} bytes; at most {MAX_URL} are allowed", url.len())));
    }
    if url.bytes().any(|b| {
        !(0x21..=0x7E).contains(&b) || matches!(b, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}')
    }) {
        return Err(Violation::new("the return URL has a character that must be percent-encoded"));
    }
    let (scheme, rest) = url.split_once("://").ok_or_else(|| {
        Violation::new("the return URL is not absolute; start it with https:// (http:// only on loopback)")
    })?;
    if url.contains('#') {
        return Err(Violation::new("the return URL has a fragment; remove everything from `#`"));
    }
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err(Violation::new("the return URL names a user before its host; remove everything up to `@`"));
    }
    let host = host_of(authority);
    if host.is_empty() {
        return Err(Violation::new("the return URL has no host"));
    }
    match scheme.to_ascii_lowercase().as_str() {
        "https" => Ok(()),
        "http" if is_loopback_host(host) => Ok(()),
        "http" => Err(Violation::new("the return URL is plain http to another machine; use https")),
        _ => Err(Violation::new("the return URL is neither https nor http on loopback")),
    }
}

fn host_of(authority: &str) -> &str {
    if authority.starts_with('[') {
        return authority.split_inclusive(']').next().unwrap_or_default();
    }
    authority.split(':').next().unwrap_or_default()
}

/// Whether a host, as it stands in a URL, can only be this machine: `localhost`, `127.0.0.0/8` or `[::1]`.
#[must_use]
pub fn is_loopback_host(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_https_and_loopback_http() {
        for good in [
            "https://app.example.com/callback",
            "HTTPS://app.example.com",
            "https://app.example.com:8443/cb?x=1",
            "http://127.0.0.1:8080/cb",
            "http://localhost/cb",
            "http://[::1]:9000/cb",
        ] {
            assert_eq!(check_return_url(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn refuses_the_rest_without_quoting_it() {
        for bad in [
            "",
            "/callback",
            "//host/x",
            "app.example.com/callback",
            "https://",
            "https:///x",
            "http://app.example.com/",
            "http://127.0.0.1.example.com/",
            "http://localhost.example.com/",
            "https://user:pw-of-user@app.example.com/",
            "https://app.example.com/#frag",
            "https://app.example.com/a b",
            "javascript://app.example.com/",
            "ftp://app.example.com/",
        ] {
            let refusal = check_return_url(bad).unwrap_err().to_string();
            assert!(!refusal.contains("pw-of-user"), "{refusal}");
        }
        assert!(check_return_url(&format!("https://a.example/{}", "x".repeat(1000))).is_err());
    }
}
