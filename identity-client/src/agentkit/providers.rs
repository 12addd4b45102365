//! Credential providers of every kind in one list.

use futures_util::Stream;
use serde::{Deserialize, Serialize};

use super::{
    call::Caller,
    page::{ListOptions, Listing, Page},
};
use crate::error::Error;

const LISTING: Listing = Listing { operation: "list the credential providers", action: "ListCredentialProviders" };

/// Lists credential providers of every kind of one pool. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Providers {
    caller: Caller,
    pool: Option<String>,
}

/// A credential provider of either kind. Every field of an answer can be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[non_exhaustive]
pub struct Provider {
    /// Its name.
    pub name: Option<String>,
    /// `api_key` or `oauth2`.
    #[serde(rename = "Type")]
    pub kind: Option<String>,
    /// Of an OAuth 2.0 provider: `USER_FEDERATION` or `M2M`.
    pub flow: Option<String>,
    /// Of an OAuth 2.0 provider: its vendor's number.
    pub vendor: Option<i64>,
    /// Its pool.
    pub pool_name: Option<String>,
}

/// Which providers to list; what is not set does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct ProviderFilter {
    /// Part of the name, or all of it: documented nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `api_key` or `oauth2`.
    #[serde(rename = "Type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// `USER_FEDERATION` or `M2M`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flow: Option<String>,
}

impl ProviderFilter {
    /// All of them.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// By name.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// By kind: `api_key` or `oauth2`.
    #[must_use]
    pub fn with_kind(mut self, kind: impl Into<String>) -> Self {
        self.kind = Some(kind.into());
        self
    }
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Filtered {
    #[serde(skip_serializing_if = "is_all")]
    filter: ProviderFilter,
    #[serde(skip_serializing_if = "Option::is_none")]
    pool_name: Option<String>,
}

fn is_all(filter: &ProviderFilter) -> bool {
    *filter == ProviderFilter::default()
}

impl Providers {
    pub(crate) fn new(caller: Caller, pool: Option<String>) -> Self {
        Self { caller, pool }
    }

    /// One page of them: `ListCredentialProviders`.
    ///
    /// # Errors
    /// See [`Management`](super::Management).
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn list(&self, filter: ProviderFilter, options: ListOptions) -> Result<Page<Provider>, Error> {
        LISTING.page(&self.caller, &Filtered { filter, pool_name: self.pool.clone() }, options).await
    }

    /// All of them, page after page as the stream is read.
    pub fn list_all(&self, filter: ProviderFilter) -> impl Stream<Item = Result<Provider, Error>> + Send + use<> {
        LISTING.all(self.caller.clone(), Filtered { filter, pool_name: self.pool.clone() })
    }

    /// Names that there are, nearest first: for who misspelt one.
    pub(crate) async fn nearest(&self, wanted: &str) -> Result<Vec<String>, Error> {
        let page = self.list(ProviderFilter::new(), ListOptions::new().with_size(100)).await?;
        let mut names: Vec<String> = page.items.into_iter().filter_map(|provider| provider.name).collect();
        names.retain(|name| identity_grammar::check_name(name).is_ok());
        names.sort_by(|a, b| strsim::jaro_winkler(wanted, b).total_cmp(&strsim::jaro_winkler(wanted, a)));
        names.truncate(5);
        Ok(names)
    }
}
