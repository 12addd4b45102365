//! Providers of OAuth 2.0 tokens: a client registered at an outside provider.

use std::fmt;

use futures_util::Stream;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::{
    call::{Call, Caller, Plane},
    form::Form,
    page::{ListOptions, Listing, Page},
    types::{OAuth2CredentialProvider, check_https, check_name, wrapped},
};
use crate::error::Error;

const LISTING: Listing = Listing { operation: "list the OAuth 2.0 providers", action: "ListOAuth2CredentialProviders" };
const WHAT: &str = "OAuth 2.0 provider name";

/// Manages OAuth 2.0 providers. Cheap to clone.
///
/// Errors and cancellation: see [`Management`](super::Management).
#[derive(Debug, Clone)]
pub struct OAuth2CredentialProviders {
    caller: Caller,
}

/// A client at an outside provider, and where that provider is.
#[derive(Clone)]
#[non_exhaustive]
pub struct OAuth2Config {
    client_id: String,
    client_secret: Option<SecretString>,
    place: Place,
}

#[derive(Clone)]
enum Place {
    Known { token_endpoint: Option<String> },
    Discovered { discovery_url: String, pkce: Option<bool> },
    Written { issuer: String, authorization_endpoint: String, token_endpoint: String, pkce: Option<bool> },
}

impl OAuth2Config {
    /// Of a vendor whose endpoints the platform knows: `AliyunOAuth2`, `AlibabaCloudOAuth2`, `DingTalkOAuth2`, `FeiShuOAuth2`.
    pub fn known(client_id: impl Into<String>) -> Self {
        Self { client_id: client_id.into(), client_secret: None, place: Place::Known { token_endpoint: None } }
    }

    /// The same, of which the token endpoint is another for each tenant: that of `DingTalkOAuth2` for an agent's own tokens is
    /// `https://api.dingtalk.com/v1.0/oauth2/{corpId}/token`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) if it is not an https URL (http on loopback).
    pub fn known_at(client_id: impl Into<String>, token_endpoint: impl Into<String>) -> Result<Self, Error> {
        let endpoint = token_endpoint.into();
        check_https(&endpoint, "token endpoint")?;
        let place = Place::Known { token_endpoint: Some(endpoint) };
        Ok(Self { client_id: client_id.into(), client_secret: None, place })
    }

    /// Of any other, by its discovery document.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) if it is not an https URL (http on loopback).
    pub fn discovered(client_id: impl Into<String>, discovery_url: impl Into<String>) -> Result<Self, Error> {
        let discovery_url = discovery_url.into();
        check_https(&discovery_url, "discovery URL")?;
        let place = Place::Discovered { discovery_url, pkce: None };
        Ok(Self { client_id: client_id.into(), client_secret: None, place })
    }

    /// Of any other, by its issuer and the two endpoints.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) if one is not an https URL (http on loopback).
    pub fn written(
        client_id: impl Into<String>,
        issuer: impl Into<String>,
        authorization_endpoint: impl Into<String>,
        token_endpoint: impl Into<String>,
    ) -> Result<Self, Error> {
        let (issuer, authorization_endpoint, token_endpoint) =
            (issuer.into(), authorization_endpoint.into(), token_endpoint.into());
        check_https(&issuer, "issuer")?;
        check_https(&authorization_endpoint, "authorization endpoint")?;
        check_https(&token_endpoint, "token endpoint")?;
        let place = Place::Written { issuer, authorization_endpoint, token_endpoint, pkce: None };
        Ok(Self { client_id: client_id.into(), client_secret: None, place })
    }

    /// The client's secret.
    #[must_use]
    pub fn with_client_secret(mut self, secret: impl Into<SecretString>) -> Self {
        self.client_secret = Some(secret.into());
        self
    }

    /// Whether the authorization request uses PKCE; a vendor whose endpoints are known decides that itself.
    #[must_use]
    pub fn with_pkce(mut self, enabled: bool) -> Self {
        match &mut self.place {
            Place::Known { .. } => {}
            Place::Discovered { pkce, .. } | Place::Written { pkce, .. } => *pkce = Some(enabled),
        }
        self
    }

