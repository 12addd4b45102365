//! When to try a request again.
//!
//! `backon` counts and sleeps; the delay itself is ours, because its jitter goes beyond its cap and its total counts sleeps
//! only.

use std::time::Duration;

use backon::ConstantBuilder;

use crate::error::BuildError;

/// How often and how long a request to a platform is tried.
///
/// Tried again are: what could not be connected, always; 408, 429, 500, 502, 503, 504, a broken connection and a time-out,
/// if the operation can be repeated safely, and as long as not too many requests fail (a hundred tries again in a row, then one
/// for five that succeed). The delay before try *n* + 1 is random between zero and `base` × 2ⁿ⁻¹, at most
/// `cap`; a `Retry-After` is honoured if it fits into the deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// How many tries in all. Default: 3; 1 tries once.
    pub max_attempts: u32,
    /// The scale of the first delay. Default: 200 ms.
    pub base: Duration,
    /// The longest delay, `Retry-After` aside. Default: 5 s.
    pub cap: Duration,
    /// For one operation of the platform: tries, delays, and the service token that it may need first. Default: 30 s.
    pub deadline: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 3,
            base: Duration::from_millis(200),
            cap: Duration::from_secs(5),
            deadline: Duration::from_secs(30),
        }
    }
}

impl RetryPolicy {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many tries in all; 1 tries once.
    #[must_use]
    pub fn with_max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = attempts;
        self
    }

    /// The scale of the first delay.
    #[must_use]
    pub fn with_base(mut self, base: Duration) -> Self {
        self.base = base;
        self
    }

    /// The longest delay, `Retry-After` aside.
    #[must_use]
    pub fn with_cap(mut self, cap: Duration) -> Self {
        self.cap = cap;
        self
    }

    /// For the whole call.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    pub(crate) fn check(&self) -> Result<(), BuildError> {
        if self.max_attempts == 0 || self.max_attempts > 10 || self.deadline.is_zero() || self.base > self.cap {
            return Err(BuildError::broken(
                "the retry policy cannot work",
                "give 1 to 10 attempts, a deadline above zero, and a base that is not longer than the cap",
            ));
        }
        Ok(())
    }

    /// The delay before the next try, after `failed` tries and `elapsed` time; `None` if there is none.
    pub(crate) fn delay(
        &self,
        failed: u32,
        elapsed: Duration,
        retry_after: Option<Duration>,
        random: f64,
    ) -> Option<Duration> {
        if failed >= self.max_attempts {
            return None;
        }
        let left = self.deadline.checked_sub(elapsed)?;
        let scale =
            self.base.saturating_mul(1_u32.checked_shl(failed.saturating_sub(1)).unwrap_or(u32::MAX)).min(self.cap);
        let delay = scale.mul_f64(random.clamp(0.0, 1.0)).max(retry_after.unwrap_or_default());
        (delay < left).then_some(delay)
    }

    /// Counts tries for `backon`; the delays come from [`delay`](Self::delay).
    pub(crate) fn counter(&self) -> ConstantBuilder {
        let retries = self.max_attempts.saturating_sub(1) as usize;
        ConstantBuilder::default().with_delay(Duration::ZERO).with_max_times(retries)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_defaults_are_as_documented() {
        let policy = RetryPolicy::default();
        assert_eq!((policy.max_attempts, policy.deadline), (3, Duration::from_secs(30)));
        assert!(policy.check().is_ok());
        assert!(policy.with_max_attempts(0).check().is_err());
        assert!(policy.with_base(Duration::from_secs(6)).check().is_err());
    }

    proptest! {
        #[test]
        fn std_http_01_delays_stay_within_cap_and_deadline(
            attempts in 1..10_u32, failed in 0..20_u32, base in 0..2_000_u64, cap in 2_000..20_000_u64,
            deadline in 1..60_000_u64, elapsed in 0..90_000_u64, after in proptest::option::of(0..90_000_u64), random in 0.0..1.0_f64,
        ) {
            let ms = Duration::from_millis;
            let policy = RetryPolicy::new().with_max_attempts(attempts).with_base(ms(base)).with_cap(ms(cap)).with_deadline(ms(deadline));
            let delay = policy.delay(failed, ms(elapsed), after.map(ms), random);
            if let Some(delay) = delay {
                prop_assert!(failed < attempts);
                prop_assert!(ms(elapsed) + delay < ms(deadline));
                prop_assert!(delay >= after.map(ms).unwrap_or_default());
                prop_assert!(delay <= ms(cap).max(after.map(ms).unwrap_or_default()));
            } else {
                let asked = after.unwrap_or_default();
                prop_assert!(failed >= attempts || elapsed + asked.max(cap) >= deadline);
            }
        }
    }
}
