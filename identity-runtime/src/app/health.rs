//! How the agent is: `/health` and `/ping`.

use std::{
    fmt,
    future::Future,
    panic::AssertUnwindSafe,
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures_util::{FutureExt as _, future::BoxFuture};
use http::StatusCode;
use identity_client::{Clock as _, SystemClock};
use serde::Serialize;

use super::{failure::Failure, tasks::Tasks};

/// A ping handler that takes longer than this is one that failed.
const PATIENCE: Duration = Duration::from_secs(5);

/// What `/health` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub enum HealthStatus {
    /// Ready, and with nothing under way that must not be interrupted.
    Healthy,
    /// Ready, and with background work under way.
    HealthyBusy,
}

/// What a ping handler may return: a [`HealthStatus`], or a future of one.
pub trait PingOutcome<M> {
    #[doc(hidden)]
    fn into_future_status(self) -> BoxFuture<'static, HealthStatus>;
}

#[doc(hidden)]
#[derive(Debug)]
#[non_exhaustive]
pub struct SyncPing;

#[doc(hidden)]
#[derive(Debug)]
#[non_exhaustive]
pub struct AsyncPing;

impl PingOutcome<SyncPing> for HealthStatus {
    fn into_future_status(self) -> BoxFuture<'static, HealthStatus> {
        Box::pin(std::future::ready(self))
    }
}

impl<F: Future<Output = HealthStatus> + Send + 'static> PingOutcome<AsyncPing> for F {
    fn into_future_status(self) -> BoxFuture<'static, HealthStatus> {
        Box::pin(self)
    }
}

pub(super) type Ping = Box<dyn Fn() -> BoxFuture<'static, HealthStatus> + Send + Sync>;

/// The status that was seen last, and since when it has been that.
pub(super) struct Health {
    ping: Option<Ping>,
    seen: Mutex<(Option<HealthStatus>, SystemTime)>,
}

/// The answer of `/health`.
#[derive(Serialize)]
pub(super) struct Report {
    status: HealthStatus,
    /// Seconds since 1970.
    time_of_last_update: u64,
}

impl Health {
    pub(super) fn new(ping: Option<Ping>) -> Self {
        Self { ping, seen: Mutex::new((None, SystemClock.now().wall)) }
    }

    pub(super) async fn report(&self, tasks: &Tasks) -> Result<Report, Failure> {
        let status = match &self.ping {
            None if tasks.is_busy() => HealthStatus::HealthyBusy,
            None => HealthStatus::Healthy,
            // The call itself may panic, too.
            Some(ping) => {
                let asked = AssertUnwindSafe(async { ping().await }).catch_unwind();
                match tokio::time::timeout(PATIENCE, asked).await {
                    Ok(Ok(status)) => status,
                    Ok(Err(_)) => return Err(failed("a ping handler panicked")),
                    Err(_) => return Err(failed("a ping handler took too long")),
                }
            }
        };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.0 != Some(status) {
            *seen = (Some(status), SystemClock.now().wall);
        }
        let since = seen.1.duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Report { status, time_of_last_update: since.as_secs() })
    }
}

/// Not `Healthy` all the same: who asks must not take an agent for well that cannot say so.
fn failed(what: &'static str) -> Failure {
    tracing::error!("{what}");
    Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "ping_failed", "Ping endpoint failed")
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Health").finish_non_exhaustive()
    }
}
