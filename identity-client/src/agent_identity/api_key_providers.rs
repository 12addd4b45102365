//! Providers of API keys: each holds one key.

use futures_util::Stream;
use secrecy::{ExposeSecret as _, SecretString};

use super::{
    call::{Call, Caller, Plane},
    form::Form,
    page::{ListOptions, Listing, Page},
    types::{ApiKeyCredentialProvider, check_name, wrapped},
};
use crate::{error::Error, wire::check_secret};

/// The platform's own limit is documented nowhere; a longer one is something else.
const MAX_KEY: usize = 8192;

const LISTING: Listing = Listing { operation: "list the API key providers", action: "ListAPIKeyCredentialProviders" };
const WHAT: &str = "API key provider name";

/// Manages API key providers. Cheap to clone.
///
/// Errors and cancellation: see [`Management`](super::Management).
#[derive(Debug, Clone)]
pub struct ApiKeyCredentialProviders {
    caller: Caller,
}

impl ApiKeyCredentialProviders {
    pub(crate) fn new(caller: Caller) -> Self {
        Self { caller }
    }

    /// Makes one, with the key that it holds: `CreateAPIKeyCredentialProvider`.
    ///
    /// `vault` is the token vault; nothing is the vault `default`.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) if the name is taken. If the connection breaks after the request was sent, it is not
    /// tried again, and [`get`](Self::get) tells whether it was made.
    ///
    /// # Cancel safety
    /// Dropped midway, it may have been made.
    pub async fn create(
        &self,
        name: &str,
        key: impl Into<SecretString>,
        vault: Option<&str>,
        description: Option<&str>,
    ) -> Result<ApiKeyCredentialProvider, Error> {
        let key = key.into();
        let form = form(name, &key, vault, description)?;
        let call = Call::new(Plane::Control, "create the API key provider", "CreateAPIKeyCredentialProvider", form);
        let call = call.once().hiding([key.expose_secret()]);
        wrapped!(self.caller.send(&call).await?, "APIKeyCredentialProvider", ApiKeyCredentialProvider)
    }

    /// One page of them: `ListAPIKeyCredentialProviders`.
    ///
    /// `vault` is the token vault; nothing is the vault `default`.
    ///
    /// # Errors
    /// See [`Management`](super::Management).
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn list(
        &self,
        vault: Option<&str>,
        options: ListOptions,
    ) -> Result<Page<ApiKeyCredentialProvider>, Error> {
        vault.map_or(Ok(()), |vault| check_name(vault, "token vault name"))?;
        LISTING.page(&self.caller, vault, &options).await
    }

    /// All of them, page after page as the stream is read.
    pub fn list_all(
        &self,
        vault: Option<&str>,
    ) -> impl Stream<Item = Result<ApiKeyCredentialProvider, Error>> + Send + use<> {
        LISTING.all(self.caller.clone(), vault.map(str::to_owned))
    }

    /// One by name: `GetAPIKeyCredentialProvider`.
    ///
    /// `vault` is the token vault; nothing is the vault `default`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is none.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn get(&self, name: &str, vault: Option<&str>) -> Result<ApiKeyCredentialProvider, Error> {
        check_name(name, WHAT)?;
        vault.map_or(Ok(()), |vault| check_name(vault, "token vault name"))?;
        let form = Form::new().text("APIKeyCredentialProviderName", name).text_if("TokenVaultName", vault);
        let reply = self
            .caller
            .send(&Call::new(Plane::Control, "get the API key provider", "GetAPIKeyCredentialProvider", form))
            .await?;
        wrapped!(reply, "APIKeyCredentialProvider", ApiKeyCredentialProvider)
    }

    /// Replaces the key: `UpdateAPIKeyCredentialProvider`.
    ///
    /// `vault` is the token vault; nothing is the vault `default`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is none.
    ///
    /// # Cancel safety
    /// Dropped midway, it may have been changed.
    pub async fn update(
        &self,
        name: &str,
        key: impl Into<SecretString>,
        vault: Option<&str>,
        description: Option<&str>,
    ) -> Result<(), Error> {
        let key = key.into();
        let form = form(name, &key, vault, description)?;
        let call = Call::new(Plane::Control, "update the API key provider", "UpdateAPIKeyCredentialProvider", form);
        self.caller.send(&call.hiding([key.expose_secret()])).await.map(drop)
    }

    /// Deletes one: `DeleteAPIKeyCredentialProvider`.
    ///
    /// `vault` is the token vault; nothing is the vault `default`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is none. If a first try had no clear outcome and the second finds none, that is a
    /// success.
    ///
    /// # Cancel safety
    /// Dropped midway, it may have been deleted.
    pub async fn delete(&self, name: &str, vault: Option<&str>) -> Result<(), Error> {
        check_name(name, WHAT)?;
        vault.map_or(Ok(()), |vault| check_name(vault, "token vault name"))?;
        let form = Form::new().text("APIKeyCredentialProviderName", name).text_if("TokenVaultName", vault);
        self.caller
            .delete(&Call::new(Plane::Control, "delete the API key provider", "DeleteAPIKeyCredentialProvider", form))
            .await
    }
}

fn form(name: &str, key: &SecretString, vault: Option<&str>, description: Option<&str>) -> Result<Form, Error> {
    check_name(name, WHAT)?;
    vault.map_or(Ok(()), |vault| check_name(vault, "token vault name"))?;
    check_secret(key, "API key", MAX_KEY)?;
    Ok(Form::new()
        .text("APIKeyCredentialProviderName", name)
        .secret("APIKey", key)
        .text_if("TokenVaultName", vault)
        .text_if("Description", description))
}
