//! Workload identities, and the pools they are in: who an agent is on the platform.

use std::time::SystemTime;

use futures_util::Stream;
use serde::{Deserialize, Serialize};

use super::{
    call::{Call, Caller},
    page::{ListOptions, Listing, Page},
    types::check_name,
};
use crate::{
    error::Error,
    wire::{or_default, timestamp},
};

const LISTING: Listing = Listing { operation: "list the workload identities", action: "ListWorkloadIdentities" };

/// Manages workload identities of one pool, and pools. Cheap to clone.
///
/// Errors and cancellation: see [`Management`](super::Management).
#[derive(Debug, Clone)]
pub struct Identities {
    caller: Caller,
    pool: Option<String>,
}

/// A workload identity. Every field of an answer can be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[non_exhaustive]
pub struct WorkloadIdentity {
    /// Its name.
    pub name: Option<String>,
    /// Its resource name.
    pub trn: Option<String>,
    /// Its pool.
    pub workload_pool_name: Option<String>,
    /// What kind of workload it is.
    pub category: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Where a browser may land after a consent for this workload.
    #[serde(deserialize_with = "or_default")]
    pub allowed_resource_oauth2_return_urls: Vec<String>,
    /// Who made it.
    pub source: Option<String>,
    /// When it was made.
    #[serde(deserialize_with = "timestamp")]
    pub created_at: Option<SystemTime>,
    /// When it was last changed.
    #[serde(deserialize_with = "timestamp")]
    pub updated_at: Option<SystemTime>,
}

/// A pool of workload identities. Every field of an answer can be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[non_exhaustive]
pub struct WorkloadPool {
    /// Its id.
    pub workload_pool_id: Option<String>,
    /// Its name.
    pub workload_pool_name: Option<String>,
    /// Where the keys are published that its tokens are signed with.
    pub discovery_url: Option<String>,
    /// Whether workloads are made when they first ask.
    pub allow_auto_create_identity: Option<bool>,
    /// Its resource name.
    pub trn: Option<String>,
    /// When it was made.
    #[serde(deserialize_with = "timestamp")]
    pub created_at: Option<SystemTime>,
    /// When it was last changed.
    #[serde(deserialize_with = "timestamp")]
    pub updated_at: Option<SystemTime>,
}

/// A new workload identity.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct NewIdentity {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    workload_pool_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    allowed_resource_oauth2_return_urls: Vec<String>,
}

impl NewIdentity {
    /// With this name.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) if no platform takes such a name.
    pub fn new(name: impl Into<String>) -> Result<Self, Error> {
        let name = name.into();
        check_name(&name, "workload name")?;
        let urls = Vec::new();
        Ok(Self { name, workload_pool_name: None, description: None, allowed_resource_oauth2_return_urls: urls })
    }

    /// What it is for.
    #[must_use]
    pub fn with_description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// One more URL where a browser may land after a consent.
    #[must_use]
    pub fn with_allowed_return_url(mut self, url: impl Into<String>) -> Self {
        self.allowed_resource_oauth2_return_urls.push(url.into());
        self
    }
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct OfWorkload<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    workload_pool_name: Option<&'a str>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct OfPool {
    #[serde(skip_serializing_if = "Option::is_none")]
    workload_pool_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
}

impl Identities {
    pub(crate) fn new(caller: Caller, pool: Option<String>) -> Self {
        Self { caller, pool }
    }

    /// Makes one: `CreateWorkloadIdentity`. No name is ever made up.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) if the name is taken. Once it may have been sent it is not tried again.
    ///
    /// # Cancel safety
    /// Dropped midway, it may have been made.
    pub async fn create(&self, identity: NewIdentity) -> Result<WorkloadIdentity, Error> {
        for url in &identity.allowed_resource_oauth2_return_urls {
            identity_grammar::check_return_url(url).map_err(|violation| Error::invalid(violation.to_string()))?;
        }
        let body = NewIdentity { workload_pool_name: self.pool.clone(), ..identity };
        self.caller.send(Call::new("create the workload identity", "CreateWorkloadIdentity", &body)?.once()).await
    }

    /// One by name: `GetWorkloadIdentity`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is none.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn get(&self, name: &str) -> Result<WorkloadIdentity, Error> {
        check_name(name, "workload name")?;
        let body = OfWorkload { name, workload_pool_name: self.pool.as_deref() };
        self.caller.send(Call::new("get the workload identity", "GetWorkloadIdentity", &body)?).await
    }

    /// One page of them: `ListWorkloadIdentities`.
    ///
    /// # Errors
    /// See [`Management`](super::Management).
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn list(&self, options: ListOptions) -> Result<Page<WorkloadIdentity>, Error> {
        LISTING.page(&self.caller, &self.of_pool(), options).await
    }

    /// All of them, page after page as the stream is read.
    pub fn list_all(&self) -> impl Stream<Item = Result<WorkloadIdentity, Error>> + Send + use<> {
        LISTING.all(self.caller.clone(), self.of_pool())
    }

    /// Makes a pool: `CreateWorkloadPool`.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    ///
    /// # Cancel safety
    /// Dropped midway, it may have been made.
    pub async fn create_pool(&self, name: &str, description: Option<&str>) -> Result<WorkloadPool, Error> {
        check_name(name, "pool name")?;
        let body = OfPool { workload_pool_name: Some(name.to_owned()), description: description.map(str::to_owned) };
        self.caller.send(Call::new("create the workload pool", "CreateWorkloadPool", &body)?.once()).await
    }

    /// A pool by name: `GetWorkloadPool`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is none.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn get_pool(&self, name: &str) -> Result<WorkloadPool, Error> {
        check_name(name, "pool name")?;
        let body = OfPool { workload_pool_name: Some(name.to_owned()), description: None };
        self.caller.send(Call::new("get the workload pool", "GetWorkloadPool", &body)?).await
    }

    fn of_pool(&self) -> OfPool {
        OfPool { workload_pool_name: self.pool.clone(), description: None }
    }
}
