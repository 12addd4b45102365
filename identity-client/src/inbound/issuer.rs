//! Where an issuer publishes its keys: OpenID Connect Discovery 1.0, and fetching them.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue, Method, header::ACCEPT};
use serde_json::{Map, Value};
use url::{Host, Url};

use super::{algorithm::Algorithm, json, jwk::KeySet};
use crate::{
    clock::{Clock, Moment},
    error::{BuildError, Error, ErrorKind},
    transport::{Answer, Endpoint, Outgoing, Repeat, Transport},
};

/// Appended to the issuer (OpenID Connect Discovery 1.0 section 4).
pub(crate) const WELL_KNOWN: &str = "/.well-known/openid-configuration";

/// How long it is believed where the keys are. Keys move seldom; when they cannot be fetched, it is asked anew.
const LOCATION_LIFE: Duration = Duration::from_secs(60 * 60);

/// An issuer that is asked over HTTP.
pub(crate) struct Issuer {
    /// What `iss` must be, and the document must name, character by character.
    pub(crate) name: Arc<str>,
    document: Endpoint,
    transport: Transport,
    clock: Arc<dyn Clock>,
    allowed: Vec<Algorithm>,
}

/// Where the keys are, and since when that is known.
#[derive(Debug, Clone)]
pub(crate) struct Location {
    url: Url,
    since: Moment,
}

impl Issuer {
    pub(crate) fn new(
        name: Arc<str>,
        document: &str,
        transport: Transport,
        clock: Arc<dyn Clock>,
        allowed: Vec<Algorithm>,
    ) -> Result<Self, BuildError> {
        let document = Endpoint::parse(document, "the discovery URL")?;
        Ok(Self { name, document, transport, clock, allowed })
    }

    /// The keys as they are now, and where they are.
    pub(crate) async fn fetch(&self, known: Option<Location>) -> Result<(KeySet, Location), Error> {
        let begun = self.clock.now();
        let known = known.filter(|location| begun.since(&location.since) < LOCATION_LIFE);
        if let Some(location) = known {
            match self.keys(&location.url, begun).await {
                // It may have moved.
                Err(error) if matches!(error.status(), Some(301 | 302 | 303 | 307 | 308 | 401 | 403 | 404 | 410)) => {}
                fetched => return fetched.map(|keys| (keys, location)),
            }
        }
        let url = self.discover(begun).await?;
        let keys = self.keys(&url, begun).await?;
        Ok((keys, Location { url, since: self.clock.now() }))
    }

    async fn discover(&self, begun: Moment) -> Result<Url, Error> {
        let document = fetch_metadata(&self.transport, &self.name, &self.document, begun).await?;
        let broken = |what: &str| Error::protocol(format!("the issuer's discovery document {what}"));
        let url = document.get("jwks_uri").and_then(Value::as_str).ok_or_else(|| broken("has no `jwks_uri`"))?;
        let url = Url::parse(url).map_err(|_| broken("has a `jwks_uri` that is no URL"))?;
        if !may_be_fetched(&url, self.document.url()) {
            return Err(broken(
                "has a `jwks_uri` that is not fetched: it must be https with a host name, or have the origin of the document",
            ));
        }
        Ok(url)
    }

    async fn keys(&self, url: &Url, begun: Moment) -> Result<KeySet, Error> {
        let answer = get(&self.transport, "fetch_issuer_keys", url, begun).await?;
        KeySet::parse(&answer.body, &self.allowed)
    }
}

/// The discovery document of this issuer, which it must name.
pub(crate) async fn fetch_metadata(
    transport: &Transport,
    issuer: &str,
    document: &Endpoint,
    begun: Moment,
) -> Result<Map<String, Value>, Error> {
    let answer = get(transport, "discover_issuer", document.url(), begun).await?;
    let document = json::object(&answer.body)
        .map_err(|_| Error::protocol("the issuer's discovery document is no JSON object, or has a member twice"))?;
    // RFC 8414 section 3.3: identical, so neither case nor a slash at the end is forgiven.
    if document.get("issuer").and_then(Value::as_str) != Some(issuer) {
        return Err(Error::new(ErrorKind::ConfigurationBroken, "the discovery document is of another issuer").with_hint(
            "give the issuer exactly as the document's `issuer` has it, a slash at the end included, if it can be trusted",
        ));
    }
    Ok(document)
}

async fn get(transport: &Transport, operation: &'static str, url: &Url, begun: Moment) -> Result<Answer, Error> {
    let prepare = || {
        let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))]);
        Ok(Outgoing { method: Method::GET, url: url.clone(), headers, body: None })
    };
    let answer = transport.send(operation, Repeat::Safely, begun, prepare).await?;
    if answer.is_success() {
        return Ok(answer);
    }
    let status = answer.status;
    let (kind, hint) = match status {
        429 => (ErrorKind::RateLimited, "the issuer asks for fewer requests; wait"),
        500.. => (ErrorKind::Unavailable, "the issuer cannot serve now; try again later"),
        300..=399 => (ErrorKind::Protocol, "redirects are not followed; give the issuer's own URL"),
        _ => (ErrorKind::Protocol, "check the issuer's URL"),
    };
    let host = url.host_str().unwrap_or_default();
    Err(Error::new(kind, format!("{host} did not give what was asked for ({operation})"))
        .with_status(status)
        .with_retry_after(answer.retry_after())
        .with_hint(hint))
}

/// A document decides what is fetched, so it must not make this process ask inside its own network: on another origin it takes
/// https and a host name.
pub(crate) fn may_be_fetched(url: &Url, document: &Url) -> bool {
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return false;
    }
    if url.origin() == document.origin() {
        return true;
    }
    let named = match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            name.contains('.') && ![".localhost", ".local", ".internal"].iter().any(|private| name.ends_with(private))
        }
        _ => false,
    };
    url.scheme() == "https" && named
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn std_8414_03_a_document_cannot_make_us_ask_inside() {
        let document = Url::parse("https://id.example.com/.well-known/openid-configuration").unwrap();
        let may = |text: &str| may_be_fetched(&Url::parse(text).unwrap(), &document);
        for good in
            ["https://id.example.com/keys", "https://keys.example.net/certs?p=1", "https://keys.example.net:8443/x"]
        {
            assert!(may(good), "{good}");
        }
        for bad in [
            "http://id.example.com/keys",
            "http://127.0.0.1/keys",
            "https://127.0.0.1/keys",
            "https://[::1]/keys",
            "https://169.254.169.254/latest",
            "https://10.0.0.1/",
            "https://0x7f000001/",
            "https://localhost/keys",
            "https://localhost./keys",
            "https://x.localhost/keys",
            "https://intranet/keys",
            "https://metadata.google.internal/keys",
            "https://u:p@id.example.com/keys",
            "https://id.example.com/keys#x",
            "file:///etc/passwd",
            "data:application/json,%7B%7D",
        ] {
            assert!(!may(bad), "{bad}");
        }
    }
}
