//! A platform that does as it is told and counts, and a clock that moves when told to.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use identity_client::{
    Acquired, AgentIdentityName, Capabilities, Clock, CredentialKind, CredentialRequest, Description, Error, ErrorKind,
    Flow, IdentityClient, IdentityClientBuilder, Issued, Moment, PendingAuthorization, PendingParts, Platform, Polled,
    Principal, ProviderName, SecretString, SystemClock, User,
};

/// What the fake answers next. An empty script answers with a fresh credential.
#[derive(Debug, Clone)]
pub enum Script {
    /// A credential that lives this long.
    Issue(Option<Duration>),
    /// The same secret each time.
    Secret(&'static str),
    NeedsConsent,
    Fail(ErrorKind),
    /// Answers the next entry after this long.
    Slowly(Duration),
}

#[derive(Debug, Clone)]
pub struct Fake(Arc<State>);

#[derive(Debug)]
struct State {
    identity: AgentIdentityName,
    acquires: Mutex<VecDeque<Script>>,
    polls: Mutex<VecDeque<Script>>,
    flow: Mutex<Result<Flow, ErrorKind>>,
    acquired: AtomicU64,
    forced: AtomicU64,
    polled: AtomicU64,
    looked_up: AtomicU64,
    /// Requests that were begun and neither answered nor dropped.
    under_way: AtomicU64,
    session_lifetime: Mutex<Option<Duration>>,
    link: Mutex<Option<&'static str>>,
    can_force: AtomicBool,
}

impl Fake {
    pub fn new() -> Self {
        Self(Arc::new(State {
            identity: AgentIdentityName::new("agent-1").unwrap(),
            acquires: Mutex::default(),
            polls: Mutex::default(),
            flow: Mutex::new(Ok(Flow::MachineToMachine)),
            acquired: AtomicU64::new(0),
            forced: AtomicU64::new(0),
            polled: AtomicU64::new(0),
            looked_up: AtomicU64::new(0),
            under_way: AtomicU64::new(0),
            session_lifetime: Mutex::new(None),
            link: Mutex::new(None),
            can_force: AtomicBool::new(false),
        }))
    }

    pub fn builder(&self) -> IdentityClientBuilder {
        IdentityClient::builder().with_platform(self.clone()).with_random_seed(7)
    }

    pub fn client(&self) -> IdentityClient {
        self.builder().build().unwrap()
    }

    pub fn then(&self, script: Script) -> &Self {
        self.0.acquires.lock().unwrap().push_back(script);
        self
    }

    pub fn then_poll(&self, script: Script) -> &Self {
        self.0.polls.lock().unwrap().push_back(script);
        self
    }

    pub fn set_flow(&self, flow: Result<Flow, ErrorKind>) {
        *self.0.flow.lock().unwrap() = flow;
    }

    pub fn set_session_lifetime(&self, lifetime: Duration) {
        *self.0.session_lifetime.lock().unwrap() = Some(lifetime);
    }

    pub fn set_link(&self, link: &'static str) {
        *self.0.link.lock().unwrap() = Some(link);
    }

    /// The platform asks again when it is told to.
    pub fn set_can_force(&self) {
        self.0.can_force.store(true, Ordering::SeqCst);
    }

    pub fn acquired(&self) -> u64 {
        self.0.acquired.load(Ordering::SeqCst)
    }

    /// Forgets what was scripted and not played.
    pub fn clear(&self) {
        self.0.acquires.lock().unwrap().clear();
        self.0.polls.lock().unwrap().clear();
    }

    pub fn forced(&self) -> u64 {
        self.0.forced.load(Ordering::SeqCst)
    }

    pub fn polled(&self) -> u64 {
        self.0.polled.load(Ordering::SeqCst)
    }

    pub fn looked_up(&self) -> u64 {
        self.0.looked_up.load(Ordering::SeqCst)
    }

    pub fn under_way(&self) -> u64 {
        self.0.under_way.load(Ordering::SeqCst)
    }

    async fn play(&self, from: &Mutex<VecDeque<Script>>) -> Option<Script> {
        let guard = UnderWay::begin(&self.0);
        let mut next = from.lock().unwrap().pop_front();
        while let Some(Script::Slowly(by)) = next {
            tokio::time::sleep(by).await;
            next = from.lock().unwrap().pop_front();
        }
        drop(guard);
        next
    }

