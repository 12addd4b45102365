//! Tokens that IDaaS itself issues: for the agent (client credentials), or for a user who called it (RFC 8693).

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method as Verb, header};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;
use url::form_urlencoded::Serializer;
use zeroize::Zeroizing;

use super::{
    authentication::{ClientAuthentication, Method, Shown, World},
    call::PLATFORM,
    discovery::TokenEndpoint,
    open_api, refusal,
    scope::Permissions,
    secret::SecretSource,
};
use crate::{
    capabilities::Capabilities,
    clock::{Clock, Moment},
    consent::{Acquired, PendingAuthorization, Polled},
    credential_request::{CredentialRequest, Flow},
    env::Environment,
    error::{Error, ErrorKind},
    name::{AgentIdentityName, ProviderName, Scope},
    pause::Pause,
    platform::{Description, Issued, Platform},
    principal::User,
    refusal::Refusal,
    transport::{Answer, Endpoint, Outgoing, Repeat, Transport},
    wire::{filled, object, seconds},
};

const OPERATION: &str = "get an IDaaS token";

pub(crate) const CLIENT_CREDENTIALS: &str = "client_credentials";
pub(crate) const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
pub(crate) const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// After a refused client: a wrong secret or key must not hammer the endpoint.
const PAUSE_AFTER_REFUSAL: Duration = Duration::from_secs(5);
/// The longest that a wish to be left alone is honoured without asking again.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);
/// Nobody issues such tokens for longer; a number beyond it is a mistake.
const LONGEST_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// What the token endpoint needs to be asked. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Tokens(Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) instance_id: String,
    pub(crate) client: AgentIdentityName,
    pub(crate) endpoint: TokenEndpoint,
    pub(crate) open_api: Option<Endpoint>,
    pub(crate) authentication: ClientAuthentication,
    pub(crate) actor: Option<SecretSource>,
    pub(crate) environment: Environment,
    pub(crate) transport: Transport,
    pub(crate) metadata: Option<Transport>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) pause: Mutex<Option<Pause>>,
}

/// For whom a token is.
#[derive(Clone, Copy)]
pub(crate) enum Subject<'a> {
    Agent,
    /// Who shows this token.
    User(&'a SecretString),
}

impl<'a> Subject<'a> {
    /// A user must show the token by which they called the agent.
    pub(crate) fn of(user: Option<&'a User>) -> Result<Self, Error> {
        let Some(user) = user else { return Ok(Self::Agent) };
        user.token().map(Self::User).ok_or_else(|| {
            Error::new(ErrorKind::UserMissing, "the user shows no token, and IDaaS acts for a user only in exchange for one").with_hint(
                "verify the token by which they called the agent with `TokenVerifier::alibaba_idaas(..)` (feature `inbound`), whose users carry it, or give it to the user once it is verified: `.with_token(..)`; a consent that was resumed from storage has none: ask again, the user who has agreed is not asked twice",
            )
        })
    }

    fn token(self) -> Option<&'a str> {
        match self {
            Self::Agent => None,
            Self::User(token) => Some(token.expose_secret()),
        }
    }
}

impl Tokens {
    pub(crate) fn new(shared: Shared) -> Self {
        Self(Arc::new(shared))
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.0
    }

    fn lock(&self) -> MutexGuard<'_, Option<Pause>> {
        self.0.pause.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a new token.
    pub(crate) async fn issue(&self, permissions: Permissions<'_>, subject: Subject<'_>) -> Result<Issued, Error> {
        let begun = self.0.clock.now();
        if let Some(pause) = &*self.lock()
            && let Some(rest) = pause.rest(begun)
        {
            return Err(self.refused(&pause.refusal, Subject::Agent).with_retry_after(Some(rest)));
        }
        let (answer, hidden) = match &self.0.authentication.method {
            Method::OpenApi(source) => {
                let key = source.key(&self.0.environment).await?;
                let answer = open_api::ask(&self.0, &key, permissions, subject.token(), begun).await?;
                (answer, [key.secret].into_iter().chain(key.security_token).collect())
            }
            _ => self.ask(permissions, subject, begun).await?,
        };
        if answer.is_success() {
            *self.lock() = None;
            return match self.0.authentication.method {
                Method::OpenApi(_) => open_api::read(&answer.body, begun),
                _ => read(&answer.body, begun),
            };
        }
        let hidden = hidden.iter().map(ExposeSecret::expose_secret).chain(subject.token());
        let refusal = refusal::read(&answer, &hidden.collect::<Vec<_>>());
        let error = self.refused(&refusal, subject);
        let asked = refusal.retry_after.unwrap_or_default().min(LONGEST_PAUSE);
        let lasts = if is_of_client(&refusal, subject) { asked.max(PAUSE_AFTER_REFUSAL) } else { asked };
        if lasts.is_zero() || !(is_of_client(&refusal, subject) || refusal::kind(&refusal) == ErrorKind::RateLimited) {
            return Err(error);
        }
        *self.lock() = Some(Pause { refusal, since: self.0.clock.now(), lasts });
        Err(error.with_retry_after(Some(lasts)))
    }

