//! Requests that are shaped and then awaited.

use std::{fmt, future::IntoFuture, marker::PhantomData, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;

use crate::{
    client::{IdentityClient, Requestable, sealed::Opaque},
    consent::{Acquired, PendingAuthorization, Prompt, PromptOutcome, Wait, prompt_fn},
    context::RequestContext,
    credential::{AccessToken, ApiKey, Credential, StsCredentials, WorkloadToken},
    credential_request::{ConsentOptions, CredentialRequest, Flow, KeyRef, Particulars, RoleSession, Scopes},
    error::{Error, ErrorKind},
    need::Need,
    principal::{Principal, User},
    token_source::TokenSource,
    waiting,
};

/// Asks for an API key; see [`IdentityClient::api_key`].
pub type ApiKeyRequest = Request<ApiKey>;

/// Asks for an access token; see [`IdentityClient::access_token`].
pub type AccessTokenRequest = Request<AccessToken>;

/// Asks for temporary credentials of a role; see [`IdentityClient::sts_credentials`].
pub type StsCredentialsRequest = Request<StsCredentials>;

/// Asks for a token of the workload; see [`IdentityClient::workload_token`].
pub type WorkloadTokenRequest = Request<WorkloadToken>;

/// A request for a credential: shape it, then await it.
///
/// # Errors
/// Awaiting it fails with an [`Error`] whose [`kind`](Error::kind) says who has to act. Names, scopes and combinations are
/// checked before anything is sent.
///
/// # Cancel safety
/// Cancel safe: a request that is dropped takes nothing with it, and others that wait for the same credential go on.
#[must_use = "a request does nothing until it is awaited"]
pub struct Request<T> {
    client: IdentityClient,
    provider: String,
    flow: Option<Flow>,
    user: Option<User>,
    scopes: Vec<String>,
    return_url: Option<String>,
    force: bool,
    custom_state: Option<String>,
    custom_parameters: Vec<(String, String)>,
    audience: Option<String>,
    session: RoleSession,
    prompt: Option<Box<dyn Prompt>>,
    timeout: Option<Duration>,
    wait: Option<Wait>,
    context: Option<RequestContext>,
    credential: PhantomData<fn() -> T>,
}

impl<T: Requestable + 'static> Request<T> {
    pub(crate) fn new(client: IdentityClient, provider: String) -> Self {
        Self {
            client,
            provider,
            flow: None,
            user: None,
            scopes: Vec::new(),
            return_url: None,
            force: false,
            custom_state: None,
            custom_parameters: Vec::new(),
            audience: None,
            session: RoleSession::default(),
            prompt: None,
            timeout: None,
            wait: None,
            context: None,
            credential: PhantomData,
        }
    }

    /// Asks on behalf of this user.
    pub fn for_user(mut self, user: &User) -> Self {
        self.user = Some(user.clone());
        self.flow = Some(Flow::UserFederation);
        self
    }

    /// Asks for the agent itself. Default for access tokens. For API keys the default is what the provider holds, one key for the
    /// agent or one for each user: the client looks that up and remembers it for a while. Temporary credentials of a role and
    /// workload tokens are by default for the context's user, if it has one.
    pub fn for_agent(mut self) -> Self {
        self.user = None;
        self.flow = Some(Flow::MachineToMachine);
        self
    }

    /// Takes user and return URL from this context, unless they are given here.
    pub fn with_context(mut self, context: RequestContext) -> Self {
        self.context = Some(context);
        self
    }

    /// Where the browser lands after a consent. The agent identity must allow it.
    pub fn with_return_url(mut self, url: impl Into<String>) -> Self {
        self.return_url = Some(url.into());
        self
    }

    /// Asks the user again, although there may be a credential already.
    pub fn with_force(mut self, force: bool) -> Self {
        self.force = force;
        self
    }

    /// A value that the user's browser brings back to the return URL. With a [`SessionBinding`](crate::SessionBinding) leave it
    /// out, and the client makes one; or give one that is unguessable (22 characters at least) and fresh for each consent.
    pub fn with_custom_state(mut self, state: impl Into<String>) -> Self {
        self.custom_state = Some(state.into());
        self
    }

    /// How long to wait for the user, at most an hour. Default: the client's, 60 s.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Whether to wait for the user. Default: [`Wait::Poll`], unless the prompt chooses otherwise ([`Prompt::then`](crate::Prompt::then)).
    pub fn with_wait(mut self, wait: Wait) -> Self {
        self.wait = Some(wait);
        self
    }

    /// Tells the user where to agree, with a sync or async function; called once for each consent.
    pub fn on_auth_url<F, R, M>(mut self, function: F) -> Self
    where
        F: Fn(PendingAuthorization) -> R + Send + Sync + 'static,
        R: PromptOutcome<M> + 'static,
        M: 'static,
    {
        self.prompt = Some(Box::new(prompt_fn(function)));
        self
    }

    /// Asks without waiting for a user: that consent is missing is an outcome here, not an error.
    ///
    /// # Errors
    /// As awaiting the request.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn acquire(self) -> Result<Acquired<T>, Error> {
        let acquired = self.with_need(async |need| need.acquire().await).await?;
        match acquired {
            Acquired::Ready(credential) => of_kind(credential).map(Acquired::Ready),
            Acquired::NeedsConsent(pending) => Ok(Acquired::NeedsConsent(pending)),
        }
    }

    /// Drops the credential that the client keeps for this request, if any. Nothing is sent.
    pub fn forget(self) {
        let scopes: Vec<&str> = self.scopes.iter().map(String::as_str).collect();
        let user = self.user.as_ref().or_else(|| self.context.as_ref().and_then(RequestContext::user));
        let particulars = self.particulars();
        let (credential, provider, scopes) = (T::KIND, self.provider.as_str(), Scopes::Text(&scopes));
        let key = |user| KeyRef { credential, provider, user, scopes, particulars };
        let cache = &self.client.inner().cache;
        if matches!(self.flow, None | Some(Flow::MachineToMachine)) {
            cache.forget(&key(None));
        }
        if let Some(user) = user.filter(|_| self.flow != Some(Flow::MachineToMachine)) {
            cache.forget(&key(Some(user.as_ref())));
        }
    }

    fn particulars(&self) -> Particulars<'_> {
        Particulars {
            on_behalf_of: self.flow == Some(Flow::OnBehalfOf),
            audience: self.audience.as_deref(),
            session_name: self.session.name.as_deref(),
            session_duration: self.session.duration,
            policy: self.session.policy.as_deref(),
        }
    }

    async fn with_need<R>(&self, run: impl AsyncFnOnce(&Need<'_>) -> R) -> R {
        let scopes: Vec<&str> = self.scopes.iter().map(String::as_str).collect();
        let parameters: Vec<_> =
            self.custom_parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let need = match T::KIND {
            crate::CredentialKind::ApiKey => Need::api_key(&self.provider),
            crate::CredentialKind::AccessToken => {
                Need::access_token(&self.provider).with_flow(self.flow.unwrap_or(Flow::MachineToMachine))
            }
            crate::CredentialKind::StsCredentials => Need::sts_credentials(),
            crate::CredentialKind::WorkloadToken => Need::workload_token(),
        };
        let mut need = need
            .with_client(&self.client)
            .with_scopes(&scopes)
            .with_custom_parameters(&parameters)
            .with_force(self.force);
        if let Some(flow) = self.flow {
            need = need.with_flow(flow);
        }
        if let Some(user) = &self.user {
            need = need.with_user(user.into());
        }
        if let Some(context) = &self.context {
            need = need.with_context(context);
        }
        if let Some(url) = &self.return_url {
            need = need.with_callback_url(url);
        }
        if let Some(state) = &self.custom_state {
            need = need.with_custom_state(state);
        }
        if let Some(audience) = &self.audience {
            need = need.with_audience(audience);
        }
        if let Some(name) = &self.session.name {
            need = need.with_session_name(name);
        }
        if let Some(duration) = self.session.duration {
            need = need.with_session_duration(duration);
        }
        if let Some(policy) = &self.session.policy {
            need = need.with_policy(policy);
        }
        if let Some(prompt) = &self.prompt {
            need = need.with_prompt(&**prompt);
        }
        if let Some(wait) = self.wait {
            need = need.with_wait(wait);
        }
        if let Some(timeout) = self.timeout {
            need = need.with_timeout(timeout);
        }
        run(&need).await
    }
}