    fn pending(&self, request: &CredentialRequest) -> PendingAuthorization {
        let Principal::User(user) = request.principal() else { panic!("consent is a user's") };
        let started_at = SystemClock.now().wall;
        PendingAuthorization::new(PendingParts {
            platform: "fake".to_owned(),
            endpoint: "https://fake.example.com".to_owned(),
            agent_identity: self.0.identity.clone(),
            credential: request.credential(),
            provider: request.provider().clone(),
            user: user.clone(),
            scopes: request.scopes().to_vec(),
            return_url: request.options().return_url.clone(),
            authorization_url: self.0.link.lock().unwrap().map_or_else(
                || format!("https://fake.example.com/consent?session=secret-session-{}", self.acquired()),
                str::to_owned,
            ),
            session: Some(format!("secret-session-{}", self.acquired())),
            custom_state: request.options().custom_state.clone(),
            custom_parameters: Vec::new(),
            started_at,
            expires_at: self.0.session_lifetime.lock().unwrap().map(|lifetime| started_at + lifetime),
        })
    }
}

struct UnderWay(Arc<State>);

impl UnderWay {
    fn begin(state: &Arc<State>) -> Self {
        state.under_way.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(state))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A secret that tells for whom it is and which one it is.
fn secret(
    kind: CredentialKind,
    provider: &ProviderName,
    user: Option<&User>,
    scopes: &[identity_client::Scope],
    nth: u64,
) -> String {
    let mut scopes: Vec<_> = scopes.iter().map(AsRef::as_ref).collect();
    scopes.sort_unstable();
    format!("secret.{}.{provider}.{}.{}.{nth}", kind.as_str(), user.map_or("agent", User::id), scopes.join("+"))
}

fn issue(kind: CredentialKind, secret: String, lifetime: Option<Duration>) -> Issued {
    let secret = SecretString::from(secret);
    let issued = match kind {
        CredentialKind::ApiKey => Issued::api_key(secret),
        CredentialKind::StsCredentials => {
            Issued::sts_credentials("secret.of-an-id", secret, SecretString::from("secret.of-a-security-token"))
        }
        CredentialKind::WorkloadToken => Issued::workload_token(secret),
        _ => Issued::access_token(secret),
    };
    issued.with_lifetime(lifetime)
}

impl Platform for Fake {
    fn describe(&self) -> Description<'_> {
        Description { name: "fake", endpoint: "https://fake.example.com", agent_identity: &self.0.identity }
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::none();
        capabilities.sts_credentials = true;
        capabilities.workload_tokens = true;
        capabilities.force_authentication = self.0.can_force.load(Ordering::SeqCst);
        capabilities
    }

    fn check(&self, _: &CredentialRequest) -> Result<(), Error> {
        Ok(())
    }

    async fn api_key_flow(&self, _: &ProviderName) -> Result<Flow, Error> {
        self.0.looked_up.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
        let flow = *self.0.flow.lock().unwrap();
        flow.map_err(|kind| Error::from_platform(kind, "scripted failure"))
    }

    async fn acquire(&self, request: &CredentialRequest) -> Result<Acquired<Issued>, Error> {
        // As the author of a platform would, to see what is asked: the log is searched for secrets.
        tracing::debug!(?request, "asked of the fake");
        let nth = self.0.acquired.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.forced.fetch_add(u64::from(request.options().force), Ordering::SeqCst);
        let user = match request.principal() {
            Principal::User(user) => Some(user),
            _ => None,
        };
        let fresh = |lifetime| {
            let secret = secret(request.credential(), request.provider(), user, request.scopes(), nth);
            Ok(Acquired::Ready(issue(request.credential(), secret, lifetime)))
        };
        match self.play(&self.0.acquires).await {
            None | Some(Script::Slowly(_)) => fresh(None),
            Some(Script::Issue(lifetime)) => fresh(lifetime),
            Some(Script::Secret(secret)) => Ok(Acquired::Ready(issue(request.credential(), secret.to_owned(), None))),
            Some(Script::NeedsConsent) => Ok(Acquired::NeedsConsent(self.pending(request))),
            Some(Script::Fail(kind)) => Err(Error::from_platform(kind, "scripted failure")),
        }
    }

    async fn poll(&self, pending: &PendingAuthorization) -> Result<Polled<Issued>, Error> {
        let nth = self.0.polled.fetch_add(1, Ordering::SeqCst) + 1;
        let secret = secret(pending.credential(), pending.provider(), Some(pending.user()), pending.scopes(), nth);
        match self.play(&self.0.polls).await {
            None | Some(Script::NeedsConsent | Script::Slowly(_)) => Ok(Polled::Pending { interval: None }),
            Some(Script::Issue(lifetime)) => Ok(Polled::Ready(issue(pending.credential(), secret, lifetime))),
            Some(Script::Secret(secret)) => Ok(Polled::Ready(issue(pending.credential(), secret.to_owned(), None))),
            Some(Script::Fail(kind)) => Err(Error::from_platform(kind, "scripted failure")),
        }
    }
}

/// A clock that is moved by hand. Its copies are one clock.
#[derive(Debug, Clone)]
pub struct HandClock(Arc<Mutex<Moment>>);

impl HandClock {
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(SystemClock.now())))
    }

    pub fn advance(&self, by: Duration) {
        let mut now = self.0.lock().unwrap();
        now.wall += by;
        now.steady += by;
    }

    /// As when the machine sleeps: the wall clock goes on, the steady one does not.
    pub fn sleep_machine(&self, by: Duration) {
        self.0.lock().unwrap().wall += by;
    }

    /// As when a time server corrects the clock.
    pub fn set_wall_back(&self, by: Duration) {
        self.0.lock().unwrap().wall -= by;
    }
}

impl Clock for HandClock {
    fn now(&self) -> Moment {
        *self.0.lock().unwrap()
    }
}

pub fn user(id: &str) -> User {
    User::asserted(id).unwrap()
}

pub fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Lets tasks that were spawned run until they wait.
pub async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}
