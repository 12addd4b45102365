//! How an emulator is set up and started.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::middleware;
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::agentbase::{self, Iam};
use crate::clock::Clock;
use crate::core::{Core, ServiceAccount};
use crate::emulator::Emulator;
use crate::error::EmulatorError;
use crate::human::{Human, HumanScript};
use crate::listener::{ConnectionControl, LoopbackListener};
use crate::oauth::{OAuthEngine, OAuthFailure};
use crate::provider::BuiltInProvider;
use crate::seed::Seed;
use crate::vault::{Account, State, Vault, VaultError};
use crate::{environment, gate, overview, random};

/// Names of accounts in the vault.
const AGENTBASE: &str = "agentbase";
const PROVIDER: &str = "provider";

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

    /// How long an IAM token counts; 3600 s by default. Told to clients in whole seconds.
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
        let clock = Clock::default();
        let origin = format!("http://{address}");
        let account = self.account.or_else(|| self.seed.account());
        let provider = built_in_provider(&clock, &origin, self.provider_token_lifetime)?;
        let (account, provider) = settle(&vault, account, self.seed, provider, &clock).await?;
        let core = Arc::new(Core {
            origin,
            vault,
            clock,
            audit: crate::audit::AuditTrail::default(),
            counters: crate::counters::Counters::default(),
            recorder: crate::recorder::Recorder::default(),
            faults: crate::faults::Faults::default(),
            iam: Iam::new(account, self.iam_token_lifetime),
            engine: OAuthEngine::new()?,
            refreshing: tokio::sync::Mutex::default(),
            built_in: provider.registration(),
            provider,
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

fn built_in_provider(
    clock: &Clock,
    origin: &str,
    token_lifetime: Option<Duration>,
) -> Result<BuiltInProvider, EmulatorError> {
    let base = format!("{origin}/provider").parse();
    let base = base.map_err(|_| OAuthFailure::InvalidRegistration("the emulator's own address is no URL"))?;
    let clock = clock.clone();
    let provider = BuiltInProvider::new(base)?.with_clock(move || clock.now());
    Ok(match token_lifetime {
        Some(lifetime) => provider.with_token_lifetime(lifetime),
        None => provider,
    })
}

/// Brings accounts, built-in provider and seed together with what the vault holds, in one change.
async fn settle(
    vault: &Vault,
    wanted: Option<ServiceAccount>,
    seed: Seed,
    provider: BuiltInProvider,
    clock: &Clock,
) -> Result<(ServiceAccount, BuiltInProvider), EmulatorError> {
    let now = clock.now();
    let change = move |state: &mut State| {
        let kept = state.accounts.get(PROVIDER);
        let provider = match kept {
            Some(account) => provider.with_client(&account.id, account.secret.clone()),
            None => provider,
        };
        let built_in = provider.registration();
        let account = Account { id: built_in.client_id.clone(), secret: built_in.client_secret.clone() };
        state.accounts.insert(PROVIDER.to_owned(), account);
        let kept = state.accounts.get(AGENTBASE);
        let account = wanted
            .or_else(|| kept.map(|kept| ServiceAccount { id: kept.id.clone(), secret: kept.secret.clone() }))
            .unwrap_or_else(|| ServiceAccount { id: random::uuid(), secret: random::secret() });
        let entry = Account { id: account.id.clone(), secret: account.secret.clone() };
        state.accounts.insert(AGENTBASE.to_owned(), entry);
        seed.apply(state, &built_in, now)?;
        Ok::<_, EmulatorError>((account, provider))
    };
    vault.change(change).await
}

fn serve(core: Arc<Core>, listener: TcpListener) -> Emulator {
    let router = agentbase::router(&core)
        .merge(overview::router(&core))
        .nest("/provider", core.provider.router())
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
