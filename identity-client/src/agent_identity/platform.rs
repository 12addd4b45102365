//! Agent Identity as a [`Platform`]: the credential operations.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::{
    AgentIdentity, ResourceSigner,
    call::{Call, Plane, no_keys},
    form::Form,
    refusal::{is_of_temporary_key, is_of_workload_token},
    workload::check_user_token,
};
use crate::{
    capabilities::Capabilities,
    consent::{Acquired, PendingAuthorization, PendingParts, Polled, denied, not_in_time, token_gone},
    credential::CredentialKind,
    credential_request::{CredentialRequest, Flow},
    error::{Error, ErrorKind},
    name::{ProviderName, Scope},
    platform::{Description, Issued, Platform},
    principal::User,
    reply::Reply,
    wire::{Pairs, filled, object},
};

const NAME: &str = "agent-identity";
/// A session is a URN with a UUID; anything much longer is something else.
const MAX_SESSION: usize = 512;
/// In which unit `ExpiresIn` is, is documented nowhere. Seconds are assumed, and no token is kept for longer than this.
const LONGEST_LIFE: Duration = Duration::from_secs(3600);
const NOT_FOUND: &str =
    "check that a provider of this name and kind exists in the token vault, and that the workload identity exists too";

/// What a token is asked with, in the first request and in those that poll.
struct Grant<'a> {
    flow: Flow,
    scopes: &'a [Scope],
    audience: Option<&'a str>,
    return_url: Option<&'a str>,
    custom_state: Option<&'a str>,
    custom_parameters: &'a [(String, String)],
    session: Option<&'a str>,
    force: bool,
}

impl Grant<'_> {
    fn form(&self) -> Result<Form, Error> {
        let mut form = Form::new()
            .text("OAuth2Flow", self.flow.as_str())
            .text_if("Audience", self.audience)
            .text_if("SessionURI", self.session);
        if !self.scopes.is_empty() {
            form = form.json("Scopes", &self.scopes)?;
        }
        if !self.custom_parameters.is_empty() {
            form = form.json("CustomParameters", &Pairs(self.custom_parameters))?;
        }
        if self.flow == Flow::UserFederation {
            form = form
                .text_if("ResourceOAuth2ReturnURL", self.return_url)
                .text_if("CustomState", self.custom_state)
                .flag("ForceAuthentication", self.force);
        }
        Ok(form)
    }

    fn hidden(&self) -> impl Iterator<Item = &str> {
        let parameters = self.custom_parameters.iter().map(|(_, value)| value.as_str());
        [self.session, self.custom_state].into_iter().flatten().chain(parameters)
    }
}

#[derive(Deserialize)]
struct TokenAnswer {
    #[serde(rename = "AccessToken")]
    access_token: Option<SecretString>,
    #[serde(rename = "AuthorizationURL")]
    authorization_url: Option<String>,
    #[serde(rename = "ExpiresIn")]
    expires_in: Option<serde_json::Value>,
    #[serde(rename = "SessionStatus")]
    session_status: Option<String>,
    #[serde(rename = "SessionURI")]
    session_uri: Option<String>,
}

impl TokenAnswer {
    /// The token, if the answer has one. A blank one is none.
    fn issued(&mut self) -> Option<Issued> {
        let secret = self.access_token.take().filter(filled)?;
        let life = self.expires_in.as_ref().and_then(serde_json::Value::as_u64).filter(|seconds| *seconds > 0);
        Some(Issued::access_token(secret).with_lifetime(life.map(|life| Duration::from_secs(life).min(LONGEST_LIFE))))
    }

    /// That the session has ended without a token. `IN_PROGRESS` is the one status that is documented; those that sibling
    /// products have for an end are taken for one, in whatever case, and every other says to go on asking.
    fn ended(&self, provider: &ProviderName) -> Option<Error> {
        let status = self.session_status.as_deref()?.to_ascii_lowercase();
        match status.as_str() {
            "failed" | "denied" | "rejected" => Some(denied(provider)),
            "expired" => Some(gone(provider)),
            _ => None,
        }
    }
}

