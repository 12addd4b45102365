//! What the issuer says of itself: where browsers and codes go (OpenID Connect Discovery 1.0, RFC 8414).

use std::{sync::Arc, time::Duration};

use serde_json::{Map, Value};
use tokio::sync::Mutex;
use url::Url;

use crate::{
    clock::{Clock, Moment},
    error::{Error, ErrorKind},
    inbound::{fetch_metadata, may_be_fetched},
    transport::{Endpoint, Transport},
};

/// Endpoints move seldom.
const FRESH: Duration = Duration::from_secs(60 * 60);
/// How old the document may be while the issuer cannot be reached.
const STALE: Duration = Duration::from_secs(24 * 60 * 60);
/// Whoever waited for a fetch that failed need not fail it again.
const REST: Duration = Duration::from_secs(1);

/// The part of the document that a login needs.
#[derive(Debug)]
pub(crate) struct Metadata {
    pub(crate) authorization: Url,
    pub(crate) token: Url,
    pub(crate) end_session: Option<Url>,
    /// Answers of this issuer name it (RFC 9207 section 3).
    pub(crate) names_itself: bool,
    /// Codes are bound with S256.
    pub(crate) binds_codes: bool,
    /// How a client shows its secret; `None` if in neither of the two ways.
    pub(crate) takes_secrets: Option<SecretIn>,
}

/// Where a client secret stands in a request to the token endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SecretIn {
    /// `client_secret_basic`
    Header,
    /// `client_secret_post`
    Form,
}

impl Metadata {
    fn read(document: &Map<String, Value>, from: &Url) -> Result<Self, Error> {
        let broken = |what: &str| Error::protocol(format!("the issuer's discovery document {what}"));
        let url = |name: &str| match document.get(name).map(|value| value.as_str().map(Url::parse)) {
            None => Ok(None),
            Some(Some(Ok(url))) => Ok(Some(url)),
            Some(_) => Err(broken(&format!("has a `{name}` that is no URL"))),
        };
        let required = |name: &str| url(name)?.ok_or_else(|| broken(&format!("has no `{name}`")));
        let lists = |name: &str, wanted: &str, default: bool| match document.get(name) {
            None => default,
            Some(value) => value.as_array().is_some_and(|items| items.iter().any(|item| item == wanted)),
        };
        let (authorization, token) = (required("authorization_endpoint")?, required("token_endpoint")?);
        if !may_be_fetched(&token, from) {
            return Err(broken(
                "has a `token_endpoint` to which no code is sent: it must be https with a host name, or have the origin of the document",
            ));
        }
        let end_session = url("end_session_endpoint")?;
        for page in [Some(&authorization), end_session.as_ref()].into_iter().flatten() {
            if !may_be_visited(page, from) {
                return Err(broken(
                    "has a page to which no browser is sent: it must be https, or have the origin of the document",
                ));
            }
        }
        let methods = "token_endpoint_auth_methods_supported";
        Ok(Self {
            authorization,
            token,
            end_session,
            names_itself: document.get("authorization_response_iss_parameter_supported") == Some(&Value::Bool(true)),
            binds_codes: lists("code_challenge_methods_supported", "S256", false),
            // RFC 8414 section 2: what is left out means client_secret_basic.
            takes_secrets: if lists(methods, "client_secret_basic", true) {
                Some(SecretIn::Header)
            } else {
                lists(methods, "client_secret_post", false).then_some(SecretIn::Form)
            },
        })
    }
}

/// A browser follows any https URL by itself; what it must not get is one to a file, a script or an unencrypted page.
fn may_be_visited(page: &Url, document: &Url) -> bool {
    page.username().is_empty()
        && page.password().is_none()
        && page.fragment().is_none()
        && (page.scheme() == "https" || page.origin() == document.origin())
}

/// The document, fetched when it is needed and kept for an hour.
pub(crate) struct Source {
    issuer: Arc<str>,
    document: Endpoint,
    transport: Transport,
    clock: Arc<dyn Clock>,
    /// Held while the document is fetched, so that it is fetched once however many wait.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    held: Option<(Arc<Metadata>, Moment)>,
    failure: Option<(Error, Moment)>,
}

impl Source {
    pub(crate) fn new(issuer: Arc<str>, document: Endpoint, transport: Transport, clock: Arc<dyn Clock>) -> Self {
        Self { issuer, document, transport, clock, state: Mutex::default() }
    }

