//! One call of the developer API.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use serde::{Serialize, de::DeserializeOwned};
use url::Url;
use zeroize::Zeroizing;

use super::{platform::AUTHORIZATION_SERVER, refusal::Refusal, scope::PAM};
use crate::{
    client::IdentityClient,
    clock::{Clock, Moment},
    credential::AccessToken,
    error::{BuildError, Error, ErrorKind},
    principal::User,
    transport::{Answer, Endpoint, Outgoing, Repeat, Transport},
    wire::object,
};

/// The largest request: a JWT, its claims and audiences. A buffer of this size is never moved, so no copy of a secret stays
/// behind.
const REQUEST_CAPACITY: usize = 32 * 1024;

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
pub(crate) struct Call<'a> {
    operation: &'static str,
    right: Right,
    /// For whom; nobody is the agent itself.
    user: Option<&'a User>,
    method: Method,
    url: Url,
    body: Option<Bytes>,
    repeat: Repeat,
    hidden: Vec<&'a str>,
    not_found: &'static str,
}

impl<'a> Call<'a> {
    /// `operation` is an infinitive, for messages.
    pub(crate) fn new(operation: &'static str, right: Right, method: Method, url: Url) -> Self {
        Self {
            operation,
            right,
            user: None,
            method,
            url,
            body: None,
            repeat: Repeat::Safely,
            hidden: Vec::new(),
            not_found: "check the identifier against the IDaaS console",
        }
    }

    pub(crate) fn for_user(mut self, user: Option<&'a User>) -> Self {
        self.user = user;
        self
    }

    pub(crate) fn with_query(mut self, pairs: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        self.url.query_pairs_mut().extend_pairs(pairs);
        self
    }

    pub(crate) fn with_json(mut self, body: &impl Serialize) -> Result<Self, Error> {
        let mut buffer = Zeroizing::new(Vec::with_capacity(REQUEST_CAPACITY));
        serde_json::to_writer(&mut *buffer, body).map_err(|_| {
            Error::invalid(format!("could not {}: the request cannot be written as JSON", self.operation))
        })?;
        self.body = Some(Bytes::from_owner(buffer));
        Ok(self)
    }

    /// Is tried again only if nothing can have been sent.
    pub(crate) fn once(mut self) -> Self {
        self.repeat = Repeat::OnlyIfUnsent;
        self
    }

    /// What no error may repeat, besides the bearer.
    pub(crate) fn hiding(mut self, hidden: impl IntoIterator<Item = &'a str>) -> Self {
        self.hidden.extend(hidden);
        self
    }

    /// What to do about a 404.
    pub(crate) fn if_not_found(mut self, hint: &'static str) -> Self {
        self.not_found = hint;
        self
    }
}

/// An answer with a status of success.
pub(crate) struct Reply {
    operation: &'static str,
    answer: Answer,
}

impl Reply {
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        object(&self.answer.body).ok_or_else(|| {
            Error::protocol(format!(
                "could not {}: IDaaS answered with a body that is not the JSON object that it should be",
                self.operation
            ))
            .with_status(self.answer.status)
        })
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
            return Ok(Reply { operation: call.operation, answer });
        }
        Err(self.refused(&call, &answer, bearer.as_ref()))
    }

    async fn bearer(&self, call: &Call<'_>) -> Result<Option<AccessToken>, Error> {
        let Some(permission) = call.right.permission() else { return Ok(None) };
        let request = self.0.tokens.access_token(AUTHORIZATION_SERVER).with_scopes([format!("{PAM}|{permission}")]);
        let request = match call.user {
            Some(user) => request.for_user(user),
            None => request.for_agent(),
        };
        request.await.map(Some).map_err(|error| error.not_about(AUTHORIZATION_SERVER))
    }

    async fn attempt(&self, call: &Call<'_>, bearer: Option<&AccessToken>, begun: Moment) -> Result<Answer, Error> {
        let prepare = || {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
            if call.body.is_some() {
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
            }
            if let Some(bearer) = bearer {
                let text = Zeroizing::new(format!("Bearer {}", bearer.expose_secret()));
                let mut value = HeaderValue::try_from(text.as_str())
                    .map_err(|_| Error::protocol("IDaaS issued a token that cannot stand in a header"))?;
                value.set_sensitive(true);
                headers.insert(header::AUTHORIZATION, value);
            }
            Ok(Outgoing { method: call.method.clone(), url: call.url.clone(), headers, body: call.body.clone() })
        };
        self.0.transport.send(call.operation, call.repeat, begun, prepare).await
    }

    fn refused(&self, call: &Call<'_>, answer: &Answer, bearer: Option<&AccessToken>) -> Error {
        let bearer = bearer.map(AccessToken::expose_secret);
        let hidden: Vec<&str> = call.hidden.iter().copied().chain(bearer).collect();
        let refusal = Refusal::of(answer, &hidden);
        let missing = refusal.code.as_deref().is_some_and(|code| {
            code.contains("credential_not_found")
                || code.starts_with("ResourceNotFound")
                || code.starts_with("EntityNotExist")
        });
        let kind = match refusal.kind() {
            ErrorKind::InvalidRequest | ErrorKind::PermissionDenied if missing => ErrorKind::NotFound,
            kind => kind,
        };
        let error = refusal.error(kind, call.operation);
        let client = &self.0.client_id;
        match kind {
            ErrorKind::InvalidRequest => error.with_hint("correct what IDaaS complains about, then call again"),
            ErrorKind::Unauthenticated => error.with_hint(
                "IDaaS refused two tokens, the second a new one; check that the token endpoint and the developer API endpoint are of the same instance and region",
            ),
            ErrorKind::PermissionDenied => {
                let permission = call.right.permission().unwrap_or("the operation");
                let whose = if call.user.is_some() { " and to this user" } else { "" };
                let consent = if call.user.is_none() {
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
