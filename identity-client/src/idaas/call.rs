//! One call of the developer API.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use serde::Serialize;
use url::Url;
use zeroize::Zeroizing;

use super::{platform::AUTHORIZATION_SERVER, refusal, scope::PAM};
use crate::{
    call,
    client::IdentityClient,
    clock::{Clock, Moment},
    credential::AccessToken,
    error::{BuildError, Error, ErrorKind},
    principal::User,
    reply::Reply,
    transport::{Answer, Endpoint, Outgoing, Transport},
    wire,
};

/// The largest request: a JWT, its claims and audiences.
const REQUEST_CAPACITY: usize = 32 * 1024;
/// In messages.
pub(crate) const PLATFORM: &str = "IDaaS";

/// Calls the developer API as one application. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Caller(Arc<Shared>);

struct Shared {
    endpoint: Option<Endpoint>,
    instance_id: String,
    client_id: String,
    transport: Transport,
    clock: Arc<dyn Clock>,
    /// Keeps the tokens that the calls bear: an entry for each permission and user, so what one user is given no other bears.
    tokens: IdentityClient,
}

/// By what right an operation is called: the one permission that it needs, and nothing besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Right {
    ObtainCredential,
    ObtainToken,
    ReadTokens,
    ManageTokens,
    ObtainCloudRole,
    /// The operation shows a token of its own and takes no bearer.
    None,
}

impl Right {
    fn permission(self) -> Option<&'static str> {
        match self {
            Self::ObtainCredential => Some("credential:obtain"),
            Self::ObtainToken => Some("authentication_token:obtain"),
            Self::ReadTokens => Some("authentication_token:read"),
            Self::ManageTokens => Some("authentication_token:manage"),
            Self::ObtainCloudRole => Some("cloud_account_role:obtain_access_credential"),
            Self::None => None,
        }
    }
}

/// A call, before it is authenticated.
pub(crate) type Call<'a> = call::Call<'a, Request<'a>>;

pub(crate) struct Request<'a> {
    right: Right,
    /// For whom; nobody is the agent itself.
    user: Option<&'a User>,
    method: Method,
    url: Url,
    body: Option<Bytes>,
}

impl<'a> Call<'a> {
    /// `operation` is an infinitive, for messages.
    pub(crate) fn new(operation: &'static str, right: Right, method: Method, url: Url) -> Self {
        let request = Request { right, user: None, method, url, body: None };
        Self::of(operation, request, "check the identifier against the IDaaS console")
    }

    pub(crate) fn for_user(mut self, user: Option<&'a User>) -> Self {
        self.request.user = user;
        self
    }

    pub(crate) fn with_query(mut self, pairs: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        self.request.url.query_pairs_mut().extend_pairs(pairs);
        self
    }

    pub(crate) fn with_json(mut self, body: &impl Serialize) -> Result<Self, Error> {
        self.request.body = Some(wire::body(self.operation, body, REQUEST_CAPACITY)?);
        Ok(self)
    }
}

impl Caller {
    pub(crate) fn new(
        endpoint: Option<Endpoint>,
        (instance_id, client_id): (String, String),
        transport: Transport,
        clock: Arc<dyn Clock>,
        tokens: IdentityClient,
    ) -> Self {
        Self(Arc::new(Shared { endpoint, instance_id, client_id, transport, clock, tokens }))
    }

    pub(crate) fn now(&self) -> Moment {
        self.0.clock.now()
    }

    /// `/v2/{instanceId}/` and the rest.
    pub(crate) fn url(&self, rest: &[&str]) -> Result<Url, Error> {
        let endpoint = self.0.endpoint.as_ref().ok_or_else(|| {
            BuildError::missing(
                "no developer API endpoint is configured, and the operation is one of that API",
                "add `developerApiEndpoint` to the configuration file, for example `eiam-developerapi.cn-hangzhou.aliyuncs.com`, or call `with_developer_api_endpoint(..)`",
            )
        })?;
        endpoint.at(&[&["v2", self.0.instance_id.as_str()], rest].concat())
    }

