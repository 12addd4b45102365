//! When to ask again whether the user has agreed: a state machine without a clock, a task or a connection.
//!
//! The rules are those of RFC 8628 section 3.5: never sooner than the current minimum, `slow_down` raises the minimum by five
//! seconds for good, a connection that fails makes the requests rarer, any other error is final.

use std::time::Duration;

/// The first question comes after this, unless the platform wants a longer interval.
const FIRST_GAP: Duration = Duration::from_secs(1);
/// The gap grows to this by itself.
const LAST_GAP: Duration = Duration::from_secs(5);
/// Failing connections make the gap grow to at most this, unless the platform's minimum is longer.
const MAX_BACKOFF: Duration = Duration::from_secs(60);
const SLOW_DOWN: Duration = Duration::from_secs(5);
/// The most that a platform's interval or `Retry-After` can stretch one gap.
const MAX_GAP: Duration = Duration::from_secs(600);

/// What the last question came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Not yet. The platform may set the interval.
    Pending { interval: Option<Duration> },
    /// Not yet, and asked too often.
    SlowDown { interval: Option<Duration> },
    /// No answer; the platform may have said how long to stay away.
    Unreachable { retry_after: Option<Duration> },
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Wait this long, then ask.
    AskAfter(Duration),
    /// The time is over before another question would be due.
    TimeIsUp,
}

#[derive(Debug, Clone)]
pub(crate) struct PollMachine {
    /// Never shrinks below what the platform asked for; `slow_down` only ever adds.
    minimum: Duration,
    /// Grows from the first to the last gap.
    gap: Duration,
    failures: u32,
    /// After the start of the wait.
    deadline: Duration,
}

impl PollMachine {
    /// A wait of at most `limit`; `interval` is what the platform asked for when it began the session.
    pub(crate) fn new(limit: Duration, interval: Option<Duration>) -> Self {
        let minimum = interval.unwrap_or_default().min(MAX_GAP);
        Self { minimum, gap: FIRST_GAP, failures: 0, deadline: limit }
    }

    /// The first step.
    pub(crate) fn start(&self) -> Step {
        self.step(Duration::ZERO, self.current())
    }

    /// The step after an answer that came `elapsed` after the start.
    pub(crate) fn after(&mut self, answer: Answer, elapsed: Duration) -> Step {
        let mut stay_away = Duration::ZERO;
        match answer {
            Answer::Pending { interval } => {
                self.failures = 0;
                self.raise(interval);
                self.gap = self.gap.mul_f64(1.5).min(LAST_GAP);
            }
            Answer::SlowDown { interval } => {
                self.failures = 0;
                self.minimum = self.minimum.max(self.gap);
                self.raise(interval);
                self.minimum = (self.minimum + SLOW_DOWN).min(MAX_GAP);
            }
            Answer::Unreachable { retry_after } => {
                self.failures = self.failures.saturating_add(1);
                stay_away = retry_after.unwrap_or_default().min(MAX_GAP);
            }
        }
        self.step(elapsed, self.current().max(stay_away))
    }

    fn raise(&mut self, interval: Option<Duration>) {
        self.minimum = self.minimum.max(interval.unwrap_or_default().min(MAX_GAP));
    }

    fn current(&self) -> Duration {
        let base = self.gap.max(self.minimum);
        let backed_off = base.saturating_mul(1_u32.checked_shl(self.failures).unwrap_or(u32::MAX)).min(MAX_BACKOFF);
        backed_off.max(base)
    }

    fn step(&self, elapsed: Duration, gap: Duration) -> Step {
        if elapsed + gap >= self.deadline { Step::TimeIsUp } else { Step::AskAfter(gap) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn gap(step: Step) -> Duration {
        match step {
            Step::AskAfter(gap) => gap,
            Step::TimeIsUp => panic!("no time left"),
        }
    }

    #[test]
    fn asks_after_one_second_and_grows_to_five() {
        let mut machine = PollMachine::new(HOUR, None);
        let mut gaps = vec![gap(machine.start())];
        for _ in 0..6 {
            gaps.push(gap(machine.after(Answer::Pending { interval: None }, Duration::ZERO)));
        }
        assert_eq!(gaps[..2], [secs(1), Duration::from_millis(1500)]);
        assert!(gaps.is_sorted());
        assert_eq!(gaps[6], secs(5));
    }

    #[test]
    fn std_8628_02_three_slow_downs_from_five_seconds_make_twenty() {
        let mut machine = PollMachine::new(HOUR, Some(secs(5)));
        for _ in 0..3 {
            machine.after(Answer::SlowDown { interval: None }, Duration::ZERO);
        }
        for _ in 0..5 {
            assert_eq!(gap(machine.after(Answer::Pending { interval: Some(secs(1)) }, Duration::ZERO)), secs(20));
        }
    }

    #[test]
    fn std_8628_03_a_failing_connection_doubles_and_success_returns_to_the_interval() {
        let mut machine = PollMachine::new(HOUR, Some(secs(7)));
        assert_eq!(gap(machine.start()), secs(7));
        assert_eq!(gap(machine.after(Answer::Unreachable { retry_after: None }, Duration::ZERO)), secs(14));
        assert_eq!(gap(machine.after(Answer::Unreachable { retry_after: None }, Duration::ZERO)), secs(28));
        assert_eq!(gap(machine.after(Answer::Unreachable { retry_after: Some(secs(90)) }, Duration::ZERO)), secs(90));
        assert_eq!(gap(machine.after(Answer::Pending { interval: None }, Duration::ZERO)), secs(7));
    }

    #[test]
    fn stops_when_the_next_question_would_come_too_late() {
        let mut machine = PollMachine::new(secs(60), None);
        assert_eq!(machine.after(Answer::Pending { interval: None }, secs(59)), Step::TimeIsUp);
        assert_eq!(PollMachine::new(Duration::ZERO, None).start(), Step::TimeIsUp);
    }

    fn answers() -> impl Strategy<Value = Answer> {
        let time = || proptest::option::of((0..700_000_u64).prop_map(Duration::from_millis));
        prop_oneof![
            time().prop_map(|interval| Answer::Pending { interval }),
            time().prop_map(|interval| Answer::SlowDown { interval }),
            time().prop_map(|retry_after| Answer::Unreachable { retry_after }),
        ]
    }

    proptest! {
        #[test]
        fn std_8628_01_no_gap_falls_below_the_minimum_and_no_wait_outlives_the_deadline(
            interval in proptest::option::of((0..60_u64).prop_map(Duration::from_secs)),
            limit in (0..10_000_u64).prop_map(Duration::from_secs),
            events in proptest::collection::vec((answers(), 0..30_000_u64), 0..60),
        ) {
            let mut machine = PollMachine::new(limit, interval);
            let mut elapsed = Duration::ZERO;
            let mut minimum = interval.unwrap_or_default();
            let mut step = machine.start();
            for (answer, took) in events {
                let Step::AskAfter(gap) = step else { break };
                prop_assert!(gap >= minimum, "{gap:?} is under {minimum:?}");
                prop_assert!(gap <= MAX_GAP);
                prop_assert!(elapsed + gap < limit);
                elapsed += gap + Duration::from_millis(took);
                match answer {
                    Answer::Pending { interval } => minimum = minimum.max(interval.unwrap_or_default().min(MAX_GAP)),
                    Answer::SlowDown { interval } => {
                        minimum = (minimum.max(interval.unwrap_or_default().min(MAX_GAP)) + SLOW_DOWN).min(MAX_GAP);
                    }
                    Answer::Unreachable { .. } => {}
                }
                step = machine.after(answer, elapsed);
            }
        }
    }
}
