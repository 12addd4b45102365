//! Temporary access keys of a cloud role, released by the vault.

use std::{fmt, time::SystemTime};

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::{AgentKit, call::Call, types::check_name};
use crate::{
    error::Error,
    principal::User,
    wire::{filled, timestamp},
};

const OPERATION: &str = "get the role's credentials";

/// A temporary access key of a role.
#[derive(Clone)]
#[non_exhaustive]
pub struct RoleCredentials {
    /// The access key's id.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: SecretString,
    /// What must go with it.
    pub session_token: SecretString,
    /// Until when it is good.
    pub expires_at: Option<SystemTime>,
}

impl fmt::Debug for RoleCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RoleCredentials").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Body<'a> {
    provider_name: &'a str,
    identity_token: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    requested_role_trn: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pool_name: Option<&'a str>,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "VolcEngResponse")]
    response: Option<Response>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Response {
    credentials: Option<Wire>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Wire {
    access_key_id: Option<String>,
    secret_access_key: Option<SecretString>,
    session_token: Option<SecretString>,
    #[serde(default, alias = "ExpiredTime", deserialize_with = "timestamp")]
    expiration: Option<SystemTime>,
}

impl AgentKit {
    /// A temporary access key of a cloud role, for the agent or on behalf of a user: `GetRoleCredentials`. It is not kept.
    ///
    /// # Errors
    /// As a request for an API key.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn role_credentials(
        &self,
        provider: &str,
        user: Option<&User>,
        role_trn: Option<&str>,
    ) -> Result<RoleCredentials, Error> {
        check_name(provider, "provider name")?;
        let token = self.workload_token(user).await?;
        let body = Body {
            provider_name: provider,
            identity_token: token.expose_secret(),
            requested_role_trn: role_trn,
            pool_name: self.provider_pool(),
        };
        let call = Call::new(OPERATION, "GetRoleCredentials", &body)?.hiding([token.expose_secret()]);
        let answer: Answer = self.caller().send(call).await?;
        let incomplete = || Error::protocol(format!("could not {OPERATION}: the answer does not hold them"));
        let wire = answer.response.and_then(|response| response.credentials).ok_or_else(incomplete)?;
        match (wire.access_key_id, wire.secret_access_key, wire.session_token) {
            (Some(access_key_id), Some(secret_access_key), Some(session_token))
                if filled(&secret_access_key) && filled(&session_token) =>
            {
                Ok(RoleCredentials { access_key_id, secret_access_key, session_token, expires_at: wire.expiration })
            }
            _ => Err(incomplete()),
        }
    }
}
