//! How an emulator is set up and started.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::middleware;
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use url::Url;

use crate::agent_identity::{self, StsSession};
use crate::agentbase::{self, Iam};
use crate::agentkit::{self, Platform};
use crate::clock::{self, Clock};
use crate::core::{Core, ServiceAccount};
use crate::emulator::Emulator;
use crate::error::EmulatorError;
use crate::human::{Human, HumanScript};
use crate::listener::{ConnectionControl, LoopbackListener};
use crate::oauth::{OAuthEngine, OAuthFailure};
use crate::provider::BuiltInProvider;
use crate::seed::{OwnClients, Seed};
use crate::vault::{Account, State, Vault, VaultError};
use crate::{environment, gate, idaas, object_store, overview, random, signed};

/// Names of accounts in the vault; for our own providers the name of their path, too.
const AGENTBASE: &str = "agentbase";
const AGENTKIT: &str = "agentkit";
const AGENT_IDENTITY: &str = "agent_identity";
const PROVIDER: &str = "provider";
const FEISHU: &str = "feishu";
/// How long a role session that is there from the start counts.
const ROLE_SESSION: Duration = Duration::from_secs(3600);

/// A role session that somebody named.
#[derive(Clone, Debug)]
struct WantedSession {
    access_key: String,
    secret: SecretString,
    token: SecretString,
    role: String,
}

/// Sets up an [`Emulator`]. Every setting has a default.
#[derive(Debug)]
#[must_use]
pub struct EmulatorBuilder {
    listen: SocketAddr,
    human: Human,
    iam_token_lifetime: Duration,
    session_lifetime: Duration,
    provider_token_lifetime: Option<Duration>,
    account: Option<ServiceAccount>,
    access_key: Option<ServiceAccount>,
    role_sessions: Vec<WantedSession>,
    idaas_issuer: Option<Url>,
    agent_identity_key: Option<ServiceAccount>,
    sts_credentials: Vec<WantedSession>,
    workload_token_lifetime: Duration,
    signed_hosts: Vec<String>,
    start_time: Option<Timestamp>,
    data_dir: Option<PathBuf>,
    key_file: Option<PathBuf>,
    seed: Seed,
}

impl Default for EmulatorBuilder {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            human: Human::default(),
            iam_token_lifetime: Duration::from_secs(3600),
            session_lifetime: Duration::from_secs(600),
            provider_token_lifetime: None,
            account: None,
            access_key: None,
            role_sessions: Vec::new(),
            idaas_issuer: None,
            agent_identity_key: None,
            sts_credentials: Vec::new(),
            workload_token_lifetime: Duration::from_secs(300),
            signed_hosts: Vec::new(),
            start_time: None,
            data_dir: None,
            key_file: None,
            seed: Seed::default(),
        }
    }
}

impl EmulatorBuilder {
    /// Where to listen; `127.0.0.1:0` (any free port) by default. [`start`](Self::start) refuses what is not loopback.
    pub fn with_listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// What the person does; [`Human::Manual`] by default.
    pub fn with_human(mut self, human: Human) -> Self {
        self.human = human;
        self
    }

    /// How long an IAM token of AgentBase counts; 3600 s by default. Told to clients in whole seconds.
    pub fn with_iam_token_lifetime(mut self, lifetime: Duration) -> Self {
        self.iam_token_lifetime = lifetime;
        self
    }

    /// How long a person has to act; 10 minutes by default. A session past it answers `FAILED`, an hour later "not found".
    pub fn with_session_lifetime(mut self, lifetime: Duration) -> Self {
        self.session_lifetime = lifetime;
        self
    }

    /// How long access tokens of the built-in provider live; 3600 s by default, in whole seconds, at most ten years.
    pub fn with_provider_token_lifetime(mut self, lifetime: Duration) -> Self {
        self.provider_token_lifetime = Some(lifetime);
        self
    }

    /// The service account with which clients get in. By default that of the seed, else that of the data directory, else a random one.
    pub fn with_service_account(mut self, id: impl Into<String>, secret: impl Into<SecretString>) -> Self {
        self.account = Some(ServiceAccount { id: id.into(), secret: secret.into() });
        self
    }

