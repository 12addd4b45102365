//! Serving an app until it is told to stop.

use std::{future::Future, io, pin::pin, time::Duration};

use futures_util::{
    FutureExt as _,
    future::{Either, FusedFuture as _, join, select},
};
use tokio::net::TcpListener;

use super::{
    AgentApp, Inner, connections,
    lifecycle::{Lifecycle, Stage},
    tasks::Tasks,
};

/// What is dropped has this long to leave.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Ends an app; see [`AgentApp::shutdown`].
#[derive(Debug, Clone)]
pub struct Shutdown {
    lifecycle: Lifecycle,
    tasks: Tasks,
}

impl Shutdown {
    pub(super) fn of(app: &Inner) -> Self {
        Self { lifecycle: app.lifecycle.clone(), tasks: app.settings.tasks.clone() }
    }

    /// Lets what is under way end by itself. Nobody waits for a user's consent any more: callers are told what is missing,
    /// and may call another instance. New invocations are answered with 503, new tasks are refused, and
    /// [`serve`](AgentApp::serve) begins to end.
    pub fn begin(&self) {
        self.lifecycle.advance(Stage::Stopping);
        self.tasks.close();
    }

    /// Drops what is still under way.
    pub fn finish(&self) {
        self.begin();
        self.lifecycle.advance(Stage::Stopped);
        self.tasks.abort();
    }
}

impl AgentApp {
    /// Serves until the signal, for example `tokio::signal::ctrl_c`, and then until what is under way has ended, but no
    /// longer than the grace (25 s by default): see [`Shutdown`] for what happens at the signal and after the grace.
    ///
    /// It speaks HTTP/1.1, and bounds how many connections there are and how long one may be without a request: see
    /// [`with_connections`](super::AgentAppBuilder::with_connections) and
    /// [`with_header_timeout`](super::AgentAppBuilder::with_header_timeout).
    ///
    /// # Errors
    /// None today: after an error of the listener it goes on accepting.
    ///
    /// # Cancel safety
    /// Dropping it stops accepting connections; requests under way on open ones are still answered. End the app with the signal
    /// instead.
    pub async fn serve(self, listener: TcpListener, signal: impl Future<Output = ()> + Send) -> io::Result<()> {
        let shutdown = self.shutdown();
        let grace = self.inner.settings.grace;
        let begun = shutdown.lifecycle.end_of_waits();
        let limits = self.inner.settings.limits();
        let stop = shutdown.lifecycle.end_of_waits();
        let mut server = pin!(connections::serve(listener, self.into_router(), limits, stop).fuse());
        match select(server.as_mut(), select(pin!(signal), pin!(begun))).await {
            Either::Left(_) => return Ok(()),
            Either::Right(_) => shutdown.begin(),
        }
        tracing::info!("the agent is shutting down");
        let all = join(server.as_mut(), shutdown.tasks.idle());
        if tokio::time::timeout(grace, all).await.is_ok() {
            return Ok(());
        }
        let running_tasks = shutdown.tasks.running_tasks().len();
        tracing::warn!(running_tasks, "the time to shut down is over; what is still under way is dropped");
        shutdown.finish();
        let last_words = async {
            shutdown.tasks.idle().await;
            if !server.is_terminated() {
                server.await;
            }
        };
        let _ = tokio::time::timeout(LAST_WORDS, last_words).await;
        Ok(())
    }
}
