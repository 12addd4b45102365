//! OAuth 2.0 credential providers: what the vault needs to know to get tokens from an outside provider.

use std::{fmt, time::SystemTime};

use futures_util::Stream;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Deserializer, Serialize};

use super::{
    call::{Call, Caller},
    client_registration::{ClientMetadata, ClientRegistration},
    page::{ListOptions, Listing, Page},
    types::{Named, OfPool, check_name, check_secret},
};
use crate::{
    credential_request::Flow,
    error::Error,
    wire::{or_default, timestamp},
};

const LISTING: Listing = Listing { operation: "list the OAuth 2.0 providers", action: "ListOauth2CredentialProviders" };
const WHAT: &str = "provider name";

/// Manages OAuth 2.0 credential providers of one pool. Cheap to clone.
///
/// Errors and cancellation: see [`Management`](super::Management).
#[derive(Debug, Clone)]
pub struct OAuth2Providers {
    caller: Caller,
    pool: Option<String>,
}

/// A provider's record, without its client secret. Every field of an answer can be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OAuth2Provider {
    /// Its name.
    pub name: Option<String>,
    /// Its vendor's number; 0 is a custom one, 4 is Feishu (Lark).
    pub vendor: Option<i64>,
    /// `USER_FEDERATION` or `M2M`.
    pub flow: Option<String>,
    /// The client id at the outside provider.
    pub client_id: Option<String>,
    /// The scopes that users are asked for unless the request names others.
    pub scopes: Vec<String>,
    /// Where the outside provider sends the browser; must be the vault's callback.
    pub redirect_url: Option<String>,
    /// The vault's callback, in the answer to creating one: to be registered at the outside provider.
    pub callback_url: Option<String>,
    /// Its resource name.
    pub trn: Option<String>,
    /// Its project.
    pub project: Option<String>,
    /// When it was made.
    pub created_at: Option<SystemTime>,
    /// When it was last changed.
    pub updated_at: Option<SystemTime>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Names<'a> {
    names: &'a [&'a str],
    #[serde(skip_serializing_if = "Option::is_none")]
    pool_name: Option<&'a str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Found {
    oauth2_credential_providers: Vec<OAuth2Provider>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Wire {
    name: Option<String>,
    vendor: Option<i64>,
    #[serde(deserialize_with = "or_default")]
    config: WireConfig,
    /// Of a client that the platform registered. It has secrets too, which are not read.
    #[serde(deserialize_with = "or_default")]
    dcr_client_info: Registered,
    callback_url: Option<String>,
    credential_provider_trn: Option<String>,
    project_name: Option<String>,
    #[serde(deserialize_with = "timestamp")]
    created_at: Option<SystemTime>,
    #[serde(deserialize_with = "timestamp")]
    updated_at: Option<SystemTime>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Registered {
    client_id: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct WireConfig {
    client_id: Option<String>,
    flow: Option<String>,
    #[serde(deserialize_with = "or_default")]
    scopes: Vec<String>,
    redirect_url: Option<String>,
}

impl<'de> Deserialize<'de> for OAuth2Provider {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wire = Wire::deserialize(deserializer)?;
        let given = wire.config.client_id.filter(|id| !id.is_empty());
        Ok(Self {
            name: wire.name,
            vendor: wire.vendor,
            flow: wire.config.flow,
            client_id: given.or(wire.dcr_client_info.client_id),
            scopes: wire.config.scopes,
            redirect_url: wire.config.redirect_url,
            callback_url: wire.callback_url,
            trn: wire.credential_provider_trn,
            project: wire.project_name,
            created_at: wire.created_at,
            updated_at: wire.updated_at,
        })
    }
}

#[cfg(test)]
impl OAuth2Provider {
    pub(crate) fn of_json(text: &str) -> Self {
        serde_json::from_str(text).unwrap()
    }
}

/// Which vendor stands behind a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Vendor {
    /// Any; endpoints are given.
    Custom,
    /// Feishu, or Lark: the platform knows the endpoints.
    Feishu,
    /// Another number. Those of Coze, Google and GitHub are documented nowhere.
    Other(i64),
}

impl Vendor {
    fn number(self) -> i64 {
        match self {
            Self::Custom => 0,
            Self::Feishu => 4,
            Self::Other(number) => number,
        }
    }
}

