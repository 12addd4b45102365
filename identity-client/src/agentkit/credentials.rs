//! With which access key the agent calls: from where it came, and how it stays fresh.

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::signature::SigningKeys;
use crate::{
    clock::Moment,
    env::{Environment, check_text},
    error::{BuildError, Error, ErrorKind},
    wire::{object, timestamp},
};

/// Where the function runtime puts the credentials of its role.
pub(crate) const IAM_FILE: &str = "/var/run/secrets/iam/credential";
/// A real one has about a kilobyte.
const FILE_LIMIT: u64 = 64 * 1024;
/// A file that does not say until when it is good is read again after this, changed or not.
const UNDATED: Duration = Duration::from_secs(60);

/// Where an access key came from. Id, secret and session token are always from one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CredentialSource {
    /// From the builder.
    Code,
    /// From `VOLCENGINE_ACCESS_KEY`, `VOLCENGINE_SECRET_KEY` and `VOLCENGINE_SESSION_TOKEN`.
    Environment,
    /// From `BYTEPLUS_ACCESS_KEY`, `BYTEPLUS_SECRET_KEY` and `BYTEPLUS_SESSION_TOKEN`.
    BytePlusEnvironment,
    /// From the function runtime's IAM file.
    IamFile,
    /// From STS, for a role that was assumed with a key from one of the others.
    Role,
}

impl fmt::Display for CredentialSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Code => "given in code",
            Self::Environment => "from VOLCENGINE_ACCESS_KEY in the environment",
            Self::BytePlusEnvironment => "from BYTEPLUS_ACCESS_KEY in the environment",
            Self::IamFile => "from the runtime's IAM file",
            Self::Role => "of the assumed role",
        })
    }
}

/// An access key with its secret, and its session token if it is a temporary one. Never changed: a new one replaces it whole.
pub(crate) struct Keys {
    pub(crate) access_key: String,
    pub(crate) secret_key: SecretString,
    pub(crate) session_token: Option<SecretString>,
    pub(crate) source: CredentialSource,
}

impl Keys {
    pub(crate) fn checked(
        access_key: &SecretString,
        secret_key: SecretString,
        session_token: Option<SecretString>,
        source: CredentialSource,
    ) -> Result<Self, BuildError> {
        check_text(access_key.expose_secret(), &format!("the access key {source}"))?;
        check_text(secret_key.expose_secret(), &format!("the secret key {source}"))?;
        if let Some(token) = &session_token {
            check_text(token.expose_secret(), &format!("the session token {source}"))?;
        }
        Ok(Self { access_key: access_key.expose_secret().to_owned(), secret_key, session_token, source })
    }

    pub(crate) fn signing(&self) -> SigningKeys<'_> {
        SigningKeys {
            access_key: &self.access_key,
            secret_key: &self.secret_key,
            session_token: self.session_token.as_ref(),
        }
    }

    /// What tells keys apart in a message.
    pub(crate) fn end(&self) -> String {
        let skipped = self.access_key.chars().count().saturating_sub(4);
        self.access_key.chars().skip(skipped).collect()
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("source", &self.source).finish_non_exhaustive()
    }
}

/// The runtime's file, with what was last read from it.
pub(crate) struct IamFile {
    path: PathBuf,
    environment: Environment,
    state: Mutex<Option<Read>>,
}

#[derive(Clone)]
struct Read {
    keys: Arc<Keys>,
    role: Option<String>,
    changed: Option<SystemTime>,
    at: Moment,
    expires_at: Option<SystemTime>,
}

#[derive(Deserialize)]
struct Content {
    access_key_id: Option<SecretString>,
    secret_access_key: Option<SecretString>,
    session_token: Option<SecretString>,
    role_trn: Option<String>,
    #[serde(default, deserialize_with = "timestamp")]
    expired_time: Option<SystemTime>,
}

impl IamFile {
    pub(crate) fn new(path: impl Into<PathBuf>, environment: Environment) -> Self {
        Self { path: path.into(), environment, state: Mutex::default() }
    }

