//! AgentBase as a [`Platform`]: the credential operations.

use http::Method;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use url::Url;

use super::{
    AgentBase, api_key_providers, call::Call, delegated_api_key_providers, oauth2_providers, types::check_name,
};
use crate::{
    capabilities::Capabilities,
    consent::{Acquired, PendingAuthorization, PendingParts, Polled, denied},
    credential::CredentialKind,
    credential_request::{CredentialRequest, Flow},
    error::{Error, ErrorKind},
    name::{ProviderName, Scope},
    platform::{Description, Issued, Platform},
    principal::User,
    reply::Reply,
    wire::{Pairs, check_length, filled, is_false},
};

const NAME: &str = "agentbase";
/// A session is a UUID; anything much longer is something else.
const MAX_SESSION: usize = 200;
const MAX_STATE_OF_TOKEN: usize = 100;
const MAX_STATE_OF_KEY: usize = 50;
const NOT_FOUND: &str = "check that a provider of this name and kind exists, and that the agent identity exists too; both names are case-sensitive";

/// What a user's credential is asked with, in the first request and in those that poll.
struct UserGrant<'a> {
    credential: CredentialKind,
    provider: &'a ProviderName,
    user: &'a User,
    scopes: &'a [Scope],
    return_url: &'a str,
    custom_state: Option<&'a str>,
    custom_parameters: &'a [(String, String)],
    session: Option<&'a str>,
    force: bool,
}

/// The body of both user flows; each has fields that the other has not. What is not there is left out, never null.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GrantBody<'a> {
    agent_user_id: &'a str,
    return_url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    scopes: Option<Vec<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    custom_parameters: Option<Pairs<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    custom_state: Option<&'a str>,
    #[serde(skip_serializing_if = "is_false")]
    force_authentication: bool,
    #[serde(skip_serializing_if = "is_false")]
    force_delegation: bool,
}

#[derive(Serialize)]
struct MachineBody<'a> {
    scopes: Vec<&'a str>,
}

/// What the credential operations answer: a credential, or where the user agrees.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GrantAnswer {
    apikey: Option<SecretString>,
    access_token: Option<SecretString>,
    token_type: Option<String>,
    authorization_url: Option<String>,
    session_id: Option<String>,
    status: Option<String>,
}

/// Where a consent is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    Completed,
    Failed,
    /// `IN_PROGRESS`, and whatever else there may be: the values for access tokens are documented nowhere.
    UnderWay,
}

impl GrantAnswer {
    fn progress(&self) -> Option<Progress> {
        self.status.as_deref().map(|status| match status {
            "COMPLETED" => Progress::Completed,
            "FAILED" => Progress::Failed,
            _ => Progress::UnderWay,
        })
    }

    /// The credential, if the answer has one. A blank one is none.
    fn issued(&mut self, credential: CredentialKind) -> Result<Option<Issued>, Error> {
        let secret = match credential {
            CredentialKind::ApiKey => self.apikey.take(),
            _ => self.access_token.take(),
        };
        let Some(secret) = secret.filter(filled) else { return Ok(None) };
        if credential == CredentialKind::ApiKey {
            return Ok(Some(Issued::api_key(secret)));
        }
        // RFC 6749 section 7.1: a token of a type that the client does not understand must not be used.
        if self.token_type.as_ref().is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
            return Err(Error::protocol("AgentBase answered with an access token that is not of type Bearer"));
        }
        Ok(Some(Issued::access_token(secret)))
    }
}

impl AgentBase {
    fn credential_url(&self, collection: &[&str], provider: &ProviderName, credential: &[&str]) -> Result<Url, Error> {
        let of_agent = [provider.as_str(), "agent-identities", self.agent_identity().as_str()];
        self.caller().url(collection, &[&of_agent, credential].concat())
    }

    async fn static_key(&self, provider: &ProviderName) -> Result<Issued, Error> {
        let url = self.credential_url(api_key_providers::COLLECTION, provider, &["api-key"])?;
        let call = Call::new("get the API key", Method::GET, url).if_not_found(NOT_FOUND);
        let reply = self.caller().send(call).await?;
        without_consent(&reply, CredentialKind::ApiKey)
    }

    async fn machine_token(&self, request: &CredentialRequest) -> Result<Issued, Error> {
        let url = self.credential_url(oauth2_providers::COLLECTION, request.provider(), &["tokens", "m2m"])?;
        let body = MachineBody { scopes: request.scopes().iter().map(Scope::as_str).collect() };
        let call = Call::new("get the access token", Method::POST, url).if_not_found(NOT_FOUND).with_json(&body)?;
        let reply = self.caller().send(call).await?;
        without_consent(&reply, CredentialKind::AccessToken)
    }

