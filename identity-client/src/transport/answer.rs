//! What a platform answered, whatever its status.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use http::HeaderMap;
use zeroize::Zeroizing;

/// An answer, whatever its status.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// May hold a credential, so it is wiped when dropped.
    pub(crate) body: Zeroizing<Vec<u8>>,
    /// How many tries it took. After more than one it is open what those before it did.
    pub(crate) tries: u32,
    pub(super) received: SystemTime,
}

impl Answer {
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// How long a gateway of Alibaba Cloud, which throttles so whatever the status, wants to be left alone.
    fn throttled_for(&self) -> Option<Duration> {
        let milliseconds = self.headers.get("x-acs-retry-after")?.to_str().ok()?.trim().parse::<u64>().ok()?;
        (milliseconds > 0).then(|| Duration::from_millis(milliseconds))
    }

    /// Whether the platform does not serve now because it is asked too much.
    pub(crate) fn is_throttled(&self) -> bool {
        self.status == 429 || self.throttled_for().is_some()
    }

    /// The platform's wish to be left alone: its own, or in either form of RFC 9110 section 10.2.3.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        if let Some(wish) = self.throttled_for() {
            return Some(wish);
        }
        let text = self.headers.get(http::header::RETRY_AFTER)?.to_str().ok()?.trim();
        if let Ok(seconds) = text.parse::<u64>() {
            return Some(Duration::from_secs(seconds));
        }
        let at = httpdate::parse_http_date(text).ok()?;
        Some(at.duration_since(self.received).unwrap_or_default())
    }

    pub(super) fn may_pass(&self) -> bool {
        matches!(self.status, 408 | 429 | 500 | 502 | 503 | 504) || (!self.is_success() && self.is_throttled())
    }

    #[cfg(all(test, any(feature = "agentbase", feature = "agent-identity", feature = "idaas")))]
    pub(crate) fn of(status: u16, body: &[u8]) -> Self {
        let received = SystemTime::UNIX_EPOCH;
        Self { status, headers: HeaderMap::new(), body: Zeroizing::new(body.to_vec()), tries: 1, received }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .field("length", &self.body.len())
            .field("tries", &self.tries)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn retry_after_is_read_in_both_forms() {
        let answer = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(http::header::RETRY_AFTER, HeaderValue::try_from(text).unwrap());
            let received = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
            Answer { status: 503, headers, body: Zeroizing::new(Vec::new()), tries: 1, received }.retry_after()
        };
        assert_eq!(answer("7"), Some(Duration::from_secs(7)));
        assert_eq!(answer("Sun, 06 Nov 1994 08:49:50 GMT"), Some(Duration::from_secs(13)));
        assert_eq!(answer("Sun, 06 Nov 1994 08:00:00 GMT"), Some(Duration::ZERO));
        for bad in ["", "-1", "soon", "1.5"] {
            assert_eq!(answer(bad), None, "{bad}");
        }
    }
}
