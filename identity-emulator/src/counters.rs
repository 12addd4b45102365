//! How often each operation was asked for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Requests received, by operation. Clones look at the same numbers.
///
/// Keys are the operation names of the vendor's SDK (`"get_api_key_for_agent_identity"`, `"list_agent_identities"` …), plus
/// `"iam_token"` for the token endpoint, `"provider_token"` for the built-in OAuth provider's token endpoint, `"provider"` for its
/// other pages, `"feishu_token"` and `"feishu"` for those of its imitation of Feishu, `"vault_callback"` for the OAuth2
/// callbacks of AgentKit and Agent Identity, `"consent_link"` for the latter's own link, `"ram_create_role"` and the like for RAM,
/// `"ims_create_application"` and the like for IMS, `"object_store_put"` and the like for the object store,
/// `"user_pool"` and `"workload_pool"` for the issuers of its pools, `"idaas_token"` for the token endpoint of IDaaS and `"idaas_issuer"` for its
/// discovery and keys, `"delegated_key_form"` for the page on which a person enters a key, `"overview"` for the page
/// at `/`, and `"unknown"`. A request counts on arrival, so also when it
/// is refused or a fault eats it. What a scripted [`Human`](crate::Human) sends does not count.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    counts: Arc<Mutex<BTreeMap<&'static str, u64>>>,
}

impl Counters {
    pub(crate) fn add(&self, operation: &'static str) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(operation).or_default() += 1;
    }

    /// Requests of this operation since the start or the last [`reset`](Self::reset); 0 for a name never seen.
    pub fn count(&self, operation: &str) -> u64 {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.get(operation).copied().unwrap_or(0)
    }

    /// All requests, whatever their operation.
    pub fn total(&self) -> u64 {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.values().sum()
    }

    /// Every operation seen, with its number.
    pub fn all(&self) -> BTreeMap<&'static str, u64> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Starts again from zero.
    pub fn reset(&self) {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
