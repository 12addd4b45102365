//! OAuth 2.0 providers: what the platform needs to know to get tokens from an outside provider.

use std::fmt;

use futures_util::Stream;
use http::Method;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use url::Url;

use super::{
    call::{Call, Caller},
    page::{ListOptions, Listing, Page},
    types::{OAuth2Provider, check_name},
};
use crate::{
    error::Error,
    wire::{check_length, check_secret},
};

pub(crate) const COLLECTION: &[&str] = &["outbound-auth", "oauth2-providers"];
const LISTING: Listing = Listing { operation: "list the OAuth 2.0 providers", collection: COLLECTION };
const MAX_CLIENT: usize = 100;
const MAX_URL: usize = 1000;
const WHAT: &str = "provider name";

/// Manages OAuth 2.0 providers. The tokens themselves come from
/// [`IdentityClient::access_token`](crate::IdentityClient::access_token). Cheap to clone.
///
/// Errors and cancellation: see [`Management`](super::Management).
#[derive(Debug, Clone)]
pub struct OAuth2Providers {
    caller: Caller,
}

/// A client registered at an outside provider. All four parts are required, to make a provider and to change it.
#[derive(Clone)]
#[non_exhaustive]
pub struct OAuth2Client {
    client_id: String,
    client_secret: SecretString,
    authorization_url: String,
    token_url: String,
}

impl OAuth2Client {
    /// The client's id and secret (1 to 100 characters each), the URL where the outside provider asks its users, and the URL
    /// where it issues tokens (https, at most 1000 characters each).
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest), saying which part is wrong; the secret is not quoted.
    pub fn new(
        client_id: impl Into<String>,
        client_secret: impl Into<SecretString>,
        authorization_url: impl Into<String>,
        token_url: impl Into<String>,
    ) -> Result<Self, Error> {
        let client = Self {
            client_id: client_id.into(),
            client_secret: client_secret.into(),
            authorization_url: authorization_url.into(),
            token_url: token_url.into(),
        };
        check_length(&client.client_id, "client id", 1, MAX_CLIENT)?;
        check_secret(&client.client_secret, "client secret", MAX_CLIENT)?;
        check_url(&client.authorization_url, "authorization URL")?;
        check_url(&client.token_url, "token URL")?;
        Ok(client)
    }

    fn wire<'a>(&'a self, name: Option<&'a str>) -> Wire<'a> {
        Wire {
            name,
            client_id: &self.client_id,
            client_secret: self.client_secret.expose_secret(),
            authorization_url: &self.authorization_url,
            token_url: &self.token_url,
        }
    }
}

impl fmt::Debug for OAuth2Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuth2Client").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    client_id: &'a str,
    client_secret: &'a str,
    authorization_url: &'a str,
    token_url: &'a str,
}

/// The client secret goes to the token URL, so plain http is for this machine only.
fn check_url(text: &str, what: &str) -> Result<(), Error> {
    check_length(text, what, 1, MAX_URL)?;
    let invalid = |problem: &str| Err(Error::invalid(format!("the {what} {problem}")));
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return invalid("has spaces or control characters");
    }
    let Ok(url) = Url::parse(text) else { return invalid("is not a URL") };
    let loopback = url.host_str().is_some_and(identity_grammar::is_loopback_host);
    match url.scheme() {
        "https" => {}
        "http" if loopback => {}
        _ => return invalid("is not an https URL (http only on loopback)"),
    }
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return invalid("has user information or a fragment");
    }
    Ok(())
}

impl OAuth2Providers {
    pub(crate) fn new(caller: Caller) -> Self {
        Self { caller }
    }