    /// Sorted as the vendor's SDK writes it, which is how maps of this JSON library are.
    fn wire(&self) -> Value {
        let mut config = json!({ "ClientId": self.client_id });
        if let Some(secret) = &self.client_secret {
            config["ClientSecret"] = secret.expose_secret().into();
        }
        let with_pkce = |mut metadata: Value, pkce: &Option<bool>| {
            if let Some(enabled) = pkce {
                metadata["PKCE"] = json!({ "Enabled": enabled });
            }
            metadata
        };
        match &self.place {
            Place::Known { token_endpoint } => {
                if let Some(endpoint) = token_endpoint {
                    config["TokenEndpoint"] = endpoint.as_str().into();
                }
                return json!({ "IncludedOAuth2ProviderConfig": config });
            }
            Place::Discovered { discovery_url, pkce } => {
                config["OAuth2Discovery"] = json!({ "DiscoveryURL": discovery_url });
                if pkce.is_some() {
                    config["OAuth2Discovery"]["AuthorizationServerMetadata"] = with_pkce(json!({}), pkce);
                }
            }
            Place::Written { issuer, authorization_endpoint, token_endpoint, pkce } => {
                let metadata = json!({
                    "Issuer": issuer,
                    "AuthorizationRequest": { "Endpoint": authorization_endpoint },
                    "TokenRequest": { "Endpoint": token_endpoint },
                });
                config["OAuth2Discovery"] = json!({ "AuthorizationServerMetadata": with_pkce(metadata, pkce) });
            }
        }
        json!({ "CustomOAuth2ProviderConfig": config })
    }

    fn hidden(&self) -> Option<&str> {
        self.client_secret.as_ref().map(ExposeSecret::expose_secret)
    }
}

impl fmt::Debug for OAuth2Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuth2Config").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

/// A provider to make.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NewOAuth2Provider {
    name: String,
    vendor: String,
    config: OAuth2Config,
    oauth_type: Option<String>,
    callback_url: Option<String>,
    vault: Option<String>,
    description: Option<String>,
}

impl NewOAuth2Provider {
    /// Its name, the vendor (`CustomOAuth2` for those that the platform does not know), and the client there.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) if it is no name.
    pub fn new(name: impl Into<String>, vendor: impl Into<String>, config: OAuth2Config) -> Result<Self, Error> {
        let (name, vendor) = (name.into(), vendor.into());
        check_name(&name, WHAT)?;
        check_name(&vendor, "vendor")?;
        Ok(Self { name, vendor, config, oauth_type: None, callback_url: None, vault: None, description: None })
    }

    /// For which flow it is.
    #[must_use]
    pub fn with_flow(mut self, flow: crate::Flow) -> Self {
        self.oauth_type = Some(flow.as_str().to_owned());
        self
    }

    /// The redirect URI of your choice; the platform makes one otherwise.
    #[must_use]
    pub fn with_callback_url(mut self, url: impl Into<String>) -> Self {
        self.callback_url = Some(url.into());
        self
    }

    /// The token vault to put it in. Default: the vault `default`.
    #[must_use]
    pub fn with_token_vault(mut self, name: impl Into<String>) -> Self {
        self.vault = Some(name.into());
        self
    }

    /// What it is for.
    #[must_use]
    pub fn with_description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }
}

/// What to change of a provider; what is not given stays. For which flow it is cannot be changed.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct OAuth2ProviderUpdate {
    /// Which outside provider it stands for.
    pub vendor: Option<String>,
    /// The client there.
    pub config: Option<OAuth2Config>,
    /// The redirect URI.
    pub callback_url: Option<String>,
    /// What it is for.
    pub description: Option<String>,
}

impl OAuth2CredentialProviders {
    pub(crate) fn new(caller: Caller) -> Self {
        Self { caller }
    }

