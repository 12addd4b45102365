//! One need of a credential, from the call that has it to the credential: who asks whom, for whom, and what is done with the
//! answer.

use std::{fmt, sync::Arc, time::Duration};

use tracing::Instrument as _;

use crate::{
    audit::{Bound, Outcome, Receipt, Source},
    cache::{Cache, Landing, Lookup},
    client::{IdentityClient, Inner},
    clock::Moment,
    consent::{Acquired, PendingAuthorization, Prompt, Wait},
    context::RequestContext,
    credential::{Credential, CredentialKind, RUNTIME_ROLE, WORKLOAD_IDENTITY},
    credential_request::{ConsentOptions, CredentialRequest, Flow, KeyRef, Particulars, Scopes},
    error::{Error, ErrorKind},
    flight::{ask_anew, fly, renew_ahead, still_refused},
    flow_lookup::FlowLookup,
    name::ProviderName,
    principal::{User, UserRef},
    waiting,
};

/// A need of a credential, borrowed from the call that has it. Nothing is checked, looked up or allocated until it is asked.
#[derive(Clone, Copy)]
#[must_use]
pub struct Need<'a> {
    pub(crate) credential: CredentialKind,
    pub(crate) provider: &'a str,
    flow: Option<Flow>,
    scopes: &'a [&'a str],
    callback_url: Option<&'a str>,
    force: bool,
    custom_state: Option<&'a str>,
    custom_parameters: &'a [(&'a str, &'a str)],
    audience: Option<&'a str>,
    session_name: Option<&'a str>,
    session_duration: Option<Duration>,
    policy: Option<&'a str>,
    pub(crate) prompt: Option<&'a dyn Prompt>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) wait: Option<Wait>,
    client: Option<&'a IdentityClient>,
    user: Option<UserArgument<'a>>,
    context: Option<&'a RequestContext>,
}

/// A user named by a call; `None` inside is a call that named nobody.
#[derive(Clone, Copy)]
pub struct UserArgument<'a>(pub(crate) Option<UserRef<'a>>);

impl<'a> From<&'a User> for UserArgument<'a> {
    fn from(user: &'a User) -> Self {
        Self(Some(user.as_ref()))
    }
}

impl fmt::Debug for UserArgument<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserArgument")
    }
}

impl fmt::Debug for Need<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Need")
            .field("credential", &self.credential)
            .field("provider", &self.provider)
            .finish_non_exhaustive()
    }
}

