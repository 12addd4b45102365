//! What the vault keeps for single users, as the application wrote it.

use std::{fmt, time::SystemTime};

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::{AgentKit, call::Call};
use crate::{error::Error, principal::User, wire::timestamp};

/// Longer data is something else than a credential, in characters.
const LONGEST: usize = 16 * 1024;

/// Credentials of single users, in the vault and of the application's own making. Cheap to clone.
///
/// Each is shown to the platform by a workload token of its user. Errors and cancellation: see
/// [`Management`](super::Management), and as a request for a token.
#[derive(Debug, Clone)]
pub struct UserCredentials {
    agentkit: AgentKit,
}

/// One of them, with its data.
#[derive(Clone)]
#[non_exhaustive]
pub struct UserCredential {
    /// Its id.
    pub id: String,
    /// What was put into it.
    pub data: SecretString,
    /// When it was made.
    pub created_at: Option<SystemTime>,
    /// When it was last changed.
    pub updated_at: Option<SystemTime>,
}

impl fmt::Debug for UserCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserCredential").field("id", &self.id).finish_non_exhaustive()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    credential_data: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credential_id: Option<&'a str>,
    identity_token: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pool_name: Option<&'a str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    credential_id: Option<String>,
    credential_data: Option<SecretString>,
    #[serde(default, deserialize_with = "timestamp")]
    created_at: Option<SystemTime>,
    #[serde(default, deserialize_with = "timestamp")]
    updated_at: Option<SystemTime>,
}

impl UserCredentials {
    pub(super) fn new(agentkit: AgentKit) -> Self {
        Self { agentkit }
    }

    /// Puts one into the vault, and says under which id; without one of yours the platform chooses: `CreateUserCredential`.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) if the id is taken. Once it may have been sent it is not tried again.
    ///
    /// # Cancel safety
    /// Dropped midway, it may have been made.
    pub async fn create(&self, user: &User, id: Option<&str>, data: &SecretString) -> Result<String, Error> {
        const OPERATION: &str = "create the user's credential";
        let token = self.agentkit.workload_token(Some(user)).await?;
        let body = self.body(token.expose_secret(), id, Some(data))?;
        let call = Call::new(OPERATION, "CreateUserCredential", &body)?.once().hiding(hidden(&body));
        let answer: Answer = self.agentkit.caller().send(call).await?;
        let given = answer.credential_id.filter(|id| !id.is_empty()).or_else(|| id.map(str::to_owned));
        given.ok_or_else(|| Error::protocol(format!("could not {OPERATION}: the answer has no id")))
    }

    /// One by id: `GetUserCredential`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if this user has none of that id.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn get(&self, user: &User, id: &str) -> Result<UserCredential, Error> {
        const OPERATION: &str = "get the user's credential";
        let token = self.agentkit.workload_token(Some(user)).await?;
        let body = self.body(token.expose_secret(), Some(id), None)?;
        let call = Call::new(OPERATION, "GetUserCredential", &body)?.hiding(hidden(&body));
        let answer: Answer = self.agentkit.caller().send(call).await?;
        let data = answer.credential_data;
        let data = data.ok_or_else(|| Error::protocol(format!("could not {OPERATION}: the answer has no data")))?;
        let (created_at, updated_at) = (answer.created_at, answer.updated_at);
        Ok(UserCredential { id: id.to_owned(), data, created_at, updated_at })
    }

    /// Replaces the data of one: `UpdateUserCredential`.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    ///
    /// # Cancel safety
    /// Dropped midway, it may have been replaced.
    pub async fn update(&self, user: &User, id: &str, data: &SecretString) -> Result<(), Error> {
        let token = self.agentkit.workload_token(Some(user)).await?;
        let body = self.body(token.expose_secret(), Some(id), Some(data))?;
        let call = Call::new("update the user's credential", "UpdateUserCredential", &body)?.hiding(hidden(&body));
        self.agentkit.caller().send_for_nothing(call).await
    }

    /// Deletes one: `DeleteUserCredential`.
    ///
    /// # Errors
    /// As [`get`](Self::get). If a first try had no clear outcome and the second finds none, that is a success.
    ///
    /// # Cancel safety
    /// Dropped midway, it may have been deleted.
    pub async fn delete(&self, user: &User, id: &str) -> Result<(), Error> {
        let token = self.agentkit.workload_token(Some(user)).await?;
        let body = self.body(token.expose_secret(), Some(id), None)?;
        let call = Call::new("delete the user's credential", "DeleteUserCredential", &body)?.hiding(hidden(&body));
        self.agentkit.caller().delete(call).await
    }

    fn body<'a>(
        &'a self,
        token: &'a str,
        id: Option<&'a str>,
        data: Option<&'a SecretString>,
    ) -> Result<Body<'a>, Error> {
        id.map_or(Ok(()), |id| crate::wire::check_length(id, "credential id", 1, 256))?;
        data.map_or(Ok(()), |data| crate::wire::check_secret(data, "credential", LONGEST))?;
        Ok(Body {
            credential_data: data.map(ExposeSecret::expose_secret),
            credential_id: id,
            identity_token: token,
            pool_name: self.agentkit.provider_pool(),
        })
    }
}

/// What no error may repeat.
fn hidden<'a>(body: &Body<'a>) -> impl Iterator<Item = &'a str> + use<'a> {
    [body.identity_token].into_iter().chain(body.credential_data)
}
