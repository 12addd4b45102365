//! That a token endpoint has refused, and is not asked again for a while.

use std::time::Duration;

use crate::{clock::Moment, refusal::Refusal};

pub(crate) struct Pause {
    pub(crate) refusal: Refusal,
    pub(crate) since: Moment,
    pub(crate) lasts: Duration,
}

impl Pause {
    /// Nothing once it is over.
    pub(crate) fn rest(&self, now: Moment) -> Option<Duration> {
        self.lasts.checked_sub(now.since(&self.since)).filter(|rest| !rest.is_zero())
    }
}
