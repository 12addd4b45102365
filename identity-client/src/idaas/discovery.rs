//! Where the token endpoint is, if only the issuer is configured (OpenID Connect Discovery 1.0).

use http::{HeaderMap, HeaderValue, Method, header};
use serde::Deserialize;
use tokio::sync::OnceCell;
use url::Url;

use crate::{
    clock::Moment,
    error::{BuildError, Error, ErrorKind},
    transport::{Endpoint, Outgoing, Repeat, Transport},
    wire::object,
};

const OPERATION: &str = "find the token endpoint of the issuer";

/// The token endpoint, told or to be found out.
pub(crate) struct TokenEndpoint {
    /// As configured, character by character: the document must repeat it.
    issuer: Option<String>,
    known: OnceCell<Url>,
    /// The one that is told, or else the issuer.
    place: Endpoint,
}

/// Of the document, what is used.
#[derive(Deserialize)]
struct Document {
    issuer: Option<String>,
    token_endpoint: Option<String>,
}

impl TokenEndpoint {
    pub(crate) fn told(endpoint: Endpoint) -> Self {
        Self { issuer: None, known: OnceCell::new_with(Some(endpoint.url().clone())), place: endpoint }
    }

    /// Nothing is sent yet.
    pub(crate) fn of_issuer(issuer: &str) -> Result<Self, BuildError> {
        let place = Endpoint::parse(issuer, "the issuer")?;
        Ok(Self { issuer: Some(issuer.to_owned()), known: OnceCell::new(), place })
    }

    /// For descriptions.
    pub(crate) fn place(&self) -> &Endpoint {
        &self.place
    }

    /// The URL, found out once. However many wait, one asks; a failure is not remembered.
    pub(crate) async fn url(&self, transport: &Transport, begun: Moment) -> Result<&Url, Error> {
        self.known.get_or_try_init(|| self.discover(transport, begun)).await
    }

    async fn discover(&self, transport: &Transport, begun: Moment) -> Result<Url, Error> {
        let url = self.place.at(&[".well-known", "openid-configuration"])?;
        let prepare = || {
            let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static("application/json"))]);
            Ok(Outgoing { method: Method::GET, url: url.clone(), headers, body: None })
        };
        let answer = transport.send(OPERATION, Repeat::Safely, begun, prepare).await?;
        let hint = "check the issuer; or configure the token endpoint too, which needs no discovery";
        if !answer.is_success() {
            let kind =
                if answer.status == 429 || answer.status >= 500 { ErrorKind::Unavailable } else { ErrorKind::Protocol };
            let error = Error::new(kind, format!("could not {OPERATION}")).with_status(answer.status);
            return Err(error.with_retry_after(answer.retry_after()).with_hint(hint));
        }
        let broken =
            |problem: &str| Error::protocol(format!("the issuer's discovery document {problem}")).with_hint(hint);
        let document: Document =
            object(&answer.body).ok_or_else(|| broken("is not the JSON object that it should be"))?;
        if document.issuer != self.issuer {
            return Err(broken("is of another issuer"));
        }
        let endpoint = document.token_endpoint.ok_or_else(|| broken("names no token endpoint"))?;
        let endpoint = Endpoint::parse(&endpoint, "the discovered token endpoint")?;
        // The document decides where the client's credentials go.
        if endpoint.url().origin() != self.place.url().origin() {
            return Err(broken("names a token endpoint of another origin"));
        }
        Ok(endpoint.url().clone())
    }
}