    /// Makes a provider of this name, 3 to 50 characters of `A-Z a-z 0-9 _ -`: `POST /api/v1/outbound-auth/oauth2-providers`.
    ///
    /// The answer's [`callback_url`](OAuth2Provider::callback_url) must be registered at the outside provider as a redirect URI.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) if the name is taken. If the connection breaks after the request was sent, it is not
    /// tried again, and [`get`](Self::get) tells whether the provider was made.
    ///
    /// # Cancel safety
    /// Dropped midway, the provider may have been made.
    pub async fn create(&self, name: &str, client: OAuth2Client) -> Result<OAuth2Provider, Error> {
        check_name(name, WHAT)?;
        let url = self.caller.url(COLLECTION, &[])?;
        let call = Call::new("create the OAuth 2.0 provider", Method::POST, url);
        let call = call.with_json(&client.wire(Some(name)))?.once().hiding([client.client_secret.expose_secret()]);
        let answer = self.caller.send(call).await?.json_if_any()?;
        Ok(answer.unwrap_or_else(|| named(name)))
    }

    /// One page of them: `GET /api/v1/outbound-auth/oauth2-providers`.
    ///
    /// # Errors
    /// See [`Management`](super::Management).
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn list(&self, options: ListOptions) -> Result<Page<OAuth2Provider>, Error> {
        LISTING.page(&self.caller, &options).await
    }

    /// All of them, page after page as the stream is read.
    pub fn list_all(&self) -> impl Stream<Item = Result<OAuth2Provider, Error>> + Send + use<> {
        LISTING.all(self.caller.clone())
    }

    /// One by name: `GET /api/v1/outbound-auth/oauth2-providers/{name}`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is none.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn get(&self, name: &str) -> Result<OAuth2Provider, Error> {
        let call = Call::new("get the OAuth 2.0 provider", Method::GET, self.url(name)?);
        self.caller.send(call).await?.json()
    }

    /// Replaces the client of a provider, all four parts: `PUT /api/v1/outbound-auth/oauth2-providers/{name}`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is no such provider.
    ///
    /// # Cancel safety
    /// Dropped midway, the client may have been replaced; it is replaced wholly or not at all.
    pub async fn update(&self, name: &str, client: OAuth2Client) -> Result<OAuth2Provider, Error> {
        let call = Call::new("update the OAuth 2.0 provider", Method::PUT, self.url(name)?);
        let call = call.with_json(&client.wire(None))?.hiding([client.client_secret.expose_secret()]);
        let answer = self.caller.send(call).await?.json_if_any()?;
        Ok(answer.unwrap_or_else(|| named(name)))
    }

    /// Deletes a provider and with it the users' consents: `DELETE /api/v1/outbound-auth/oauth2-providers/{name}`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is none. If a first try had no clear outcome and the second finds none, that is a
    /// success.
    ///
    /// # Cancel safety
    /// Dropped midway, the provider may have been deleted.
    pub async fn delete(&self, name: &str) -> Result<(), Error> {
        self.caller.delete("delete the OAuth 2.0 provider", self.url(name)?).await
    }

    fn url(&self, name: &str) -> Result<Url, Error> {
        check_name(name, WHAT)?;
        self.caller.url(COLLECTION, &[name])
    }
}

fn named(name: &str) -> OAuth2Provider {
    OAuth2Provider { name: Some(name.to_owned()), ..OAuth2Provider::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w32_each_part_is_checked_and_no_secret_is_quoted() {
        let urls = ("https://idp.example.com/authorize", "https://idp.example.com/token");
        let client = OAuth2Client::new("c", "hunter2", urls.0, urls.1).unwrap();
        assert!(!format!("{client:?}").contains("hunter2"));
        for (id, secret, authorization, token) in [
            ("", "s", urls.0, urls.1),
            (&*"c".repeat(101), "s", urls.0, urls.1),
            ("c", "", urls.0, urls.1),
            ("c", &*"hunter2".repeat(20), urls.0, urls.1),
            ("c", "s", "", urls.1),
            ("c", "s", "idp.example.com", urls.1),
            ("c", "s", urls.0, "http://idp.example.com/token"),
            ("c", "s", urls.0, "https://u:hunter2@idp.example.com/"),
            ("c", "s", urls.0, "javascript:alert(1)"),
            ("c", "s", urls.0, &*format!("https://idp.example.com/{}", "x".repeat(1000))),
        ] {
            let error = OAuth2Client::new(id, secret, authorization, token).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::InvalidRequest);
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
    }
}
