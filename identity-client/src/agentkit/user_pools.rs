//! User pools: who may sign in to an application, and where their tokens come from.

use std::time::SystemTime;

use futures_util::{Stream, TryStreamExt as _};
use serde::{Deserialize, Serialize};

use super::{
    call::{Call, Caller},
    page::{ListOptions, Listing, Page},
    types::check_name,
    user_pool_clients::UserPoolClients,
};
use crate::{
    error::{Error, ErrorKind},
    wire::timestamp,
};

const LISTING: Listing = Listing { operation: "list the user pools", action: "ListUserPools" };

/// Manages user pools. Cheap to clone.
///
/// Errors and cancellation: see [`Management`](super::Management). How to manage users and external identity providers is
/// documented nowhere; the console does it.
#[derive(Debug, Clone)]
pub struct UserPools {
    caller: Caller,
}

/// A user pool. Every field of an answer can be missing. Its URLs are never to be built by hand.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[non_exhaustive]
pub struct UserPool {
    /// Its id.
    pub uid: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// Its host.
    pub domain: Option<String>,
    /// The issuer of its tokens.
    pub issuer_url: Option<String>,
    /// Where it publishes its endpoints; the `discovery_url` of a Runtime's authorizer.
    pub discovery_url: Option<String>,
    /// Its token endpoint.
    pub token_url: Option<String>,
    /// Where it publishes the keys that its tokens are signed with.
    pub token_signing_key_url: Option<String>,
    /// What an external OAuth 2.0 identity provider (Feishu) must have among its redirect URLs.
    pub oauth_login_callback_url: Option<String>,
    /// What an external OpenID provider must have among its redirect URLs.
    pub oidc_login_callback_url: Option<String>,
    /// When it was made.
    #[serde(deserialize_with = "timestamp")]
    pub created_at: Option<SystemTime>,
    /// When it was last changed.
    #[serde(deserialize_with = "timestamp")]
    pub updated_at: Option<SystemTime>,
}

/// A new user pool. What is not set is the platform's choice.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct NewUserPool {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    self_account_recovery_enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    self_sign_up_enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password_sign_in_enabled: Option<bool>,
}

impl NewUserPool {
    /// With this name.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] if no platform takes such a name.
    pub fn new(name: impl Into<String>) -> Result<Self, Error> {
        let name = name.into();
        check_name(&name, "user pool name")?;
        Ok(Self {
            name,
            self_account_recovery_enabled: None,
            self_sign_up_enabled: None,
            password_sign_in_enabled: None,
        })
    }

    /// Whether users can recover an account themselves.
    #[must_use]
    pub fn with_self_account_recovery(mut self, enabled: bool) -> Self {
        self.self_account_recovery_enabled = Some(enabled);
        self
    }

    /// Whether anybody can sign up.
    #[must_use]
    pub fn with_self_sign_up(mut self, enabled: bool) -> Self {
        self.self_sign_up_enabled = Some(enabled);
        self
    }

    /// Whether users can sign in with a password.
    #[must_use]
    pub fn with_password_sign_in(mut self, enabled: bool) -> Self {
        self.password_sign_in_enabled = Some(enabled);
        self
    }
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Filtered {
    #[serde(skip_serializing_if = "Option::is_none")]
    filter: Option<ByName>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ByName {
    pub(crate) name: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ByUid<'a> {
    user_pool_uid: &'a str,
}

impl UserPools {
    pub(crate) fn new(caller: Caller) -> Self {
        Self { caller }
    }

    /// Makes one: `CreateUserPool`.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] if the name is taken. Once it may have been sent it is not tried again.
    ///
    /// # Cancel safety
    /// Dropped midway, it may have been made.
    pub async fn create(&self, pool: &NewUserPool) -> Result<UserPool, Error> {
        self.caller.send(Call::new("create the user pool", "CreateUserPool", pool)?.once()).await
    }

    /// One by id: `GetUserPool`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is none.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn get(&self, uid: &str) -> Result<UserPool, Error> {
        check_name(uid, "user pool id")?;
        self.caller.send(Call::new("get the user pool", "GetUserPool", &ByUid { user_pool_uid: uid })?).await
    }

    /// The one that has exactly this name, if there is one. That the list cannot be read is an error and never "none", or
    /// whoever makes one then would make a second.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] if several have it; else as [`list`](Self::list).
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn find(&self, name: &str) -> Result<Option<UserPool>, Error> {
        let filter = Filtered { filter: Some(ByName { name: name.to_owned() }) };
        let pools = LISTING.all::<UserPool, _>(self.caller.clone(), filter);
        let named = pools.try_filter(|pool| std::future::ready(pool.name.as_deref() == Some(name)));
        only(named.try_collect().await?, "user pools")
    }

    /// One page of them: `ListUserPools`.
    ///
    /// # Errors
    /// See [`Management`](super::Management).
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn list(&self, options: ListOptions) -> Result<Page<UserPool>, Error> {
        LISTING.page(&self.caller, &Filtered { filter: None }, options).await
    }

    /// All of them, page after page as the stream is read.
    pub fn list_all(&self) -> impl Stream<Item = Result<UserPool, Error>> + Send + use<> {
        LISTING.all(self.caller.clone(), Filtered { filter: None })
    }

    /// The clients of a pool: applications that its users sign in to.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] if it is no pool id.
    pub fn clients(&self, pool_uid: &str) -> Result<UserPoolClients, Error> {
        check_name(pool_uid, "user pool id")?;
        Ok(UserPoolClients::new(self.caller.clone(), pool_uid.to_owned()))
    }
}

/// The one that was found.
pub(crate) fn only<T>(mut found: Vec<T>, what: &str) -> Result<Option<T>, Error> {
    match found.len() {
        0 | 1 => Ok(found.pop()),
        several => Err(Error::new(ErrorKind::Conflict, format!("{several} {what} have this name"))
            .with_hint("name the one that is meant by its id")),
    }
}