    pub(crate) fn exists(&self) -> bool {
        self.environment.changed_at(&self.path).is_some()
    }

    /// The keys, read anew if the file has changed, with the role that the file names.
    pub(crate) fn keys(&self, now: Moment) -> Result<(Arc<Keys>, Option<String>), Error> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = self.environment.changed_at(&self.path);
        let known = state.as_ref().filter(|read| {
            let dated = read.expires_at.is_some() || now.since(&read.at) < UNDATED;
            read.changed == changed && changed.is_some() && dated && !is_over(read, now)
        });
        if let Some(read) = known {
            return Ok((Arc::clone(&read.keys), read.role.clone()));
        }
        let read = match self.read(changed, now) {
            Ok(read) if is_over(&read, now) => Err(expired()),
            Ok(read) => Ok(read),
            Err(error) => Err(Error::from(error)),
        };
        match (read, state.as_ref()) {
            (Ok(read), _) => {
                let keys = (Arc::clone(&read.keys), read.role.clone());
                *state = Some(read);
                Ok(keys)
            }
            // It is being written, or was written wrongly: what it held is good for as long as it said.
            (Err(error), Some(old)) if old.expires_at.is_some() && !is_over(old, now) => {
                tracing::warn!(kind = ?error.kind(), "the runtime's IAM file cannot be read now; what it held before is still good");
                Ok((Arc::clone(&old.keys), old.role.clone()))
            }
            (Err(error), _) => Err(error),
        }
    }

    /// Forgets keys that were refused, so that the file is read again.
    pub(crate) fn forget(&self) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn read(&self, changed: Option<SystemTime>, now: Moment) -> Result<Read, BuildError> {
        let broken = |problem: &str| {
            BuildError::broken(
                format!("the runtime's IAM file {problem}"),
                "the function runtime writes it; give the function a role, or configure an access key yourself",
            )
        };
        let text = self.environment.read_file(&self.path, FILE_LIMIT);
        let text = text.map_err(|error| broken("cannot be read").with_source(error))?;
        let text = Zeroizing::new(text.ok_or_else(|| broken("is not there any more"))?);
        let content: Content =
            object(text.as_bytes()).ok_or_else(|| broken("is not the JSON object that it should be"))?;
        let (Some(id), Some(secret)) = (content.access_key_id, content.secret_access_key) else {
            return Err(broken("has not both of `access_key_id` and `secret_access_key`"));
        };
        let session_token = content.session_token.filter(|token| !token.expose_secret().is_empty());
        let keys = Keys::checked(&id, secret, session_token, CredentialSource::IamFile)?;
        let role = content.role_trn.filter(|role| !role.trim().is_empty());
        Ok(Read { keys: Arc::new(keys), role, changed, at: now, expires_at: content.expired_time })
    }
}

fn expired() -> Error {
    Error::new(ErrorKind::Unauthenticated, "the credentials in the runtime's IAM file have expired")
        .with_hint("the function runtime renews the file; check that it still runs, and this machine's clock")
}

fn is_over(read: &Read, now: Moment) -> bool {
    read.expires_at.is_some_and(|at| at <= now.wall)
}

impl fmt::Debug for IamFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IamFile").field("path", &self.path).finish_non_exhaustive()
    }
}

/// The keys to begin with, before a role is assumed.
#[derive(Debug)]
pub(crate) enum BaseKeys {
    Given(Arc<Keys>),
    File(IamFile),
}

impl BaseKeys {
    pub(crate) fn source(&self) -> CredentialSource {
        match self {
            Self::Given(keys) => keys.source,
            Self::File(_) => CredentialSource::IamFile,
        }
    }

    pub(crate) fn keys(&self, now: Moment) -> Result<(Arc<Keys>, Option<String>), Error> {
        match self {
            Self::Given(keys) => Ok((Arc::clone(keys), None)),
            Self::File(file) => file.keys(now),
        }
    }
}
