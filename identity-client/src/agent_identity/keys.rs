//! The AccessKey that the caller signs with: fixed, or temporary and renewed.
//!
//! Where it comes from is decided once, when the client is built, by what is configured ([`super::chain`]). Should that fail
//! later, the error says so; keys of another place would be another identity's.

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use url::Url;

use super::{
    form::Form,
    kept::{Fresh, Kept},
    refusal::{Refusal, Service},
};
use crate::{
    acs3::{self, AccessKey, Operation},
    clock::{Clock, Moment},
    env::Environment,
    error::{Error, ErrorKind},
    transport::{Answer, Endpoint, Outgoing, Repeat, Transport},
    wire::{object, timestamp},
};

/// A token file holds one JWT.
const TOKEN_FILE_LIMIT: u64 = 64 * 1024;
/// Temporary keys are renewed this long before their end, or a fifth of their life if that is shorter.
const MARGIN: Duration = Duration::from_secs(15 * 60);
const STS_VERSION: &str = "2015-04-01";
const OPERATION: &str = "get the caller's temporary AccessKey";

/// Where the caller's AccessKey comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CredentialSource {
    /// From the builder.
    Code,
    /// From `ALIBABA_CLOUD_ACCESS_KEY_ID` and `ALIBABA_CLOUD_ACCESS_KEY_SECRET`.
    Environment,
    /// From the role that `ALIBABA_CLOUD_ROLE_ARN` names, assumed with `ALIBABA_CLOUD_OIDC_TOKEN_FILE`.
    OidcRole,
    /// From the place that `ALIBABA_CLOUD_CREDENTIALS_URI` names.
    Uri,
    /// From this profile of `~/.aliyun/config.json`.
    CliProfile(String),
    /// From this profile of `~/.alibabacloud/credentials.ini`, or of the file that `ALIBABA_CLOUD_CREDENTIALS_FILE` names.
    IniProfile(String),
    /// From the role of the ECS instance that this runs on, by its metadata service.
    EcsRole,
}

impl fmt::Display for CredentialSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code => f.write_str("given in code"),
            Self::Environment => f.write_str("from the environment"),
            Self::OidcRole => f.write_str("of the role assumed with ALIBABA_CLOUD_OIDC_TOKEN_FILE"),
            Self::Uri => f.write_str("from ALIBABA_CLOUD_CREDENTIALS_URI"),
            Self::CliProfile(name) => write!(f, "from profile `{name}` of ~/.aliyun/config.json"),
            Self::IniProfile(name) => write!(f, "from profile `{name}` of the credentials file"),
            Self::EcsRole => f.write_str("of the role of this ECS instance"),
        }
    }
}

/// How to get the key.
#[derive(Clone)]
pub(crate) enum Origin {
    Fixed(AccessKey),
    Metadata { role: Option<String>, only_v2: bool },
    Uri(Url),
    OidcRole { role: Role, provider_arn: String, token_file: PathBuf },
    AssumedRole { role: Role, base: AccessKey },
}

/// What a role is assumed with.
#[derive(Clone)]
pub(crate) struct Role {
    pub(crate) arn: String,
    pub(crate) session_name: Option<String>,
    pub(crate) seconds: Option<u64>,
    pub(crate) policy: Option<String>,
    pub(crate) external_id: Option<String>,
}

/// The services beside Agent Identity that keys come from.
#[derive(Clone)]
pub(crate) struct Services {
    pub(crate) sts: Endpoint,
    pub(crate) metadata: Url,
}

/// The caller's keys. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Keys(Arc<Shared>);

struct Shared {
    origin: Origin,
    source: CredentialSource,
    services: Services,
    environment: Environment,
    /// For Alibaba Cloud; may go through a proxy.
    transport: Transport,
    /// For this machine's own network; never does.
    local: Transport,
    clock: Arc<dyn Clock>,
    kept: Arc<Kept<(), AccessKey>>,
}

impl Keys {
    pub(crate) fn new(
        (origin, source): (Origin, CredentialSource),
        services: Services,
        environment: Environment,
        (transport, local): (Transport, Transport),
        clock: Arc<dyn Clock>,
    ) -> Self {
        let kept = Kept::new(Arc::clone(&clock));
        Self(Arc::new(Shared { origin, source, services, environment, transport, local, clock, kept }))
    }

    pub(crate) fn source(&self) -> &CredentialSource {
        &self.0.source
    }

    /// A key that is good now.
    pub(crate) async fn get(&self) -> Result<Arc<AccessKey>, Error> {
        if let Origin::Fixed(key) = &self.0.origin {
            return Ok(Arc::new(key.clone()));
        }
        let shared = Arc::clone(&self.0);
        self.0.kept.get((), move || async move { shared.fetch().await.map_err(|error| shared.at_source(error)) }).await
    }

