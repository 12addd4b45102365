//! The person, scripted.

mod browser;

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::watch;

use crate::agentbase;
use crate::core::Core;
use crate::error::EmulatorError;
use crate::random;
use crate::user::person;
use crate::vault::{Asks, Grant, Session, SessionStatus};

/// Marks the requests of the scripted person, which are no client's.
const SENDER: HeaderName = HeaderName::from_static("x-identity-emulator-human");
/// How long a request waits for the person to finish what they have begun.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many sessions are kept in mind; beyond that, those that have ended are forgotten.
const MOST: usize = 1_000;

/// What the person does when they are asked for a key or for consent.
///
/// Parses from and displays as `manual`, `approve`, `deny`, `approve-after=N`.
///
/// Consent at an OAuth2 provider is scripted for the built-in provider and the imitation of Feishu only, through their real pages; other
/// providers stay pending.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Human {
    /// Nothing: a real person, or the test itself, opens the link.
    #[default]
    Manual,
    /// Agrees at once: the first poll already finds it done.
    Approve,
    /// Refuses at once.
    Deny,
    /// Agrees once the session has been polled this many times: these polls answer "in progress", the next one finds it done.
    ApproveAfter(u32),
}

impl fmt::Display for Human {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Manual => formatter.write_str("manual"),
            Self::Approve => formatter.write_str("approve"),
            Self::Deny => formatter.write_str("deny"),
            Self::ApproveAfter(polls) => write!(formatter, "approve-after={polls}"),
        }
    }
}

/// The text is none of the scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected manual, approve, deny or approve-after=N with N a number of polls")]
pub struct ParseHumanError;

impl FromStr for Human {
    type Err = ParseHumanError;

    fn from_str(text: &str) -> Result<Self, ParseHumanError> {
        match text {
            "manual" => Ok(Self::Manual),
            "approve" => Ok(Self::Approve),
            "deny" => Ok(Self::Deny),
            other => {
                let polls = other.strip_prefix("approve-after=").ok_or(ParseHumanError)?;
                polls.parse().map(Self::ApproveAfter).map_err(|_| ParseHumanError)
            }
        }
    }
}

pub(crate) struct HumanScript {
    script: Mutex<Human>,
    /// By session id.
    acts: Mutex<HashMap<String, Act>>,
    browser: reqwest::Client,
    /// Proves that a request is the scripted person's.
    pass: String,
}

struct Act {
    grant: Grant,
    polls: u32,
    /// Becomes true when the person is done; `None` before they have begun.
    done: Option<watch::Receiver<bool>>,
}

impl HumanScript {
    pub(crate) fn new(script: Human) -> Result<Self, EmulatorError> {
        let pass = random::token();
        let browser = browser::client(&SENDER, &pass).ok_or(EmulatorError::HttpClient)?;
        Ok(Self { script: Mutex::new(script), acts: Mutex::default(), browser, pass })
    }

    pub(crate) fn set(&self, script: Human) {
        *self.script.lock().unwrap_or_else(PoisonError::into_inner) = script;
    }

