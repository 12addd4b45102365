//! One call of Agent Identity, or of RAM and IMS beside it: who signs, what is repeated, what an error may say.

use std::{borrow::Cow, fmt, sync::Arc};

use bytes::Bytes;
use http::Method;
use secrecy::ExposeSecret;

use super::{
    form::Form,
    keys::{CredentialSource, Keys, form_headers},
    refusal::{Refusal, Service, is_of_temporary_key},
};
use crate::{
    acs3::{self, AccessKey, Operation},
    call,
    clock::{Clock, Moment},
    error::{BuildError, Error},
    reply::Reply,
    transport::{Answer, Endpoint, Outgoing, Transport},
};

pub(crate) const DATA_VERSION: &str = "2025-11-27";
pub(crate) const CONTROL_VERSION: &str = "2025-09-01";
const RAM_VERSION: &str = "2015-05-01";
const IMS_VERSION: &str = "2019-08-15";

/// Which service is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plane {
    Data,
    Control,
    Ram,
    Ims,
}

impl Plane {
    fn service(self) -> Service {
        let platform = "Alibaba Cloud Agent Identity";
        let (name, policy) = match self {
            Self::Data => (platform, "AliyunAgentIdentityDataFullAccess"),
            Self::Control => (platform, "AliyunAgentIdentityFullAccess"),
            Self::Ram => ("Alibaba Cloud RAM", "AliyunRAMFullAccess"),
            // It has no permissions of its own: its operations are RAM's.
            Self::Ims => ("Alibaba Cloud IMS", "AliyunRAMFullAccess"),
        };
        Service { name, policy: Some(policy) }
    }

    /// What to look at if something is not there. RAM and IMS have no regions.
    fn not_found(self) -> &'static str {
        match self {
            Self::Data | Self::Control => "check the name and the region",
            Self::Ram | Self::Ims => "check the name and the account",
        }
    }
}

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct Caller(Arc<Shared>);

struct Shared {
    data: Endpoint,
    control: Endpoint,
    ram: Endpoint,
    ims: Endpoint,
    transport: Transport,
    keys: Option<Keys>,
    clock: Arc<dyn Clock>,
}

/// A call, before it is signed.
pub(crate) type Call<'a> = call::Call<'a, Request<'a>>;

pub(crate) struct Request<'a> {
    plane: Plane,
    action: Cow<'a, str>,
    body: Bytes,
    query: Vec<(String, String)>,
}

impl<'a> Call<'a> {
    /// `operation` is an infinitive, for messages.
    pub(crate) fn new(plane: Plane, operation: &'static str, action: impl Into<Cow<'a, str>>, form: Form) -> Self {
        let (body, query) = match plane {
            Plane::Data | Plane::Control => (form.encode(), Vec::new()),
            // Where the vendor's clients put them. None of these is a secret.
            Plane::Ram | Plane::Ims => (Bytes::new(), form.into_pairs()),
        };
        let request = Request { plane, action: action.into(), body, query };
        Self::of(operation, request, plane.not_found())
    }

    pub(crate) fn with_query(mut self, query: Vec<(String, String)>) -> Self {
        self.request.query = query;
        self
    }
}

impl Caller {
    pub(crate) fn new(
        [data, control, ram, ims]: [Endpoint; 4],
        transport: Transport,
        keys: Option<Keys>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self(Arc::new(Shared { data, control, ram, ims, transport, keys, clock }))
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.0.data
    }

    pub(crate) fn control(&self) -> &Endpoint {
        &self.0.control
    }

    pub(crate) fn source(&self) -> Option<&CredentialSource> {
        self.0.keys.as_ref().map(Keys::source)
    }

    pub(crate) fn now(&self) -> Moment {
        self.0.clock.now()
    }

    /// One deadline for all that a call is made of: keys, tokens, tries.
    pub(crate) async fn within<T>(
        &self,
        operation: &str,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        self.0.transport.within(operation, self.now(), call).await
    }

    /// Sends a call signed with the caller's own keys. A temporary key that is refused is renewed once: what was refused so was
    /// not carried out.
    pub(crate) async fn send(&self, call: &Call<'_>) -> Result<Reply, Error> {
        self.within(call.operation, Box::pin(self.by_caller(call, &mut 0))).await
    }

    /// Deletes. That it is gone after a try whose outcome is unknown is a success: it is what was asked for.
    pub(crate) async fn delete(&self, call: &Call<'_>) -> Result<(), Error> {
        let mut tries = 0;
        match self.within(call.operation, Box::pin(self.by_caller(call, &mut tries))).await {
            Err(error) if error.kind() == crate::ErrorKind::NotFound && tries > 1 => Ok(()),
            sent => sent.map(drop),
        }
    }