/// What a provider is configured with.
#[derive(Clone)]
#[non_exhaustive]
pub struct OAuth2Config {
    client_id: String,
    client_secret: SecretString,
    flow: Flow,
    scopes: Vec<String>,
    redirect_url: Option<String>,
    discovery: Option<Discovery>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Discovery {
    #[serde(skip_serializing_if = "Option::is_none")]
    discovery_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorization_server_metadata: Option<ServerMetadata>,
}

/// Where an authorization server has what; the registration endpoint is for those that register clients (RFC 7591).
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ServerMetadata {
    pub(super) issuer: String,
    pub(super) authorization_endpoint: String,
    pub(super) token_endpoint: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) registration_endpoint: Option<String>,
}

impl Discovery {
    pub(super) fn published(url: String) -> Self {
        Self { discovery_url: Some(url), authorization_server_metadata: None }
    }

    pub(super) fn known(metadata: ServerMetadata) -> Self {
        Self { discovery_url: None, authorization_server_metadata: Some(metadata) }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ConfigBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) client_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) client_secret: Option<&'a str>,
    pub(super) flow: &'static str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub(super) scopes: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) redirect_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) oauth2_discovery: Option<&'a Discovery>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Body<'a> {
    #[serde(flatten)]
    named: Named<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vendor: Option<i64>,
    config: ConfigBody<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_metadata: Option<ClientMetadata<'a>>,
}

impl OAuth2Config {
    /// The client's id and secret at the outside provider, and the flow.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) if id or secret is blank; the secret is not quoted.
    pub fn new(
        client_id: impl Into<String>,
        client_secret: impl Into<SecretString>,
        flow: Flow,
    ) -> Result<Self, Error> {
        let (client_id, client_secret) = (client_id.into(), client_secret.into());
        crate::wire::check_length(client_id.trim(), "client id", 1, 1000)?;
        check_secret(&client_secret, "client secret")?;
        Ok(Self { client_id, client_secret, flow, scopes: Vec::new(), redirect_url: None, discovery: None })
    }

    /// The scopes that users are asked for; Feishu's are its own, never `openid`.
    #[must_use]
    pub fn with_scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Where the outside provider sends the browser: the vault's callback, see [`Management::callback_url`](super::Management::callback_url).
    #[must_use]
    pub fn with_redirect_url(mut self, url: impl Into<String>) -> Self {
        self.redirect_url = Some(url.into());
        self
    }

    /// Where a custom vendor publishes its endpoints.
    #[must_use]
    pub fn with_discovery_url(mut self, url: impl Into<String>) -> Self {
        self.discovery = Some(Discovery::published(url.into()));
        self
    }

    /// The endpoints of a custom vendor that publishes none.
    #[must_use]
    pub fn with_endpoints(
        mut self,
        issuer: impl Into<String>,
        authorization: impl Into<String>,
        token: impl Into<String>,
    ) -> Self {
        let metadata = ServerMetadata {
            issuer: issuer.into(),
            authorization_endpoint: authorization.into(),
            token_endpoint: token.into(),
            registration_endpoint: None,
        };
        self.discovery = Some(Discovery::known(metadata));
        self
    }

    fn body(&self) -> ConfigBody<'_> {
        ConfigBody {
            client_id: Some(&self.client_id),
            client_secret: Some(self.client_secret.expose_secret()),
            flow: self.flow.as_str(),
            scopes: &self.scopes,
            redirect_url: self.redirect_url.as_deref(),
            oauth2_discovery: self.discovery.as_ref(),
        }
    }
}

impl fmt::Debug for OAuth2Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuth2Config")
            .field("client_id", &self.client_id)
            .field("flow", &self.flow)
            .finish_non_exhaustive()
    }
}

impl OAuth2Providers {
    pub(crate) fn new(caller: Caller, pool: Option<String>) -> Self {
        Self { caller, pool }
    }

    /// Makes a provider: `CreateOauth2CredentialProvider`. The answer's [`callback_url`](OAuth2Provider::callback_url) must be registered at the
    /// outside provider as a redirect URI.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) if the name is taken. Once it may have been sent it is not tried again, and [`get`](Self::get) tells
    /// whether the provider was made.
    ///
    /// # Cancel safety
    /// Dropped midway, the provider may have been made.
    pub async fn create(&self, name: &str, vendor: Vendor, config: &OAuth2Config) -> Result<OAuth2Provider, Error> {
        let (named, vendor) = (self.named(name)?, Some(vendor.number()));
        let body = Body { named, vendor, config: config.body(), client_metadata: None };
        let call = Call::new("create the OAuth 2.0 provider", "CreateOauth2CredentialProvider", &body)?;
        self.caller.send(call.once().hiding([config.client_secret.expose_secret()])).await
    }