    async fn user_grant(&self, grant: &UserGrant<'_>) -> Result<GrantAnswer, Error> {
        let (operation, url) = match grant.credential {
            CredentialKind::ApiKey => (
                "get the user's API key",
                self.credential_url(delegated_api_key_providers::COLLECTION, grant.provider, &["api-key"])?,
            ),
            _ => (
                "get the user's access token",
                self.credential_url(oauth2_providers::COLLECTION, grant.provider, &["tokens", "3lo"])?,
            ),
        };
        let of_token = grant.credential == CredentialKind::AccessToken;
        let body = GrantBody {
            agent_user_id: grant.user.id(),
            return_url: grant.return_url,
            scopes: of_token.then(|| grant.scopes.iter().map(Scope::as_str).collect()),
            session_id: grant.session,
            custom_parameters: (of_token && !grant.custom_parameters.is_empty())
                .then_some(Pairs(grant.custom_parameters)),
            custom_state: grant.custom_state,
            force_authentication: of_token && grant.force,
            force_delegation: !of_token && grant.force,
        };
        let parameters = grant.custom_parameters.iter().map(|(_, value)| value.as_str());
        let hidden = [Some(grant.user.id()), grant.session, grant.custom_state].into_iter().flatten().chain(parameters);
        let mut call = Call::new(operation, Method::POST, url).if_not_found(NOT_FOUND).with_json(&body)?.hiding(hidden);
        if grant.force {
            // Each one starts the user's consent over.
            call = call.once();
        }
        self.caller().send(call).await?.json()
    }

    /// Makes a pending authorization of the answer to a first request.
    fn pending(&self, grant: &UserGrant<'_>, answer: GrantAnswer) -> Result<PendingAuthorization, Error> {
        let Some(authorization_url) = answer.authorization_url.filter(|url| !url.is_empty()) else {
            return Err(Error::protocol(format!(
                "AgentBase answered with neither an {} nor an authorization URL",
                grant.credential.noun()
            )));
        };
        let session = answer.session_id.filter(|session| !session.trim().is_empty() && session.len() <= MAX_SESSION);
        let Some(session) = session else {
            // Without one, each poll would begin another consent.
            return Err(Error::protocol(
                "AgentBase answered with an authorization URL, but without a session to ask about",
            ));
        };
        Ok(PendingAuthorization::new(PendingParts {
            platform: NAME.to_owned(),
            endpoint: self.caller().endpoint().to_owned(),
            agent_identity: self.agent_identity().clone(),
            credential: grant.credential,
            provider: grant.provider.clone(),
            user: grant.user.clone(),
            scopes: grant.scopes.to_vec(),
            return_url: Some(grant.return_url.to_owned()),
            authorization_url,
            session: Some(session),
            custom_state: grant.custom_state.map(str::to_owned),
            custom_parameters: grant.custom_parameters.to_vec(),
            started_at: self.caller().now().wall,
            expires_at: None,
        }))
    }

    /// After a consent that is complete, but whose answer held no credential: the request without its session.
    async fn collect(&self, grant: UserGrant<'_>) -> Result<Polled<Issued>, Error> {
        let mut answer = self.user_grant(&UserGrant { session: None, ..grant }).await?;
        if answer.progress() == Some(Progress::Failed) {
            return Err(denied(grant.provider));
        }
        answer.issued(grant.credential)?.map(Polled::Ready).ok_or_else(|| {
            Error::protocol(format!(
                "AgentBase says that the consent is complete, but gives no {}",
                grant.credential.noun()
            ))
        })
    }

