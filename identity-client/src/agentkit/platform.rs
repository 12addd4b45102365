//! Agent Identity as a [`Platform`]: the credential operations.

use std::{sync::Arc, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    AgentKit,
    api_key_providers::KeyPlace,
    call::Call,
    envelope,
    preflight::{self, Expected},
    sessions::{Artefact, IdentifiedBy, Session},
    trouble::Trouble,
    workload::WorkloadToken,
};
use crate::{
    capabilities::Capabilities,
    consent::{Acquired, PendingAuthorization, PendingParts, Polled, token_gone},
    credential::CredentialKind,
    credential_request::{ConsentOptions, CredentialRequest, Flow},
    error::{Error, ErrorKind},
    hash::{hex, sha256},
    name::{ProviderName, Scope},
    platform::{Description, Issued, Platform},
    principal::User,
    wire::{filled, is_false},
};

const NAME: &str = "agentkit";
/// A longer session URI is something else.
const MAX_SESSION: usize = 2048;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TokenBody<'a> {
    provider_name: &'a str,
    identity_token: &'a str,
    flow: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    scopes: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    redirect_url: Option<&'a str>,
    #[serde(skip_serializing_if = "is_false")]
    force_authentication: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    custom_parameters: Option<Parameters<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    custom_state: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pool_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_oauth2_return_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_uri: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Parameters<'a> {
    entries: Vec<Entry<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Entry<'a> {
    key: &'a str,
    value: &'a str,
}

