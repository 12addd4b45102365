//! A running emulator.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::agent_identity;
use crate::agentkit;
use crate::audit::AuditEntry;
use crate::builder::EmulatorBuilder;
use crate::clock;
use crate::core::Core;
use crate::counters::Counters;
use crate::error::EmulatorError;
use crate::faults::Faults;
use crate::handles::{AgentBaseHandle, AgentIdentityHandle, AgentKitHandle, IdaasHandle, ProviderHandle, RoleSession};
use crate::human::Human;
use crate::idaas;
use crate::oauth::ProviderRegistration;
use crate::operation::TOKEN_PATH;
use crate::recorder::RecordedRequest;

/// How long requests in flight may take when the emulator is shut down.
const GRACE: Duration = Duration::from_secs(5);

/// A running emulator. Dropping it stops it without waiting for requests in flight; see [`shutdown`](Self::shutdown).
pub struct Emulator {
    core: Arc<Core>,
    stop: Option<oneshot::Sender<()>>,
    server: JoinHandle<()>,
}

impl fmt::Debug for Emulator {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Emulator").field("origin", &self.core.origin).finish_non_exhaustive()
    }
}

impl Emulator {
    /// Starts one on a free loopback port, in memory, with a random service account.
    ///
    /// # Errors
    /// See [`EmulatorError`].
    pub async fn start() -> Result<Self, EmulatorError> {
        Self::builder().start().await
    }

    /// To start one with settings.
    pub fn builder() -> EmulatorBuilder {
        EmulatorBuilder::default()
    }

    pub(crate) fn new(core: Arc<Core>, stop: oneshot::Sender<()>, server: JoinHandle<()>) -> Self {
        Self { core, stop: Some(stop), server }
    }

    /// `http://127.0.0.1:PORT/`, a page for people: identities, providers, sessions and the audit trail, without a secret.
    pub fn overview_url(&self) -> String {
        format!("{}/", self.core.origin)
    }

    /// What a client of GreenNode AgentBase needs.
    pub fn agentbase(&self) -> AgentBaseHandle {
        AgentBaseHandle {
            identity_url: self.core.identity_url(),
            token_url: format!("{}{TOKEN_PATH}", self.core.origin),
            client_id: self.core.iam.account.id.clone(),
            client_secret: self.core.iam.account.secret.clone(),
        }
    }

    /// The built-in OAuth2 provider, ready to be registered as an outside provider. Its client is the one of
    /// [`ProviderHandle::client_id`]; the callback URL of every provider registered with it is allowed by itself.
    pub fn provider(&self) -> ProviderHandle {
        handle(&self.core.built_in)
    }

    /// The imitation of Feishu, ready to be registered with vendor 4. Its redirect list holds the callback of AgentKit's vault;
    /// scopes that are none of Feishu's end on an error page.
    pub fn feishu(&self) -> ProviderHandle {
        handle(&self.core.feishu_client)
    }

    /// The issuer of a user pool of AgentKit, by the pool's name: an OpenID issuer with discovery, keys and a login page where any
    /// name will do. `None` if there is no such pool.
    pub fn user_pool_issuer(&self, name: &str) -> Option<String> {
        crate::agentkit::user_pool_issuer(&self.core, name)
    }

    /// What a client of Volcengine Agent Identity (AgentKit) needs.
    pub fn agentkit(&self) -> AgentKitHandle {
        let account = &self.core.agentkit.access.account;
        AgentKitHandle {
            endpoint: self.core.origin.clone(),
            callback_url: format!("{}{}", self.core.origin, agentkit::CALLBACK_PATH),
            access_key: account.id.clone(),
            secret_key: account.secret.clone(),
            role_trn: agentkit::default_role(),
        }
    }

    /// What a client of Alibaba Cloud Agent Identity needs.
    pub fn agent_identity(&self) -> AgentIdentityHandle {
        let account = &self.core.agent_identity.access.account;
        AgentIdentityHandle {
            endpoint: self.core.origin.clone(),
            object_store: format!("{}{}", self.core.origin, crate::object_store::PATH),
            access_key_id: account.id.clone(),
            access_key_secret: account.secret.clone(),
        }
    }

