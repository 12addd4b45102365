//! For whom the agent acts.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use crate::{error::Error, hash::sha256};

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
///
/// It may carry the token by which the user signed in, see [`with_token`](Self::with_token). The token is how a user is shown, not
/// who the user is: two are the same user if their ids are, and what is serialized is the id.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct User {
    id: Arc<str>,
    token: Option<Arc<UserToken>>,
}

/// The token of a user, with what stands for it where it must not be.
struct UserToken {
    secret: SecretString,
    digest: [u8; 32],
}

/// No platform documents a longest user id; this bounds what a cache slot can cost.
const MAX_USER_ID: usize = 512;

/// No header carries a longer one.
const MAX_TOKEN: usize = 16 * 1024;

impl User {
    /// A user whose identity the application itself vouches for, for example from its own session.
    ///
    /// # Errors
    /// [`ErrorKind::UserMissing`](crate::ErrorKind::UserMissing) for an empty or blank id, and
    /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) for one that is longer than 512 bytes, starts or ends with a space, or has control characters.
    pub fn asserted(id: impl AsRef<str>) -> Result<Self, Error> {
        let id = id.as_ref();
        check_user_id(id)?;
        Ok(Self { id: id.into(), token: None })
    }

    /// With the token that shows who the user is: the one that the application verified when they signed in, byte for byte.
    ///
    /// A platform that verifies users' tokens itself (Volcengine AgentKit) is shown it instead of being told the id, and
    /// nobody else is: it is in no `Debug`, no log and no serialized form, and caches know its digest only. It must be this
    /// user's: whose it is decides whose credentials are released.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) if it is empty, longer than 16 KiB, or has spaces or characters that no token has.
    pub fn with_token(mut self, token: impl Into<SecretString>) -> Result<Self, Error> {
        let secret = token.into();
        let text = secret.expose_secret();
        if text.is_empty() || text.len() > MAX_TOKEN || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::invalid(format!(
                "the user's token is empty, longer than {MAX_TOKEN} bytes, or has characters that no token has"
            ))
            .with_hint("pass the token alone, without `Bearer ` and without spaces"));
        }
        let digest = sha256(text);
        self.token = Some(Arc::new(UserToken { secret, digest }));
        Ok(self)
    }

    /// The id, as the platform is told.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The token, for a platform that verifies it.
    #[must_use]
    pub fn token(&self) -> Option<&SecretString> {
        self.token.as_ref().map(|token| &token.secret)
    }

    pub(crate) fn as_ref(&self) -> UserRef<'_> {
        UserRef { id: &self.id, token: self.token.as_ref() }
    }
}

impl PartialEq for User {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for User {}

impl Hash for User {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

/// A user, borrowed. Unlike [`User`]s, two are equal only if they show the same token: what was released to one who showed
/// theirs is not for one who shows another, or none.
#[derive(Clone, Copy)]
pub(crate) struct UserRef<'a> {
    id: &'a str,
    token: Option<&'a Arc<UserToken>>,
}

impl<'a> UserRef<'a> {
    /// Without a token.
    pub(crate) fn of_id(id: &'a str) -> Self {
        Self { id, token: None }
    }

    pub(crate) fn id(self) -> &'a str {
        self.id
    }

    /// Checks the id and owns it.
    pub(crate) fn to_user(self) -> Result<User, Error> {
        Ok(User { token: self.token.cloned(), ..User::asserted(self.id)? })
    }

    pub(crate) fn digest(self) -> Option<&'a [u8; 32]> {
        self.token.map(|token| &token.digest)
    }
}

impl PartialEq for UserRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && self.digest() == other.digest()
    }
}

impl Eq for UserRef<'_> {}

impl Hash for UserRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
        self.digest().hash(state);
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
        let digest = sha256(self.id.as_bytes());
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
    fn a_token_is_shown_to_platforms_and_to_nobody_else() {
        let alice = User::asserted("alice").unwrap();
        let shown = alice.clone().with_token("eyJ.token-of-alice.sig").unwrap();
        assert_eq!(shown.token().unwrap().expose_secret(), "eyJ.token-of-alice.sig");
        assert!(alice == shown && alice.as_ref() != shown.as_ref(), "the same user, another cache slot");
        let other = alice.clone().with_token("eyJ.another.sig").unwrap();
        assert!(other.as_ref() != shown.as_ref());
        assert!(shown.as_ref() == shown.as_ref().to_user().unwrap().as_ref());
        assert_eq!(serde_json::to_string(&shown).unwrap(), "\"alice\"");
        assert!(!format!("{shown:?}").contains("eyJ"));
        for bad in ["", "Bearer eyJ", "a\nb", &"x".repeat(20_000)] {
            let error = alice.clone().with_token(bad).unwrap_err();
            assert!(!error.to_string().contains("eyJ"), "{error}");
        }
    }

    #[test]
    fn debug_tells_users_apart_without_naming_them() {
        let alice = format!("{:?}", User::asserted("alice").unwrap());
        assert!(!alice.contains("alice"));
        assert_ne!(alice, format!("{:?}", User::asserted("bob").unwrap()));
    }
}
