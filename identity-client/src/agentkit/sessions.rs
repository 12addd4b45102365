//! What a consent was begun with: kept beside it in this process, for it must not be serialized with it.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::workload::WorkloadToken;
use crate::{clock::Moment, consent::PendingAuthorization, error::Error, hash::sha256, principal::User};

/// As many as a session binding knows of at once.
const CAPACITY: usize = 10_000;
/// No consent is waited for longer.
const LIFE: Duration = identity_grammar::MAX_WAIT;

/// How a user was named to the platform when the consent was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum IdentifiedBy {
    Id,
    Token,
}

/// What a pending consent says of its session; serialized with it, so nothing in it is a secret.
#[derive(Serialize, Deserialize)]
pub(crate) struct Session {
    pub(crate) uri: Option<String>,
    /// One host serves all regions.
    pub(crate) region: String,
    pub(crate) by: IdentifiedBy,
    /// The digest of the token that force is to replace.
    pub(crate) replaces: Option<String>,
}

impl Session {
    pub(crate) fn to_text(&self) -> Result<String, Error> {
        serde_json::to_string(self).map_err(|_| Error::invalid("the consent session cannot be written down"))
    }

    pub(crate) fn of_text(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

/// With what, and for whom, a consent was begun.
#[derive(Clone)]
pub(crate) struct Artefact {
    pub(crate) token: Arc<WorkloadToken>,
    pub(crate) user: User,
}

#[derive(Default)]
pub(crate) struct Sessions(Mutex<HashMap<[u8; 32], (Artefact, Moment)>>);

impl Sessions {
    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], (Artefact, Moment)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn keep(&self, pending: &PendingAuthorization, artefact: Artefact, now: Moment) {
        let mut kept = self.lock();
        // Consents begin at the pace of people: looking at all of them is cheap enough.
        kept.retain(|_, (_, since)| now.since(since) < LIFE);
        if kept.len() >= CAPACITY {
            let oldest = kept.iter().min_by_key(|(_, (_, since))| since.steady).map(|(key, _)| *key);
            oldest.map(|oldest| kept.remove(&oldest));
        }
        kept.insert(key(pending), (artefact, now));
    }

    pub(crate) fn get(&self, pending: &PendingAuthorization) -> Option<Artefact> {
        self.lock().get(&key(pending)).map(|(artefact, _)| artefact.clone())
    }
}

/// The user is in it: a platform that gave two users one URL must not make one of them the other.
fn key(pending: &PendingAuthorization) -> [u8; 32] {
    let parts = pending.parts();
    let session = parts.session.as_deref().unwrap_or_default();
    let digests = [parts.authorization_url.as_str(), session, parts.user.id()].map(sha256);
    sha256(digests.concat())
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").field("kept", &self.lock().len()).finish_non_exhaustive()
    }
}
