//! What every request handler shares.

use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use secrecy::SecretString;
use tokio::task::JoinSet;
use url::Url;

use crate::agent_identity;
use crate::agentbase::Iam;
use crate::agentkit::{self, Platform};
use crate::audit::{AuditEntry, AuditOutcome, AuditTrail};
use crate::clock::Clock;
use crate::counters::Counters;
use crate::faults::Faults;
use crate::human::HumanScript;
use crate::idaas;
use crate::oauth::{OAuthEngine, OAuthFailure, ProviderRegistration};
use crate::provider::BuiltInProvider;
use crate::recorder::Recorder;
use crate::vault::{Endpoints, Grant, OAuthProvider, Vault};

pub(crate) struct Core {
    /// `http://127.0.0.1:PORT`, without a path.
    pub(crate) origin: String,
    pub(crate) vault: Vault,
    pub(crate) clock: Clock,
    pub(crate) audit: AuditTrail,
    pub(crate) counters: Counters,
    pub(crate) recorder: Recorder,
    pub(crate) faults: Faults,
    pub(crate) iam: Iam,
    pub(crate) engine: OAuthEngine,
    /// One refresh at a time: a rotated refresh token is good for one use.
    pub(crate) refreshing: tokio::sync::Mutex<()>,
    pub(crate) provider: BuiltInProvider,
    pub(crate) built_in: ProviderRegistration,
    pub(crate) agentkit: Platform,
    pub(crate) idaas: idaas::Platform,
    pub(crate) agent_identity: agent_identity::Platform,
    /// Host names besides loopback under which the signed endpoint may be called.
    pub(crate) signed_hosts: Vec<String>,
    /// The imitation of Feishu, and its one client.
    pub(crate) feishu: BuiltInProvider,
    pub(crate) feishu_client: ProviderRegistration,
    pub(crate) human: HumanScript,
    pub(crate) session_lifetime: Duration,
    pub(crate) tasks: Tasks,
}

impl Core {
    pub(crate) fn identity_url(&self) -> String {
        format!("{}/identity", self.origin)
    }

    pub(crate) fn audit(&self, operation: &'static str, grant: &Grant, user: Option<&str>, outcome: AuditOutcome) {
        self.audit.record(AuditEntry {
            at: self.clock.now(),
            operation,
            identity: grant.identity.clone(),
            provider: grant.provider_id.clone(),
            user: user.map(str::to_owned),
            outcome,
        });
    }

    /// The provider's client and URLs; those of the built-in provider are today's, whatever port it was registered on.
    pub(crate) fn registration(&self, provider: &OAuthProvider) -> Option<ProviderRegistration> {
        match &provider.endpoints {
            Endpoints::BuiltIn => Some(self.built_in.clone()),
            // Feishu tells its applications apart: somebody else's client is not replaced by ours.
            Endpoints::Feishu => Some(ProviderRegistration {
                client_id: provider.client_id.clone(),
                client_secret: provider.client_secret.clone(),
                ..self.feishu_client.clone()
            }),
            Endpoints::Outside { authorization_url, token_url } => Some(ProviderRegistration {
                client_id: provider.client_id.clone(),
                client_secret: provider.client_secret.clone(),
                authorization_url: authorization_url.parse().ok()?,
                token_url: token_url.parse().ok()?,
            }),
        }
    }
}

impl Core {
    /// Registers the callback of AgentKit's vault at our own providers: what an operator does by hand at an outside one.
    pub(crate) fn allow_own_callback(&self, registration: &ProviderRegistration) -> Result<(), OAuthFailure> {
        let callback = format!("{}{}", self.origin, agentkit::CALLBACK_PATH).parse();
        let callback =
            callback.map_err(|_| OAuthFailure::InvalidRegistration("the emulator's own address is no URL"))?;
        match self.own(registration) {
            Some(provider) => provider.allow_redirect_uri(&callback),
            None => Ok(()),
        }
    }

    /// The same for the callback of one provider of another platform.
    pub(crate) fn allow_callback(&self, provider: &OAuthProvider, callback: &Url) -> Result<(), OAuthFailure> {
        let registration = self.registration(provider);
        match registration.as_ref().and_then(|registration| self.own(registration)) {
            Some(own) => own.allow_redirect_uri(callback),
            None => Ok(()),
        }
    }

    /// The provider with this callback is gone.
    pub(crate) fn disallow_callback(&self, callback: &str) {
        if let Ok(callback) = callback.parse() {
            self.provider.disallow_redirect_uri(&callback);
            self.feishu.disallow_redirect_uri(&callback);
        }
    }

    /// The provider of ours at which this client is registered.
    pub(crate) fn own(&self, registration: &ProviderRegistration) -> Option<&BuiltInProvider> {
        let at = |own: &ProviderRegistration| own.authorization_url == registration.authorization_url;
        match (at(&self.built_in), at(&self.feishu_client)) {
            (true, _) => Some(&self.provider),
            (_, true) => Some(&self.feishu),
            _ => None,
        }
    }
}

/// Work that outlives the request which began it, but not the emulator.
#[derive(Default)]
pub(crate) struct Tasks(Mutex<JoinSet<()>>);

impl Tasks {
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    pub(crate) fn abort(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
    }
}

/// How a client of one dialect gets in.
#[derive(Clone, Debug)]
pub(crate) struct ServiceAccount {
    pub(crate) id: String,
    pub(crate) secret: SecretString,
}
