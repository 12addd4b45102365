//! For whom the agent acts.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::error::Error;

/// For whom a credential is asked: the agent itself, or a user.
///
/// There is no default and no conversion from text: whoever names a user says where the name came from, see [`User`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Principal {
    /// The agent itself.
    Agent,
    /// A user, on whose behalf the agent acts.
    User(User),
}

/// A user of the agent, by the id that the application uses with the platform (`agentUserId` on AgentBase).
///
/// Whoever can choose the id gets that user's credentials, so it must come from something that the caller cannot
/// choose. A header or a field of the request is not that.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct User {
    id: Arc<str>,
}

/// No platform documents a longest user id; this bounds what a cache slot can cost.
const MAX_USER_ID: usize = 512;

impl User {
    /// A user whose identity the application itself vouches for, for example from its own session.
    ///
    /// # Errors
    /// [`ErrorKind::UserMissing`](crate::ErrorKind::UserMissing) for an empty or blank id, and
    /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) for one that is longer than 512 bytes, starts or ends with a space, or has control characters.
    pub fn asserted(id: impl AsRef<str>) -> Result<Self, Error> {
        let id = id.as_ref();
        check_user_id(id)?;
        Ok(Self { id: id.into() })
    }

    /// The id, as the platform is told.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}

pub(crate) fn check_user_id(id: &str) -> Result<(), Error> {
    if id.trim().is_empty() {
        return Err(Error::user_missing("the user id is empty"));
    }
    if id.len() > MAX_USER_ID {
        return Err(Error::invalid(format!("the user id has {} bytes; at most {MAX_USER_ID} are allowed", id.len())));
    }
    if id != id.trim() || id.chars().any(char::is_control) {
        return Err(Error::invalid(
            "the user id has control characters, or spaces at its ends; pass it exactly as the application knows it",
        ));
    }
    Ok(())
}

impl fmt::Debug for User {
    /// A user id is personal data: what is shown is enough to tell two users apart in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digest = Sha256::digest(self.id.as_bytes());
        write!(f, "User(#{:02x}{:02x}{:02x}{:02x})", digest[0], digest[1], digest[2], digest[3])
    }
}

impl TryFrom<String> for User {
    type Error = Error;

    fn try_from(id: String) -> Result<Self, Error> {
        Self::asserted(id)
    }
}

impl From<User> for String {
    fn from(user: User) -> Self {
        user.id.as_ref().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn an_id_is_checked_before_it_is_a_user() {
        for blank in ["", " ", "\t"] {
            assert_eq!(User::asserted(blank).unwrap_err().kind(), ErrorKind::UserMissing);
        }
        for bad in [" alice", "alice\n", "a\0b", &"x".repeat(513)] {
            assert_eq!(User::asserted(bad).unwrap_err().kind(), ErrorKind::InvalidRequest);
        }
        assert_eq!(User::asserted("alice@example.com").unwrap().id(), "alice@example.com");
    }

    #[test]
    fn debug_tells_users_apart_without_naming_them() {
        let alice = format!("{:?}", User::asserted("alice").unwrap());
        assert!(!alice.contains("alice"));
        assert_ne!(alice, format!("{:?}", User::asserted("bob").unwrap()));
    }
}
