//! Clients of a user pool: applications that its users sign in to.

use std::fmt;

use futures_util::{Stream, TryStreamExt as _};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::{
    call::{Call, Caller},
    page::{ListOptions, Listing, Page},
    trouble::Trouble,
    types::check_name,
    user_pools::{ByName, only},
};
use crate::{error::Error, wire::or_default};

const LISTING: Listing = Listing { operation: "list the clients of the user pool", action: "ListUserPoolClients" };

/// Manages the clients of one user pool. Cheap to clone.
///
/// Errors and cancellation: see [`Management`](super::Management).
#[derive(Debug, Clone)]
pub struct UserPoolClients {
    caller: Caller,
    pool: String,
}

/// A client of a user pool. Every field of an answer can be missing.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[non_exhaustive]
pub struct UserPoolClient {
    /// Its id: the OAuth 2.0 client id.
    pub uid: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// `WEB_APPLICATION`, `MOBILE_APPLICATION`, `SINGLE_PAGE_APPLICATION`, or another.
    pub client_type: Option<String>,
    /// Its secret; lists do not have it.
    pub client_secret: Option<SecretString>,
    /// Where users may come back to after they signed in.
    #[serde(deserialize_with = "or_default")]
    pub allowed_callback_urls: Vec<String>,
    /// Origins that may ask for tokens from a browser.
    #[serde(deserialize_with = "or_default")]
    pub allowed_web_origins: Vec<String>,
    id_token: Option<IdToken>,
    refresh_token: Option<serde_json::Value>,
}

impl fmt::Debug for UserPoolClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserPoolClient")
            .field("uid", &self.uid)
            .field("name", &self.name)
            .field("client_type", &self.client_type)
            .field("allowed_callback_urls", &self.allowed_callback_urls)
            .finish_non_exhaustive()
    }
}

/// Answers spell the field in one way, and updates want it in another.
#[derive(Debug, Clone, Deserialize, Serialize)]
struct IdToken {
    #[serde(rename(deserialize = "LifetimeSeconds", serialize = "LifeTimeSeconds"), alias = "LifeTimeSeconds")]
    lifetime_seconds: Option<u64>,
}

/// What kind of application a client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientType {
    /// With a server of its own.
    WebApplication,
    /// On a phone.
    MobileApplication,
    /// In a browser alone.
    SinglePageApplication,
}

impl ClientType {
    fn as_str(self) -> &'static str {
        match self {
            Self::WebApplication => "WEB_APPLICATION",
            Self::MobileApplication => "MOBILE_APPLICATION",
            Self::SinglePageApplication => "SINGLE_PAGE_APPLICATION",
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Create<'a> {
    user_pool_uid: &'a str,
    name: &'a str,
    client_type: &'static str,
    #[serde(skip_serializing_if = "<[&str]>::is_empty")]
    allowed_callback_urls: &'a [&'a str],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ByUid<'a> {
    user_pool_uid: &'a str,
    client_uid: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Update<'a> {
    #[serde(flatten)]
    which: ByUid<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    allowed_callback_urls: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    allowed_web_origins: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<&'a IdToken>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'a serde_json::Value>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Filtered {
    user_pool_uid: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    filter: Option<ByName>,
}

impl UserPoolClients {
    pub(crate) fn new(caller: Caller, pool: String) -> Self {
        Self { caller, pool }
    }

    /// Makes one: `CreateUserPoolClient`. Its id is the OAuth 2.0 client id.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) if the name is taken. Once it may have been sent it is not tried again.
    ///
    /// # Cancel safety
    /// Dropped midway, it may have been made.
    pub async fn create(&self, name: &str, kind: ClientType, callbacks: &[&str]) -> Result<UserPoolClient, Error> {
        check_name(name, "client name")?;
        for url in callbacks {
            check_callback(url)?;
        }
        let body =
            Create { user_pool_uid: &self.pool, name, client_type: kind.as_str(), allowed_callback_urls: callbacks };
        self.caller.send(Call::new("create the client", "CreateUserPoolClient", &body)?.once()).await
    }