fn gone(provider: &ProviderName) -> Error {
    Error::new(
        ErrorKind::AuthorizationExpired,
        format!("Alibaba Cloud Agent Identity no longer knows the consent for provider `{provider}`"),
    )
    .with_hint("call again: the user gets a new authorization URL")
}

/// How a consent is found again: its session, and what the user was known by when it began. Later calls must show the same.
#[derive(Serialize, Deserialize)]
struct Session {
    uri: String,
    by: KnownBy,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum KnownBy {
    Id,
    Token,
}

/// The session of a pending consent, with its user as they were known when it began.
fn session_of(pending: &PendingAuthorization) -> Result<(Session, User), Error> {
    let session = pending.parts().session.as_deref().and_then(|text| object::<Session>(text.as_bytes()));
    let session = session
        .ok_or_else(|| Error::invalid("the pending consent has no session, so it is not one of Agent Identity"))?;
    let user = match (session.by, pending.user().token()) {
        (KnownBy::Id, _) => User::asserted(pending.user().id())?,
        (KnownBy::Token, Some(_)) => pending.user().clone(),
        (KnownBy::Token, None) => return Err(token_gone(pending.provider())),
    };
    Ok((session, user))
}

/// A call that shows a workload access token.
struct Ask<'a> {
    operation: &'static str,
    action: &'static str,
    provider: &'a ProviderName,
    user: Option<&'a User>,
    /// Of an access token.
    grant: Option<Grant<'a>>,
}

impl AgentIdentity {
    /// Sends a call that shows a workload access token. One that is refused is replaced once.
    async fn with_workload(&self, ask: &Ask<'_>) -> Result<Reply, Error> {
        let token = self.workload.token(ask.user).await?;
        match self.show(ask, &token).await {
            Err(error) if is_of_workload_token(&error) => {
                let token = self.workload.another_token(ask.user, &token, error).await?;
                self.show(ask, &token).await
            }
            shown => shown,
        }
    }

    /// Signed by the role, with its keys replaced once if they are refused, or by the caller.
    async fn show(&self, ask: &Ask<'_>, token: &SecretString) -> Result<Reply, Error> {
        const SIGNER: &str = "of the workload identity's role";
        let form = match &ask.grant {
            Some(grant) => grant.form()?,
            None => Form::new(),
        };
        let form = form
            .secret("WorkloadAccessToken", token)
            .text("ResourceCredentialProviderName", ask.provider.as_str())
            .text_if("TokenVaultName", self.vault.as_ref().map(ProviderName::as_str));
        let hidden = ask.grant.iter().flat_map(Grant::hidden).chain(ask.user.map(User::id));
        let call = Call::new(Plane::Data, ask.operation, ask.action, form)
            .hiding(hidden.chain([token.expose_secret()]))
            .if_not_found(NOT_FOUND);
        // Each forced one starts the user's consent over.
        let call = if ask.grant.as_ref().is_some_and(|grant| grant.force) { call.once() } else { call };
        let caller = self.caller();
        if self.signer == ResourceSigner::Caller {
            return caller.send(&call).await;
        }
        let begun = caller.now();
        let key = self.workload.role(ask.user).await?;
        match caller.signed(&call, &key, SIGNER, begun).await {
            Err(error) if is_of_temporary_key(&error) => {
                let key = self.workload.another_role(ask.user, &key).await?;
                caller.signed(&call, &key, SIGNER, begun).await
            }
            sent => sent,
        }
    }