    pub(crate) async fn get(&self) -> Result<Arc<Metadata>, Error> {
        let mut state = self.state.lock().await;
        let now = self.clock.now();
        let good = |state: &State, life: Duration| {
            state.held.as_ref().filter(|(_, since)| now.since(since) < life).map(|(metadata, _)| Arc::clone(metadata))
        };
        if let Some(metadata) = good(&state, FRESH) {
            return Ok(metadata);
        }
        let failure = state.failure.as_ref().filter(|(_, at)| now.since(at) < REST).map(|(error, _)| error.clone());
        let fetched = match failure {
            Some(error) => Err(error),
            None => self.fetch(now).await,
        };
        match fetched {
            Ok(metadata) => {
                let metadata = Arc::new(metadata);
                *state = State { held: Some((Arc::clone(&metadata), self.clock.now())), failure: None };
                Ok(metadata)
            }
            Err(error) => {
                state.failure = Some((error.clone(), self.clock.now()));
                // A document that says something wrong is not overlooked.
                let passing = error.is_retryable();
                good(&state, STALE).filter(|_| passing).ok_or(error)
            }
        }
    }

    async fn fetch(&self, begun: Moment) -> Result<Metadata, Error> {
        let document = fetch_metadata(&self.transport, &self.issuer, &self.document, begun).await?;
        Metadata::read(&document, self.document.url())
    }
}

/// Whether the issuer can be trusted to bind codes (standards: `7636_03`).
pub(crate) fn check_binding(metadata: &Metadata, unadvertised: bool) -> Result<(), Error> {
    if metadata.binds_codes || unadvertised {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Unsupported, "the issuer does not say that it binds codes with PKCE (S256)")
        .with_hint("if it does, say so with `with_unadvertised_pkce`"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(change: Value) -> Result<Metadata, Error> {
        let mut document = json!({
            "authorization_endpoint": "https://id.example.com/authorize",
            "token_endpoint": "https://id.example.com/token",
            "code_challenge_methods_supported": ["plain", "S256"],
        });
        let (Value::Object(document), Value::Object(change)) = (&mut document, change) else { unreachable!() };
        document.extend(change);
        document.retain(|_, value| !value.is_null());
        Metadata::read(document, &Url::parse("https://id.example.com/.well-known/openid-configuration").unwrap())
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let metadata = read(json!({})).unwrap();
        assert!(!metadata.names_itself && metadata.binds_codes);
        assert_eq!(metadata.takes_secrets, Some(SecretIn::Header));
        assert!(metadata.end_session.is_none());
        let metadata = read(json!({ "token_endpoint_auth_methods_supported": ["client_secret_post"] })).unwrap();
        assert_eq!(metadata.takes_secrets, Some(SecretIn::Form));
    }

    #[test]
    fn std_7636_03_an_issuer_that_does_not_bind_codes_is_refused_unless_told() {
        for methods in [json!(null), json!([]), json!(["plain"]), json!("S256")] {
            let metadata = read(json!({ "code_challenge_methods_supported": methods })).unwrap();
            assert_eq!(check_binding(&metadata, false).unwrap_err().kind(), ErrorKind::Unsupported);
            check_binding(&metadata, true).unwrap();
        }
    }

    #[test]
    fn a_document_cannot_lead_us_or_a_browser_astray() {
        for change in [
            json!({ "token_endpoint": "https://169.254.169.254/token" }),
            json!({ "token_endpoint": "http://id.example.com/token" }),
            json!({ "token_endpoint": null }),
            json!({ "token_endpoint": 1 }),
            json!({ "authorization_endpoint": "javascript:alert(1)" }),
            json!({ "authorization_endpoint": "http://id.example.com/authorize" }),
            json!({ "authorization_endpoint": "https://u:p@id.example.com/authorize" }),
            json!({ "authorization_endpoint": "https://:p@id.example.com/authorize" }),
            json!({ "authorization_endpoint": "https://id.example.com/authorize#state=x" }),
            json!({ "end_session_endpoint": "data:text/html,x" }),
        ] {
            assert_eq!(read(change.clone()).unwrap_err().kind(), ErrorKind::Protocol, "{change}");
        }
    }
}
