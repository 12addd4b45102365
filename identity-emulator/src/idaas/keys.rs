//! The keys that sign the instance's tokens, and their change.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::error::IdaasError;
use crate::agentkit::Signer;
use crate::core::Core;
use crate::vault::Secret;

/// How many keys verify.
const LIVE: usize = 2;

/// The newest first; empty until the first one is needed.
#[derive(Default)]
pub(super) struct Keys(Mutex<Vec<Arc<Signer>>>);

impl Keys {
    /// Those that verify; the first one signs.
    pub(super) async fn all(&self, core: &Core) -> Result<Vec<Arc<Signer>>, IdaasError> {
        let mut keys = self.0.lock().await;
        if keys.is_empty() {
            let kept = core.vault.read().idaas.signing_keys.clone();
            for key in kept {
                keys.push(Arc::new(Signer::kept(&key.0).ok_or_else(unmade)?));
            }
        }
        if keys.is_empty() {
            add(core, &mut keys).await?;
        }
        Ok(keys.clone())
    }

    pub(super) async fn signer(&self, core: &Core) -> Result<Arc<Signer>, IdaasError> {
        self.all(core).await?.into_iter().next().ok_or_else(unmade)
    }

    pub(super) async fn rotate(&self, core: &Core) -> Result<(), IdaasError> {
        self.all(core).await?;
        add(core, &mut *self.0.lock().await).await
    }

    pub(super) async fn jwks(&self, core: &Core) -> Result<Value, IdaasError> {
        let keys = self.all(core).await?;
        let keys: Vec<Value> = keys.iter().map(|key| key.jwks()["keys"][0].take()).collect();
        Ok(json!({ "keys": keys }))
    }
}

fn unmade() -> IdaasError {
    IdaasError::server("no signing key")
}

/// In the vault before it signs anything.
async fn add(core: &Core, keys: &mut Vec<Arc<Signer>>) -> Result<(), IdaasError> {
    let made = tokio::task::spawn_blocking(Signer::generate).await;
    let (signer, kept) = made.ok().flatten().ok_or_else(unmade)?;
    let change = core.vault.change(move |state| {
        state.idaas.signing_keys.insert(0, Secret(kept));
        state.idaas.signing_keys.truncate(LIVE);
        Ok::<_, IdaasError>(())
    });
    change.await?;
    keys.insert(0, Arc::new(signer));
    keys.truncate(LIVE);
    Ok(())
}
