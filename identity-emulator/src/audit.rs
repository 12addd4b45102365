//! Who was given what, and how it went. Never holds a secret or a URL.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

/// How many entries are kept; older ones are dropped.
const CAPACITY: usize = 1_000;

/// How an audited step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuditOutcome {
    /// A credential was handed out.
    Released,
    /// A person has to act first; a session was opened.
    ConsentAsked,
    /// A person has not acted yet.
    Pending,
    /// A person gave their consent or their key.
    Granted,
    /// A person refused.
    Denied,
    /// The outside provider refused or could not be reached, or the request named something that does not exist.
    Failed,
}

/// One line of the audit trail.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AuditEntry {
    /// When it happened, by the emulator's clock.
    pub at: Timestamp,
    /// The operation, by the name that [`Counters`](crate::Counters) uses.
    pub operation: &'static str,
    /// The agent identity that acted.
    pub identity: String,
    /// The provider, by name where the request named it, else by id.
    pub provider: String,
    /// The user for whom the agent acted, if any.
    pub user: Option<String>,
    /// How it ended.
    pub outcome: AuditOutcome,
}

#[derive(Debug, Default)]
pub(crate) struct AuditTrail {
    entries: Mutex<VecDeque<AuditEntry>>,
}

impl AuditTrail {
    pub(crate) fn record(&self, entry: AuditEntry) {
        tracing::info!(
            operation = entry.operation,
            identity = entry.identity,
            provider = entry.provider,
            outcome = ?entry.outcome,
            "audit"
        );
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() == CAPACITY {
            entries.pop_front();
        }
        entries.push_back(entry);
    }

    pub(crate) fn entries(&self) -> Vec<AuditEntry> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.iter().cloned().collect()
    }
}
