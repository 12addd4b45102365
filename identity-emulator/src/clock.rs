//! The one home of "now".

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// Wall-clock time that a test may move forward. Clones share the same hands.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clock {
    ahead_millis: Arc<AtomicI64>,
}

impl Clock {
    pub(crate) fn now(&self) -> Timestamp {
        let ahead = SignedDuration::from_millis(self.ahead_millis.load(Ordering::Relaxed));
        let now = Timestamp::now();
        now.checked_add(ahead).unwrap_or(now)
    }

    /// A clock whose hands begin at `start`.
    pub(crate) fn starting_at(start: Timestamp) -> Self {
        let ahead = start.duration_since(Timestamp::now()).as_millis();
        Self { ahead_millis: Arc::new(AtomicI64::new(i64::try_from(ahead).unwrap_or_default())) }
    }

    pub(crate) fn advance(&self, by: Duration) {
        let millis = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.ahead_millis.fetch_add(millis, Ordering::Relaxed);
    }
}

/// `start + lifetime`; a lifetime beyond what a timestamp can hold ends at the last one.
pub(crate) fn add(start: Timestamp, lifetime: Duration) -> Timestamp {
    SignedDuration::try_from(lifetime)
        .ok()
        .and_then(|lifetime| start.checked_add(lifetime).ok())
        .unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_is_moved_with_the_original() {
        let clock = Clock::default();
        let twin = clock.clone();
        let before = twin.now();
        clock.advance(Duration::from_secs(3600));
        assert!(twin.now() >= add(before, Duration::from_secs(3600)));
    }

    #[test]
    fn an_endless_lifetime_does_not_overflow() {
        assert_eq!(add(Timestamp::UNIX_EPOCH, Duration::MAX), Timestamp::MAX);
    }
}
