//! Token vaults: where credential providers and their tokens are kept.

use futures_util::Stream;

use super::{
    call::{Call, Caller, Plane},
    form::Form,
    page::{ListOptions, Listing, Page},
    types::{TokenVault, check_name, wrapped},
};
use crate::error::Error;

const LISTING: Listing = Listing { operation: "list the token vaults", action: "ListTokenVaults" };
const WHAT: &str = "token vault name";

/// Manages token vaults. Cheap to clone.
///
/// Errors and cancellation: see [`Management`](super::Management).
#[derive(Debug, Clone)]
pub struct TokenVaults {
    caller: Caller,
}

/// A token vault to make; encrypted with a key of the service unless another is given.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NewTokenVault {
    name: String,
    kms_key_arn: Option<String>,
    role_arn: Option<String>,
    description: Option<String>,
}

impl NewTokenVault {
    /// Its name.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) if it is no name.
    pub fn new(name: impl Into<String>) -> Result<Self, Error> {
        let name = name.into();
        check_name(&name, WHAT)?;
        Ok(Self { name, kms_key_arn: None, role_arn: None, description: None })
    }

    /// Encrypts with this key of yours in KMS, which the service uses through this role.
    #[must_use]
    pub fn with_kms_key(mut self, key_arn: impl Into<String>, role_arn: impl Into<String>) -> Self {
        self.kms_key_arn = Some(key_arn.into());
        self.role_arn = Some(role_arn.into());
        self
    }

    /// What it is for.
    #[must_use]
    pub fn with_description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }
}

impl TokenVaults {
    pub(crate) fn new(caller: Caller) -> Self {
        Self { caller }
    }

    /// Makes one: `CreateTokenVault`.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) if the name is taken. If the connection breaks after the request was sent, it is not
    /// tried again, and [`get`](Self::get) tells whether it was made.
    ///
    /// # Cancel safety
    /// Dropped midway, it may have been made.
    pub async fn create(&self, new: NewTokenVault) -> Result<TokenVault, Error> {
        let mut form = Form::new()
            .text("TokenVaultName", &new.name)
            .text_if("RoleArn", new.role_arn.as_deref())
            .text_if("Description", new.description.as_deref());
        if let Some(arn) = &new.kms_key_arn {
            let encryption = serde_json::json!({ "KeyType": "CUSTOMER_MANAGED_KEY", "KmsKeyArn": arn });
            form = form.json("EncryptionConfig", &encryption)?;
        }
        let call = Call::new(Plane::Control, "create the token vault", "CreateTokenVault", form).once();
        wrapped!(self.caller.send(&call).await?, "TokenVault", TokenVault)
    }

    /// One page of them: `ListTokenVaults`.
    ///
    /// # Errors
    /// See [`Management`](super::Management).
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn list(&self, options: ListOptions) -> Result<Page<TokenVault>, Error> {
        LISTING.page(&self.caller, None, &options).await
    }

    /// All of them, page after page as the stream is read.
    pub fn list_all(&self) -> impl Stream<Item = Result<TokenVault, Error>> + Send + use<> {
        LISTING.all(self.caller.clone(), None)
    }

    /// One by name: `GetTokenVault`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is none.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn get(&self, name: &str) -> Result<TokenVault, Error> {
        check_name(name, WHAT)?;
        let form = Form::new().text("TokenVaultName", name);
        let reply = self.caller.send(&Call::new(Plane::Control, "get the token vault", "GetTokenVault", form)).await?;
        wrapped!(reply, "TokenVault", TokenVault)
    }

    /// Changes its role or its description; how it is encrypted stays: `UpdateTokenVault`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is none.
    ///
    /// # Cancel safety
    /// Dropped midway, it may have been changed.
    pub async fn update(&self, name: &str, role_arn: Option<&str>, description: Option<&str>) -> Result<(), Error> {
        check_name(name, WHAT)?;
        let form =
            Form::new().text("TokenVaultName", name).text_if("RoleArn", role_arn).text_if("Description", description);
        let call = Call::new(Plane::Control, "update the token vault", "UpdateTokenVault", form);
        self.caller.send(&call).await.map(drop)
    }

    /// Deletes one: `DeleteTokenVault`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is none. If a first try had no clear outcome and the second finds none, that is a
    /// success.
    ///
    /// # Cancel safety
    /// Dropped midway, it may have been deleted.
    pub async fn delete(&self, name: &str) -> Result<(), Error> {
        check_name(name, WHAT)?;
        let form = Form::new().text("TokenVaultName", name);
        self.caller.delete(&Call::new(Plane::Control, "delete the token vault", "DeleteTokenVault", form)).await
    }
}