    /// Forgets a temporary key that was refused. Says whether asking again can bring another.
    pub(crate) fn forget(&self, key: &Arc<AccessKey>) -> bool {
        self.0.kept.forget(&(), key);
        !matches!(self.0.origin, Origin::Fixed(_))
    }
}

impl Shared {
    async fn fetch(&self) -> Result<Fresh<AccessKey>, Error> {
        let asked_at = self.clock.now();
        let answer = match &self.origin {
            Origin::Fixed(_) => return Err(Error::protocol("a fixed key is not fetched")),
            Origin::Metadata { role, only_v2 } => self.metadata(role.as_deref(), *only_v2, asked_at).await?,
            Origin::Uri(url) => self.read(&self.local, url.clone(), None, asked_at).await?,
            Origin::OidcRole { role, provider_arn, token_file } => {
                let token = self.token(token_file)?;
                let form = role.form().text("OIDCProviderArn", provider_arn).secret("OIDCToken", &token);
                return self.assume("AssumeRoleWithOIDC", form, None, asked_at).await;
            }
            Origin::AssumedRole { role, base } => {
                return self.assume("AssumeRole", role.form(), Some(base), asked_at).await;
            }
        };
        let told: Told = object(&answer.body).ok_or_else(|| unreadable(&answer))?;
        if told.code.as_deref().is_some_and(|code| code != "Success") {
            return Err(Error::new(
                ErrorKind::Unauthenticated,
                format!("could not {OPERATION}: the answer is no success"),
            ));
        }
        told.key.into_fresh(asked_at).ok_or_else(|| unreadable(&answer))
    }

    /// By a token of version 2; without one only if that is allowed and the service knows none.
    async fn metadata(&self, role: Option<&str>, only_v2: bool, begun: Moment) -> Result<Answer, Error> {
        let at =
            |path: &str| self.services.metadata.join(path).map_err(|_| Error::invalid("the role's name is no name"));
        let url = at("/latest/api/token")?;
        let prepare = || {
            let mut headers = HeaderMap::new();
            let name = HeaderName::from_static("x-aliyun-ecs-metadata-token-ttl-seconds");
            headers.insert(name, HeaderValue::from_static("21600"));
            Ok(Outgoing { method: Method::PUT, url: url.clone(), headers, body: Some(bytes::Bytes::new()) })
        };
        let answer = self.local.send(OPERATION, Repeat::Safely, begun, prepare).await?;
        let token = if answer.is_success() {
            Some(text_of(&answer).ok_or_else(|| unreadable(&answer))?)
        } else if only_v2 || !matches!(answer.status, 403..=405) {
            return Err(unreadable(&answer));
        } else {
            None
        };
        let base = "/latest/meta-data/ram/security-credentials/";
        let role = if let Some(role) = role {
            role.to_owned()
        } else {
            let answer = self.read(&self.local, at(base)?, token.as_deref(), begun).await?;
            let names = text_of(&answer).ok_or_else(|| unreadable(&answer))?;
            names.lines().next().unwrap_or_default().trim().to_owned()
        };
        identity_grammar::check_session_name(&role)
            .map_err(|_| Error::protocol(format!("could not {OPERATION}: this instance has no role")))?;
        self.read(&self.local, at(&format!("{base}{role}"))?, token.as_deref(), begun).await
    }

    async fn read(&self, by: &Transport, url: Url, token: Option<&str>, begun: Moment) -> Result<Answer, Error> {
        let prepare = || {
            let mut headers = HeaderMap::new();
            if let Some(token) = token {
                let mut value = HeaderValue::try_from(token)
                    .map_err(|_| Error::protocol("the metadata service gave a token that cannot stand in a header"))?;
                value.set_sensitive(true);
                headers.insert(HeaderName::from_static("x-aliyun-ecs-metadata-token"), value);
            }
            Ok(Outgoing { method: Method::GET, url: url.clone(), headers, body: None })
        };
        let answer = by.send(OPERATION, Repeat::Safely, begun, prepare).await?;
        if answer.is_success() { Ok(answer) } else { Err(unreadable(&answer)) }
    }

    /// Read anew each time: the platform that mounts it replaces it.
    fn token(&self, file: &std::path::Path) -> Result<SecretString, Error> {
        let broken = |problem: &str| {
            Error::new(
                ErrorKind::ConfigurationBroken,
                format!("the file that ALIBABA_CLOUD_OIDC_TOKEN_FILE names {problem}"),
            )
            .with_hint("see that the token is mounted and readable")
        };
        let text = self
            .environment
            .read_file(file, TOKEN_FILE_LIMIT)
            .map_err(|error| broken("cannot be read").with_source(error))?;
        let text = zeroize::Zeroizing::new(text.ok_or_else(|| broken("is not there"))?);
        if text.trim().is_empty() { Err(broken("is empty")) } else { Ok(text.trim().into()) }
    }

