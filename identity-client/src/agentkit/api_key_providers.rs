//! API key credential providers: each holds one key, and where in a request it belongs.

use std::time::SystemTime;

use futures_util::Stream;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use super::{
    call::{Call, Caller},
    page::{ListOptions, Listing, Page},
    types::{Named, OfPool, check_name, check_secret},
};
use crate::{error::Error, wire::timestamp};

const LISTING: Listing = Listing { operation: "list the API key providers", action: "ListApiKeyCredentialProviders" };

/// Manages API key credential providers of one pool. The keys themselves come from
/// [`IdentityClient::api_key`](crate::IdentityClient::api_key). Cheap to clone.
///
/// Errors and cancellation: see [`Management`](super::Management).
#[derive(Debug, Clone)]
pub struct ApiKeyProviders {
    caller: Caller,
    pool: Option<String>,
}

/// A provider's record; it does not hold the key. Every field of an answer can be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[non_exhaustive]
pub struct ApiKeyProvider {
    /// Its name.
    pub name: Option<String>,
    /// Its resource name.
    pub credential_provider_trn: Option<String>,
    /// Its project.
    pub project_name: Option<String>,
    /// When it was made.
    #[serde(deserialize_with = "timestamp")]
    pub created_at: Option<SystemTime>,
    /// When it was last changed.
    #[serde(deserialize_with = "timestamp")]
    pub updated_at: Option<SystemTime>,
}

/// Where in a request a key belongs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct KeyPlace {
    /// `HEADER` or `QUERY`; compare without case, for its spelling is documented nowhere.
    #[serde(default)]
    pub location: String,
    /// The name of the header or parameter.
    #[serde(default)]
    pub parameter_name: String,
    /// What stands before the key.
    #[serde(default)]
    pub prefix: String,
}

impl KeyPlace {
    /// A header of this name, with what stands before the key (`Bearer ` for example, or nothing).
    #[must_use]
    pub fn header(name: impl Into<String>, prefix: impl Into<String>) -> Self {
        Self { location: "HEADER".to_owned(), parameter_name: name.into(), prefix: prefix.into() }
    }

    /// A parameter of the query.
    #[must_use]
    pub fn query(name: impl Into<String>) -> Self {
        Self { location: "QUERY".to_owned(), parameter_name: name.into(), prefix: String::new() }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Body<'a> {
    #[serde(flatten)]
    named: Named<'a>,
    api_key: &'a str,
    #[serde(skip_serializing_if = "<[KeyPlace]>::is_empty")]
    api_key_metadata: &'a [KeyPlace],
}

impl ApiKeyProviders {
    pub(crate) fn new(caller: Caller, pool: Option<String>) -> Self {
        Self { caller, pool }
    }

    /// Makes a provider with its key and the places where it belongs: `CreateApiKeyCredentialProvider`.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) if the name is taken. Once it may have been sent it is not tried again.
    ///
    /// # Cancel safety
    /// Dropped midway, the provider may have been made.
    pub async fn create(&self, name: &str, key: &SecretString, places: &[KeyPlace]) -> Result<ApiKeyProvider, Error> {
        check_secret(key, "API key")?;
        let body = Body { named: self.named(name)?, api_key: key.expose_secret(), api_key_metadata: places };
        let call = Call::new("create the API key provider", "CreateApiKeyCredentialProvider", &body)?;
        self.caller.send(call.once().hiding([key.expose_secret()])).await
    }

    /// Replaces the key of a provider: `UpdateApiKeyCredentialProvider`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is none.
    ///
    /// # Cancel safety
    /// Dropped midway, the key may have been replaced.
    pub async fn update(&self, name: &str, key: &SecretString, places: &[KeyPlace]) -> Result<(), Error> {
        check_secret(key, "API key")?;
        let body = Body { named: self.named(name)?, api_key: key.expose_secret(), api_key_metadata: places };
        let call = Call::new("update the API key provider", "UpdateApiKeyCredentialProvider", &body)?;
        self.caller.send_for_nothing(call.hiding([key.expose_secret()])).await
    }

    /// One by name: `GetApiKeyCredentialProvider`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is none.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn get(&self, name: &str) -> Result<ApiKeyProvider, Error> {
        let body = self.named(name)?;
        self.caller.send(Call::new("get the API key provider", "GetApiKeyCredentialProvider", &body)?).await
    }

    /// Deletes one: `DeleteApiKeyCredentialProvider`.
    ///
    /// # Errors
    /// As [`OAuth2Providers::delete`](super::OAuth2Providers::delete).
    ///
    /// # Cancel safety
    /// Dropped midway, the provider may have been deleted.
    pub async fn delete(&self, name: &str) -> Result<(), Error> {
        let body = self.named(name)?;
        self.caller.delete(Call::new("delete the API key provider", "DeleteApiKeyCredentialProvider", &body)?).await
    }

    /// One page of them: `ListApiKeyCredentialProviders`.
    ///
    /// # Errors
    /// See [`Management`](super::Management).
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn list(&self, options: ListOptions) -> Result<Page<ApiKeyProvider>, Error> {
        LISTING.page(&self.caller, &OfPool { pool_name: self.pool.clone() }, options).await
    }

    /// All of them, page after page as the stream is read.
    pub fn list_all(&self) -> impl Stream<Item = Result<ApiKeyProvider, Error>> + Send + use<> {
        LISTING.all(self.caller.clone(), OfPool { pool_name: self.pool.clone() })
    }

    fn named<'a>(&'a self, name: &'a str) -> Result<Named<'a>, Error> {
        check_name(name, "provider name")?;
        Ok(Named { name, pool_name: self.pool.as_deref() })
    }
}
