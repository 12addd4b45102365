//! Hosted credentials: API keys, and the clients of other OAuth servers.

use http::Method;

use super::{
    call::{Call, Caller, Right},
    types::HostedCredential,
};
use crate::{error::Error, principal::User, wire::check_length};

const NOT_FOUND: &str = "check the credential's identifier against the IDaaS console (it is not its name), and that the credential is authorised for this application";

/// Hosted credentials, asked for as the agent unless [`for_user`](Self::for_user) says otherwise.
#[derive(Debug, Clone)]
pub struct Credentials {
    caller: Caller,
    user: Option<User>,
}

impl Credentials {
    pub(crate) fn new(caller: Caller) -> Self {
        Self { caller, user: None }
    }

    /// As this user, in exchange for the token that the user shows: credentials that are the user's own are found, too.
    #[must_use]
    pub fn for_user(mut self, user: &User) -> Self {
        self.user = Some(user.clone());
        self
    }

    /// The credential of this identifier, with its content. Needs `credential:obtain`.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) for an unknown identifier; else those of [`Idaas`](super::Idaas).
    pub async fn obtain(&self, identifier: &str) -> Result<HostedCredential, Error> {
        check_length(identifier, "credential identifier", 1, 512)?;
        let url = self.caller.url(&["credentials", "_", "actions", "obtain"])?;
        let call = Call::new("get the hosted credential", Right::ObtainCredential, Method::GET, url)
            .with_query([("credentialIdentifier", identifier.to_owned())])
            .for_user(self.user.as_ref())
            .if_not_found(NOT_FOUND);
        self.caller.send(call).await?.json()
    }
}