    /// The token endpoint itself; with the answer comes what no error may repeat.
    async fn ask(
        &self,
        permissions: Permissions<'_>,
        subject: Subject<'_>,
        begun: Moment,
    ) -> Result<(Answer, Vec<SecretString>), Error> {
        let shared = &*self.0;
        let world = World {
            environment: &shared.environment,
            metadata: shared.metadata.as_ref(),
            clock: &shared.clock,
            instance_id: &shared.instance_id,
        };
        let evidence = shared.authentication.evidence(&world).await?;
        let url = shared.endpoint.url(&shared.transport, begun).await?;
        let actor = match (&shared.actor, subject) {
            (Some(actor), Subject::User(_)) => Some(actor.read(&shared.environment, "the actor's token")?),
            _ => None,
        };
        let scope = permissions.joined();
        let prepare = || {
            let shown =
                shared.authentication.show(&evidence, shared.client.as_str(), url.as_str(), shared.clock.now())?;
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
            if let Some(authorization) = &shown.header {
                headers.insert(header::AUTHORIZATION, authorization.clone());
            }
            let body = form(&shown, &grant(subject.token(), actor.as_ref(), &scope));
            Ok(Outgoing { method: Verb::POST, url: url.clone(), headers, body: Some(body) })
        };
        let answer = shared.transport.send(OPERATION, Repeat::Safely, begun, prepare).await?;
        let mut hidden = shared.authentication.hidden(&evidence, shared.client.as_str());
        hidden.extend(actor);
        Ok((answer, hidden))
    }

    fn refused(&self, refusal: &Refusal, subject: Subject<'_>) -> Error {
        let of_user = matches!(subject, Subject::User(_));
        let method = self.0.authentication.name();
        let client = &self.0.client;
        if is_of_client(refusal, subject) {
            let error =
                refusal.error(ErrorKind::Unauthenticated, &format!("{OPERATION} as `{client}` by {method}"), PLATFORM);
            return error.with_hint(match self.0.authentication.method {
                Method::OpenApi(_) => "check that the RAM role's AccessKey is current, and that the role may do `eiam:GenerateOauthToken` on the application",
                Method::SecretBasic(_) | Method::SecretPost(_) | Method::SecretJwt(_) => "check the client id, that the secret is one of the application's two live ones, and that the application has this method enabled; the secret is read again for the next request",
                Method::PrivateKeyJwt(_) => "check the client id, that the application has this key's public half, that the token endpoint is written exactly as IDaaS has it (it is the assertion's audience), and this machine's clock",
                _ => "check the client id, the name of the federated credential, that its conditions fit this machine or pod, and this machine's clock",
            });
        }
        if of_user
            && (refusal.status == 401
                || refusal.has_code(&["invalid_grant", "invalid_token", "invalid_request"])
                || refusal.code.as_deref().is_some_and(|code| code.contains("SubjectToken")))
        {
            let error = refusal.error(ErrorKind::Unauthenticated, "exchange the user's token", PLATFORM);
            return error.with_hint("the token by which the user called has expired, or is not an access token of this IDaaS instance for this agent: the user must sign in again");
        }
        let kind =
            if refusal.has_code(&["access_denied"]) { ErrorKind::PermissionDenied } else { refusal::kind(refusal) };
        let error = refusal.error(kind, OPERATION, PLATFORM);
        match kind {
            ErrorKind::InvalidRequest if refusal.has_code(&["invalid_scope", "invalid_target", "InvalidParameter.ScopeValues"]) => error.with_hint(format!(
                "grant the application `{client}` these permissions of that audience in the IDaaS console, and check that both are written as there"
            )),
            ErrorKind::InvalidRequest => error.with_hint("check the audience and the permissions against the IDaaS console, then call again"),
            ErrorKind::PermissionDenied => error.with_hint(format!(
                "authorise the application `{client}` for this audience and these permissions in the IDaaS console{}",
                if of_user { "; an exchange needs the grant type token exchange, too" } else { "" }
            )),
            ErrorKind::RateLimited => error.with_hint("wait before calling again"),
            ErrorKind::Unavailable => error.with_hint("IDaaS cannot serve now; try again later"),
            _ if (300..400).contains(&refusal.status) => error
                .with_hint("IDaaS answered with a redirect, which is not followed with credentials; check the token endpoint"),
            _ => error.with_hint("check that the token endpoint is that of the IDaaS instance: `{issuer}/token`"),
        }
    }
}

