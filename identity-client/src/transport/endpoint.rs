//! The base of a platform's URLs.

use std::fmt;

use identity_grammar::is_loopback_host;
#[cfg(any(test, feature = "agentbase", feature = "idaas"))]
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use crate::error::BuildError;
#[cfg(any(test, feature = "agentbase", feature = "idaas"))]
use crate::error::Error;

/// The base of a platform's URLs: https, or http on loopback.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Endpoint(Url);

/// Everything that is not unreserved is encoded, so a segment can never leave its place.
#[cfg(any(test, feature = "agentbase", feature = "idaas"))]
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

impl Endpoint {
    /// `what` names the setting in errors.
    pub(crate) fn parse(text: &str, what: &str) -> Result<Self, BuildError> {
        let broken = |problem: &str| {
            BuildError::broken(
                format!("{what} {problem}"),
                "give an absolute https URL (http only on loopback) without user information, query and fragment",
            )
        };
        let url = Url::parse(text.trim()).map_err(|_| broken("is not a URL"))?;
        let host = url.host_str().ok_or_else(|| broken("has no host"))?;
        match url.scheme() {
            "https" => {}
            "http" if is_loopback_host(host) => {}
            "http" => return Err(broken("is plain http to another machine, which would send credentials unencrypted")),
            _ => return Err(broken("is not an https URL")),
        }
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
            return Err(broken("has user information, a query or a fragment"));
        }
        Ok(Self(url))
    }

    /// The URL without a slash at its end.
    pub(crate) fn as_str(&self) -> &str {
        self.0.as_str().trim_end_matches('/')
    }

    pub(crate) fn url(&self) -> &Url {
        &self.0
    }

    pub(crate) fn is_loopback(&self) -> bool {
        self.0.host_str().is_some_and(is_loopback_host)
    }

    /// The URL of a path below it; each segment is encoded whole.
    #[cfg(any(test, feature = "agentbase", feature = "idaas"))]
    pub(crate) fn at(&self, segments: &[&str]) -> Result<Url, Error> {
        let mut text = self.as_str().to_owned();
        for segment in segments {
            if matches!(*segment, "" | "." | "..") {
                return Err(Error::invalid("a name in the path is empty or made of dots"));
            }
            text.push('/');
            text.extend(utf8_percent_encode(segment, SEGMENT));
        }
        Url::parse(&text).map_err(|_| Error::invalid("the request's URL cannot be built"))
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_https_or_on_loopback() {
        for good in [
            "https://agentbase.example.com/identity",
            "http://127.0.0.1:1/identity/",
            "http://localhost:8080",
            "http://[::1]:1",
        ] {
            Endpoint::parse(good, "the endpoint").unwrap();
        }
        for bad in [
            "",
            "agentbase.example.com",
            "http://agentbase.example.com/",
            "ftp://x/",
            "https://u:secret@h/",
            "https://:secret@h/",
            "https://secret@h/",
            "https://h/?secret=1",
            "https://h/#x",
        ] {
            let error = Endpoint::parse(bad, "the endpoint").unwrap_err();
            assert!(error.is_broken());
            assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
        }
    }

    #[test]
    fn w12_a_path_segment_cannot_leave_its_place() {
        let endpoint = Endpoint::parse("https://h.example.com/identity/", "x").unwrap();
        for (segment, encoded) in
            [("../x", "..%2Fx"), ("a?b#c", "a%3Fb%23c"), ("a b", "a%20b"), ("{name}", "%7Bname%7D"), ("%2e", "%252e")]
        {
            let url = endpoint.at(&["api", segment]).unwrap();
            assert_eq!(url.as_str(), format!("https://h.example.com/identity/api/{encoded}"));
        }
        for bad in ["", ".", ".."] {
            endpoint.at(&[bad]).unwrap_err();
        }
    }
}