    /// The access key with which clients of AgentKit sign. By default that of the seed, else that of the data directory, else a random one.
    pub fn with_access_key(mut self, id: impl Into<String>, secret: impl Into<SecretString>) -> Self {
        self.access_key = Some(ServiceAccount { id: id.into(), secret: secret.into() });
        self
    }

    /// A session of a role on AgentKit that is there from the start and counts for an hour; see also
    /// [`Emulator::open_role_session`]. The access key may be that of the account.
    pub fn with_role_session(
        mut self,
        access_key: impl Into<String>,
        secret_key: impl Into<SecretString>,
        session_token: impl Into<SecretString>,
        role: impl Into<String>,
    ) -> Self {
        self.role_sessions.push(WantedSession {
            access_key: access_key.into(),
            secret: secret_key.into(),
            token: session_token.into(),
            role: role.into(),
        });
        self
    }

    /// Lets AgentKit's endpoint be called under this host name, too, for example `open.volcengineapi.com`: for recorded requests, whose
    /// signature covers the name. Nothing else is served under it.
    pub fn with_agentkit_host(mut self, host: impl Into<String>) -> Self {
        self.signed_hosts.push(host.into());
        self
    }

    /// The access key with which clients of Alibaba Cloud Agent Identity sign. By default that of the seed, else that of the data
    /// directory, else a random one.
    pub fn with_agent_identity_key(mut self, id: impl Into<String>, secret: impl Into<SecretString>) -> Self {
        self.agent_identity_key = Some(ServiceAccount { id: id.into(), secret: secret.into() });
        self
    }

    /// Temporary credentials of a role on Agent Identity that are there from the start and count for an hour. They belong to no
    /// workload identity, so they may do whatever the account may.
    pub fn with_sts_credentials(
        mut self,
        access_key_id: impl Into<String>,
        access_key_secret: impl Into<SecretString>,
        security_token: impl Into<SecretString>,
        role_arn: impl Into<String>,
    ) -> Self {
        self.sts_credentials.push(WantedSession {
            access_key: access_key_id.into(),
            secret: access_key_secret.into(),
            token: security_token.into(),
            role: role_arn.into(),
        });
        self
    }

    /// How long a workload access token of Agent Identity counts; 300 s by default, which is what was measured once at the service.
    pub fn with_workload_token_lifetime(mut self, lifetime: Duration) -> Self {
        self.workload_token_lifetime = lifetime;
        self
    }

    /// Lets Agent Identity's endpoint be called under this host name, too, for example
    /// `agentidentitydata.cn-beijing.aliyuncs.com`: for recorded requests, whose signature covers the name.
    pub fn with_agent_identity_host(mut self, host: impl Into<String>) -> Self {
        self.signed_hosts.push(host.into());
        self
    }

    /// The issuer of IDaaS as clients know it, for example that of a TLS proxy in front of the emulator: its tokens name it, and
    /// assertions must be for the token endpoint below it. By default where it is served, [`IdaasHandle::issuer`](crate::IdaasHandle::issuer).
    pub fn with_idaas_issuer(mut self, issuer: Url) -> Self {
        self.idaas_issuer = Some(issuer);
        self
    }

    /// Sets the emulator's clock to this moment when it starts; it runs on from there. By default it shows the machine's time.
    pub fn with_start_time(mut self, moment: Timestamp) -> Self {
        self.start_time = Some(moment);
        self
    }

