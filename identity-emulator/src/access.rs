//! Access keys and the temporary credentials of roles, for every dialect whose requests are signed.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};

use crate::bounded::{Bounded, TokenDigest, digest};
use crate::core::ServiceAccount;
use crate::random;

/// Sessions that are remembered; the oldest make room.
const MOST: usize = 10_000;

/// Why nobody is known to have signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// No such access key.
    Key,
    /// The session token is missing, or not that of the key.
    Session,
    /// The session is over.
    Expired,
}

#[derive(Clone)]
struct RoleSession<S> {
    secret: SecretString,
    of: S,
    expires_at: Timestamp,
}

/// The account's access key and the sessions issued on it. Sessions are kept in memory only: a restart ends them.
///
/// `S` is what a dialect knows about a session, at least its role.
pub(crate) struct Access<S> {
    pub(crate) account: ServiceAccount,
    sessions: Mutex<Sessions<S>>,
}

struct Sessions<S> {
    by_key_and_token: Bounded<RoleSession<S>>,
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

impl<S: Clone> Access<S> {
    pub(crate) fn new(account: ServiceAccount) -> Self {
        let sessions = Sessions { by_key_and_token: Bounded::new(MOST), keys: Bounded::new(MOST) };
        Self { account, sessions: Mutex::new(sessions) }
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions<S>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets in whoever signs with these until `expires_at`, as a session of this kind.
    pub(crate) fn admit(
        &self,
        access_key: &str,
        secret: SecretString,
        token: &str,
        of: S,
        expires_at: Timestamp,
        now: Timestamp,
    ) {
        let session = RoleSession { secret, of, expires_at };
        let mut sessions = self.sessions();
        sessions.by_key_and_token.insert(place(access_key, token), session, expires_at, now);
        sessions.keys.insert(digest(access_key), (), expires_at, now);
    }

    /// A new session. Its key and its token begin with these.
    pub(crate) fn issue(&self, prefixes: (&str, &str), of: S, expires_at: Timestamp, now: Timestamp) -> Issued {
        let access_key = format!("{}{}", prefixes.0, random::uuid().replace('-', ""));
        let (secret, token) = (random::secret(), SecretString::from(format!("{}{}", prefixes.1, random::token())));
        self.admit(&access_key, secret.clone(), token.expose_secret(), of, expires_at, now);
        Issued { access_key, secret, token }
    }

    /// The secret with which this key signs, and whose session it is; `None` for the account itself.
    pub(crate) fn caller(
        &self,
        access_key: &str,
        token: Option<&str>,
        now: Timestamp,
    ) -> Result<(Option<S>, SecretString), Unknown> {
        let is_account = access_key == self.account.id;
        let sessions = self.sessions();
        let Some(token) = token else {
            return match (is_account, sessions.keys.get(&digest(access_key))) {
                (true, _) => Ok((None, self.account.secret.clone())),
                (false, Some(())) => Err(Unknown::Session),
                (false, None) => Err(Unknown::Key),
            };
        };
        match sessions.by_key_and_token.get(&place(access_key, token)) {
            Some(session) if now < session.expires_at => Ok((Some(session.of.clone()), session.secret.clone())),
            Some(_) => Err(Unknown::Expired),
            None if !is_account && sessions.keys.get(&digest(access_key)).is_none() => Err(Unknown::Key),
            None => Err(Unknown::Session),
        }
    }
}