    /// Opens a session of a role of Agent Identity's account without asking anybody: temporary credentials that count for `lifetime` by the
    /// emulator's clock, at the API as at the object store.
    pub fn open_sts_session(&self, role_name: &str, lifetime: Duration) -> RoleSession {
        let now = self.core.clock.now();
        let expires_at = clock::add(now, lifetime);
        let role = agent_identity::role_arn(role_name);
        let session = agent_identity::StsSession { role, agent: None, policy: None };
        let access = &self.core.agent_identity.access;
        let issued = access.issue(agent_identity::SESSION_PREFIXES, session, expires_at, now);
        RoleSession {
            access_key: issued.access_key,
            secret_key: issued.secret,
            session_token: issued.token,
            expires_at,
        }
    }

    /// Opens a session of a role on AgentKit without asking STS: what a function runtime writes into its credential file.
    /// Whoever signs with it acts as the workload of that name. It counts for `lifetime` by the emulator's clock.
    pub fn open_role_session(&self, role: &str, lifetime: Duration) -> RoleSession {
        let now = self.core.clock.now();
        let expires_at = clock::add(now, lifetime);
        let issued = self.core.agentkit.access.issue(agentkit::SESSION_PREFIXES, role.to_owned(), expires_at, now);
        RoleSession {
            access_key: issued.access_key,
            secret_key: issued.secret,
            session_token: issued.token,
            expires_at,
        }
    }

    /// What a client of Alibaba Cloud IDaaS needs.
    pub fn idaas(&self) -> IdaasHandle {
        let platform = &self.core.idaas;
        IdaasHandle {
            issuer: platform.issuer.clone(),
            served_at: platform.served_at(&self.core.origin),
            developer_api_endpoint: self.core.origin.clone(),
            open_api_endpoint: self.core.origin.clone(),
            instance_id: platform.instance.clone(),
            client_id: platform.client.0.clone(),
            client_secret: platform.client.1.clone(),
        }
    }

    /// A user's access token of IDaaS as a front end gets it from the login, for `audience|permission`: what an agent is called with.
    /// It counts for `lifetime` by the emulator's clock.
    ///
    /// # Errors
    /// [`EmulatorError::Idaas`] for a user or a scope that is none, and when it cannot be signed.
    pub async fn idaas_user_token(
        &self,
        user: &str,
        scope: &str,
        lifetime: Duration,
    ) -> Result<SecretString, EmulatorError> {
        let seconds = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX);
        let token = idaas::for_user(&self.core, user, scope, seconds).await;
        token.map_err(|error| EmulatorError::Idaas { problem: error.to_string() })
    }

    /// Makes a new signing key for IDaaS. The key before it still verifies, the one before that no longer.
    ///
    /// # Errors
    /// [`EmulatorError::Idaas`] when no key can be made or stored.
    pub async fn rotate_idaas_keys(&self) -> Result<(), EmulatorError> {
        idaas::rotate(&self.core).await.map_err(|error| EmulatorError::Idaas { problem: error.to_string() })
    }

    /// How often each operation was asked for.
    pub fn counters(&self) -> Counters {
        self.core.counters.clone()
    }

    /// The last 1,000 requests, oldest first, those of a scripted human left out.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.core.recorder.requests()
    }

    /// The script of what goes wrong.
    pub fn faults(&self) -> Faults {
        self.core.faults.clone()
    }

    /// The last 1,000 steps of the audit trail, oldest first.
    pub fn audit(&self) -> Vec<AuditEntry> {
        self.core.audit.entries()
    }

    /// Changes what the person does from now on; a pending session notices with its next poll.
    pub fn set_human(&self, human: Human) {
        self.core.human.set(human);
    }

    /// Ends every IAM token issued so far: whoever uses one is answered 401.
    pub fn revoke_iam_tokens(&self) {
        self.core.iam.revoke_all();
    }

    /// Moves the emulator's clock forward: IAM tokens, sessions, and tokens of the built-in provider age by this much.
    pub fn advance_clock(&self, by: Duration) {
        self.core.clock.advance(by);
    }

    /// Stops: no new connections, requests in flight get 5 s to end, the data directory is let go.
    pub async fn shutdown(mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if tokio::time::timeout(GRACE, &mut self.server).await.is_err() {
            tracing::warn!("requests in flight were cut off");
        }
    }
}

fn handle(registration: &ProviderRegistration) -> ProviderHandle {
    ProviderHandle {
        authorization_url: registration.authorization_url.to_string(),
        token_url: registration.token_url.to_string(),
        client_id: registration.client_id.clone(),
        client_secret: registration.client_secret.clone(),
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // Closes idle connections, too, which aborting the accept loop alone would not.
        drop(self.stop.take());
        self.server.abort();
        self.core.tasks.abort();
        self.core.vault.close();
    }
}