/// That the client itself was refused, not what it asked for. RFC 6749 section 5.2 lets `invalid_client` come as 400 or 401.
fn is_of_client(refusal: &Refusal, subject: Subject<'_>) -> bool {
    // The second ones are of who signs for the OpenAPI, whose gateway answers with 400 and 404.
    let of_signer = ["InvalidAccessKeyId", "InvalidSecurityToken", "MissingSecurityToken", "SignatureDoesNotMatch"];
    let is_of_signer = |code: &str| of_signer.iter().any(|family| code.starts_with(family));
    if refusal.has_code(&["invalid_client", "unauthorized_client"]) || refusal.code.as_deref().is_some_and(is_of_signer)
    {
        return true;
    }
    refusal.status == 401 && matches!(subject, Subject::Agent)
}

/// What is asked for, after the client has shown itself.
fn grant<'a>(
    subject: Option<&'a str>,
    actor: Option<&'a SecretString>,
    scope: &'a str,
) -> Vec<(&'static str, &'a str)> {
    let Some(subject) = subject else { return vec![("grant_type", CLIENT_CREDENTIALS), ("scope", scope)] };
    let mut fields = vec![
        ("grant_type", TOKEN_EXCHANGE),
        ("subject_token", subject),
        ("subject_token_type", ACCESS_TOKEN),
        ("requested_token_type", ACCESS_TOKEN),
    ];
    if let Some(actor) = actor {
        fields.extend([("actor_token", actor.expose_secret()), ("actor_token_type", ACCESS_TOKEN)]);
    }
    fields.push(("scope", scope));
    fields
}

/// In a buffer that is never moved, so that no copy of a secret stays behind.
fn form(shown: &Shown, grant: &[(&str, &str)]) -> Bytes {
    let shown = shown.fields.iter().map(|(name, value)| (*name, value.as_str()));
    let fields: Vec<(&str, &str)> = shown.chain(grant.iter().copied()).collect();
    let longest = fields.iter().map(|(name, value)| 3 * (name.len() + value.len()) + 2).sum();
    let mut form = Serializer::new(String::with_capacity(longest));
    form.extend_pairs(fields);
    Bytes::from_owner(Zeroizing::new(form.finish().into_bytes()))
}

/// What the token endpoint answers.
#[derive(Deserialize)]
struct TokenAnswer {
    access_token: Option<SecretString>,
    token_type: Option<String>,
    issued_token_type: Option<String>,
    expires_in: Option<Value>,
    expires_at: Option<Value>,
    scope: Option<String>,
}

fn read(body: &[u8], asked_at: Moment) -> Result<Issued, Error> {
    let answer: TokenAnswer = object(body).ok_or_else(|| protocol("is not the JSON object that it should be"))?;
    let scopes = answer.scope.unwrap_or_default();
    let scopes = scopes.split_ascii_whitespace().map(Scope::new).collect::<Result<_, _>>().unwrap_or_default();
    let lifetime = Lifetime { expires_in: answer.expires_in, expires_at: answer.expires_at };
    let kind = Kind { form: answer.token_type.as_deref(), meaning: answer.issued_token_type.as_deref() };
    issued(answer.access_token, &kind, &lifetime, asked_at).map(|issued| issued.with_scopes(scopes))
}

