//! Workload access tokens: by which the vault knows the agent, and the user it acts for.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, WeakShared},
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{
    call::{Call, Caller},
    config::AgentSettings,
    credentials::Keys,
    envelope,
    trouble::Trouble,
};
use crate::{
    clock::Moment,
    error::{Error, ErrorKind},
    principal::User,
    wire::{filled, timestamp},
};

const OPERATION: &str = "get a workload access token";
/// No longer used this long before its end, or a fifth of its life if that is shorter.
const MARGIN: Duration = Duration::from_secs(60);
/// For an answer that does not say until when it is good.
const ASSUMED_LIFE: Duration = Duration::from_secs(60);
/// More users than act at once through one process in an hour; past this those that are over go, then the oldest.
const CAPACITY: usize = 4096;

type Digest = [u8; 32];
type Fetching = BoxFuture<'static, Result<Arc<WorkloadToken>, Error>>;

/// A token of the workload: for itself, or for one user.
pub(crate) struct WorkloadToken {
    secret: SecretString,
    asked_at: Moment,
    life: Duration,
}

impl WorkloadToken {
    pub(crate) fn expose_secret(&self) -> &str {
        self.secret.expose_secret()
    }

    pub(crate) fn is_good(&self, now: Moment) -> bool {
        now.since(&self.asked_at) < self.life.saturating_sub(MARGIN.min(self.life / 5))
    }
}

impl fmt::Debug for WorkloadToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkloadToken").field("life", &self.life).finish_non_exhaustive()
    }
}

/// Gets the tokens, and keeps them by everything that names whom they are for.
pub(crate) struct Workloads {
    caller: Caller,
    settings: AgentSettings,
    slots: Mutex<HashMap<Digest, Slot>>,
}

