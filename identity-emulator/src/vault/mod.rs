//! The vault behind every dialect: agents, providers, credentials, sessions. Knows no platform and no HTTP.

mod crypto;
mod error;
mod idaas;
mod key_file;
mod pooled;
mod records;
mod sealed;
mod snapshot;
mod state;
mod user_credentials;
mod vaulted;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

pub use error::VaultError;
pub(crate) use idaas::{Application, Federated, HostedKey, JwtProvider, MintedJwt, Secret, TokenProvider, Trust};
pub(crate) use pooled::{
    InboundConfig, PermissionRule, PoolClient, PooledKey, PooledProvider, UserPool, Workload, WorkloadPool, pooled_name,
};
pub(crate) use records::{
    Account, Asks, Endpoints, Grant, Identity, KeyProvider, OAuthProvider, Session, SessionStatus, SettingOut, State,
    StoredToken, TokenKey, UserKeyProvider,
};
pub(crate) use state::{Refusal, Thing};
pub(crate) use user_credentials::UserCredentialKey;
pub(crate) use vaulted::{
    BoundAgent, CloudApplication, CloudPolicy, CloudRole, TokenVault, TrustedIssuer, VaultedKey, VaultedProvider,
    bound_name,
};

use self::snapshot::Snapshot;

/// Where changes go before they count.
enum Store {
    Memory,
    Disk(Snapshot),
    Closed,
}

/// Shared by all who serve requests. Reading never waits for a write to disk.
#[derive(Clone)]
pub(crate) struct Vault {
    inner: Arc<Inner>,
}

struct Inner {
    /// Held for the whole of a change: changes happen one after the other.
    store: Mutex<Store>,
    state: RwLock<Arc<State>>,
    durable: bool,
}

impl Vault {
    pub(crate) fn in_memory() -> Self {
        Self::new(Store::Memory, State::default(), false)
    }

    /// Blocks on the file system.
    pub(crate) fn on_disk(directory: &Path, key_file: &Path) -> Result<Self, VaultError> {
        let (snapshot, state) = Snapshot::open(directory, key_file)?;
        Ok(Self::new(Store::Disk(snapshot), state.unwrap_or_default(), true))
    }

    fn new(store: Store, state: State, durable: bool) -> Self {
        Self { inner: Arc::new(Inner { store: Mutex::new(store), state: RwLock::new(Arc::new(state)), durable }) }
    }

    /// The state as of the last acknowledged change.
    pub(crate) fn read(&self) -> Arc<State> {
        self.inner.state.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes the state: all of it or, when `change` or the disk refuses, nothing. On return it is as durable as the vault is.
    ///
    /// Dropping the future does not tear a change apart: one that has begun runs to its end.
    pub(crate) async fn change<T, E>(
        &self,
        change: impl FnOnce(&mut State) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<VaultError> + Send + 'static,
    {
        if !self.inner.durable {
            return self.inner.change(change);
        }
        let inner = Arc::clone(&self.inner);
        match tokio::task::spawn_blocking(move || inner.change(change)).await {
            Ok(result) => result,
            Err(_) => Err(VaultError::Closed.into()),
        }
    }

    /// Lets go of the data directory. Later changes are refused, reads go on.
    pub(crate) fn close(&self) {
        *self.inner.store.lock().unwrap_or_else(PoisonError::into_inner) = Store::Closed;
    }
}

impl Inner {
    fn change<T, E: From<VaultError>>(&self, change: impl FnOnce(&mut State) -> Result<T, E>) -> Result<T, E> {
        let store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = State::clone(&self.state.read().unwrap_or_else(PoisonError::into_inner));
        let answer = change(&mut next)?;
        match &*store {
            Store::Memory => {}
            Store::Disk(snapshot) => snapshot.write(&next)?,
            Store::Closed => return Err(VaultError::Closed.into()),
        }
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
        Ok(answer)
    }
}

#[cfg(test)]
#[path = "vault_tests.rs"]
mod tests;