impl<'a> Parameters<'a> {
    fn of(pairs: &'a [(String, String)]) -> Option<Self> {
        let entries: Vec<_> = pairs.iter().map(|(key, value)| Entry { key, value }).collect();
        (!entries.is_empty()).then_some(Self { entries })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TokenAnswer {
    access_token: Option<SecretString>,
    authorization_url: Option<String>,
    expires_in: Option<Value>,
    session_uri: Option<String>,
}

impl TokenAnswer {
    fn issued(&mut self) -> Option<Issued> {
        let secret = self.access_token.take().filter(filled)?;
        let seconds = match &self.expires_in {
            Some(Value::Number(number)) => number.as_f64(),
            Some(Value::String(text)) => text.trim().parse().ok(),
            _ => None,
        };
        let lifetime =
            seconds.filter(|seconds| *seconds >= 1.0).and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        Some(Issued::access_token(secret).with_lifetime(lifetime))
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct KeyBody<'a> {
    provider_name: &'a str,
    identity_token: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pool_name: Option<&'a str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct KeyAnswer {
    api_key: Option<SecretString>,
    #[serde(default = "Option::default")]
    api_key_metadata: Option<Vec<KeyPlace>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct CompleteBody<'a> {
    session_uri: &'a str,
    user_identifier: UserIdentifier<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pool_name: Option<&'a str>,
}

#[derive(Serialize)]
enum UserIdentifier<'a> {
    #[serde(rename = "UserID")]
    Id(&'a str),
    #[serde(rename = "UserToken")]
    Token(&'a str),
}

/// What a user's token is asked with, in the first request and in those that poll.
#[derive(Clone, Copy)]
struct Grant<'a> {
    provider: &'a ProviderName,
    user: &'a User,
    scopes: &'a [Scope],
    return_url: Option<&'a str>,
    custom_state: Option<&'a str>,
    custom_parameters: &'a [(String, String)],
    session_uri: Option<&'a str>,
    force: bool,
}

impl AgentKit {
    /// Where an API key belongs in a request: each header or parameter, as the provider's record says.
    ///
    /// # Errors
    /// As a request for the key.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn api_key_places(&self, provider: &ProviderName) -> Result<Vec<KeyPlace>, Error> {
        Ok(self.key(provider).await?.api_key_metadata.unwrap_or_default())
    }

    async fn key(&self, provider: &ProviderName) -> Result<KeyAnswer, Error> {
        const OPERATION: &str = "get the API key";
        let token = self.workload_token(None).await?;
        let body = KeyBody {
            provider_name: provider.as_str(),
            identity_token: token.expose_secret(),
            pool_name: self.provider_pool(),
        };
        let call = Call::new(OPERATION, "GetResourceApiKey", &body)?.hiding([token.expose_secret()]);
        self.ask_vault(OPERATION, call, provider, &token).await
    }

    /// Sends a call to the vault; that there is no such provider is said with the names that there are.
    async fn ask_vault<T: serde::de::DeserializeOwned>(
        &self,
        operation: &'static str,
        call: Call<'_>,
        provider: &ProviderName,
        token: &Arc<WorkloadToken>,
    ) -> Result<T, Error> {
        let refused = match self.caller().answer(call).await? {
            Ok(answer) => return envelope::result(operation, &answer),
            Err(refused) => refused,
        };
        if matches!(refused.error.kind(), ErrorKind::Unauthenticated | ErrorKind::PermissionDenied) {
            // The next call asks with a fresh one.
            self.workloads.forget(token);
        }
        if refused.error.kind() != ErrorKind::NotFound {
            return Err(refused.error);
        }
        // Whoever may not list them still learns that this one is missing.
        let found = self.providers().nearest(provider.as_str()).await.unwrap_or_default();
        Err(refused.refusal.facts(
            Trouble::ProviderNotFound {
                provider: provider.as_str().to_owned(),
                pool: self.provider_pool().unwrap_or("default").to_owned(),
                region: self.caller().region().to_owned(),
                found,
            }
            .into(),
        ))
    }

    async fn machine_token(&self, request: &CredentialRequest) -> Result<Issued, Error> {
        const OPERATION: &str = "get the access token";
        let token = self.workload_token(None).await?;
        let body = TokenBody {
            provider_name: request.provider().as_str(),
            identity_token: token.expose_secret(),
            flow: Flow::MachineToMachine.as_str(),
            scopes: request.scopes().iter().map(Scope::as_str).collect(),
            redirect_url: None,
            force_authentication: false,
            custom_parameters: None,
            custom_state: None,
            pool_name: self.provider_pool(),
            resource_oauth2_return_url: None,
            session_uri: None,
        };
        let call = Call::new(OPERATION, "GetResourceOauth2Token", &body)?.hiding([token.expose_secret()]);
        let mut answer: TokenAnswer = self.ask_vault(OPERATION, call, request.provider(), &token).await?;
        if let Some(issued) = answer.issued() {
            return Ok(issued);
        }
        if answer.authorization_url.is_some() {
            // Never shown to anybody: it is not a user's call.
            return Err(mismatch(request.provider(), Flow::UserFederation, Flow::MachineToMachine));
        }
        Err(self.neither(request.provider(), Flow::MachineToMachine).await)
    }

    async fn user_token(&self, grant: Grant<'_>, token: &Arc<WorkloadToken>) -> Result<TokenAnswer, Error> {
        const OPERATION: &str = "get the user's access token";
        let body = TokenBody {
            provider_name: grant.provider.as_str(),
            identity_token: token.expose_secret(),
            flow: Flow::UserFederation.as_str(),
            scopes: grant.scopes.iter().map(Scope::as_str).collect(),
            redirect_url: self.settings.redirect_url.as_deref(),
            force_authentication: grant.force,
            custom_parameters: Parameters::of(grant.custom_parameters),
            custom_state: grant.custom_state,
            pool_name: self.provider_pool(),
            resource_oauth2_return_url: grant.return_url,
            session_uri: grant.session_uri,
        };
        let parameters = grant.custom_parameters.iter().map(|(_, value)| value.as_str());
        let shown = grant.user.token().map(ExposeSecret::expose_secret);
        let own = [Some(token.expose_secret()), Some(grant.user.id()), shown, grant.custom_state, grant.session_uri];
        let hidden = own.into_iter().flatten().chain(parameters);
        let mut call = Call::new(OPERATION, "GetResourceOauth2Token", &body)?.hiding(hidden);
        if grant.force {
            // Each one starts the user's consent over.
            call = call.once();
        }
        self.ask_vault(OPERATION, call, grant.provider, token).await
    }

    /// What an answer with neither a token nor a URL comes of.
    async fn neither(&self, provider: &ProviderName, asked: Flow) -> Error {
        let record = self.oauth2_providers().get(provider.as_str()).await.ok();
        match record.and_then(|record| record.flow).and_then(|flow| identity_grammar::parse_flow(&flow).ok()) {
            Some(configured) if configured != asked => mismatch(provider, configured, asked),
            _ => Error::protocol(
                "Volcengine Agent Identity answered with neither an access token nor an authorization URL",
            ),
        }
    }

    /// Looks at a consent before the user is sent to it.
    async fn inspect(&self, provider: &ProviderName, link: &str) -> Result<(), Error> {
        let record = match self.oauth2_providers().get(provider.as_str()).await {
            Ok(record) => Some(record),
            Err(error) => {
                tracing::debug!(%provider, kind = ?error.kind(), "the provider's record cannot be read; only its link is looked at");
                None
            }
        };
        let callback = self.settings.redirect_url.as_deref().or(self.settings.callback.as_deref());
        let expected = Expected {
            provider: provider.as_str(),
            callback,
            on_loopback: self.caller().endpoint().is_loopback(),
            record: record.as_ref(),
        };
        preflight::inspect(link, &expected)
    }

    async fn begin(&self, grant: Grant<'_>) -> Result<Acquired<Issued>, Error> {
        let token = self.workload_token(Some(grant.user)).await?;
        // What the vault holds now: a poll after a forced consent may still be answered with it.
        let replaces = if grant.force {
            let before = self.user_token(Grant { force: false, custom_state: None, ..grant }, &token).await?.issued();
            before.map(|issued| digest(&issued))
        } else {
            None
        };
        let mut answer = self.user_token(grant, &token).await?;
        if let Some(issued) = answer.issued() {
            if replaces.as_ref().is_some_and(|old| *old == digest(&issued)) {
                return Err(Error::new(
                    ErrorKind::AuthorizationDenied,
                    format!(
                        "the user was to be asked again for provider `{}`, and the old token came back",
                        grant.provider
                    ),
                )
                .with_hint("revoke the user's grant at the outside provider, then call again"));
            }
            return Ok(Acquired::Ready(issued));
        }
        let Some(link) = answer.authorization_url.filter(|url| !url.is_empty()) else {
            return Err(self.neither(grant.provider, Flow::UserFederation).await);
        };
        self.inspect(grant.provider, &link).await?;
        let session = Session {
            uri: answer.session_uri.filter(|uri| !uri.trim().is_empty() && uri.len() <= MAX_SESSION),
            region: self.caller().region().to_owned(),
            by: if grant.user.token().is_some() { IdentifiedBy::Token } else { IdentifiedBy::Id },
            replaces,
        };
        let pending = PendingAuthorization::new(PendingParts {
            platform: NAME.to_owned(),
            endpoint: self.caller().endpoint().as_str().to_owned(),
            agent_identity: self.agent_identity().clone(),
            credential: CredentialKind::AccessToken,
            provider: grant.provider.clone(),
            user: grant.user.clone(),
            scopes: grant.scopes.to_vec(),
            return_url: grant.return_url.map(str::to_owned),
            authorization_url: link,
            session: Some(session.to_text()?),
            custom_state: grant.custom_state.map(str::to_owned),
            custom_parameters: grant.custom_parameters.to_vec(),
            started_at: self.caller().now().wall,
            expires_at: None,
        });
        let artefact = Artefact { token, user: grant.user.clone() };
        self.sessions.keep(&pending, artefact, self.caller().now());
        Ok(Acquired::NeedsConsent(pending))
    }

    /// Who began a consent, as it was begun: with the very workload token while that is good, and never by an id in place of
    /// a token.
    pub(super) async fn artefact(&self, pending: &PendingAuthorization, session: &Session) -> Result<Artefact, Error> {
        let now = self.caller().now();
        let held = self.sessions.get(pending);
        if let Some(held) = held.as_ref().filter(|held| held.token.is_good(now)) {
            return Ok(held.clone());
        }
        let user = held.map_or_else(|| pending.user().clone(), |held| held.user);
        if session.by == IdentifiedBy::Token && user.token().is_none() {
            return Err(token_gone(pending.provider()));
        }
        // One that was resumed shows an id where it was begun with an id.
        let user = if session.by == IdentifiedBy::Id { User::asserted(user.id())? } else { user };
        let artefact = Artefact { token: self.workload_token(Some(&user)).await?, user };
        self.sessions.keep(pending, artefact.clone(), now);
        Ok(artefact)
    }

    pub(super) fn session(&self, pending: &PendingAuthorization) -> Result<Session, Error> {
        let session = pending.parts().session.as_deref().and_then(Session::of_text);
        let session = session.filter(|session| session.region == self.caller().region());
        session.ok_or_else(|| {
            Error::invalid("the pending consent is not one of Agent Identity in this region")
                .with_hint("resume it with a client that is configured like the one that began it")
        })
    }
}

impl Platform for AgentKit {
    fn describe(&self) -> Description<'_> {
        Description { name: NAME, endpoint: self.caller().endpoint().as_str(), agent_identity: self.agent_identity() }
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            static_api_keys: true,
            machine_tokens: true,
            user_tokens: true,
            // It takes the application's word for who came back.
            session_binding: false,
            force_authentication: true,
            consent_completion: true,
            ..Capabilities::none()
        }
    }