    fn script(&self) -> Human {
        *self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_sender(&self, headers: &HeaderMap) -> bool {
        let pass = headers.get(SENDER).and_then(|value: &HeaderValue| value.to_str().ok());
        pass.is_some_and(|pass| random::same_secret(&self.pass, pass))
    }

    /// A session was opened.
    pub(crate) fn opened(&self, core: &Arc<Core>, session: &Session) {
        let decision = match self.script() {
            Human::Approve => Some(true),
            Human::Deny => Some(false),
            Human::Manual | Human::ApproveAfter(_) => None,
        };
        if let Some(approve) = decision {
            self.begin(core, session, approve);
        }
    }

    /// A session is polled: counts, begins if it is time, and waits for what has begun.
    pub(crate) async fn polled(&self, core: &Arc<Core>, session: &Session) {
        if session.status_at(core.clock.now()) != SessionStatus::Open {
            return;
        }
        let polls = {
            let mut acts = self.acts.lock().unwrap_or_else(PoisonError::into_inner);
            forget_ended(&mut acts, core);
            let fresh = || Act { grant: session.grant.clone(), polls: 0, done: None };
            let act = acts.entry(session.id.clone()).or_insert_with(fresh);
            act.polls = act.polls.saturating_add(1);
            act.polls
        };
        let decision = match self.script() {
            Human::Manual => None,
            Human::Approve => Some(true),
            Human::Deny => Some(false),
            Human::ApproveAfter(wanted) => (polls > wanted).then_some(true),
        };
        if let Some(approve) = decision {
            self.begin(core, session, approve);
        }
        self.wait(|id, _| id == session.id).await;
    }

    /// The same credential is asked for anew: waits for a person who is about to give it.
    pub(crate) async fn settle(&self, _core: &Core, grant: &Grant) {
        self.wait(|_, act| act.grant == *grant).await;
    }

    async fn wait(&self, concerns: impl Fn(&str, &Act) -> bool) {
        let pending: Vec<_> = {
            let acts = self.acts.lock().unwrap_or_else(PoisonError::into_inner);
            acts.iter().filter(|(id, act)| concerns(id, act)).filter_map(|(_, act)| act.done.clone()).collect()
        };
        for mut done in pending {
            // An error means that the person was aborted with the emulator.
            let _ = tokio::time::timeout(PATIENCE, done.wait_for(|done| *done)).await;
        }
    }

    fn begin(&self, core: &Arc<Core>, session: &Session, approve: bool) {
        let (finished, done) = watch::channel(false);
        {
            let mut acts = self.acts.lock().unwrap_or_else(PoisonError::into_inner);
            forget_ended(&mut acts, core);
            let fresh = || Act { grant: session.grant.clone(), polls: 0, done: None };
            let act = acts.entry(session.id.clone()).or_insert_with(fresh);
            if act.done.is_some() {
                return;
            }
            act.done = Some(done);
        }
        let (person, id) = (Arc::clone(core), session.id.clone());
        core.tasks.spawn(async move {
            if let Err(reason) = act(&person, &id, approve).await {
                tracing::warn!(reason, "the scripted human could not finish");
            }
            let _ = finished.send(true);
        });
    }
}

fn forget_ended(acts: &mut HashMap<String, Act>, core: &Core) {
    if acts.len() >= MOST {
        let (vault, now) = (core.vault.read(), core.clock.now());
        let is_open =
            |id: &String| vault.sessions.get(id).is_some_and(|session| session.status_at(now) == SessionStatus::Open);
        acts.retain(|id, _| is_open(id));
    }
}

/// Does what a person would.
async fn act(core: &Arc<Core>, session_id: &str, approve: bool) -> Result<(), &'static str> {
    let session = core.vault.read().sessions.get(session_id).cloned().ok_or("the session has ended")?;
    let provider_id = session.grant.provider_id.clone();
    match &session.asks {
        Asks::Key => {
            let state = session.state.as_ref().ok_or("the link was used already")?.expose_secret().to_owned();
            let result = if approve {
                let key = SecretString::from(format!("synthetic-key-{}", random::uuid()));
                agentbase::complete(core, provider_id, state, key).await
            } else {
                agentbase::refuse(core, provider_id, state).await
            };
            result.map(drop).map_err(|_| "the key could not be handed over")
        }
        Asks::Consent { .. } => {
            let provider = core.vault.read().oauth_provider_by_id(&provider_id).cloned();
            let registration = provider.ok().and_then(|provider| core.registration(&provider));
            if registration.is_none_or(|registration| core.own(&registration).is_none()) {
                return Err("only consent at the built-in provider can be scripted");
            }
            let (start, callback) = match &session.setting_out {
                Some(start) => (start.url.expose_secret().to_owned(), start.callback.clone()),
                None => (
                    format!("{}/oauth2/authorize?sessionId={session_id}", core.identity_url()),
                    format!("{}/oauth2/callback/", core.identity_url()),
                ),
            };
            browser::walk(&core.human.browser, &start, &callback, person(&session.grant.user), approve).await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_round_trip_as_text() {
        for script in [Human::Manual, Human::Approve, Human::Deny, Human::ApproveAfter(0), Human::ApproveAfter(7)] {
            assert_eq!(script.to_string().parse(), Ok(script));
        }
        for text in ["", "Approve", "approve-after", "approve-after=", "approve-after=-1", "approve-after=x"] {
            assert_eq!(text.parse::<Human>(), Err(ParseHumanError), "{text}");
        }
        assert_eq!(Human::default(), Human::Manual);
    }
}