pub(crate) fn protocol(problem: &str) -> Error {
    Error::protocol(format!("could not {OPERATION}: the answer {problem}"))
}

pub(crate) struct Lifetime {
    pub(crate) expires_in: Option<Value>,
    pub(crate) expires_at: Option<Value>,
}

impl Lifetime {
    /// The shorter of what both members say, from before the request on. A time that is over already shows that the clocks
    /// differ, and then the duration counts.
    fn of(&self, asked_at: Moment) -> Option<Duration> {
        let told = self.expires_in.as_ref().and_then(seconds);
        let until = self.expires_at.as_ref().and_then(seconds).and_then(|at| {
            let now = asked_at.wall.duration_since(std::time::SystemTime::UNIX_EPOCH).ok()?;
            at.checked_sub(now).filter(|left| !left.is_zero())
        });
        let life = match (told, until) {
            (Some(told), Some(until)) => Some(told.min(until)),
            (told, until) => told.or(until),
        };
        life.map(|life| life.min(LONGEST_LIFE))
    }

    /// Nothing but a time that is over.
    fn is_over(&self, asked_at: Moment) -> bool {
        let since_epoch = asked_at.wall.duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.expires_in.as_ref().and_then(seconds).is_none()
            && self.expires_at.as_ref().and_then(seconds).is_some_and(|at| at <= since_epoch)
    }
}

/// What the answer says the token is.
pub(crate) struct Kind<'a> {
    pub(crate) form: Option<&'a str>,
    /// Of an exchange (RFC 8693 section 2.2.1). One that is not told is the one that was asked for.
    pub(crate) meaning: Option<&'a str>,
}

pub(crate) fn issued(
    token: Option<SecretString>,
    kind: &Kind<'_>,
    lifetime: &Lifetime,
    asked_at: Moment,
) -> Result<Issued, Error> {
    // RFC 6749 section 7.1: a token of a type that the client does not understand must not be used.
    if kind.form.is_some_and(|kind| !kind.is_empty() && !kind.eq_ignore_ascii_case("bearer")) {
        return Err(protocol("holds a token that is not of type Bearer"));
    }
    if kind.meaning.is_some_and(|kind| !kind.is_empty() && kind != ACCESS_TOKEN) {
        return Err(protocol("holds a token of another kind than the access token that was asked for"));
    }
    let token = token.filter(filled).ok_or_else(|| protocol("holds no token"))?;
    if !token.expose_secret().bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(protocol("holds a token that cannot stand in a header"));
    }
    if lifetime.is_over(asked_at) {
        return Err(protocol("holds a token that has expired already").with_hint("check this machine's clock"));
    }
    Ok(Issued::access_token(token).with_lifetime(lifetime.of(asked_at)))
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens")
            .field("client", &self.0.client)
            .field("endpoint", self.0.endpoint.place())
            .field("authentication", &self.0.authentication)
            .finish_non_exhaustive()
    }
}

/// So that an [`IdentityClient`](crate::IdentityClient) keeps the tokens of the developer API: by scopes as a set and by the user's
/// token, renewed ahead of need, one request however many wait.
impl Platform for Tokens {
    fn describe(&self) -> Description<'_> {
        Description {
            name: super::platform::NAME,
            endpoint: self.0.endpoint.place().as_str(),
            agent_identity: &self.0.client,
        }
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { machine_tokens: true, user_tokens: true, on_behalf_of: true, ..Capabilities::none() }
    }

    fn check(&self, request: &CredentialRequest) -> Result<(), Error> {
        Permissions::of(request.scopes()).map(drop)
    }

    async fn api_key_flow(&self, _: &ProviderName) -> Result<Flow, Error> {
        Ok(Flow::MachineToMachine)
    }

    async fn acquire(&self, request: &CredentialRequest) -> Result<Acquired<Issued>, Error> {
        let subject = Subject::of(request.user())?;
        self.issue(Permissions::of(request.scopes())?, subject).await.map(Acquired::Ready)
    }

    async fn poll(&self, _: &PendingAuthorization) -> Result<Polled<Issued>, Error> {
        Err(Error::invalid("tokens of IDaaS itself need no consent"))
    }
}
