//! Work that goes on after its caller was answered.

use std::{
    collections::BTreeMap,
    fmt,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use identity_client::RequestContext;
use tokio::{sync::watch, task::AbortHandle, time::Instant};

/// Tasks that the health of the agent counts: while one runs, `/health` says `HealthyBusy`, so that the platform does not
/// stop the agent under it.
///
/// Clones are one. Make it before the app, keep a clone in the handler, and give it to the app with
/// [`with_tasks`](super::AgentAppBuilder::with_tasks).
///
/// ```
/// # use identity_runtime::{TaskRefusal, Tasks};
/// # async fn index() {}
/// # fn handle(tasks: &Tasks) -> Result<(), TaskRefusal> {
/// tasks.spawn("index the documents", index())?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Tasks(Arc<Shared>);

struct Shared {
    running: Mutex<Running>,
    count: watch::Sender<usize>,
    limit: usize,
}

#[derive(Default)]
struct Running {
    tasks: BTreeMap<u64, Task>,
    next: u64,
    is_closed: bool,
}

struct Task {
    name: String,
    since: Instant,
    abort: Option<AbortHandle>,
}

/// One running task.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RunningTask {
    /// What it was called when it was begun.
    pub name: String,
    /// How long it has run.
    pub running_for: Duration,
}

/// Why a task was not begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TaskRefusal {
    /// As many run as may; try again when one has ended.
    #[error("as many background tasks are running as may; try again when one has ended")]
    TooMany,
    /// The agent shuts down; another instance can do it.
    #[error("the agent is shutting down and begins no more tasks")]
    ShuttingDown,
}

impl Default for Tasks {
    fn default() -> Self {
        Self::new()
    }
}

impl Tasks {
    /// No task yet; at most 1,024 at once.
    #[must_use]
    pub fn new() -> Self {
        Self::with_limit(1024)
    }

    /// No task yet; at most so many at once.
    #[must_use]
    pub fn with_limit(limit: usize) -> Self {
        let count = watch::Sender::new(0);
        Self(Arc::new(Shared { running: Mutex::default(), count, limit }))
    }

    /// Runs a future in a task of its own, with the context of the running task but without its caller: a consent that it
    /// needs is told through the client's prompt. It is aborted if it outlives the app's time to shut down.
    ///
    /// # Errors
    /// See [`TaskRefusal`]; the future is dropped then.
    ///
    /// # Panics
    /// Outside a tokio runtime, like `tokio::spawn`.
    pub fn spawn<F>(&self, name: impl Into<String>, future: F) -> Result<(), TaskRefusal>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let tracked = self.track(name)?;
        let id = tracked.id;
        let context = RequestContext::current().unwrap_or_default().without_caller();
        let task = tokio::spawn(context.scope(async move {
            let _tracked = tracked;
            future.await
        }));
        if let Some(entry) = self.running().tasks.get_mut(&id) {
            entry.abort = Some(task.abort_handle());
        }
        Ok(())
    }

    /// Counts as a task until what is returned is dropped, for work that runs elsewhere.
    ///
    /// # Errors
    /// See [`TaskRefusal`].
    pub fn track(&self, name: impl Into<String>) -> Result<TrackedTask, TaskRefusal> {
        let mut running = self.running();
        if running.is_closed {
            return Err(TaskRefusal::ShuttingDown);
        }
        if running.tasks.len() >= self.0.limit {
            return Err(TaskRefusal::TooMany);
        }
        let id = running.next;
        running.next += 1;
        running.tasks.insert(id, Task { name: name.into(), since: Instant::now(), abort: None });
        self.0.count.send_replace(running.tasks.len());
        Ok(TrackedTask { tasks: self.clone(), id })
    }

    /// What runs, the oldest first.
    #[must_use]
    pub fn running_tasks(&self) -> Vec<RunningTask> {
        let running = self.running();
        let shown = |task: &Task| RunningTask { name: task.name.clone(), running_for: task.since.elapsed() };
        running.tasks.values().map(shown).collect()
    }

    /// Whether any runs.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        !self.running().tasks.is_empty()
    }

    /// Begins no more.
    pub(crate) fn close(&self) {
        self.running().is_closed = true;
    }

    /// Waits until none runs.
    pub(crate) async fn idle(&self) {
        // The sender lives as long as this does.
        let _ = self.0.count.subscribe().wait_for(|count| *count == 0).await;
    }

    /// Ends what runs.
    pub(crate) fn abort(&self) {
        let aborts: Vec<_> = self.running().tasks.values().filter_map(|task| task.abort.clone()).collect();
        for abort in aborts {
            abort.abort();
        }
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        // A panic elsewhere cannot leave the map half changed, so a poisoned lock is taken over.
        self.0.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tasks").field("running", &self.running().tasks.len()).finish_non_exhaustive()
    }
}

/// A task that counts until this is dropped.
#[derive(Debug)]
#[must_use = "the task counts as done when this is dropped"]
pub struct TrackedTask {
    tasks: Tasks,
    id: u64,
}

impl Drop for TrackedTask {
    fn drop(&mut self) {
        let mut running = self.tasks.running();
        running.tasks.remove(&self.id);
        self.tasks.0.count.send_replace(running.tasks.len());
    }
}
