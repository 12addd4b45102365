//! Providers of delegated API keys: one key for each user, entered by that user.

use futures_util::Stream;
use http::Method;
use serde::Serialize;

use super::{
    api_key_providers::named,
    call::{Call, Caller},
    page::{ListOptions, Listing, Page},
    types::{ApiKeyProvider, check_name},
};
use crate::error::Error;

pub(crate) const COLLECTION: &[&str] = &["outbound-auth", "delegated-api-key-providers"];
const LISTING: Listing = Listing { operation: "list the delegated API key providers", collection: COLLECTION };
const WHAT: &str = "provider name";

/// Manages providers of delegated API keys. They cannot be changed, only made and deleted. Cheap to clone.
///
/// Errors and cancellation: see [`Management`](super::Management).
#[derive(Debug, Clone)]
pub struct DelegatedApiKeyProviders {
    caller: Caller,
}

#[derive(Serialize)]
struct NewProvider<'a> {
    name: &'a str,
}

impl DelegatedApiKeyProviders {
    pub(crate) fn new(caller: Caller) -> Self {
        Self { caller }
    }

    /// Makes a provider of this name, 3 to 50 characters of `A-Z a-z 0-9 _ -`:
    /// `POST /api/v1/outbound-auth/delegated-api-key-providers`.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) if the name is taken. If the connection breaks after the request was sent, it is not
    /// tried again, and [`get`](Self::get) tells whether the provider was made.
    ///
    /// # Cancel safety
    /// Dropped midway, the provider may have been made.
    pub async fn create(&self, name: &str) -> Result<ApiKeyProvider, Error> {
        check_name(name, WHAT)?;
        let url = self.caller.url(COLLECTION, &[])?;
        let call = Call::new("create the delegated API key provider", Method::POST, url);
        let reply = self.caller.send(call.with_json(&NewProvider { name })?.once()).await?;
        Ok(reply.json_if_any()?.unwrap_or_else(|| named(name)))
    }

    /// One page of them: `GET /api/v1/outbound-auth/delegated-api-key-providers`.
    ///
    /// # Errors
    /// See [`Management`](super::Management).
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn list(&self, options: ListOptions) -> Result<Page<ApiKeyProvider>, Error> {
        LISTING.page(&self.caller, &options).await
    }

    /// All of them, page after page as the stream is read.
    pub fn list_all(&self) -> impl Stream<Item = Result<ApiKeyProvider, Error>> + Send + use<> {
        LISTING.all(self.caller.clone())
    }

    /// One by name: `GET /api/v1/outbound-auth/delegated-api-key-providers/{name}`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is none.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn get(&self, name: &str) -> Result<ApiKeyProvider, Error> {
        let call = Call::new("get the delegated API key provider", Method::GET, self.url(name)?);
        self.caller.send(call).await?.json()
    }

    /// Deletes a provider and with it every user's key: `DELETE /api/v1/outbound-auth/delegated-api-key-providers/{name}`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is none. If a first try had no clear outcome and the second finds none, that is a
    /// success.
    ///
    /// # Cancel safety
    /// Dropped midway, the provider may have been deleted.
    pub async fn delete(&self, name: &str) -> Result<(), Error> {
        self.caller.delete("delete the delegated API key provider", self.url(name)?).await
    }

    fn url(&self, name: &str) -> Result<url::Url, Error> {
        check_name(name, WHAT)?;
        self.caller.url(COLLECTION, &[name])
    }
}