    /// Keeps the vault in this directory, encrypted; by default it lives in memory. One process at a time may use a directory.
    /// IAM tokens are not kept: clients authenticate again after a restart.
    pub fn with_data_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.data_dir = Some(path.into());
        self
    }

    /// The key file of the data directory. By default `IDENTITY_EMULATOR_KEY_FILE`, else `identity-emulator/key` under
    /// `XDG_CONFIG_HOME` or `~/.config`. Made, readable by its owner only, when it is missing and the data directory is empty; refused when it
    /// lies inside the data directory or others can read it.
    pub fn with_key_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.key_file = Some(path.into());
        self
    }

    /// What to start with, beside what the data directory holds.
    pub fn with_seed(mut self, seed: Seed) -> Self {
        self.seed = seed;
        self
    }

    /// Starts to serve.
    ///
    /// # Errors
    /// See [`EmulatorError`].
    pub async fn start(self) -> Result<Emulator, EmulatorError> {
        if !self.listen.ip().is_loopback() {
            return Err(EmulatorError::NotLoopback { address: self.listen });
        }
        let vault = open_vault(self.data_dir, self.key_file).await?;
        let bind = |source| EmulatorError::Bind { address: self.listen, source };
        let listener = TcpListener::bind(self.listen).await.map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;
        let clock = self.start_time.map_or_else(Clock::default, Clock::starting_at);
        let origin = format!("http://{address}");
        let wanted = Wanted {
            agentbase: self.account.or_else(|| self.seed.account()),
            agentkit: self.access_key.or_else(|| self.seed.access_key()),
            agent_identity: self.agent_identity_key.or_else(|| self.seed.agent_identity_key()),
        };
        let provider = own_provider(&origin, PROVIDER, &clock)?;
        let provider = match self.provider_token_lifetime {
            Some(lifetime) => provider.with_token_lifetime(lifetime),
            None => provider,
        };
        let feishu = own_provider(&origin, FEISHU, &clock)?.with_feishu_rules();
        let settled = settle(&vault, wanted, self.seed, (provider, feishu), &clock).await?;
        let agentkit = Platform::new(settled.agentkit);
        let now = clock.now();
        for session in self.role_sessions {
            let (token, end) = (session.token.expose_secret(), clock::add(now, ROLE_SESSION));
            agentkit.access.admit(&session.access_key, session.secret, token, session.role, end, now);
        }
        let agent_identity = agent_identity::Platform::new(settled.agent_identity, self.workload_token_lifetime);
        for session in self.sts_credentials {
            let (token, end) = (session.token.expose_secret(), clock::add(now, ROLE_SESSION));
            let sts = StsSession { role: session.role, agent: None, policy: None };
            agent_identity.access.admit(&session.access_key, session.secret, token, sts, end, now);
        }
        let idaas = idaas::Platform::new(&origin, self.idaas_issuer.map(String::from), settled.idaas);
        let core = Arc::new(Core {
            origin,
            vault,
            clock,
            audit: crate::audit::AuditTrail::default(),
            counters: crate::counters::Counters::default(),
            recorder: crate::recorder::Recorder::default(),
            faults: crate::faults::Faults::default(),
            iam: Iam::new(settled.agentbase, self.iam_token_lifetime),
            engine: OAuthEngine::new()?,
            refreshing: tokio::sync::Mutex::default(),
            built_in: settled.provider.registration(),
            provider: settled.provider,
            agentkit,
            idaas,
            agent_identity,
            signed_hosts: self.signed_hosts,
            feishu_client: settled.feishu.registration(),
            feishu: settled.feishu,
            human: HumanScript::new(self.human)?,
            session_lifetime: self.session_lifetime,
            tasks: crate::core::Tasks::default(),
        });
        Ok(serve(core, listener))
    }
}

async fn open_vault(data_dir: Option<PathBuf>, key_file: Option<PathBuf>) -> Result<Vault, EmulatorError> {
    let Some(data_dir) = data_dir else { return Ok(Vault::in_memory()) };
    let key_file = key_file.or_else(environment::key_file).ok_or(VaultError::KeyHomeless)?;
    let opened = tokio::task::spawn_blocking(move || Vault::on_disk(&data_dir, &key_file)).await;
    Ok(opened.unwrap_or(Err(VaultError::Closed))?)
}

/// Accounts that somebody named.
struct Wanted {
    agentbase: Option<ServiceAccount>,
    agentkit: Option<ServiceAccount>,
    agent_identity: Option<ServiceAccount>,
}

/// Accounts and providers as they are from now on.
struct Settled {
    agentbase: ServiceAccount,
    agentkit: ServiceAccount,
    idaas: idaas::Settled,
    agent_identity: ServiceAccount,
    provider: BuiltInProvider,
    feishu: BuiltInProvider,
}