    /// Renews the bearer once if it is refused. What was refused with 401 was not carried out, so anything can be repeated. One
    /// deadline holds for all of it, the token requests included.
    pub(crate) async fn send(&self, call: Call<'_>) -> Result<Reply, Error> {
        let begun = self.now();
        let mut bearer = self.bearer(&call).await?;
        let mut answer = self.attempt(&call, bearer.as_ref(), begun).await?;
        if let Some(refused) = bearer.as_ref().filter(|_| answer.status == 401) {
            drop(Error::credential_rejected(refused));
            bearer = self.0.transport.within(call.operation, begun, self.bearer(&call)).await?;
            answer = self.attempt(&call, bearer.as_ref(), begun).await?;
        }
        if answer.is_success() {
            return Ok(Reply { operation: call.operation, platform: PLATFORM, answer });
        }
        Err(self.refused(&call, &answer, bearer.as_ref()))
    }

    async fn bearer(&self, call: &Call<'_>) -> Result<Option<AccessToken>, Error> {
        let Some(permission) = call.request.right.permission() else { return Ok(None) };
        let request = self.0.tokens.access_token(AUTHORIZATION_SERVER).with_scopes([format!("{PAM}|{permission}")]);
        let request = match call.request.user {
            Some(user) => request.for_user(user),
            None => request.for_agent(),
        };
        request.await.map(Some).map_err(|error| error.not_about(AUTHORIZATION_SERVER))
    }

    async fn attempt(&self, call: &Call<'_>, bearer: Option<&AccessToken>, begun: Moment) -> Result<Answer, Error> {
        let Request { method, url, body, .. } = &call.request;
        let prepare = || {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
            if body.is_some() {
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
            }
            if let Some(bearer) = bearer {
                let text = Zeroizing::new(format!("Bearer {}", bearer.expose_secret()));
                let mut value = HeaderValue::try_from(text.as_str())
                    .map_err(|_| Error::protocol("IDaaS issued a token that cannot stand in a header"))?;
                value.set_sensitive(true);
                headers.insert(header::AUTHORIZATION, value);
            }
            Ok(Outgoing { method: method.clone(), url: url.clone(), headers, body: body.clone() })
        };
        self.0.transport.send(call.operation, call.repeat, begun, prepare).await
    }

    fn refused(&self, call: &Call<'_>, answer: &Answer, bearer: Option<&AccessToken>) -> Error {
        let refusal = refusal::read(answer, &call.hidden(bearer.map(AccessToken::expose_secret)));
        let missing = refusal.code.as_deref().is_some_and(|code| {
            code.contains("credential_not_found")
                || code.starts_with("ResourceNotFound")
                || code.starts_with("EntityNotExist")
        });
        let kind = match refusal::kind(&refusal) {
            ErrorKind::InvalidRequest | ErrorKind::PermissionDenied if missing => ErrorKind::NotFound,
            kind => kind,
        };
        let error = refusal.error(kind, call.operation, PLATFORM);
        let client = &self.0.client_id;
        match kind {
            ErrorKind::InvalidRequest => error.with_hint("correct what IDaaS complains about, then call again"),
            ErrorKind::Unauthenticated => error.with_hint(
                "IDaaS refused two tokens, the second a new one; check that the token endpoint and the developer API endpoint are of the same instance and region",
            ),
            ErrorKind::PermissionDenied => {
                let permission = call.request.right.permission().unwrap_or("the operation");
                let whose = if call.request.user.is_some() { " and to this user" } else { "" };
                let consent = if call.request.user.is_none() {
                    "; if the provider asks users for consent, ask for a user: USER_FEDERATION"
                } else {
                    ""
                };
                error.with_hint(format!(
                    "grant `{PAM}|{permission}`, and the credential or provider itself, to the application `{client}`{whose} in the IDaaS console{consent}"
                ))
            }
            ErrorKind::NotFound => error.with_hint(call.not_found),
            ErrorKind::Conflict => error.with_hint("look at what is there already, then call again"),
            ErrorKind::RateLimited => error.with_hint("wait before calling again"),
            ErrorKind::Unavailable => error.with_hint("IDaaS cannot serve now; try again later"),
            _ if (300..400).contains(&answer.status) => error.with_hint(
                "IDaaS answered with a redirect, which is not followed with credentials; check the developer API endpoint",
            ),
            _ => error.with_hint("check that the developer API endpoint is the right one, then report this"),
        }
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller")
            .field("endpoint", &self.0.endpoint)
            .field("tokens", &self.0.tokens)
            .finish_non_exhaustive()
    }
}
