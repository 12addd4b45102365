//! Access keys and the sessions of roles.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};

use crate::bounded::{Bounded, TokenDigest, digest};
use crate::core::ServiceAccount;
use crate::random;

/// Sessions that are remembered; the oldest make room.
const MOST: usize = 10_000;

/// Who signed a request.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// The name of the role whose session signed; `None` for the account itself.
    pub(super) role: Option<String>,
}

/// Why nobody is known to have signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unknown {
    Key,
    Session,
}

#[derive(Clone)]
struct RoleSession {
    secret: SecretString,
    role: String,
    expires_at: Timestamp,
}

/// The account's access key and the sessions issued on it. Sessions are kept in memory only: a restart ends them.
pub(crate) struct Access {
    pub(crate) account: ServiceAccount,
    sessions: Mutex<Sessions>,
}

struct Sessions {
    by_key_and_token: Bounded<RoleSession>,
    keys: Bounded<()>,
}

/// Temporary credentials, just made.
pub(crate) struct Issued {
    pub(crate) access_key: String,
    pub(crate) secret: SecretString,
    pub(crate) token: SecretString,
}

/// Neither half has a line break: a header carries both.
fn place(access_key: &str, token: &str) -> TokenDigest {
    digest(&format!("{access_key}\n{token}"))
}

impl Access {
    pub(crate) fn new(account: ServiceAccount) -> Self {
        let sessions = Sessions { by_key_and_token: Bounded::new(MOST), keys: Bounded::new(MOST) };
        Self { account, sessions: Mutex::new(sessions) }
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets in whoever signs with these until `expires_at`, as a session of this role.
    pub(crate) fn admit(
        &self,
        access_key: &str,
        secret: SecretString,
        token: &str,
        role: &str,
        expires_at: Timestamp,
        now: Timestamp,
    ) {
        let session = RoleSession { secret, role: role.to_owned(), expires_at };
        let mut sessions = self.sessions();
        sessions.by_key_and_token.insert(place(access_key, token), session, expires_at, now);
        sessions.keys.insert(digest(access_key), (), expires_at, now);
    }

    /// A new session of this role.
    pub(crate) fn issue(&self, role: &str, expires_at: Timestamp, now: Timestamp) -> Issued {
        let access_key = format!("AKTP{}", random::uuid().replace('-', ""));
        let (secret, token) = (random::secret(), SecretString::from(format!("STS{}", random::token())));
        self.admit(&access_key, secret.clone(), token.expose_secret(), role, expires_at, now);
        Issued { access_key, secret, token }
    }

    /// The secret with which this key signs, and who it is.
    pub(super) fn caller(
        &self,
        access_key: &str,
        token: Option<&str>,
        now: Timestamp,
    ) -> Result<(Caller, SecretString), Unknown> {
        let is_account = access_key == self.account.id;
        let sessions = self.sessions();
        let Some(token) = token else {
            return match (is_account, sessions.keys.get(&digest(access_key))) {
                (true, _) => Ok((Caller { role: None }, self.account.secret.clone())),
                (false, Some(())) => Err(Unknown::Session),
                (false, None) => Err(Unknown::Key),
            };
        };
        match sessions.by_key_and_token.get(&place(access_key, token)) {
            Some(session) if now < session.expires_at => {
                Ok((Caller { role: Some(session.role.clone()) }, session.secret.clone()))
            }
            None if !is_account && sessions.keys.get(&digest(access_key)).is_none() => Err(Unknown::Key),
            _ => Err(Unknown::Session),
        }
    }
}