    fn check(&self, request: &CredentialRequest) -> Result<(), Error> {
        self.capabilities().check(request, NAME)?;
        if request.flow() == Flow::MachineToMachine {
            return Ok(());
        }
        if request.credential() == CredentialKind::ApiKey {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "Volcengine Agent Identity holds one API key a provider, and none of single users",
            )
            .with_hint("ask for the agent: `auth_flow = \"M2M\"`, or `.for_agent()`"));
        }
        check_consent(request.options())
    }

    /// Each holds one key for the agent.
    async fn api_key_flow(&self, _: &ProviderName) -> Result<Flow, Error> {
        Ok(Flow::MachineToMachine)
    }

    async fn acquire(&self, request: &CredentialRequest) -> Result<Acquired<Issued>, Error> {
        self.check(request)?;
        let Some(user) = request.user() else {
            return match request.credential() {
                CredentialKind::ApiKey => {
                    let key = self.key(request.provider()).await?.api_key;
                    let key = key.filter(filled);
                    key.map(Issued::api_key)
                        .ok_or_else(|| Error::protocol("Volcengine Agent Identity answered without an API key"))
                }
                _ => self.machine_token(request).await,
            }
            .map(Acquired::Ready);
        };
        let options = request.options();
        self.begin(Grant {
            provider: request.provider(),
            user,
            scopes: request.scopes(),
            return_url: options.return_url.as_deref(),
            custom_state: options.custom_state.as_deref(),
            custom_parameters: &options.custom_parameters,
            session_uri: None,
            force: options.force,
        })
        .await
    }

    async fn poll(&self, pending: &PendingAuthorization) -> Result<Polled<Issued>, Error> {
        let session = self.session(pending)?;
        let artefact = self.artefact(pending, &session).await?;
        let parts = pending.parts();
        let grant = Grant {
            provider: &parts.provider,
            user: &artefact.user,
            scopes: &parts.scopes,
            return_url: parts.return_url.as_deref(),
            custom_state: parts.custom_state.as_deref(),
            custom_parameters: &parts.custom_parameters,
            session_uri: session.uri.as_deref(),
            force: false,
        };
        let answer = self.user_token(grant, &artefact.token).await;
        let issued = answer.map_err(|error| ended(error, &session, &parts.provider))?.issued();
        // The one that force was to replace says nothing of the new consent.
        let issued = issued.filter(|issued| session.replaces.as_ref().is_none_or(|old| *old != digest(issued)));
        Ok(match issued {
            Some(issued) => Polled::Ready(issued),
            None => Polled::Pending { interval: None },
        })
    }

    async fn complete(&self, pending: &PendingAuthorization) -> Result<(), Error> {
        let session = self.session(pending)?;
        // Without a return URL, or without a session, the vault waits for nothing.
        let (Some(uri), Some(_)) = (session.uri.as_deref(), pending.parts().return_url.as_deref()) else {
            return Ok(());
        };
        let user = self.sessions.get(pending).map_or_else(|| pending.user().clone(), |held| held.user);
        let user_identifier = match (session.by, user.token()) {
            (IdentifiedBy::Id, _) => UserIdentifier::Id(user.id()),
            (IdentifiedBy::Token, Some(token)) => UserIdentifier::Token(token.expose_secret()),
            (IdentifiedBy::Token, None) => {
                return Err(Error::new(
                    ErrorKind::AuthorizationExpired,
                    "the consent was begun with the user's own token, which is kept nowhere",
                )
                .with_hint("call again with the signed-in user: they get a new authorization URL"));
            }
        };
        let hidden = [uri, user.id()].into_iter().chain(user.token().map(ExposeSecret::expose_secret));
        let body = CompleteBody { session_uri: uri, user_identifier, pool_name: self.provider_pool() };
        let call = Call::new("complete the user's consent", "CompleteResourceTokenAuth", &body)?;
        let call = call.hiding(hidden).if_not_found("the session is over: call again, and the user gets a new link");
        match self.caller().send_for_nothing(call).await {
            // An earlier try, whose answer was lost, did it.
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(()),
            told => told,
        }
    }

    fn timed_out(&self, pending: &PendingAuthorization, waited: Duration) -> Option<Error> {
        let (provider, callback) = (pending.provider().as_str().to_owned(), self.settings.callback.clone());
        Some(Trouble::ConsentTimeout { waited, provider, callback }.into())
    }
}