    async fn api_key(&self, provider: &ProviderName) -> Result<Issued, Error> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(rename = "APIKey")]
            api_key: Option<SecretString>,
        }
        let ask = Ask { operation: "get the API key", action: "GetResourceAPIKey", provider, user: None, grant: None };
        let answer: Answer = self.with_workload(&ask).await?.json()?;
        let key = answer.api_key.filter(filled);
        key.map(Issued::api_key)
            .ok_or_else(|| Error::protocol("Alibaba Cloud Agent Identity answered without an API key"))
    }

    async fn token(
        &self,
        provider: &ProviderName,
        user: Option<&User>,
        grant: Grant<'_>,
    ) -> Result<TokenAnswer, Error> {
        let (operation, action) = ("get the access token", "GetResourceOAuth2Token");
        self.with_workload(&Ask { operation, action, provider, user, grant: Some(grant) }).await?.json()
    }

    /// Makes a pending authorization of the answer to a first request.
    fn pending(
        &self,
        request: &CredentialRequest,
        user: &User,
        answer: TokenAnswer,
    ) -> Result<PendingAuthorization, Error> {
        let Some(authorization_url) = answer.authorization_url.filter(|url| !url.trim().is_empty()) else {
            return Err(Error::protocol(
                "Alibaba Cloud Agent Identity answered with neither an access token nor an authorization URL",
            ));
        };
        let uri = answer.session_uri.filter(|uri| !uri.trim().is_empty() && uri.len() <= MAX_SESSION);
        let uri = uri.ok_or_else(|| {
            // Without one, each poll would begin another consent.
            Error::protocol(
                "Alibaba Cloud Agent Identity answered with an authorization URL, but without a session to ask about",
            )
        })?;
        let session = Session { uri, by: if user.token().is_some() { KnownBy::Token } else { KnownBy::Id } };
        let session = serde_json::to_string(&session).map_err(|_| Error::protocol("the session cannot be kept"))?;
        let options = request.options();
        Ok(PendingAuthorization::new(PendingParts {
            platform: NAME.to_owned(),
            endpoint: self.caller().endpoint().as_str().to_owned(),
            agent_identity: self.name.clone(),
            credential: CredentialKind::AccessToken,
            provider: request.provider().clone(),
            user: user.clone(),
            scopes: request.scopes().to_vec(),
            return_url: options.return_url.clone(),
            authorization_url,
            session: Some(session),
            custom_state: options.custom_state.clone(),
            custom_parameters: options.custom_parameters.clone(),
            started_at: self.caller().now().wall,
            expires_at: None,
        }))
    }

    async fn access_token(&self, request: &CredentialRequest) -> Result<Acquired<Issued>, Error> {
        let options = request.options();
        options.check_custom_parameters()?;
        let grant = Grant {
            flow: request.flow(),
            scopes: request.scopes(),
            audience: request.audience(),
            return_url: options.return_url.as_deref(),
            custom_state: options.custom_state.as_deref(),
            custom_parameters: &options.custom_parameters,
            session: None,
            force: options.force,
        };
        let mut answer = self.token(request.provider(), request.user(), grant).await?;
        if let Some(issued) = answer.issued() {
            return Ok(Acquired::Ready(issued));
        }
        if let Some(error) = answer.ended(request.provider()) {
            return Err(error);
        }
        match request.user().filter(|_| request.flow() == Flow::UserFederation) {
            Some(user) => self.pending(request, user, answer).map(Acquired::NeedsConsent),
            None => Err(Error::protocol(
                "Alibaba Cloud Agent Identity answered without an access token, where nobody has to agree",
            )),
        }
    }

    async fn release(&self, request: &CredentialRequest) -> Result<Acquired<Issued>, Error> {
        match request.credential() {
            CredentialKind::ApiKey => self.api_key(request.provider()).await.map(Acquired::Ready),
            CredentialKind::AccessToken => self.access_token(request).await,
            CredentialKind::StsCredentials => {
                let asked_at = self.caller().now();
                let fresh = self.workload.session(request.user(), request.session()).await?;
                let left = fresh.life.saturating_sub(self.caller().now().since(&asked_at));
                let key = fresh.value;
                let token = key.security_token.ok_or_else(|| Error::protocol("temporary keys came without a token"))?;
                Ok(Acquired::Ready(Issued::sts_credentials(key.id, key.secret, token).with_lifetime(Some(left))))
            }
            CredentialKind::WorkloadToken => {
                let (token, life) = self.workload.fresh_token(request.user()).await?;
                Ok(Acquired::Ready(Issued::workload_token((*token).clone()).with_lifetime(life)))
            }
        }
    }

    async fn ask_again(&self, pending: &PendingAuthorization) -> Result<Polled<Issued>, Error> {
        let parts = pending.parts();
        let (session, user) = session_of(pending)?;
        let grant = Grant {
            flow: Flow::UserFederation,
            scopes: &parts.scopes,
            audience: None,
            return_url: parts.return_url.as_deref(),
            custom_state: parts.custom_state.as_deref(),
            custom_parameters: &parts.custom_parameters,
            session: Some(&session.uri),
            force: false,
        };
        let mut answer = self.token(&parts.provider, Some(&user), grant).await.map_err(|error| match error.kind() {
            // The session is gone, for the provider was there when it was begun.
            ErrorKind::NotFound => gone(&parts.provider).with_answer_of(&error),
            _ => error,
        })?;
        match (answer.issued(), answer.ended(&parts.provider)) {
            (Some(issued), _) => Ok(Polled::Ready(issued)),
            (None, Some(error)) => Err(error),
            (None, None) => Ok(Polled::Pending { interval: None }),
        }
    }
}