    /// Makes one: `CreateOAuth2CredentialProvider`.
    ///
    /// The answer's [`callback_url`](OAuth2CredentialProvider::callback_url) must be registered at the outside provider as a redirect URI.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) if the name is taken. If the connection breaks after the request was sent, it is not
    /// tried again, and [`get`](Self::get) tells whether it was made.
    ///
    /// # Cancel safety
    /// Dropped midway, it may have been made.
    pub async fn create(&self, new: NewOAuth2Provider) -> Result<OAuth2CredentialProvider, Error> {
        new.vault.as_deref().map_or(Ok(()), |vault| check_name(vault, "token vault name"))?;
        let form = Form::new()
            .text("OAuth2CredentialProviderName", &new.name)
            .text("CredentialProviderVendor", &new.vendor)
            .text_if("OAuthType", new.oauth_type.as_deref())
            .json("OAuth2ProviderConfig", &new.config.wire())?
            .text_if("CallbackURL", new.callback_url.as_deref())
            .text_if("TokenVaultName", new.vault.as_deref())
            .text_if("Description", new.description.as_deref());
        let call = Call::new(Plane::Control, "create the OAuth 2.0 provider", "CreateOAuth2CredentialProvider", form);
        let call = call.once().hiding(new.config.hidden());
        wrapped!(self.caller.send(&call).await?, "OAuth2CredentialProvider", OAuth2CredentialProvider)
    }

    /// One page of them: `ListOAuth2CredentialProviders`.
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
    ) -> Result<Page<OAuth2CredentialProvider>, Error> {
        vault.map_or(Ok(()), |vault| check_name(vault, "token vault name"))?;
        LISTING.page(&self.caller, vault, &options).await
    }

    /// All of them, page after page as the stream is read.
    pub fn list_all(
        &self,
        vault: Option<&str>,
    ) -> impl Stream<Item = Result<OAuth2CredentialProvider, Error>> + Send + use<> {
        LISTING.all(self.caller.clone(), vault.map(str::to_owned))
    }

    /// One by name: `GetOAuth2CredentialProvider`.
    ///
    /// `vault` is the token vault; nothing is the vault `default`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is none.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn get(&self, name: &str, vault: Option<&str>) -> Result<OAuth2CredentialProvider, Error> {
        check_name(name, WHAT)?;
        vault.map_or(Ok(()), |vault| check_name(vault, "token vault name"))?;
        let form = Form::new().text("OAuth2CredentialProviderName", name).text_if("TokenVaultName", vault);
        let reply = self
            .caller
            .send(&Call::new(Plane::Control, "get the OAuth 2.0 provider", "GetOAuth2CredentialProvider", form))
            .await?;
        wrapped!(reply, "OAuth2CredentialProvider", OAuth2CredentialProvider)
    }

    /// Changes one: `UpdateOAuth2CredentialProvider`.
    ///
    /// `vault` is the token vault; nothing is the vault `default`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is none.
    ///
    /// # Cancel safety
    /// Dropped midway, it may have been changed.
    pub async fn update(&self, name: &str, vault: Option<&str>, update: OAuth2ProviderUpdate) -> Result<(), Error> {
        check_name(name, WHAT)?;
        vault.map_or(Ok(()), |vault| check_name(vault, "token vault name"))?;
        let mut form = Form::new()
            .text("OAuth2CredentialProviderName", name)
            .text_if("CredentialProviderVendor", update.vendor.as_deref())
            .text_if("CallbackURL", update.callback_url.as_deref())
            .text_if("TokenVaultName", vault)
            .text_if("Description", update.description.as_deref());
        if let Some(config) = &update.config {
            form = form.json("OAuth2ProviderConfig", &config.wire())?;
        }
        let call = Call::new(Plane::Control, "update the OAuth 2.0 provider", "UpdateOAuth2CredentialProvider", form);
        self.caller.send(&call.hiding(update.config.iter().filter_map(OAuth2Config::hidden))).await.map(drop)
    }

    /// Deletes one: `DeleteOAuth2CredentialProvider`.
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
        let form = Form::new().text("OAuth2CredentialProviderName", name).text_if("TokenVaultName", vault);
        self.caller
            .delete(&Call::new(Plane::Control, "delete the OAuth 2.0 provider", "DeleteOAuth2CredentialProvider", form))
            .await
    }
}