impl Request<StsCredentials> {
    /// Under which name the role's acts are logged: 2 to 64 characters of `A-Z a-z 0-9 . @ - _`. Default: one is made up.
    pub fn with_session_name(mut self, name: impl Into<String>) -> Self {
        self.session.name = Some(name.into());
        self
    }

    /// How long the credentials last: 15 minutes to an hour, in whole seconds. Default: the platform's, an hour.
    pub fn with_session_duration(mut self, duration: Duration) -> Self {
        self.session.duration = Some(duration);
        self
    }

    /// A policy, in JSON, that narrows what the role allows: the credentials allow what both allow.
    pub fn with_policy(mut self, policy: impl Into<String>) -> Self {
        self.session.policy = Some(policy.into());
        self
    }
}

impl Request<AccessToken> {
    /// Asks on behalf of this user by exchange: nobody is asked to agree, and the platform decides by what it was shown of the
    /// user.
    pub fn on_behalf_of(mut self, user: &User) -> Self {
        self.user = Some(user.clone());
        self.flow = Some(Flow::OnBehalfOf);
        self
    }

    /// For whom a token [`on_behalf_of`](Self::on_behalf_of) a user is meant.
    pub fn with_audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = Some(audience.into());
        self
    }

    /// The scopes to ask for.
    pub fn with_scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes.extend(scopes.into_iter().map(Into::into));
        self
    }

    /// An extra parameter of the authorization request, for example `prompt`.
    pub fn with_custom_parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.custom_parameters.push((name.into(), value.into()));
        self
    }

    /// A source of these tokens, for what lives longer than one. Nothing is sent.
    ///
    /// # Errors
    /// If a name or a scope is invalid, or a user's tokens are asked for and no user is named.
    pub fn source(self) -> Result<TokenSource, Error> {
        let scopes: Vec<&str> = self.scopes.iter().map(String::as_str).collect();
        let user = self.user.as_ref().map(User::as_ref);
        let key = KeyRef {
            credential: crate::CredentialKind::AccessToken,
            provider: &self.provider,
            user,
            scopes: Scopes::Text(&scopes),
            particulars: self.particulars(),
        };
        let options = ConsentOptions { return_url: self.return_url.clone(), ..ConsentOptions::default() };
        let request = key.to_request(options)?;
        self.client.inner().check(&request)?;
        Ok(TokenSource::new(self.client.clone(), Arc::new(request)))
    }
}

