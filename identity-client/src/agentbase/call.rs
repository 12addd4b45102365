//! One authenticated call of the identity API.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use serde::{Serialize, de::DeserializeOwned};
use url::Url;

use super::{
    config::CredentialSource,
    iam::{Iam, IamToken},
    refusal,
};
use crate::{
    call,
    clock::{Clock, Moment},
    error::{Error, ErrorKind},
    reply::Reply,
    transport::{Answer, Endpoint, Outgoing, Transport},
    wire,
};

/// The largest request: ten return URLs of a thousand bytes, and some.
const REQUEST_CAPACITY: usize = 16 * 1024;
const PLATFORM: &str = "AgentBase";

/// Calls the identity API as one service account. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Caller(Arc<Shared>);

struct Shared {
    endpoint: Endpoint,
    transport: Transport,
    iam: Arc<Iam>,
    clock: Arc<dyn Clock>,
}

/// A call, before it is authenticated.
pub(crate) type Call<'a> = call::Call<'a, Request>;

pub(crate) struct Request {
    method: Method,
    url: Url,
    body: Option<Bytes>,
}

impl Call<'_> {
    /// `operation` is an infinitive, for messages.
    pub(crate) fn new(operation: &'static str, method: Method, url: Url) -> Self {
        let not_found = "check the name, and that the service account belongs to the organisation that has it";
        Self::of(operation, Request { method, url, body: None }, not_found)
    }

    pub(crate) fn with_json(mut self, body: &impl Serialize) -> Result<Self, Error> {
        self.request.body = Some(wire::body(self.operation, body, REQUEST_CAPACITY)?);
        Ok(self)
    }
}

impl Reply {
    /// What a write answers; the vendor's own tests answer some without a body.
    pub(crate) fn json_if_any<T: DeserializeOwned>(&self) -> Result<Option<T>, Error> {
        if self.answer.body.iter().all(u8::is_ascii_whitespace) { Ok(None) } else { self.json().map(Some) }
    }
}

impl Caller {
    pub(crate) fn new(endpoint: Endpoint, transport: Transport, iam: Arc<Iam>, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Shared { endpoint, transport, iam, clock }))
    }

    pub(crate) fn endpoint(&self) -> &str {
        self.0.endpoint.as_str()
    }

    pub(crate) fn source(&self) -> CredentialSource {
        self.0.iam.account().source
    }

    pub(crate) fn now(&self) -> Moment {
        self.0.clock.now()
    }

    /// The URL of a resource.
    pub(crate) fn url(&self, collection: &[&str], rest: &[&str]) -> Result<Url, Error> {
        let segments: Vec<&str> = ["api", "v1"].iter().chain(collection).chain(rest).copied().collect();
        self.0.endpoint.at(&segments)
    }

    pub(crate) async fn send(&self, call: Call<'_>) -> Result<Reply, Error> {
        let (answer, token) = self.answer(&call).await?;
        if answer.is_success() {
            return Ok(Reply { operation: call.operation, platform: PLATFORM, answer });
        }
        Err(self.refused(&call, &answer, &token))
    }

    /// Deletes. That it is gone after a try whose outcome is unknown is a success: it is what was asked for.
    pub(crate) async fn delete(&self, operation: &'static str, url: Url) -> Result<(), Error> {
        let call = Call::new(operation, Method::DELETE, url);
        let (answer, token) = self.answer(&call).await?;
        if answer.is_success() || (answer.status == 404 && answer.tries > 1) {
            return Ok(());
        }
        Err(self.refused(&call, &answer, &token))
    }

    /// Renews the token once if it is refused. What was refused with 401 was not carried out, so anything can be repeated. One
    /// deadline holds for all of it, the token requests included.
    async fn answer(&self, call: &Call<'_>) -> Result<(Answer, Arc<IamToken>), Error> {
        let begun = self.now();
        let token = self.0.iam.token().await?;
        let answer = self.attempt(call, &token, begun).await?;
        if answer.status != 401 {
            return Ok((answer, token));
        }
        self.0.iam.forget(&token);
        let token = self.0.transport.within(call.operation, begun, self.0.iam.token()).await?;
        let answer = self.attempt(call, &token, begun).await?;
        Ok((answer, token))
    }

    async fn attempt(&self, call: &Call<'_>, token: &IamToken, begun: Moment) -> Result<Answer, Error> {
        let Request { method, url, body } = &call.request;
        let prepare = || {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, token.header());
            headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
            if body.is_some() {
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            }
            Ok(Outgoing { method: method.clone(), url: url.clone(), headers, body: body.clone() })
        };
        self.0.transport.send(call.operation, call.repeat, begun, prepare).await
    }

    fn refused(&self, call: &Call<'_>, answer: &Answer, token: &IamToken) -> Error {
        let refusal = refusal::read(answer, &call.hidden([token.expose_secret()]));
        let kind = refusal.kind_of_status();
        let error = refusal.error(kind, call.operation, PLATFORM);
        match kind {
            ErrorKind::InvalidRequest => error.with_hint("correct what AgentBase complains about, then call again"),
            ErrorKind::Unauthenticated => error.with_hint(format!(
                "AgentBase refused two tokens, the second a new one; check that the identity endpoint and the IAM token endpoint belong together, and the service account {}",
                self.source()
            )),
            ErrorKind::PermissionDenied => error.with_hint(format!(
                "grant the policy `AgentBaseFullAccess` to the service account {}",
                self.source()
            )),
            ErrorKind::NotFound => error.with_hint(call.not_found),
            ErrorKind::Conflict => error.with_hint("choose another name, or use what is there"),
            ErrorKind::RateLimited => error.with_hint("wait before calling again"),
            ErrorKind::Unavailable => error.with_hint("AgentBase cannot serve now; try again later"),
            _ if (300..400).contains(&answer.status) => {
                error.with_hint("AgentBase answered with a redirect, which is not followed with credentials; check the identity endpoint")
            }
            _ => error.with_hint("check that the identity endpoint is the right one, then report this"),
        }
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").field("endpoint", &self.0.endpoint).field("iam", &self.0.iam).finish_non_exhaustive()
    }
}
