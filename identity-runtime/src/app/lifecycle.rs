//! From running to stopped.

use std::{future::Future, pin::pin, sync::Arc};

use futures_util::future::{Either, select};
use tokio::sync::watch;

/// How far the end of an app has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    Running,
    /// What is under way may end; nobody waits for a user any more, and nothing new begins.
    Stopping,
    /// What is still under way is dropped.
    Stopped,
}

#[derive(Debug, Clone)]
pub(super) struct Lifecycle(Arc<watch::Sender<Stage>>);

impl Lifecycle {
    pub(super) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(Stage::Running)))
    }

    pub(super) fn stage(&self) -> Stage {
        *self.0.borrow()
    }

    /// Never goes back.
    pub(super) fn advance(&self, stage: Stage) {
        self.0.send_if_modified(|now| {
            let is_later = *now < stage;
            *now = stage.max(*now);
            is_later
        });
    }

    /// Ready once the app stops.
    pub(super) fn end_of_waits(&self) -> impl Future<Output = ()> + Send + 'static {
        let stages = self.0.subscribe();
        async move { reached(stages, Stage::Stopping).await }
    }

    /// What a future comes to; `None` if it is cut because the time to stop is over.
    pub(super) async fn unless_stopped<F: Future>(&self, future: F) -> Option<F::Output> {
        match select(pin!(future), pin!(reached(self.0.subscribe(), Stage::Stopped))).await {
            Either::Left((output, _)) => Some(output),
            Either::Right(_) => None,
        }
    }
}

async fn reached(mut stages: watch::Receiver<Stage>, wanted: Stage) {
    if stages.wait_for(|stage| *stage >= wanted).await.is_err() {
        // Without an app there is nobody left to stop.
        std::future::pending::<()>().await;
    }
}