    /// The token travels in the body, where the vendor's SDK has it in the URL.
    async fn assume(
        &self,
        action: &str,
        form: Form,
        signer: Option<&AccessKey>,
        begun: Moment,
    ) -> Result<Fresh<AccessKey>, Error> {
        let form = match signer {
            Some(_) => form,
            None => form
                .text("Action", action)
                .text("Version", STS_VERSION)
                .text("Format", "JSON")
                .text("Timestamp", &acs3::date(begun.wall))
                .text("SignatureNonce", &acs3::nonce()?),
        };
        let body = form.encode();
        let prepare = || {
            let headers = form_headers();
            let url = self.services.sts.url().clone();
            let mut outgoing = Outgoing { method: Method::POST, url, headers, body: Some(body.clone()) };
            if let Some(key) = signer {
                let operation = Operation { action, version: STS_VERSION };
                acs3::sign(&mut outgoing, key, operation, self.clock.now().wall)?;
            }
            Ok(outgoing)
        };
        let answer = self.transport.send(OPERATION, Repeat::Safely, begun, prepare).await?;
        if !answer.is_success() {
            let hidden = signer.map(|key| key.secret.expose_secret());
            let refusal = Refusal::read(&answer, hidden.as_slice());
            return Err(refusal.error(OPERATION, Service::STS, &self.source.to_string(), "check the role"));
        }
        let told: Assumed = object(&answer.body).ok_or_else(|| unreadable(&answer))?;
        told.credentials.into_fresh(begun).ok_or_else(|| unreadable(&answer))
    }

    fn at_source(&self, error: Error) -> Error {
        let what = match self.source {
            CredentialSource::EcsRole => "nothing else is configured (ALIBABA_CLOUD_ACCESS_KEY_ID, a profile of `aliyun configure`, ALIBABA_CLOUD_CREDENTIALS_URI, a role with an OIDC token file), so the role of an ECS instance was asked for: configure one of them, or attach a role to the instance".to_owned(),
            _ => format!("the caller's keys are to come {}; no other place is tried, for they would be another identity's", self.source),
        };
        let hint = error.hint().map_or_else(|| what.clone(), |hint| format!("{hint}; {what}"));
        error.with_hint(hint)
    }
}

impl Role {
    fn form(&self) -> Form {
        let made_up = || format!("identity-client-{}", acs3::nonce().unwrap_or_default());
        let name = self.session_name.clone().unwrap_or_else(made_up);
        Form::new()
            .text("RoleArn", &self.arn)
            .text("RoleSessionName", &name)
            .text("DurationSeconds", &self.seconds.unwrap_or(3600).to_string())
            .text_if("Policy", self.policy.as_deref())
            .text_if("ExternalId", self.external_id.as_deref())
    }
}

pub(crate) fn form_headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    headers
}

fn text_of(answer: &Answer) -> Option<String> {
    let text = std::str::from_utf8(&answer.body).ok()?.trim();
    (!text.is_empty() && text.len() <= 4096).then(|| text.to_owned())
}

fn unreadable(answer: &Answer) -> Error {
    let kind = match answer.status {
        200..=299 => ErrorKind::Protocol,
        408 | 429 | 500..=599 => ErrorKind::Unavailable,
        _ => ErrorKind::Unauthenticated,
    };
    Error::new(kind, format!("could not {OPERATION}: the answer holds none")).with_status(answer.status)
}

#[derive(Deserialize)]
struct Told {
    #[serde(rename = "Code")]
    code: Option<String>,
    #[serde(flatten)]
    key: WireKey,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Assumed {
    credentials: WireKey,
}

/// A temporary key as every service of Alibaba Cloud answers it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct WireKey {
    access_key_id: String,
    access_key_secret: SecretString,
    security_token: SecretString,
    #[serde(default, deserialize_with = "timestamp")]
    expiration: Option<std::time::SystemTime>,
}

impl WireKey {
    /// Nothing if a part is blank, or if it does not say until when it is good.
    pub(crate) fn into_fresh(self, since: Moment) -> Option<Fresh<AccessKey>> {
        let parts = [&self.access_key_id, self.access_key_secret.expose_secret(), self.security_token.expose_secret()];
        if parts.iter().any(|part| part.trim().is_empty()) {
            return None;
        }
        let life = self.expiration?.duration_since(since.wall).unwrap_or_default();
        let value = AccessKey {
            id: self.access_key_id,
            secret: self.access_key_secret,
            security_token: Some(self.security_token),
        };
        Some(Fresh { value, since, life, margin: MARGIN.min(life / 5) })
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("source", &self.0.source).finish_non_exhaustive()
    }
}
