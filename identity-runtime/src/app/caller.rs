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