    /// Has the platform register a client of its own at the outside provider (RFC 7591), and makes a provider with it:
    /// `CreateOauth2CredentialProviderDcr`. The client's secret goes from there to the vault, and never comes here.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) for a registration that cannot succeed: nothing was sent.
    /// Else as [`create`](Self::create); once it may have been sent it is not tried again, for a second try could register a
    /// second client.
    ///
    /// # Cancel safety
    /// Dropped midway, the client may have been registered and the provider made.
    pub async fn create_registered(
        &self,
        name: &str,
        vendor: Vendor,
        registration: &ClientRegistration,
    ) -> Result<OAuth2Provider, Error> {
        registration.check(vendor)?;
        let body = Body {
            named: self.named(name)?,
            vendor: Some(vendor.number()),
            config: registration.config(),
            client_metadata: Some(registration.metadata()),
        };
        let call =
            Call::new("register a client for the OAuth 2.0 provider", "CreateOauth2CredentialProviderDcr", &body)?;
        self.caller.send(call.once()).await
    }

    /// One by name: `GetOauth2CredentialProvider`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is none.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn get(&self, name: &str) -> Result<OAuth2Provider, Error> {
        let body = self.named(name)?;
        self.caller.send(Call::new("get the OAuth 2.0 provider", "GetOauth2CredentialProvider", &body)?).await
    }

    /// Those of these names that there are, in the platform's order: `BatchGetOauth2CredentialProviders`. As in a list, what the
    /// provider is configured with may be missing.
    ///
    /// # Errors
    /// See [`Management`](super::Management).
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn get_many(&self, names: &[&str]) -> Result<Vec<OAuth2Provider>, Error> {
        names.iter().try_for_each(|name| check_name(name, WHAT))?;
        let body = Names { names, pool_name: self.pool.as_deref() };
        let call = Call::new("get the OAuth 2.0 providers", "BatchGetOauth2CredentialProviders", &body)?;
        let found: Found = self.caller.send(call).await?;
        Ok(found.oauth2_credential_providers)
    }

    /// Replaces the configuration of a provider: `UpdateOauth2CredentialProvider`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is none.
    ///
    /// # Cancel safety
    /// Dropped midway, it may have been replaced.
    pub async fn update(&self, name: &str, config: &OAuth2Config) -> Result<(), Error> {
        let body = Body { named: self.named(name)?, vendor: None, config: config.body(), client_metadata: None };
        let call = Call::new("update the OAuth 2.0 provider", "UpdateOauth2CredentialProvider", &body)?;
        self.caller.send_for_nothing(call.hiding([config.client_secret.expose_secret()])).await
    }

    /// Deletes a provider, and with it the users' consents: `DeleteOauth2CredentialProvider`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is none. If a first try had no clear outcome and the second finds none, that is a success.
    ///
    /// # Cancel safety
    /// Dropped midway, the provider may have been deleted.
    pub async fn delete(&self, name: &str) -> Result<(), Error> {
        let body = self.named(name)?;
        self.caller.delete(Call::new("delete the OAuth 2.0 provider", "DeleteOauth2CredentialProvider", &body)?).await
    }

    /// One page of them: `ListOauth2CredentialProviders`.
    ///
    /// # Errors
    /// See [`Management`](super::Management).
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn list(&self, options: ListOptions) -> Result<Page<OAuth2Provider>, Error> {
        LISTING.page(&self.caller, &OfPool { pool_name: self.pool.clone() }, options).await
    }

    /// All of them, page after page as the stream is read.
    pub fn list_all(&self) -> impl Stream<Item = Result<OAuth2Provider, Error>> + Send + use<> {
        LISTING.all(self.caller.clone(), OfPool { pool_name: self.pool.clone() })
    }

    fn named<'a>(&'a self, name: &'a str) -> Result<Named<'a>, Error> {
        check_name(name, WHAT)?;
        Ok(Named { name, pool_name: self.pool.as_deref() })
    }
}
