//! What agents keep for single users, as they wrote it.

use std::sync::Arc;

use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::records::State;
use super::sealed;
use super::state::{MOST, Refusal, Thing};

/// Whose it is, and which: what a user gave one agent is not another agent's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct UserCredentialKey {
    pub(crate) identity: String,
    pub(crate) user: String,
    pub(crate) pool: String,
    pub(crate) id: String,
}

/// What was kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct UserCredential {
    #[serde(with = "sealed::secret")]
    pub(crate) data: SecretString,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

impl State {
    pub(crate) fn user_credential(&self, key: &UserCredentialKey) -> Result<&Arc<UserCredential>, Refusal> {
        self.pooled.user_credentials.get(key).ok_or(Refusal::Missing(Thing::Credential))
    }

    pub(crate) fn create_user_credential(
        &mut self,
        key: UserCredentialKey,
        data: SecretString,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let kept = &mut self.pooled.user_credentials;
        if kept.contains_key(&key) {
            return Err(Refusal::Exists(Thing::Credential));
        }
        if kept.len() >= MOST {
            return Err(Refusal::Full(Thing::Credential));
        }
        kept.insert(key, Arc::new(UserCredential { data, created_at: now, updated_at: now }));
        Ok(())
    }

    pub(crate) fn update_user_credential(
        &mut self,
        key: &UserCredentialKey,
        data: Option<SecretString>,
        now: Timestamp,
    ) -> Result<Arc<UserCredential>, Refusal> {
        let kept = self.pooled.user_credentials.get_mut(key).ok_or(Refusal::Missing(Thing::Credential))?;
        let record = Arc::make_mut(kept);
        record.updated_at = now;
        if let Some(data) = data {
            record.data = data;
        }
        Ok(Arc::clone(kept))
    }

    pub(crate) fn delete_user_credential(&mut self, key: &UserCredentialKey) -> Result<(), Refusal> {
        self.pooled.user_credentials.remove(key).map(drop).ok_or(Refusal::Missing(Thing::Credential))
    }
}