    /// One by id, with its secret: `GetUserPoolClient`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is none.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn get(&self, uid: &str) -> Result<UserPoolClient, Error> {
        let body = self.by_uid(uid)?;
        self.caller.send(Call::new("get the client", "GetUserPoolClient", &body)?).await
    }

    /// The one that has exactly this name, if there is one, without its secret. That the list cannot be read is an error and
    /// never "none".
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) if several have it; else as [`list`](Self::list).
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn find(&self, name: &str) -> Result<Option<UserPoolClient>, Error> {
        let clients = LISTING.all::<UserPoolClient, _>(self.caller.clone(), self.filtered(Some(name)));
        let named = clients.try_filter(|client| std::future::ready(client.name.as_deref() == Some(name)));
        only(named.try_collect().await?, "clients")
    }

    /// One page of them, without secrets: `ListUserPoolClients`.
    ///
    /// # Errors
    /// See [`Management`](super::Management).
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn list(&self, options: ListOptions) -> Result<Page<UserPoolClient>, Error> {
        LISTING.page(&self.caller, &self.filtered(None), options).await
    }

    /// All of them, page after page as the stream is read.
    pub fn list_all(&self) -> impl Stream<Item = Result<UserPoolClient, Error>> + Send + use<> {
        LISTING.all(self.caller.clone(), self.filtered(None))
    }

    /// Lets users come back to this URL too: reads the client, and writes it only if the URL is not there yet. What else it
    /// has stays as it is. Says whether anything was changed.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    ///
    /// # Cancel safety
    /// Dropped midway, it may have been added.
    pub async fn register_callback(&self, uid: &str, url: &str) -> Result<bool, Error> {
        check_callback(url)?;
        let client = self.get(uid).await?;
        if client.allowed_callback_urls.iter().any(|known| known == url) {
            return Ok(false);
        }
        let mut callbacks: Vec<String> = Vec::new();
        for known in client.allowed_callback_urls.iter().map(String::as_str).chain([url]) {
            if !callbacks.iter().any(|earlier| earlier == known) {
                callbacks.push(known.to_owned());
            }
        }
        let body = Update {
            which: self.by_uid(uid)?,
            name: client.name.as_deref(),
            allowed_callback_urls: &callbacks,
            allowed_web_origins: &client.allowed_web_origins,
            id_token: client.id_token.as_ref(),
            refresh_token: client.refresh_token.as_ref(),
        };
        let call = Call::new("add the callback to the client", "UpdateUserPoolClient", &body)?;
        self.caller.send_for_nothing(call).await.map(|()| true)
    }

    /// Finds out before a user does whether a login application's redirect URI is registered.
    ///
    /// # Errors
    /// [`Trouble::RedirectNotRegistered`] if it is not; else as [`get`](Self::get).
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn check_redirect(&self, uid: &str, redirect_uri: &str) -> Result<(), Error> {
        let client = self.get(uid).await?;
        if client.allowed_callback_urls.iter().any(|known| known == redirect_uri) {
            return Ok(());
        }
        let (client, redirect_uri) = (uid.to_owned(), redirect_uri.to_owned());
        Err(Trouble::RedirectNotRegistered { client, redirect_uri }.into())
    }

    fn by_uid<'a>(&'a self, uid: &'a str) -> Result<ByUid<'a>, Error> {
        check_name(uid, "client id")?;
        Ok(ByUid { user_pool_uid: &self.pool, client_uid: uid })
    }

    fn filtered(&self, name: Option<&str>) -> Filtered {
        let filter = name.map(|name| ByName { name: name.to_owned() });
        Filtered { user_pool_uid: self.pool.clone(), filter }
    }
}

fn check_callback(url: &str) -> Result<(), Error> {
    identity_grammar::check_return_url(url).map_err(|violation| Error::invalid(violation.to_string()))
}
