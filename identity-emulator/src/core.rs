//! What every request handler shares.

use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use secrecy::SecretString;
use tokio::task::JoinSet;

use crate::agentbase::Iam;
use crate::audit::{AuditEntry, AuditOutcome, AuditTrail};
use crate::clock::Clock;
use crate::counters::Counters;
use crate::faults::Faults;
use crate::human::HumanScript;
use crate::oauth::{OAuthEngine, ProviderRegistration};
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
            Endpoints::Outside { authorization_url, token_url } => Some(ProviderRegistration {
                client_id: provider.client_id.clone(),
                client_secret: provider.client_secret.clone(),
                authorization_url: authorization_url.parse().ok()?,
                token_url: token_url.parse().ok()?,
            }),
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
