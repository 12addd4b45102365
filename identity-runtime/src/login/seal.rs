//! What stands in the cookies, once they are opened.

use std::time::{Duration, SystemTime};

use identity_client::login::{LoginAttempt, LoginTokens};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize, Serializer};

/// A token is renewed this long before its end, or a fifth of its life if that is shorter.
const WINDOW: Duration = Duration::from_secs(30);

/// Seconds since 1970.
pub(super) type Seconds = u64;

pub(super) fn seconds(at: SystemTime) -> Seconds {
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// One attempt to sign in.
#[derive(Serialize, Deserialize)]
pub(super) struct SealedAttempt {
    pub(super) attempt: LoginAttempt,
    pub(super) return_to: String,
    pub(super) begun: Seconds,
}

/// One session.
#[derive(Serialize, Deserialize)]
pub(super) struct SealedSession {
    pub(super) id: String,
    pub(super) user: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) email: Option<String>,
    pub(super) csrf: String,
    pub(super) until: Seconds,
    pub(super) tokens: SealedTokens,
}

impl SealedSession {
    pub(super) fn with_tokens(&self, tokens: SealedTokens) -> Self {
        Self {
            id: self.id.clone(),
            user: self.user.clone(),
            name: self.name.clone(),
            email: self.email.clone(),
            csrf: self.csrf.clone(),
            until: self.until,
            tokens,
        }
    }
}

/// The tokens of a session.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct SealedTokens {
    #[serde(serialize_with = "exposed")]
    pub(super) access: SecretString,
    #[serde(skip_serializing_if = "Option::is_none", default, serialize_with = "exposed_option")]
    pub(super) refresh: Option<SecretString>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) end: Option<Seconds>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) renew: Option<Seconds>,
    /// How often they were renewed.
    pub(super) generation: u32,
}

impl SealedTokens {
    pub(super) fn new(tokens: &LoginTokens, generation: u32, now: SystemTime) -> Self {
        let renew = tokens.expires_at.map(|end| {
            let life = end.duration_since(now).unwrap_or_default();
            end - WINDOW.min(life / 5)
        });
        Self {
            access: tokens.access_token.expose_secret().to_owned().into(),
            refresh: tokens.refresh_token.clone(),
            end: tokens.expires_at.map(seconds),
            renew: renew.map(seconds),
            generation,
        }
    }

    pub(super) fn is_fresh(&self, now: Seconds) -> bool {
        self.renew.is_none_or(|renew| now < renew)
    }

    pub(super) fn is_good(&self, now: Seconds) -> bool {
        self.end.is_none_or(|end| now < end)
    }
}

fn exposed<S: Serializer>(secret: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose_secret())
}

#[expect(clippy::ref_option, reason = "serde gives a reference")]
fn exposed_option<S: Serializer>(secret: &Option<SecretString>, serializer: S) -> Result<S::Ok, S::Error> {
    match secret {
        Some(secret) => exposed(secret, serializer),
        None => serializer.serialize_none(),
    }
}
