//! The caller of one invocation, who may have to be told of a consent.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use futures_util::future::BoxFuture;
use identity_client::{PendingAuthorization, Prompt, PromptError, Wait};
use tokio::sync::Notify;

/// More different consents than a handler can sensibly need.
const MOST: usize = 64;

/// The consents of one invocation, on their way to its caller.
#[derive(Default)]
pub(super) struct Caller {
    /// Whether the caller gets events, and so can be told while the handler waits.
    streams: AtomicBool,
    noted: Mutex<Noted>,
    news: Notify,
}

#[derive(Default)]
struct Noted {
    all: Vec<PendingAuthorization>,
    /// Those that were not sent yet.
    unsent: VecDeque<PendingAuthorization>,
}

impl Caller {
    pub(super) fn new(streams: bool) -> Self {
        Self { streams: AtomicBool::new(streams), ..Self::default() }
    }

    pub(super) fn streams(&self) -> bool {
        self.streams.load(Ordering::Relaxed)
    }

    /// From here on the caller gets events. What was missing until now, the handler has done without.
    pub(super) fn start_stream(&self) {
        self.streams.store(true, Ordering::Relaxed);
        *self.noted() = Noted::default();
    }

    /// A consent that the caller was not told of yet, if there is one now.
    pub(super) fn try_next(&self) -> Option<PendingAuthorization> {
        self.noted().unsent.pop_front()
    }

    /// Waits for a consent that the caller was not told of yet.
    pub(super) async fn next(&self) -> PendingAuthorization {
        loop {
            if let Some(pending) = self.try_next() {
                return pending;
            }
            self.news.notified().await;
        }
    }

    /// The consents that turned out to be missing.
    pub(super) fn all(&self) -> Vec<PendingAuthorization> {
        self.noted().all.clone()
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        // A panic elsewhere cannot leave a list half changed, so a poisoned lock is taken over.
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Prompt for Caller {
    fn show(&self, pending: PendingAuthorization) -> BoxFuture<'_, Result<(), PromptError>> {
        let mut noted = self.noted();
        let told = if noted.all.contains(&pending) {
            Ok(())
        } else if noted.all.len() >= MOST {
            Err("one invocation needs too many consents".into())
        } else {
            noted.all.push(pending.clone());
            noted.unsent.push_back(pending);
            Ok(())
        };
        drop(noted);
        self.news.notify_one();
        Box::pin(std::future::ready(told))
    }

    /// A caller who gets no events learns of the consent from the answer, so there must be one.
    fn then(&self) -> Wait {
        if self.streams() { Wait::Poll } else { Wait::Return }
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use identity_client::{AgentIdentityName, CredentialKind, PendingParts, ProviderName, User};

    use super::*;

    #[tokio::test]
    async fn a_caller_is_told_of_so_many_consents_each_once_and_of_no_more() -> Result<(), identity_client::Error> {
        let caller = Caller::new(true);
        let pending = |number: usize| {
            Ok::<_, identity_client::Error>(PendingAuthorization::new(PendingParts {
                platform: "fake".to_owned(),
                endpoint: "https://fake.example.com".to_owned(),
                agent_identity: AgentIdentityName::new("agent-1")?,
                credential: CredentialKind::AccessToken,
                provider: ProviderName::new("google")?,
                user: User::asserted("alice")?,
                scopes: Vec::new(),
                return_url: None,
                authorization_url: format!("https://fake.example.com/{number}"),
                session: None,
                custom_state: None,
                custom_parameters: Vec::new(),
                started_at: SystemTime::UNIX_EPOCH,
                expires_at: None,
            }))
        };
        for number in (0..MOST).chain(0..MOST) {
            assert!(caller.show(pending(number)?).await.is_ok());
        }
        assert!(caller.show(pending(MOST)?).await.is_err());
        assert_eq!(caller.all().len(), MOST);
        assert_eq!(std::iter::from_fn(|| caller.try_next()).count(), MOST);
        Ok(())
    }
}