/// Brings accounts, our own providers and seed together with what the vault holds, in one change.
async fn settle(
    vault: &Vault,
    wanted: Wanted,
    seed: Seed,
    (provider, feishu): (BuiltInProvider, BuiltInProvider),
    clock: &Clock,
) -> Result<Settled, EmulatorError> {
    let now = clock.now();
    let change = move |state: &mut State| {
        let (provider, feishu) = (with_kept_client(state, PROVIDER, provider), with_kept_client(state, FEISHU, feishu));
        let random = || ServiceAccount { id: random::uuid(), secret: random::secret() };
        let agentbase = account(state, AGENTBASE, wanted.agentbase, random);
        let access_key = account(state, AGENTKIT, wanted.agentkit, agentkit::new_account);
        let agent_identity = account(state, AGENT_IDENTITY, wanted.agent_identity, agent_identity::new_account);
        agentkit::prepare(state, now);
        agent_identity::prepare(state, now);
        let own = OwnClients { built_in: provider.registration(), feishu: feishu.registration() };
        let (instance, first) = seed.idaas();
        seed.apply(state, &own, now)?;
        let idaas = idaas::prepare(state, instance, first.as_deref(), now);
        Ok::<_, EmulatorError>(Settled { agentbase, agentkit: access_key, agent_identity, idaas, provider, feishu })
    };
    vault.change(change).await
}

fn own_provider(origin: &str, path: &str, clock: &Clock) -> Result<BuiltInProvider, OAuthFailure> {
    let base = format!("{origin}/{path}").parse();
    let base = base.map_err(|_| OAuthFailure::InvalidRegistration("the emulator's own address is no URL"))?;
    let clock = clock.clone();
    Ok(BuiltInProvider::new(base)?.with_clock(move || clock.now()))
}

/// The provider with the client of an earlier run, if there was one.
fn with_kept_client(state: &mut State, name: &str, provider: BuiltInProvider) -> BuiltInProvider {
    let provider = match state.accounts.get(name) {
        Some(account) => provider.with_client(&account.id, account.secret.clone()),
        None => provider,
    };
    let client = provider.registration();
    state.accounts.insert(name.to_owned(), Account { id: client.client_id, secret: client.client_secret });
    provider
}

/// The account that was named, else that of an earlier run, else a new one.
fn account(
    state: &mut State,
    name: &str,
    wanted: Option<ServiceAccount>,
    new: impl FnOnce() -> ServiceAccount,
) -> ServiceAccount {
    let kept = state.accounts.get(name);
    let kept = kept.map(|kept| ServiceAccount { id: kept.id.clone(), secret: kept.secret.clone() });
    let account = wanted.or(kept).unwrap_or_else(new);
    let entry = Account { id: account.id.clone(), secret: account.secret.clone() };
    state.accounts.insert(name.to_owned(), entry);
    account
}

fn serve(core: Arc<Core>, listener: TcpListener) -> Emulator {
    let router = agentbase::router(&core)
        .merge(overview::router(&core))
        .merge(agentkit::router(&core))
        .merge(idaas::router(&core))
        .merge(agent_identity::router(&core))
        .merge(object_store::router(&core))
        .merge(signed::router(&core))
        .nest("/provider", core.provider.router())
        .nest("/feishu", core.feishu.router())
        .fallback(agentbase::missing)
        .method_not_allowed_fallback(agentbase::wrong_method)
        .layer(middleware::from_fn_with_state(Arc::clone(&core), gate::pass));
    let service = router.into_make_service_with_connect_info::<ConnectionControl>();
    let (stop, stopped) = oneshot::channel::<()>();
    let serve = axum::serve(LoopbackListener(listener), service).with_graceful_shutdown(async move {
        // An error means that the emulator was dropped, which is a wish to stop, too.
        let _ = stopped.await;
    });
    let server = tokio::spawn(async move {
        if let Err(error) = serve.await {
            tracing::error!(%error, "the server stopped");
        }
    });
    Emulator::new(core, stop, server)
}
