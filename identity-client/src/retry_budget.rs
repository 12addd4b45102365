//! How many tries again a client may make when a platform is down: retries must not become the load that keeps it down.

use std::sync::atomic::{AtomicU32, Ordering};

/// What a full budget holds: a hundred tries again in a row.
const FULL: u32 = 500;
/// What a try again costs.
const PRICE: u32 = 5;
/// What an answer that settles the matter gives back: in the long run one try again for five of them.
const REFUND: u32 = 1;

/// Tokens that tries again are paid with.
#[derive(Debug)]
pub(crate) struct RetryBudget(AtomicU32);

impl Default for RetryBudget {
    fn default() -> Self {
        Self(AtomicU32::new(FULL))
    }
}

impl RetryBudget {
    /// Pays for a try again; `false` if there is too little left.
    pub(crate) fn pay(&self) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(PRICE)).is_ok()
    }

    /// An answer settled the matter.
    pub(crate) fn refund(&self) {
        let _ =
            self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| (left < FULL).then_some(left + REFUND));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_platform_that_stays_down_is_soon_left_alone() {
        let budget = RetryBudget::default();
        let paid = (0..1000).filter(|_| budget.pay()).count();
        assert_eq!(paid, 100);
        for _ in 0..25 {
            budget.refund();
        }
        assert_eq!((0..1000).filter(|_| budget.pay()).count(), 5);
    }

    #[test]
    fn a_budget_is_never_more_than_full() {
        let budget = RetryBudget::default();
        (0..1000).for_each(|_| budget.refund());
        assert_eq!((0..1000).filter(|_| budget.pay()).count(), 100);
    }
}
