//! A role that is assumed with the agent's keys: `sts:AssumeRole`, kept until shortly before it ends.
//!
//! If it cannot be assumed, that is the error of the call: nothing is ever done with another identity instead.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::HeaderValue;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use tokio::sync::Mutex;
use url::form_urlencoded;

use super::{
    call::{Action, STS, outgoing},
    credentials::{CredentialSource, Keys},
    envelope,
    trouble::Trouble,
};
use crate::{
    clock::{Clock, Moment},
    error::{Error, ErrorKind},
    transport::{Endpoint, Repeat, Transport},
    wire::timestamp,
};

const OPERATION: &str = "assume the role";
/// Renewed this long before its end, or a fifth of its life if that is shorter.
const WINDOW: Duration = Duration::from_secs(300);
/// For an answer that does not say until when it is good; no role is given for less.
const ASSUMED_LIFE: Duration = Duration::from_secs(300);
/// After a failure STS is left alone for this long, and everybody gets that failure.
const PAUSE: Duration = Duration::from_secs(5);

/// Assumes one role.
pub(crate) struct AssumedRole {
    endpoint: Endpoint,
    transport: Transport,
    clock: Arc<dyn Clock>,
    region: String,
    session_name: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    held: Option<Held>,
    failed: Option<(Moment, Error)>,
}

struct Held {
    keys: Arc<Keys>,
    /// What it was assumed with, and as what: another key or role is another identity.
    of: (String, String),
    at: Moment,
    life: Duration,
}

impl Held {
    fn left(&self, now: Moment) -> Duration {
        self.life.saturating_sub(now.since(&self.at))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Assumed {
    credentials: Option<Credentials>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Credentials {
    access_key_id: Option<SecretString>,
    secret_access_key: Option<SecretString>,
    session_token: Option<SecretString>,
    #[serde(default, deserialize_with = "timestamp")]
    current_time: Option<SystemTime>,
    #[serde(default, alias = "Expiration", deserialize_with = "timestamp")]
    expired_time: Option<SystemTime>,
}

impl AssumedRole {
    pub(crate) fn new(
        endpoint: Endpoint,
        transport: Transport,
        clock: Arc<dyn Clock>,
        region: String,
        session_name: String,
    ) -> Self {
        Self { endpoint, transport, clock, region, session_name, state: Mutex::default() }
    }

    /// The role's keys: one request however many wait for it.
    pub(crate) async fn keys(&self, base: &Arc<Keys>, role: &str) -> Result<Arc<Keys>, Error> {
        let mut state = self.state.lock().await;
        let now = self.clock.now();
        let of = (base.access_key.clone(), role.to_owned());
        let held = state.held.as_ref().filter(|held| held.of == of && !held.left(now).is_zero());
        let good = held.map(|held| (Arc::clone(&held.keys), held.left(now) > WINDOW.min(held.life / 5)));
        if let Some((keys, true)) = good {
            return Ok(keys);
        }
        let resting = state.failed.as_ref().filter(|(at, _)| now.since(at) < PAUSE);
        let assumed = match resting {
            Some((_, error)) => Err(error.clone()),
            None => self.assume(base, role, now).await,
        };
        match (assumed, good) {
            (Ok((keys, life)), _) => {
                let keys = Arc::new(keys);
                *state = State { held: Some(Held { keys: Arc::clone(&keys), of, at: now, life }), failed: None };
                Ok(keys)
            }
            (Err(error), old) => {
                if resting_since(&state, now).is_none() {
                    state.failed = Some((now, error.clone()));
                }
                let (keys, _) = old.ok_or(error)?;
                tracing::warn!("the role could not be assumed anew; what was assumed before is still good");
                Ok(keys)
            }
        }
    }

    /// Forgets keys that were refused, unless others have taken their place.
    pub(crate) async fn forget(&self, refused: &Arc<Keys>) {
        let mut state = self.state.lock().await;
        if state.held.as_ref().is_some_and(|held| Arc::ptr_eq(&held.keys, refused)) {
            state.held = None;
        }
    }

    async fn assume(&self, base: &Arc<Keys>, role: &str, begun: Moment) -> Result<(Keys, Duration), Error> {
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("RoleSessionName", &self.session_name)
            .append_pair("RoleTrn", role)
            .finish();
        let body = Bytes::from(body);
        let action = Action { service: STS, region: &self.region, name: "AssumeRole" };
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        let prepare = || outgoing(&self.endpoint, action, form.clone(), &body, base.signing(), self.clock.now().wall);
        let answer = self.transport.send(OPERATION, Repeat::Safely, begun, prepare).await?;
        let hidden = [base.secret_key.expose_secret(), base.access_key.as_str()];
        if let Some(refusal) = envelope::refusal(&answer, &hidden) {
            return Err(if refusal.kind() == ErrorKind::PermissionDenied {
                refusal.facts(Error::from(Trouble::AssumeRoleDenied {
                    role: role.to_owned(),
                    access_key_end: base.end(),
                    source_of_key: base.source.to_string(),
                }))
            } else {
                let hint = refusal.hint("check the role's TRN", &base.source.to_string());
                refusal.error(&format!("{OPERATION} with the access key {}", base.source)).with_hint(hint)
            });
        }
        let credentials = envelope::result::<Assumed>(OPERATION, &answer)?.credentials;
        let incomplete = || Error::protocol(format!("could not {OPERATION}: STS answered without credentials"));
        let credentials = credentials.ok_or_else(incomplete)?;
        let life = credentials.life(begun);
        let (Some(id), Some(secret), Some(token)) =
            (credentials.access_key_id, credentials.secret_access_key, credentials.session_token)
        else {
            return Err(incomplete());
        };
        let keys = Keys::checked(&id, secret, Some(token), CredentialSource::Role).map_err(|_| incomplete())?;
        Ok((keys, life))
    }
}

impl Credentials {
    /// By the platform's own clock, if it shows it; this machine's may be wrong.
    fn life(&self, begun: Moment) -> Duration {
        let Some(until) = self.expired_time else { return ASSUMED_LIFE };
        until.duration_since(self.current_time.unwrap_or(begun.wall)).unwrap_or_default()
    }
}

fn resting_since(state: &State, now: Moment) -> Option<Moment> {
    state.failed.as_ref().map(|(at, _)| *at).filter(|at| now.since(at) < PAUSE)
}

impl fmt::Debug for AssumedRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AssumedRole").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}
