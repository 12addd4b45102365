//! One signed call of the identity API.

use std::{fmt, sync::Arc, time::SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use secrecy::ExposeSecret;
use serde::{Serialize, de::DeserializeOwned};

use super::{
    config::Role,
    credentials::{BaseKeys, CredentialSource, Keys},
    envelope::{self, Refusal},
    role::AssumedRole,
    signature::{Signable, SigningKeys, SigningScope, sign},
};
use crate::{
    call,
    clock::{Clock, Moment},
    error::{Error, ErrorKind},
    transport::{Answer, Endpoint, Outgoing, Transport},
    wire,
};

/// A buffer of this size is rarely moved, so that hardly a copy of a secret stays behind: user tokens are the largest part.
const REQUEST_CAPACITY: usize = 48 * 1024;

/// A service behind a signed endpoint.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Service {
    pub(crate) code: &'static str,
    pub(crate) version: &'static str,
}

pub(crate) const IDENTITY: Service = Service { code: "id", version: "2025-10-30" };
pub(crate) const STS: Service = Service { code: "sts", version: "2018-01-01" };

/// What is asked of a service.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Action<'a> {
    pub(crate) service: Service,
    pub(crate) region: &'a str,
    pub(crate) name: &'static str,
}

/// Makes one try of a signed request.
pub(crate) fn outgoing(
    endpoint: &Endpoint,
    action: Action<'_>,
    content_type: HeaderValue,
    body: &Bytes,
    keys: SigningKeys<'_>,
    at: SystemTime,
) -> Result<Outgoing, Error> {
    let mut url = endpoint.url().clone();
    url.query_pairs_mut().append_pair("Action", action.name).append_pair("Version", action.service.version);
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, content_type);
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    let scope = SigningScope { region: action.region, service: action.service.code };
    sign(&mut headers, Signable { method: "POST", url: &url, body }, keys, scope, at)?;
    // The HTTP client writes it, from the URL that it was signed from.
    headers.remove(header::HOST);
    Ok(Outgoing { method: Method::POST, url, headers, body: Some(body.clone()) })
}

/// Calls the identity API with the agent's keys. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Caller(Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) endpoint: Endpoint,
    pub(crate) region: String,
    pub(crate) transport: Transport,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) base: BaseKeys,
    pub(crate) role: Option<Role>,
    pub(crate) assumed: AssumedRole,
}

/// A call, before it is signed.
pub(crate) type Call<'a> = call::Call<'a, Request>;

pub(crate) struct Request {
    action: &'static str,
    body: Bytes,
}

impl Call<'_> {
    /// `operation` is an infinitive, for messages.
    pub(crate) fn new(operation: &'static str, action: &'static str, body: &impl Serialize) -> Result<Self, Error> {
        let body = wire::body(operation, body, REQUEST_CAPACITY)?;
        Ok(Self::of(operation, Request { action, body }, "check name, pool and region; names are case-sensitive"))
    }

    fn refusal(&self, answer: &Answer, keys: &Keys) -> Option<Refusal> {
        let token = keys.session_token.iter().map(ExposeSecret::expose_secret);
        let own = [keys.secret_key.expose_secret(), keys.access_key.as_str()].into_iter().chain(token);
        envelope::refusal(answer, &self.hidden(own))
    }
}

/// A call that was refused.
pub(crate) struct Refused {
    pub(crate) refusal: Refusal,
    pub(crate) error: Error,
    tries: u32,
}

impl Caller {
    pub(crate) fn new(shared: Shared) -> Self {
        Self(Arc::new(shared))
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.0.endpoint
    }

    pub(crate) fn region(&self) -> &str {
        &self.0.region
    }

    pub(crate) fn source(&self) -> CredentialSource {
        self.0.base.source()
    }

    pub(crate) fn now(&self) -> Moment {
        self.0.clock.now()
    }

    /// What to sign with now: the configured keys, or those of the role that is to be assumed with them.
    pub(crate) async fn keys(&self) -> Result<Arc<Keys>, Error> {
        let (base, named) = self.0.base.keys(self.now())?;
        let role = match &self.0.role {
            Some(role) if role.always || base.session_token.is_none() => Some(role.trn.as_str()),
            // The file's own role is for keys that are not its own yet.
            None if base.session_token.is_none() => named.as_deref(),
            _ => None,
        };
        match role {
            Some(role) => self.0.assumed.keys(&base, role).await,
            None => Ok(base),
        }
    }

    /// Sends a call and reads its result.
    pub(crate) async fn send<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<T, Error> {
        let operation = call.operation;
        let answer = self.answer(call).await?.map_err(|refused| refused.error)?;
        envelope::result(operation, &answer)
    }

    /// The same for what may answer nothing: `{}`, `null`, or no result at all.
    pub(crate) async fn send_for_nothing(&self, call: Call<'_>) -> Result<(), Error> {
        self.answer(call).await?.map(drop).map_err(|refused| refused.error)
    }

    /// Deletes. That it is gone after a try whose outcome is unknown is a success: it is what was asked for.
    pub(crate) async fn delete(&self, call: Call<'_>) -> Result<(), Error> {
        match self.answer(call).await? {
            Ok(_) => Ok(()),
            Err(refused) if refused.tries > 1 && refused.error.kind() == ErrorKind::NotFound => Ok(()),
            Err(refused) => Err(refused.error),
        }
    }

    /// Sends a call. A key that is over is renewed once, if it can be: what was refused so was not carried out, so anything
    /// can be repeated. One deadline holds for all of it.
    pub(crate) async fn answer(&self, call: Call<'_>) -> Result<Result<Answer, Refused>, Error> {
        let begun = self.now();
        let mut keys = self.keys().await?;
        let mut answer = self.attempt(&call, &keys, begun).await?;
        let mut refusal = call.refusal(&answer, &keys);
        if refusal.as_ref().is_some_and(Refusal::is_of_stale_key) && self.forget(&keys).await {
            keys = self.0.transport.within(call.operation, begun, self.keys()).await?;
            answer = self.attempt(&call, &keys, begun).await?;
            refusal = call.refusal(&answer, &keys);
        }
        Ok(match refusal {
            None => Ok(answer),
            Some(refusal) => {
                let hint = refusal.hint(call.not_found, &keys.source.to_string());
                let error = refusal.error(call.operation).with_hint(hint);
                Err(Refused { refusal, error, tries: answer.tries })
            }
        })
    }

    /// Whether there can be other keys now.
    async fn forget(&self, keys: &Arc<Keys>) -> bool {
        match keys.source {
            CredentialSource::Role => self.0.assumed.forget(keys).await,
            CredentialSource::IamFile => {
                if let BaseKeys::File(file) = &self.0.base {
                    file.forget();
                }
            }
            _ => return false,
        }
        true
    }

    async fn attempt(&self, call: &Call<'_>, keys: &Keys, begun: Moment) -> Result<Answer, Error> {
        let action = Action { service: IDENTITY, region: &self.0.region, name: call.request.action };
        let json = HeaderValue::from_static("application/json");
        let prepare =
            || outgoing(&self.0.endpoint, action, json.clone(), &call.request.body, keys.signing(), self.now().wall);
        self.0.transport.send(call.operation, call.repeat, begun, prepare).await
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller")
            .field("endpoint", &self.0.endpoint)
            .field("region", &self.0.region)
            .field("credentials", &self.source())
            .finish_non_exhaustive()
    }
}