#[derive(Default)]
struct Slot {
    token: Option<Arc<WorkloadToken>>,
    /// Weak, so that a flight that everybody has left ends.
    flight: Option<WeakShared<Fetching>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    workload_pool_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    audience: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_seconds: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Issued {
    workload_access_token: Option<SecretString>,
    #[serde(default, deserialize_with = "timestamp")]
    expires_at: Option<SystemTime>,
}

impl Workloads {
    pub(crate) fn new(caller: Caller, settings: AgentSettings) -> Arc<Self> {
        Arc::new(Self { caller, settings, slots: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Digest, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A token for the agent itself, or for this user: by the user's own token if there is one, which the platform verifies,
    /// else by the id that the application vouches for. Never the one instead of the other.
    pub(crate) async fn token(self: &Arc<Self>, user: Option<&User>) -> Result<Arc<WorkloadToken>, Error> {
        let keys = self.caller.keys().await?;
        if self.settings.workload.is_none() && keys.session_token.is_none() {
            return Err(Trouble::WorkloadNameUnresolved.into());
        }
        let key = self.key(user, &keys);
        let fetching = {
            let now = self.caller.now();
            let mut slots = self.lock();
            if let Some(token) = slots.get(&key).and_then(|slot| slot.token.as_ref()).filter(|token| token.is_good(now))
            {
                return Ok(Arc::clone(token));
            }
            make_room(&mut slots, now);
            let slot = slots.entry(key).or_default();
            let under_way = slot.flight.as_ref().and_then(WeakShared::upgrade).filter(|flight| flight.peek().is_none());
            under_way.unwrap_or_else(|| {
                let flight = Arc::clone(self).fetching(key, user.cloned()).shared();
                slot.flight = flight.downgrade();
                flight
            })
        };
        fetching.await
    }

    /// Forgets a token that the vault refused, unless another has taken its place.
    pub(crate) fn forget(&self, refused: &Arc<WorkloadToken>) {
        self.lock().retain(|_, slot| slot.token.as_ref().is_none_or(|token| !Arc::ptr_eq(token, refused)));
    }

    fn fetching(self: Arc<Self>, key: Digest, user: Option<User>) -> Fetching {
        Box::pin(async move {
            let fetched = self.fetch(user.as_ref()).await.map(Arc::new);
            if let Some(slot) = self.lock().get_mut(&key) {
                slot.flight = None;
                slot.token = fetched.as_ref().ok().cloned();
            }
            fetched
        })
    }

    async fn fetch(&self, user: Option<&User>) -> Result<WorkloadToken, Error> {
        let asked_at = self.caller.now();
        let settings = &self.settings;
        let user_token = user.and_then(User::token).map(ExposeSecret::expose_secret);
        let user_id = user.map(User::id).filter(|_| user_token.is_none());
        let body = Body {
            workload_pool_name: settings.workload_pool.as_deref(),
            name: settings.workload.as_ref().map(AsRef::as_ref),
            user_token,
            user_id,
            audience: &settings.audiences,
            duration_seconds: settings.duration.map(|duration| duration.as_secs()),
        };
        let action = match (user_token, user_id) {
            (Some(_), _) => "GetWorkloadAccessTokenForJWT",
            (None, Some(_)) => "GetWorkloadAccessTokenForUserId",
            (None, None) => "GetWorkloadAccessToken",
        };
        let hidden = user.map(User::id).into_iter().chain(user_token);
        let call = Call::new(OPERATION, action, &body)?.hiding(hidden);
        let answer = match self.caller.answer(call).await? {
            Ok(answer) => answer,
            Err(refused) if refused.refusal.names_workload() => {
                return Err(refused.refusal.facts(Trouble::WorkloadNameUnresolved.into()));
            }
            Err(refused) if matches!(refused.error.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied) => {
                let reason = match &settings.workload {
                    Some(name) => {
                        format!("Volcengine Agent Identity does not let this caller act as workload `{name}`")
                    }
                    None => "Volcengine Agent Identity knows no workload for the role of this caller".to_owned(),
                };
                return Err(refused.refusal.facts(Trouble::WorkloadIdentityUnavailable { reason }.into()));
            }
            Err(refused) => return Err(refused.error),
        };
        let issued: Issued = envelope::result(OPERATION, &answer)?;
        let secret = issued.workload_access_token.filter(filled);
        let secret =
            secret.ok_or_else(|| Error::protocol(format!("could not {OPERATION}: the answer holds no token")))?;
        let life = issued.expires_at.map(|at| at.duration_since(asked_at.wall).unwrap_or_default());
        Ok(WorkloadToken { secret, asked_at, life: life.unwrap_or(ASSUMED_LIFE) })
    }

    /// A digest of all that names the identity, so that no two identities share a slot and no token of a user is kept twice.
    /// No user is named by an empty id, so the agent itself is nobody else.
    fn key(&self, user: Option<&User>, keys: &Keys) -> Digest {
        let user = user.map(User::as_ref);
        let digest = user.and_then(crate::principal::UserRef::digest);
        let text = |text: Option<&str>| text.unwrap_or_default().as_bytes().to_vec();
        let parts = [
            text(user.map(crate::principal::UserRef::id)),
            digest.map(|digest| digest.to_vec()).unwrap_or_default(),
            text(self.settings.workload.as_ref().map(AsRef::as_ref)),
            text(self.settings.workload_pool.as_deref()),
            keys.access_key.as_bytes().to_vec(),
        ];
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hash.finalize().into()
    }
}

fn make_room(slots: &mut HashMap<Digest, Slot>, now: Moment) {
    if slots.len() < CAPACITY {
        return;
    }
    let flying = |slot: &Slot| slot.flight.as_ref().and_then(WeakShared::upgrade).is_some();
    slots.retain(|_, slot| flying(slot) || slot.token.as_ref().is_some_and(|token| token.is_good(now)));
    if slots.len() < CAPACITY {
        return;
    }
    let kept = slots.iter().filter_map(|(key, slot)| slot.token.as_ref().map(|token| (token.asked_at.steady, *key)));
    if let Some((_, oldest)) = kept.min() {
        slots.remove(&oldest);
    }
}

impl fmt::Debug for Workloads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workloads").field("kept", &self.lock().len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{agentkit::AgentKit, name::AgentIdentityName};

    /// Where a token of this user is kept by a client that is configured like this.
    fn slot(agentkit: &AgentKit, keys: &Keys, name: Option<&str>, pool: Option<&str>, user: Option<&User>) -> Digest {
        let mut settings = AgentSettings::clone(&agentkit.settings);
        settings.workload = name.map(|name| AgentIdentityName::new(name).unwrap());
        settings.workload_pool = pool.map(str::to_owned);
        Workloads::new(agentkit.caller().clone(), settings).key(user, keys)
    }

    /// Any two that differ in one thing that names the identity, or in where one name ends and the next begins.
    #[tokio::test]
    async fn w13_no_two_identities_share_a_slot() {
        let user = |id: &str, token: Option<&str>| {
            let user = User::asserted(id).unwrap();
            token.map_or_else(|| user.clone(), |token| user.clone().with_token(token).unwrap())
        };
        let users = [
            None,
            Some(user("a", None)),
            Some(user("ab", None)),
            Some(user("agent", None)),
            Some(user("a", Some("eyJ.one.sig"))),
            Some(user("a", Some("eyJ.two.sig"))),
            Some(user("ab", Some("eyJ.one.sig"))),
        ];
        let mut slots: HashMap<Digest, String> = HashMap::new();
        let mut last = None;
        for access_key in ["AKLT1", "AKLT2"] {
            let agentkit = AgentKit::builder().with_access_key(access_key, "secret").build().unwrap();
            let keys = agentkit.caller().keys().await.unwrap();
            for name in [None, Some("a"), Some("ab"), Some("agent")] {
                for pool in [None, Some("b"), Some("bb"), Some("agent")] {
                    for user in &users {
                        let (id, token) = (user.as_ref().map(User::id), user.as_ref().and_then(User::token).is_some());
                        let who = format!("{access_key} {name:?} {pool:?} {id:?} {token}");
                        let slot = slot(&agentkit, &keys, name, pool, user.as_ref());
                        if let Some(other) = slots.insert(slot, who.clone()) {
                            panic!("{who} and {other} share a slot");
                        }
                    }
                }
            }
            last = Some(slot(&agentkit, &keys, Some("a"), None, users[4].as_ref()));
        }
        assert_eq!(slots.len(), 2 * 4 * 4 * users.len());
        assert!(last.is_some_and(|again| slots.contains_key(&again)), "and the same identity has the same slot");
    }
}