impl Platform for AgentIdentity {
    fn describe(&self) -> Description<'_> {
        Description { name: NAME, endpoint: self.caller().endpoint().as_str(), agent_identity: &self.name }
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            static_api_keys: true,
            machine_tokens: true,
            user_tokens: true,
            force_authentication: true,
            // It takes the application's word for who came back.
            consent_completion: true,
            on_behalf_of: true,
            sts_credentials: true,
            workload_tokens: true,
            ..Capabilities::none()
        }
    }

    fn check(&self, request: &CredentialRequest) -> Result<(), Error> {
        self.capabilities().check(request, NAME)?;
        if let Some(token) = request.user().and_then(User::token) {
            check_user_token(token)?;
        }
        if request.credential() == CredentialKind::ApiKey && request.user().is_some() {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "Alibaba Cloud Agent Identity holds API keys for the agent, and none for single users",
            )
            .with_hint("ask for the agent: `for_agent()`, or `auth_flow = \"M2M\"`"));
        }
        let options = request.options();
        if request.flow() == Flow::UserFederation
            && let Some(url) = &options.return_url
        {
            identity_grammar::check_return_url(url).map_err(|violation| Error::invalid(violation.to_string()))?;
        }
        Ok(())
    }

    /// Every provider of API keys holds one for the agent.
    async fn api_key_flow(&self, _: &ProviderName) -> Result<Flow, Error> {
        Ok(Flow::MachineToMachine)
    }

    async fn acquire(&self, request: &CredentialRequest) -> Result<Acquired<Issued>, Error> {
        self.check(request)?;
        self.caller().within("get the credential", Box::pin(self.release(request))).await
    }

    async fn poll(&self, pending: &PendingAuthorization) -> Result<Polled<Issued>, Error> {
        self.caller().within("ask for the consent", Box::pin(self.ask_again(pending))).await
    }

    /// With the same kind of identifier as the consent was begun with; only then does the service redeem the code.
    async fn complete(&self, pending: &PendingAuthorization) -> Result<(), Error> {
        #[derive(Serialize)]
        enum Identifier<'a> {
            #[serde(rename = "UserId")]
            Id(&'a str),
            #[serde(rename = "UserJWT")]
            Token(&'a str),
        }
        let (session, user) = session_of(pending)?;
        if self.source().is_none() {
            return Err(no_keys());
        }
        let identifier = match user.token() {
            Some(token) => Identifier::Token(token.expose_secret()),
            None => Identifier::Id(user.id()),
        };
        let form = Form::new().text("SessionURI", &session.uri).json("UserIdentifier", &identifier)?;
        let hidden = [session.uri.as_str(), user.id()].into_iter().chain(user.token().map(ExposeSecret::expose_secret));
        let call = Call::new(Plane::Data, "confirm that the user has come back", "CompleteResourceTokenAuth", form)
            .hiding(hidden)
            .if_not_found("the session is over: call again, and the user gets a new link");
        self.caller().send(&call).await.map(drop)
    }

    fn timed_out(&self, pending: &PendingAuthorization, waited: Duration) -> Option<Error> {
        let landing = pending.parts().return_url.as_deref().map_or_else(
            || "no return URL was given, which a workload identity with session binding needs".to_owned(),
            |url| format!("the return URL `{url}` must be served by this application"),
        );
        Some(not_in_time(pending, waited).with_hint(format!(
            "If the user says that they agreed: {landing}, and the application must confirm that they came back (a `SessionBinding` does), or no token is ever issued"
        )))
    }
}
