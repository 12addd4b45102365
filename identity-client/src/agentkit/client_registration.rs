//! Clients that the platform registers by itself at an outside provider: dynamic client registration (RFC 7591).

use serde::Serialize;

use super::oauth2_providers::{ConfigBody, Discovery, ServerMetadata, Vendor};
use crate::{credential_request::Flow, error::Error};

/// What the platform asks an outside provider to register; see [`OAuth2Providers::create_registered`](super::OAuth2Providers::create_registered).
///
/// The grants follow from the flow: the authorization code with refresh tokens for users, client credentials for the agent itself.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ClientRegistration {
    client_name: String,
    flow: Flow,
    scopes: Vec<String>,
    redirect_url: Option<String>,
    discovery: Option<Discovery>,
    authentication: Option<String>,
    client_uri: Option<String>,
    logo_uri: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ClientMetadata<'a> {
    client_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    redirect_uris: Option<[&'a str; 1]>,
    grant_types: &'static [&'static str],
    #[serde(skip_serializing_if = "<[&str]>::is_empty")]
    response_types: &'static [&'static str],
    #[serde(skip_serializing_if = "String::is_empty")]
    scope: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_endpoint_auth_method: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_uri: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logo_uri: Option<&'a str>,
}

impl ClientRegistration {
    /// The client's name, which users see when they are asked for consent, and the flow.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) if the name is blank or longer than 200 characters.
    pub fn new(client_name: impl Into<String>, flow: Flow) -> Result<Self, Error> {
        let client_name = client_name.into();
        crate::wire::check_length(client_name.trim(), "client name", 1, 200)?;
        Ok(Self {
            client_name,
            flow,
            scopes: Vec::new(),
            redirect_url: None,
            discovery: None,
            authentication: None,
            client_uri: None,
            logo_uri: None,
        })
    }

    /// The scopes that are registered, and that users are asked for.
    #[must_use]
    pub fn with_scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Where the outside provider sends the browser: the vault's callback, see
    /// [`Management::callback_url`](super::Management::callback_url). It is registered there, and stands in the provider's record.
    /// Needed for users.
    #[must_use]
    pub fn with_redirect_url(mut self, url: impl Into<String>) -> Self {
        self.redirect_url = Some(url.into());
        self
    }

    /// Where a custom vendor publishes its endpoints; among them must be `registration_endpoint`.
    #[must_use]
    pub fn with_discovery_url(mut self, url: impl Into<String>) -> Self {
        self.discovery = Some(Discovery::published(url.into()));
        self
    }

    /// The endpoints of a custom vendor that publishes none; clients are registered at the last.
    #[must_use]
    pub fn with_endpoints(
        mut self,
        issuer: impl Into<String>,
        authorization: impl Into<String>,
        token: impl Into<String>,
        registration: impl Into<String>,
    ) -> Self {
        self.discovery = Some(Discovery::known(ServerMetadata {
            issuer: issuer.into(),
            authorization_endpoint: authorization.into(),
            token_endpoint: token.into(),
            registration_endpoint: Some(registration.into()),
        }));
        self
    }

    /// How the client is to show its secret, for example `client_secret_post`. Default: the outside provider's own, which by
    /// RFC 7591 is `client_secret_basic`.
    #[must_use]
    pub fn with_token_endpoint_auth_method(mut self, method: impl Into<String>) -> Self {
        self.authentication = Some(method.into());
        self
    }

    /// A page about the client, for users who are asked for consent.
    #[must_use]
    pub fn with_client_uri(mut self, url: impl Into<String>) -> Self {
        self.client_uri = Some(url.into());
        self
    }

    /// The client's picture there.
    #[must_use]
    pub fn with_logo_uri(mut self, url: impl Into<String>) -> Self {
        self.logo_uri = Some(url.into());
        self
    }

    pub(super) fn check(&self, vendor: Vendor) -> Result<(), Error> {
        if vendor == Vendor::Custom && self.discovery.is_none() {
            return Err(Error::invalid("nothing says where the client is to be registered")
                .with_hint("give `with_discovery_url`, or `with_endpoints`"));
        }
        if self.flow == Flow::UserFederation && self.redirect_url.is_none() {
            return Err(Error::invalid("a client for users needs the redirect URI that it is to be registered with")
                .with_hint("give `with_redirect_url` the vault's callback, which `Management::callback_url` knows"));
        }
        Ok(())
    }

    pub(super) fn config(&self) -> ConfigBody<'_> {
        ConfigBody {
            client_id: None,
            client_secret: None,
            flow: self.flow.as_str(),
            scopes: &self.scopes,
            redirect_url: self.redirect_url.as_deref(),
            oauth2_discovery: self.discovery.as_ref(),
        }
    }

    pub(super) fn metadata(&self) -> ClientMetadata<'_> {
        let (grant_types, response_types): (&[&str], &[&str]) = match self.flow {
            Flow::MachineToMachine => (&["client_credentials"], &[]),
            _ => (&["authorization_code", "refresh_token"], &["code"]),
        };
        ClientMetadata {
            client_name: &self.client_name,
            redirect_uris: self.redirect_url.as_deref().map(|url| [url]),
            grant_types,
            response_types,
            scope: self.scopes.join(" "),
            token_endpoint_auth_method: self.authentication.as_deref(),
            client_uri: self.client_uri.as_deref(),
            logo_uri: self.logo_uri.as_deref(),
        }
    }
}
