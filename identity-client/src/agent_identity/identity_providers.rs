//! Identity providers: whose users' tokens a workload identity takes.

use futures_util::Stream;

use super::{
    call::{Call, Caller, Plane},
    form::Form,
    page::{ListOptions, Listing, Page},
    types::{IdentityProvider, check_https, check_name, wrapped},
};
use crate::error::Error;

const LISTING: Listing = Listing { operation: "list the identity providers", action: "ListIdentityProviders" };
const WHAT: &str = "identity provider name";

/// Manages identity providers. Cheap to clone.
///
/// Errors and cancellation: see [`Management`](super::Management).
#[derive(Debug, Clone)]
pub struct IdentityProviders {
    caller: Caller,
}

/// An issuer to trust.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NewIdentityProvider {
    name: String,
    discovery_url: String,
    audience: Vec<String>,
    description: Option<String>,
}

impl NewIdentityProvider {
    /// Its name, its OpenID Connect discovery document, and for whom its tokens must be, at least one.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest), saying which part is wrong.
    pub fn new<S: Into<String>>(
        name: impl Into<String>,
        discovery_url: impl Into<String>,
        audience: impl IntoIterator<Item = S>,
    ) -> Result<Self, Error> {
        let audience: Vec<String> = audience.into_iter().map(Into::into).collect();
        let new = Self { name: name.into(), discovery_url: discovery_url.into(), audience, description: None };
        check_name(&new.name, WHAT)?;
        check_https(&new.discovery_url, "discovery URL")?;
        if new.audience.is_empty() {
            return Err(Error::invalid(
                "name at least one audience, or the tokens of every application would be taken",
            ));
        }
        Ok(new)
    }

    /// What it is for.
    #[must_use]
    pub fn with_description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }
}

/// What to change of an identity provider; what is not given stays.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct IdentityProviderUpdate {
    /// Its OpenID Connect discovery document.
    pub discovery_url: Option<String>,
    /// For whom its tokens must be, the whole list.
    pub allowed_audience: Option<Vec<String>>,
    /// What it is for.
    pub description: Option<String>,
}

impl IdentityProviders {
    pub(crate) fn new(caller: Caller) -> Self {
        Self { caller }
    }

    /// Makes one: `CreateIdentityProvider`.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) if the name is taken. If the connection breaks after the request was sent, it is not
    /// tried again, and [`get`](Self::get) tells whether it was made.
    ///
    /// # Cancel safety
    /// Dropped midway, it may have been made.
    pub async fn create(&self, new: NewIdentityProvider) -> Result<IdentityProvider, Error> {
        let form = Form::new()
            .text("IdentityProviderName", &new.name)
            .text("DiscoveryURL", &new.discovery_url)
            .json("AllowedAudience", &new.audience)?
            .text_if("Description", new.description.as_deref());
        let call = Call::new(Plane::Control, "create the identity provider", "CreateIdentityProvider", form).once();
        wrapped!(self.caller.send(&call).await?, "IdentityProvider", IdentityProvider)
    }

    /// One page of them: `ListIdentityProviders`.
    ///
    /// # Errors
    /// See [`Management`](super::Management).
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn list(&self, options: ListOptions) -> Result<Page<IdentityProvider>, Error> {
        LISTING.page(&self.caller, None, &options).await
    }

    /// All of them, page after page as the stream is read.
    pub fn list_all(&self) -> impl Stream<Item = Result<IdentityProvider, Error>> + Send + use<> {
        LISTING.all(self.caller.clone(), None)
    }

    /// One by name: `GetIdentityProvider`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is none.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn get(&self, name: &str) -> Result<IdentityProvider, Error> {
        check_name(name, WHAT)?;
        let form = Form::new().text("IdentityProviderName", name);
        let reply = self
            .caller
            .send(&Call::new(Plane::Control, "get the identity provider", "GetIdentityProvider", form))
            .await?;
        wrapped!(reply, "IdentityProvider", IdentityProvider)
    }

    /// Changes one: `UpdateIdentityProvider`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is none.
    ///
    /// # Cancel safety
    /// Dropped midway, it may have been changed.
    pub async fn update(&self, name: &str, update: IdentityProviderUpdate) -> Result<(), Error> {
        check_name(name, WHAT)?;
        update.discovery_url.as_deref().map_or(Ok(()), |url| check_https(url, "discovery URL"))?;
        let mut form = Form::new()
            .text("IdentityProviderName", name)
            .text_if("DiscoveryURL", update.discovery_url.as_deref())
            .text_if("Description", update.description.as_deref());
        if let Some(audience) = &update.allowed_audience {
            form = form.json("AllowedAudience", audience)?;
        }
        let call = Call::new(Plane::Control, "update the identity provider", "UpdateIdentityProvider", form);
        self.caller.send(&call).await.map(drop)
    }

    /// Deletes one: `DeleteIdentityProvider`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is none. If a first try had no clear outcome and the second finds none, that is a
    /// success.
    ///
    /// # Cancel safety
    /// Dropped midway, it may have been deleted.
    pub async fn delete(&self, name: &str) -> Result<(), Error> {
        check_name(name, WHAT)?;
        let form = Form::new().text("IdentityProviderName", name);
        self.caller
            .delete(&Call::new(Plane::Control, "delete the identity provider", "DeleteIdentityProvider", form))
            .await
    }
}
