//! Providers of static API keys: one key for the agent.

use futures_util::Stream;
use http::Method;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;

use super::{
    call::{Call, Caller},
    page::{ListOptions, Listing, Page},
    types::{ApiKeyProvider, check_name},
};
use crate::{error::Error, wire::check_secret};

pub(crate) const COLLECTION: &[&str] = &["outbound-auth", "api-key-providers"];
const LISTING: Listing = Listing { operation: "list the API key providers", collection: COLLECTION };
const MAX_KEY: usize = 1000;
const WHAT: &str = "provider name";

/// Manages providers of static API keys. The keys themselves come from
/// [`IdentityClient::api_key`](crate::IdentityClient::api_key). Cheap to clone.
///
/// Errors and cancellation: see [`Management`](super::Management).
#[derive(Debug, Clone)]
pub struct ApiKeyProviders {
    caller: Caller,
}

#[derive(Serialize)]
struct NewProvider<'a> {
    name: &'a str,
    apikey: &'a str,
}

#[derive(Serialize)]
struct Rotation<'a> {
    apikey: &'a str,
}

impl ApiKeyProviders {
    pub(crate) fn new(caller: Caller) -> Self {
        Self { caller }
    }

    /// Stores a key under a name of 3 to 50 characters of `A-Z a-z 0-9 _ -`: `POST /api/v1/outbound-auth/api-key-providers`.
    /// The key has 1 to 1000 characters.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) if the name is taken. If the connection breaks after the request was sent, it is not
    /// tried again, and [`get`](Self::get) tells whether the provider was made.
    ///
    /// # Cancel safety
    /// Dropped midway, the provider may have been made.
    pub async fn create(&self, name: &str, key: impl Into<SecretString>) -> Result<ApiKeyProvider, Error> {
        let key = key.into();
        check_name(name, WHAT)?;
        check_secret(&key, "API key", MAX_KEY)?;
        let body = NewProvider { name, apikey: key.expose_secret() };
        let url = self.caller.url(COLLECTION, &[])?;
        let call = Call::new("create the API key provider", Method::POST, url).with_json(&body)?.once();
        let reply = self.caller.send(call.hiding([key.expose_secret()])).await?;
        Ok(reply.json_if_any()?.unwrap_or_else(|| named(name)))
    }

    /// One page of them: `GET /api/v1/outbound-auth/api-key-providers`.
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

    /// One by name: `GET /api/v1/outbound-auth/api-key-providers/{name}`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is none.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn get(&self, name: &str) -> Result<ApiKeyProvider, Error> {
        let call = Call::new("get the API key provider", Method::GET, self.url(name)?);
        self.caller.send(call).await?.json()
    }

    /// Replaces the key: `PUT /api/v1/outbound-auth/api-key-providers/{name}`. Running clients have the old one until it
    /// leaves their cache.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is no such provider.
    ///
    /// # Cancel safety
    /// Dropped midway, the key may have been replaced.
    pub async fn rotate(&self, name: &str, key: impl Into<SecretString>) -> Result<ApiKeyProvider, Error> {
        let key = key.into();
        check_secret(&key, "API key", MAX_KEY)?;
        let body = Rotation { apikey: key.expose_secret() };
        let call = Call::new("rotate the API key", Method::PUT, self.url(name)?).with_json(&body)?;
        let reply = self.caller.send(call.hiding([key.expose_secret()])).await?;
        Ok(reply.json_if_any()?.unwrap_or_else(|| named(name)))
    }

    /// Deletes a provider and with it the key, for running agents too: `DELETE /api/v1/outbound-auth/api-key-providers/{name}`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is none. If a first try had no clear outcome and the second finds none, that is a
    /// success.
    ///
    /// # Cancel safety
    /// Dropped midway, the provider may have been deleted.
    pub async fn delete(&self, name: &str) -> Result<(), Error> {
        self.caller.delete("delete the API key provider", self.url(name)?).await
    }

    fn url(&self, name: &str) -> Result<url::Url, Error> {
        check_name(name, WHAT)?;
        self.caller.url(COLLECTION, &[name])
    }
}

/// What is known of a provider when the platform answers without a body.
pub(crate) fn named(name: &str) -> ApiKeyProvider {
    ApiKeyProvider { name: Some(name.to_owned()), ..ApiKeyProvider::default() }
}