fn of_kind<T: Requestable>(credential: Credential) -> Result<T, Error> {
    T::of(Opaque(credential)).ok_or_else(|| Error::protocol("the platform answered with another kind of credential"))
}

impl<T: Requestable + 'static> IntoFuture for Request<T> {
    type Output = Result<T, Error>;
    type IntoFuture = BoxFuture<'static, Result<T, Error>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let credential = self.with_need(async |need| need.obtain().await).await?;
            of_kind(credential)
        })
    }
}

impl<T> fmt::Debug for Request<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("provider", &self.provider).field("user", &self.user).finish_non_exhaustive()
    }
}

/// Goes on with a pending consent; see [`IdentityClient::resume`]. Awaiting it waits for the user, for the client's consent
/// timeout (60 s) unless another is given.
///
/// # Errors
/// [`ErrorKind::InvalidRequest`] if the pending is another client's or another kind's, else as [`Request`].
///
/// # Cancel safety
/// Cancel safe; the pending can be resumed again.
#[must_use = "a request does nothing until it is awaited"]
pub struct ResumeRequest<T> {
    client: IdentityClient,
    pending: PendingAuthorization,
    timeout: Option<Duration>,
    credential: PhantomData<fn() -> T>,
}

impl<T> ResumeRequest<T> {
    pub(crate) fn new(client: IdentityClient, pending: PendingAuthorization) -> Self {
        Self { client, pending, timeout: None, credential: PhantomData }
    }

    /// How long to wait for the user, at most an hour.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }
}

impl<T: Requestable + 'static> ResumeRequest<T> {
    /// Asks once, without waiting for the user.
    ///
    /// # Errors
    /// As awaiting it.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn acquire(self) -> Result<Acquired<T>, Error> {
        let request = Arc::new(self.request()?);
        match waiting::resume(self.client.inner(), &request, self.pending, None).await? {
            Acquired::Ready(credential) => of_kind(credential).map(Acquired::Ready),
            Acquired::NeedsConsent(pending) => Ok(Acquired::NeedsConsent(pending)),
        }
    }

    fn request(&self) -> Result<CredentialRequest, Error> {
        let parts = self.pending.parts();
        let platform = self.client.inner().platform.describe();
        let mine = parts.platform == platform.name
            && parts.endpoint == platform.endpoint
            && parts.agent_identity == *platform.agent_identity;
        if !mine {
            return Err(Error::new(
                ErrorKind::InvalidRequest,
                "the pending consent was begun with another platform, endpoint or agent identity",
            )
            .with_hint("resume it with a client that is configured like the one that began it"));
        }
        if parts.credential != T::KIND {
            return Err(Error::invalid(format!(
                "the pending consent is for an {}, not an {}",
                parts.credential.noun(),
                T::KIND.noun()
            )));
        }
        Ok(CredentialRequest {
            credential: parts.credential,
            provider: parts.provider.clone(),
            principal: Principal::User(parts.user.clone()),
            scopes: parts.scopes.clone(),
            on_behalf_of: false,
            audience: None,
            session: RoleSession::default(),
            options: ConsentOptions {
                return_url: parts.return_url.clone(),
                force: false,
                custom_state: parts.custom_state.clone(),
                custom_parameters: parts.custom_parameters.clone(),
            },
        })
    }
}

impl<T: Requestable + 'static> IntoFuture for ResumeRequest<T> {
    type Output = Result<T, Error>;
    type IntoFuture = BoxFuture<'static, Result<T, Error>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let request = Arc::new(self.request()?);
            let inner = self.client.inner();
            let timeout = self.timeout.unwrap_or(inner.consent_timeout);
            match waiting::resume(inner, &request, self.pending, Some(timeout)).await? {
                Acquired::Ready(credential) => of_kind(credential),
                Acquired::NeedsConsent(_) => Err(Error::protocol("a wait ended without an outcome")),
            }
        })
    }
}

impl<T> fmt::Debug for ResumeRequest<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResumeRequest").field("pending", &self.pending).finish_non_exhaustive()
    }
}
