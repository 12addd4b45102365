//! Time, injected.

use std::{
    fmt::Debug,
    time::{Duration, Instant, SystemTime},
};

/// Both clocks at one moment.
///
/// A lifetime is measured on both: the wall clock goes on while a machine sleeps, the steady one cannot be set back. A
/// credential counts as expired as soon as either says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The wall clock, which a person or a time server can set.
    pub wall: SystemTime,
    /// The steady clock, which only goes forward.
    pub steady: Instant,
}

impl Moment {
    /// How long ago `earlier` was, on the clock that says longer. A wall clock that was set back counts as no time.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Duration {
        let steady = self.steady.saturating_duration_since(earlier.steady);
        let wall = self.wall.duration_since(earlier.wall).unwrap_or_default();
        steady.max(wall)
    }
}

/// Tells the time to a client; tests give their own.
pub trait Clock: Debug + Send + Sync + 'static {
    /// The present moment.
    fn now(&self) -> Moment;
}

/// The clocks of this machine. The steady one is tokio's, so that `tokio::time::pause` holds it in tests.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the machine")]
    fn now(&self) -> Moment {
        Moment { wall: SystemTime::now(), steady: tokio::time::Instant::now().into_std() }
    }
}