macro_rules! setters {
    ($($(#[$doc:meta])* $setter:ident($field:ident: $type:ty) = $value:expr;)*) => {$(
        $(#[$doc])*
        pub const fn $setter(mut self, $field: $type) -> Self {
            self.$field = $value;
            self
        }
    )*};
}

impl<'a> Need<'a> {
    const fn new(credential: CredentialKind, provider: &'a str) -> Self {
        Self {
            credential,
            provider,
            flow: None,
            scopes: &[],
            callback_url: None,
            force: false,
            custom_state: None,
            custom_parameters: &[],
            audience: None,
            session_name: None,
            session_duration: None,
            policy: None,
            prompt: None,
            timeout: None,
            wait: None,
            client: None,
            user: None,
            context: None,
        }
    }

    /// An API key of this provider.
    pub const fn api_key(provider: &'a str) -> Self {
        Self::new(CredentialKind::ApiKey, provider)
    }

    /// An access token of this provider.
    pub const fn access_token(provider: &'a str) -> Self {
        Self::new(CredentialKind::AccessToken, provider)
    }

    /// Temporary credentials of the agent identity's role.
    pub const fn sts_credentials() -> Self {
        Self::new(CredentialKind::StsCredentials, RUNTIME_ROLE)
    }

    /// A token of the workload.
    pub const fn workload_token() -> Self {
        Self::new(CredentialKind::WorkloadToken, WORKLOAD_IDENTITY)
    }

    setters! {
        /// For the agent or for a user; for an API key it can be looked up.
        with_flow(flow: Flow) = Some(flow);
        /// The scopes of an access token.
        with_scopes(scopes: &'a [&'a str]) = scopes;
        /// Where the browser lands after a consent.
        with_callback_url(callback_url: &'a str) = Some(callback_url);
        /// Ask the user again.
        with_force(force: bool) = force;
        /// What the application wants back with the user.
        with_custom_state(custom_state: &'a str) = Some(custom_state);
        /// Extra parameters of the authorization request.
        with_custom_parameters(custom_parameters: &'a [(&'a str, &'a str)]) = custom_parameters;
        /// For whom an access token on behalf of a user is meant.
        with_audience(audience: &'a str) = Some(audience);
        /// Under which name temporary credentials act.
        with_session_name(session_name: &'a str) = Some(session_name);
        /// How long temporary credentials last.
        with_session_duration(session_duration: Duration) = Some(session_duration);
        /// What narrows temporary credentials.
        with_policy(policy: &'a str) = Some(policy);
        /// Tells the user.
        with_prompt(prompt: &'a dyn Prompt) = Some(prompt);
        /// How long to wait for the user, at most an hour.
        with_timeout(timeout: Duration) = Some(timeout);
        /// Whether to wait for the user.
        with_wait(wait: Wait) = Some(wait);
        /// Whom to ask.
        with_client(client: &'a IdentityClient) = Some(client);
        /// For whom.
        with_user(user: UserArgument<'a>) = Some(user);
        /// The handler's own context.
        with_context(context: &'a RequestContext) = Some(context);
    }

    /// The credential, if the cache has it: without a task, an allocation or a wait. The flag says that a receipt is due.
    pub(crate) fn cached(&self) -> Option<Credential> {
        if self.force {
            return None;
        }
        let task = RequestContext::current();
        let client = self.client.or_else(|| self.contexts(task.as_ref()).find_map(RequestContext::client));
        let client = match client {
            Some(client) => client.inner(),
            None => IdentityClient::of_process_if_made()?.inner(),
        };
        let now = client.clock.now();
        let user = self.user(task.as_ref());
        let flow = match self.flow_for(user) {
            Some(flow) => flow,
            None => client.flows.known(self.provider, now)?,
        };
        let key = self.key(flow, user).ok()?;
        let credential = match client.cache.lookup(&key, now) {
            Lookup::Fresh(credential) => credential,
            Lookup::Ageing(credential, request) => {
                renew_ahead(client, &request);
                credential
            }
            Lookup::Refused(_) | Lookup::Short | Lookup::Missing => return None,
        };
        let context = self.contexts(task.as_ref()).next();
        receipt(client, &key, flow, context, (Source::Cache, Outcome::Released, credential.bound()), (now, now));
        tracing::trace!(provider = self.provider, credential = self.credential.as_str(), "credential from the cache");
        Some(credential)
    }

    /// The credential, from wherever it is, after whatever the user has to do.
    ///
    /// # Errors
    /// See [`ErrorKind`].
    pub(crate) async fn obtain(&self) -> Result<Credential, Error> {
        match Box::pin(self.ask()).await? {
            (_, _, Acquired::Ready(credential)) => Ok(credential),
            (client, request, Acquired::NeedsConsent(pending)) => self.consent(client.inner(), &request, pending).await,
        }
    }

    /// The credential, after the user has agreed.
    pub(crate) async fn consent(
        &self,
        client: &Arc<Inner>,
        request: &Arc<CredentialRequest>,
        pending: PendingAuthorization,
    ) -> Result<Credential, Error> {
        let begun = client.clock.now();
        let waited = Box::pin(waiting::consent(self, client, request, pending)).await;
        self.receipt_of_wait(client, request, begun, &waited);
        waited
    }

    /// The credential, or what the user has to do for it.
    pub(crate) async fn acquire(&self) -> Result<Acquired<Credential>, Error> {
        Box::pin(self.ask()).await.map(|(_, _, acquired)| acquired)
    }

    pub(crate) async fn ask(&self) -> Result<(IdentityClient, Arc<CredentialRequest>, Acquired<Credential>), Error> {
        let task = RequestContext::current();
        let client = match self.client.or_else(|| self.contexts(task.as_ref()).find_map(RequestContext::client)) {
            Some(client) => client.clone(),
            None => IdentityClient::of_process()?.clone(),
        };
        let inner = client.inner();
        let begun = inner.clock.now();
        let provider = ProviderName::new(self.provider)?;
        let user = self.user(task.as_ref());
        let flow = match self.flow_for(user) {
            Some(flow) => flow,
            None => FlowLookup::ask(inner, &provider).await.map_err(|error| error.about(&provider))?,
        };
        let key = self.key(flow, user)?;
        let context = self.contexts(task.as_ref()).next();
        let request = Arc::new(key.to_request(self.options(task.as_ref()))?);
        inner.check(&request)?;

        let span = tracing::debug_span!(
            "identity_client.acquire",
            platform = inner.platform.describe().name,
            provider = self.provider,
            credential = self.credential.as_str(),
            flow = flow.as_str(),
            source = tracing::field::Empty,
            outcome = tracing::field::Empty,
        );
        let (source, landing) = self.look_or_fly(inner, &key, &request).instrument(span.clone()).await;
        let (outcome, bound) = outcome(&landing);
        span.record("source", tracing::field::debug(source)).record("outcome", tracing::field::debug(outcome));
        receipt(inner, &key, flow, context, (source, outcome, bound), (begun, inner.clock.now()));
        if self.flow_for(user).is_none() && landing.as_ref().is_err_and(|error| error.kind() == ErrorKind::NotFound) {
            // It was there when its kind was looked up: look again next time.
            inner.flows.forget(self.provider);
        }
        landing.map(|acquired| (client, request, acquired))
    }

    /// The end of a wait for consent is a release, or a refusal, of its own.
    fn receipt_of_wait(
        &self,
        client: &Inner,
        request: &CredentialRequest,
        begun: Moment,
        waited: &Result<Credential, Error>,
    ) {
        let task = RequestContext::current();
        let context = self.contexts(task.as_ref()).next();
        let landing = waited.clone().map(Acquired::Ready);
        let (outcome, bound) = outcome(&landing);
        if !matches!(outcome, Outcome::Failed(ErrorKind::AuthorizationRequired)) {
            let times = (begun, client.clock.now());
            receipt(client, &KeyRef::of(request), request.flow(), context, (Source::Platform, outcome, bound), times);
        }
    }

    async fn look_or_fly(
        &self,
        client: &Arc<Inner>,
        key: &KeyRef<'_>,
        request: &Arc<CredentialRequest>,
    ) -> (Source, Landing) {
        if !self.force {
            match client.cache.lookup(key, client.clock.now()) {
                Lookup::Fresh(credential) => return (Source::Cache, Ok(Acquired::Ready(credential))),
                Lookup::Ageing(credential, request) => {
                    renew_ahead(client, &request);
                    return (Source::Cache, Ok(Acquired::Ready(credential)));
                }
                Lookup::Refused(_) if request.user().is_some() && client.cache.claim_asking(request) => {
                    return (Source::Platform, ask_anew(client, request, Cache::unclaim_asking).await);
                }
                Lookup::Short if client.cache.claim_step_up(request) => {
                    return (Source::Platform, ask_anew(client, request, Cache::unclaim_step_up).await);
                }
                Lookup::Refused(rest) => return (Source::Cache, Err(still_refused(request, rest))),
                Lookup::Short | Lookup::Missing => {}
            }
        }
        (Source::Platform, fly(client, request).await)
    }

    /// The handler's own context, then the task's.
    pub(crate) fn contexts<'c>(&self, task: Option<&'c RequestContext>) -> impl Iterator<Item = &'c RequestContext>
    where
        'a: 'c,
    {
        self.context.into_iter().chain(task)
    }

    /// Whom the call names; else the user of the handler's own context; else, if it has none of its own, the task's. A
    /// handler with a context of its own runs for that context's user or for nobody.
    fn user<'c>(&self, task: Option<&'c RequestContext>) -> Option<UserRef<'c>>
    where
        'a: 'c,
    {
        match self.user {
            Some(UserArgument(user)) => user,
            None => self.contexts(task).next().and_then(RequestContext::user).map(User::as_ref),
        }
    }

    /// The flow, unless the platform has to be asked. What is the agent identity's own, credentials of its role and tokens of the
    /// workload, is for the user whom the call or its context names, and for the agent itself if neither has one. A call that
    /// names a user and gives none is a mistake, never the agent.
    fn flow_for(&self, user: Option<UserRef<'_>>) -> Option<Flow> {
        if self.flow.is_some() || self.credential.may_need_consent() {
            return self.flow;
        }
        Some(if user.is_some() || self.user.is_some() { Flow::UserFederation } else { Flow::MachineToMachine })
    }

    fn key<'c>(&self, flow: Flow, user: Option<UserRef<'c>>) -> Result<KeyRef<'c>, Error>
    where
        'a: 'c,
    {
        let user = match (flow, user) {
            (Flow::MachineToMachine, _) => None,
            (Flow::UserFederation | Flow::OnBehalfOf, Some(user)) => Some(user),
            (Flow::UserFederation | Flow::OnBehalfOf, None) if !self.credential.may_need_consent() => {
                return Err(Error::user_missing(format!(
                    "{} for a user were asked for, and no user is named",
                    self.credential.noun()
                )));
            }
            (Flow::UserFederation | Flow::OnBehalfOf, None) => {
                return Err(Error::user_missing(format!(
                    "the {} of provider `{}` is a user's, and no user is named",
                    self.credential.noun(),
                    self.provider
                )));
            }
        };
        let particulars = Particulars {
            on_behalf_of: flow == Flow::OnBehalfOf,
            audience: self.audience,
            session_name: self.session_name,
            session_duration: self.session_duration,
            policy: self.policy,
        };
        let scopes = Scopes::Text(self.scopes);
        Ok(KeyRef { credential: self.credential, provider: self.provider, user, scopes, particulars })
    }

    fn options(&self, task: Option<&RequestContext>) -> ConsentOptions {
        let return_url = self.callback_url.or_else(|| self.contexts(task).find_map(RequestContext::return_url));
        ConsentOptions {
            return_url: return_url.map(str::to_owned),
            force: self.force,
            custom_state: self.custom_state.map(str::to_owned),
            custom_parameters: self
                .custom_parameters
                .iter()
                .map(|&(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        }
    }
}

pub(crate) fn outcome(landing: &Landing) -> (Outcome, Option<Bound>) {
    match landing {
        Ok(Acquired::Ready(credential)) => (Outcome::Released, credential.bound()),
        Ok(Acquired::NeedsConsent(_)) => (Outcome::ConsentRequired, None),
        Err(error) => (Outcome::Failed(error.kind()), None),
    }
}

pub(crate) fn receipt(
    client: &Inner,
    key: &KeyRef<'_>,
    flow: Flow,
    context: Option<&RequestContext>,
    (source, outcome, bound): (Source, Outcome, Option<Bound>),
    (begun, ended): (Moment, Moment),
) {
    let Some(sink) = &client.audit else { return };
    let platform = client.platform.describe();
    let owned: Vec<&str>;
    let scopes = match key.scopes {
        Scopes::Text(scopes) => scopes,
        Scopes::Checked(scopes) => {
            owned = scopes.iter().map(AsRef::as_ref).collect();
            &owned
        }
    };
    sink.record(&Receipt {
        at: ended.wall,
        platform: platform.name,
        agent_identity: platform.agent_identity.as_str(),
        user: key.user.map(UserRef::id),
        provider: key.provider,
        credential: key.credential,
        flow: flow.as_str(),
        scopes,
        source,
        outcome,
        bound,
        waited: ended.since(&begun),
        request_id: context.and_then(RequestContext::request_id),
    });
}