/// Enough to tell two tokens apart, and nothing of either.
fn digest(issued: &Issued) -> String {
    hex(&sha256(issued.secret.expose_secret()))
}

/// What "not found" means in a poll that names its session: the session is gone, for the provider was there when it began.
fn ended(error: Error, session: &Session, provider: &ProviderName) -> Error {
    if error.kind() != ErrorKind::NotFound || session.uri.is_none() {
        return error;
    }
    let message = format!("Volcengine Agent Identity no longer knows the consent for provider `{provider}`");
    Error::new(ErrorKind::AuthorizationExpired, message).with_answer_of(&error).with_hint(
        "call again: the user gets a new authorization URL; if that fails too, check that the provider still exists",
    )
}

fn mismatch(provider: &ProviderName, configured: Flow, asked: Flow) -> Error {
    let [configured, asked] = [configured, asked].map(|flow| flow.as_str().to_owned());
    Trouble::FlowMismatch { provider: provider.as_str().to_owned(), configured, asked }.into()
}

fn check_consent(options: &ConsentOptions) -> Result<(), Error> {
    if let Some(url) = &options.return_url {
        identity_grammar::check_return_url(url).map_err(|violation| Error::invalid(violation.to_string()))?;
        preflight::check_landing(url, "return URL", true)?;
    }
    options.check_custom_parameters()
}