    async fn has_provider(&self, collection: &[&str], provider: &ProviderName) -> Result<bool, Error> {
        let url = self.caller().url(collection, &[provider.as_str()])?;
        let looked = self.caller().send(Call::new("look up the provider", Method::GET, url)).await;
        match looked {
            // Only an answer in the right shape counts: a page of some proxy is no provider.
            Ok(reply) => reply.json::<super::ApiKeyProvider>().map(|_| true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl Platform for AgentBase {
    fn describe(&self) -> Description<'_> {
        Description { name: NAME, endpoint: self.caller().endpoint(), agent_identity: self.agent_identity() }
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            static_api_keys: true,
            delegated_api_keys: true,
            machine_tokens: true,
            user_tokens: true,
            // There is no operation that completes a consent, so nothing can check who gave it.
            session_binding: false,
            force_authentication: true,
            ..Capabilities::none()
        }
    }

    fn check(&self, request: &CredentialRequest) -> Result<(), Error> {
        self.capabilities().check(request, NAME)?;
        check_name(request.provider().as_str(), "provider name")?;
        if request.credential() == CredentialKind::AccessToken && request.scopes().is_empty() {
            return Err(Error::invalid(
                "AgentBase issues access tokens only for scopes that are named; name at least one",
            ));
        }
        if request.flow() == Flow::UserFederation { check_consent(request) } else { Ok(()) }
    }

    async fn api_key_flow(&self, provider: &ProviderName) -> Result<Flow, Error> {
        check_name(provider.as_str(), "provider name")?;
        if self.has_provider(delegated_api_key_providers::COLLECTION, provider).await? {
            return Ok(Flow::UserFederation);
        }
        if self.has_provider(api_key_providers::COLLECTION, provider).await? {
            return Ok(Flow::MachineToMachine);
        }
        Err(Error::new(
            ErrorKind::NotFound,
            format!("AgentBase has no API key provider `{provider}`, neither static nor delegated"),
        )
        .with_status(404)
        .with_hint(
            "check the name, create the provider, or, for an OAuth 2.0 provider, ask for an access token instead",
        ))
    }

    async fn acquire(&self, request: &CredentialRequest) -> Result<Acquired<Issued>, Error> {
        self.check(request)?;
        let Some(user) = request.user() else {
            return match request.credential() {
                CredentialKind::ApiKey => self.static_key(request.provider()).await,
                _ => self.machine_token(request).await,
            }
            .map(Acquired::Ready);
        };
        let options = request.options();
        let grant = UserGrant {
            credential: request.credential(),
            provider: request.provider(),
            user,
            scopes: request.scopes(),
            return_url: return_url(options.return_url.as_deref())?,
            custom_state: options.custom_state.as_deref(),
            custom_parameters: &options.custom_parameters,
            session: None,
            force: options.force,
        };
        let mut answer = self.user_grant(&grant).await?;
        if answer.progress() == Some(Progress::Failed) {
            return Err(denied(grant.provider));
        }
        match answer.issued(grant.credential)? {
            Some(issued) => Ok(Acquired::Ready(issued)),
            None => self.pending(&grant, answer).map(Acquired::NeedsConsent),
        }
    }

    async fn poll(&self, pending: &PendingAuthorization) -> Result<Polled<Issued>, Error> {
        let parts = pending.parts();
        check_name(parts.provider.as_str(), "provider name")?;
        let Some(session) = parts.session.as_deref() else {
            return Err(Error::invalid("the pending consent has no session, so it is not one of AgentBase"));
        };
        let of_key = parts.credential == CredentialKind::ApiKey;
        let grant = UserGrant {
            credential: parts.credential,
            provider: &parts.provider,
            user: &parts.user,
            scopes: &parts.scopes,
            return_url: return_url(parts.return_url.as_deref())?,
            // The vendor's SDK leaves the state out of polls for keys, and sends it in those for tokens.
            custom_state: parts.custom_state.as_deref().filter(|_| !of_key),
            custom_parameters: &parts.custom_parameters,
            session: Some(session),
            force: false,
        };
        let mut answer = self.user_grant(&grant).await.map_err(|error| ended(error, &parts.provider))?;
        let progress = answer.progress();
        if progress == Some(Progress::Failed) {
            return Err(denied(grant.provider));
        }
        if let Some(issued) = answer.issued(grant.credential)? {
            return Ok(Polled::Ready(issued));
        }
        match progress {
            Some(Progress::Completed) => {}
            // For keys, the vendor's SDK takes a missing status as the end.
            None if of_key => {}
            _ => return Ok(Polled::Pending { interval: None }),
        }
        self.collect(UserGrant { custom_state: parts.custom_state.as_deref(), ..grant }).await
    }
}

/// Reads the answer of an operation that needs nobody's consent.
fn without_consent(reply: &Reply, credential: CredentialKind) -> Result<Issued, Error> {
    reply
        .json::<GrantAnswer>()?
        .issued(credential)?
        .ok_or_else(|| Error::protocol(format!("AgentBase answered without an {}", credential.noun())))
}

fn check_consent(request: &CredentialRequest) -> Result<(), Error> {
    let options = request.options();
    return_url(options.return_url.as_deref())?;
    let (max_state, takes_parameters) = match request.credential() {
        CredentialKind::ApiKey => (MAX_STATE_OF_KEY, false),
        _ => (MAX_STATE_OF_TOKEN, true),
    };
    if let Some(state) = &options.custom_state {
        check_length(state, "custom state", 1, max_state)?;
    }
    if !takes_parameters && !options.custom_parameters.is_empty() {
        return Err(Error::new(ErrorKind::Unsupported, "AgentBase takes no custom parameters for API keys")
            .with_hint("leave them out; they are for access tokens"));
    }
    options.check_custom_parameters()
}

fn return_url(given: Option<&str>) -> Result<&str, Error> {
    let url = given.ok_or_else(|| {
        Error::invalid("AgentBase needs to know where the browser lands after a consent, and no return URL is given")
            .with_hint("give a `callback_url` that is among the agent identity's allowed return URLs, or a `RequestContext` with a return URL")
    })?;
    identity_grammar::check_return_url(url).map_err(|violation| Error::invalid(violation.to_string()))?;
    Ok(url)
}

/// What a 404 means while polling: the session is gone, for the provider was there when it was begun.
fn ended(error: Error, provider: &ProviderName) -> Error {
    if error.kind() != ErrorKind::NotFound {
        return error;
    }
    Error::new(ErrorKind::AuthorizationExpired, format!("AgentBase no longer knows the consent for provider `{provider}`"))
        .with_answer_of(&error)
        .with_hint("call again: the user gets a new authorization URL; if that fails too, check that the provider and the agent identity still exist")
}
