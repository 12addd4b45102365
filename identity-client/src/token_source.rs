//! A token for handlers that outlive one.

use std::{fmt, sync::Arc};

use crate::{
    client::IdentityClient,
    consent::Wait,
    credential::{AccessToken, Credential},
    credential_request::CredentialRequest,
    error::Error,
    need::Need,
};

/// Gives an access token that is valid now, as often as it is asked.
///
/// For what lives longer than one token: a connection, a session with an MCP server, a loop. Inject it instead of an
/// [`AccessToken`], or take it from a request with [`AccessTokenRequest::source`](crate::AccessTokenRequest::source). It never
/// asks a user: when consent is missing again, [`token`](Self::token) fails with
/// [`ErrorKind::AuthorizationRequired`](crate::ErrorKind::AuthorizationRequired).
#[derive(Clone)]
pub struct TokenSource {
    client: IdentityClient,
    request: Arc<CredentialRequest>,
}

impl TokenSource {
    pub(crate) fn new(client: IdentityClient, request: Arc<CredentialRequest>) -> Self {
        Self { client, request }
    }

    /// A source of tokens like this one: same provider, scopes and user.
    pub(crate) fn of(token: &AccessToken) -> Result<Self, Error> {
        let origin = token
            .origin()
            .ok_or_else(|| Error::invalid("the token did not come from a client, so nothing can renew it"))?;
        let client = IdentityClient::upgrade(&origin.client)
            .ok_or_else(|| Error::invalid("the client that released the token is gone, so nothing can renew it"))?;
        Ok(Self::new(client, Arc::clone(&origin.request)))
    }

    /// A token that is valid now: from the cache, or from the platform.
    ///
    /// # Errors
    /// As [`AccessTokenRequest`](crate::AccessTokenRequest), without waiting for a user.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn token(&self) -> Result<AccessToken, Error> {
        let scopes: Vec<&str> = self.request.scopes().iter().map(AsRef::as_ref).collect();
        let mut need = Need::access_token(self.request.provider().as_str())
            .with_flow(self.request.flow())
            .with_scopes(&scopes)
            .with_client(&self.client)
            .with_wait(Wait::Return);
        if let Some(user) = self.request.user() {
            need = need.with_user(user.into());
        }
        if let Some(url) = &self.request.options().return_url {
            need = need.with_callback_url(url);
        }
        if let Some(audience) = self.request.audience() {
            need = need.with_audience(audience);
        }
        match need.obtain().await? {
            Credential::AccessToken(token) => Ok(token),
            _ => Err(Error::protocol("another kind of credential came where an access token was asked for")),
        }
    }
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSource").field("provider", self.request.provider()).finish_non_exhaustive()
    }
}