    /// `tries` becomes how many it took with the last key: what was refused for its key was not carried out.
    async fn by_caller(&self, call: &Call<'_>, tries: &mut u32) -> Result<Reply, Error> {
        let begun = self.now();
        let keys = self.0.keys.as_ref().ok_or_else(no_keys)?;
        let source = keys.source().to_string();
        let key = keys.get().await?;
        match self.counted(call, &key, &source, begun, tries).await {
            Err(error) if is_of_temporary_key(&error) && keys.forget(&key) => {
                let key = keys.get().await?;
                self.counted(call, &key, &source, begun, tries).await
            }
            sent => sent,
        }
    }

    /// Sends a call signed with this key; `signer` says whose it is.
    pub(crate) async fn signed(
        &self,
        call: &Call<'_>,
        key: &AccessKey,
        signer: &str,
        begun: Moment,
    ) -> Result<Reply, Error> {
        self.counted(call, key, signer, begun, &mut 0).await
    }

    async fn counted(
        &self,
        call: &Call<'_>,
        key: &AccessKey,
        signer: &str,
        begun: Moment,
        tries: &mut u32,
    ) -> Result<Reply, Error> {
        let Shared { data, control, ram, ims, transport, .. } = &*self.0;
        let (endpoint, version) = match call.request.plane {
            Plane::Data => (data, DATA_VERSION),
            Plane::Control => (control, CONTROL_VERSION),
            Plane::Ram => (beside(data, ram, "RAM")?, RAM_VERSION),
            Plane::Ims => (beside(data, ims, "IMS")?, IMS_VERSION),
        };
        let prepare = || {
            let mut url = endpoint.url().clone();
            if !call.request.query.is_empty() {
                url.query_pairs_mut().extend_pairs(&call.request.query);
            }
            let body = Some(call.request.body.clone());
            let mut outgoing = Outgoing { method: Method::POST, url, headers: form_headers(), body };
            let operation = Operation { action: &call.request.action, version };
            acs3::sign(&mut outgoing, key, operation, self.now().wall)?;
            Ok(outgoing)
        };
        let answer = transport.send(call.operation, call.repeat, begun, prepare).await?;
        *tries = answer.tries;
        let token = key.security_token.as_ref().map(ExposeSecret::expose_secret);
        let hidden: Vec<&str> = [key.secret.expose_secret()].into_iter().chain(token).collect();
        read(call, answer, &hidden, signer)
    }

    /// The one operation that nobody signs, in the gateway's older envelope: action, version, time and nonce stand in the query.
    pub(crate) async fn anonymous(&self, call: &Call<'_>, begun: Moment) -> Result<Reply, Error> {
        let prepare = || {
            let mut url = self.0.data.url().clone();
            url.query_pairs_mut()
                .append_pair("Action", &call.request.action)
                .append_pair("Format", "json")
                .append_pair("Version", DATA_VERSION)
                .append_pair("Timestamp", &acs3::date(self.now().wall))
                .append_pair("SignatureNonce", &acs3::nonce()?);
            let mut headers = form_headers();
            headers.remove(http::header::ACCEPT);
            let value = |text: &str| {
                http::HeaderValue::try_from(text).map_err(|_| Error::invalid("the action cannot stand in a header"))
            };
            headers.insert("x-acs-action", value(&call.request.action)?);
            headers.insert("x-acs-version", value(DATA_VERSION)?);
            Ok(Outgoing { method: Method::POST, url, headers, body: Some(call.request.body.clone()) })
        };
        let answer = self.0.transport.send(call.operation, call.repeat, begun, prepare).await?;
        read(call, answer, &[], "of nobody: this operation needs the workload access token alone")
    }
}

/// Another service, unless it is elsewhere than the platform: of these only some callers need any, so it is asked for late.
fn beside<'a>(data: &Endpoint, other: &'a Endpoint, name: &str) -> Result<&'a Endpoint, Error> {
    if data.is_loopback() == other.is_loopback() {
        return Ok(other);
    }
    Err(BuildError::broken(
        format!("one of the data endpoint and the {name} endpoint is on this machine and the other is not, so keys of one would go to the other"),
        format!("give both: `with_{}_endpoint`, or ALIBABA_CLOUD_{name}_ENDPOINT", name.to_ascii_lowercase()),
    )
    .into())
}

fn read(call: &Call<'_>, answer: Answer, keys: &[&str], signer: &str) -> Result<Reply, Error> {
    if answer.is_success() {
        return Ok(Reply { operation: call.operation, platform: "Agent Identity", answer });
    }
    Err(Refusal::read(&answer, &call.hidden(keys.iter().copied())).error(
        call.operation,
        call.request.plane.service(),
        signer,
        call.not_found,
    ))
}

pub(crate) fn no_keys() -> Error {
    BuildError::missing(
        "no AccessKey of Alibaba Cloud is configured",
        "set ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET, or run `aliyun configure`, or give one in code with `with_access_key(..)`; a workload access token that the runtime gave serves the agent itself only",
    )
    .into()
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").field("endpoint", &self.0.data).field("keys", &self.0.keys).finish_non_exhaustive()
    }
}
