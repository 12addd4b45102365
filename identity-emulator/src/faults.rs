//! Scripted trouble: statuses, delays, cut bodies, reset connections.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

/// One piece of scripted trouble: for which requests, how often, and what goes wrong.
///
/// Without a status the request is really served and only the delay, the cut or the reset is added. A reset comes *before* the request is
/// served. A delay composes with all the others and comes first.
///
/// ```
/// # use identity_emulator::Fault;
/// # use std::time::Duration;
/// let busy = Fault::on_operation("get_m2m_token").status(503).header("retry-after", "1").delay(Duration::from_millis(20)).times(2);
/// ```
#[derive(Clone, Debug)]
pub struct Fault {
    matcher: Matcher,
    left: u32,
    pub(crate) effect: Effect,
}

#[derive(Clone, Debug)]
enum Matcher {
    Operation(String),
    Path { method: Method, prefix: String },
}

/// What a fault does to a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Effect {
    pub(crate) status: Option<StatusCode>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) delay: Duration,
    pub(crate) cut_after: Option<usize>,
    pub(crate) reset: bool,
}

impl Fault {
    /// For requests of this operation, named as in [`Counters`](crate::Counters).
    pub fn on_operation(operation: impl Into<String>) -> Self {
        Self::new(Matcher::Operation(operation.into()))
    }

    /// For requests with this method whose path (from the host on, as sent) begins with `prefix`.
    pub fn on_path(method: Method, prefix: impl Into<String>) -> Self {
        Self::new(Matcher::Path { method, prefix: prefix.into() })
    }

    fn new(matcher: Matcher) -> Self {
        Self { matcher, left: 1, effect: Effect::default() }
    }

    /// For how many matching requests; 1 when not said.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.left = times;
        self
    }

    /// Answer with this status instead of serving the request. A number outside 100–999 becomes 500.
    #[must_use]
    pub fn status(mut self, code: u16) -> Self {
        self.effect.status = Some(StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
        self
    }

    /// A header of the scripted answer. A name or value that HTTP does not allow is ignored, with a warning in the log.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            self.effect.headers.append(name, value);
        } else {
            tracing::warn!(header = name, "scripted header is not valid in HTTP and is left out");
        }
        self
    }

    /// The body of the scripted answer; empty when not said.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.effect.body = body.into();
        self
    }

    /// A JSON body for the scripted answer, with its content type.
    #[must_use]
    pub fn json(self, body: &serde_json::Value) -> Self {
        self.header("content-type", "application/json").body(body.to_string())
    }

    /// Answer as Alibaba Cloud does when somebody asks too often: 429, code `Throttling.User`, and the wait in whole milliseconds in
    /// `x-acs-retry-after`.
    #[must_use]
    pub fn throttled(mut self, retry_after: Duration) -> Self {
        let milliseconds = u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX);
        let (status, headers, body) = crate::agent_identity::throttled(milliseconds);
        self.effect.status = Some(status);
        self.effect.headers.extend(headers);
        self.json(&body)
    }

    /// Wait before anything else happens.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.effect.delay = delay;
        self
    }

    /// Announce the whole body, send only this many bytes of it, then drop the connection.
    #[must_use]
    pub fn cut_body_after(mut self, bytes: usize) -> Self {
        self.effect.cut_after = Some(bytes);
        self
    }

    /// Reset the connection (TCP RST) without answering and without serving the request.
    #[must_use]
    pub fn reset(mut self) -> Self {
        self.effect.reset = true;
        self
    }

    fn matches(&self, operation: &str, method: &Method, path: &str) -> bool {
        match &self.matcher {
            Matcher::Operation(name) => name == operation,
            Matcher::Path { method: wanted, prefix } => wanted == method && path.starts_with(prefix.as_str()),
        }
    }
}

/// The script: faults are used up in the order in which they were added. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    script: Arc<Mutex<VecDeque<Fault>>>,
}

impl Faults {
    /// Adds a fault behind those already there.
    pub fn add(&self, fault: Fault) {
        let mut script = self.script.lock().unwrap_or_else(PoisonError::into_inner);
        if fault.left > 0 {
            script.push_back(fault);
        }
    }

    /// Forgets every fault that has not happened yet.
    pub fn clear(&self) {
        self.script.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// How many requests are still going to be hit.
    pub fn remaining(&self) -> u64 {
        let script = self.script.lock().unwrap_or_else(PoisonError::into_inner);
        script.iter().map(|fault| u64::from(fault.left)).sum()
    }

    /// Takes the first fault that fits this request.
    pub(crate) fn take(&self, operation: &str, method: &Method, path: &str) -> Option<Effect> {
        let mut script = self.script.lock().unwrap_or_else(PoisonError::into_inner);
        let index = script.iter().position(|fault| fault.matches(operation, method, path))?;
        let fault = script.get_mut(index)?;
        fault.left -= 1;
        let effect = fault.effect.clone();
        if fault.left == 0 {
            script.remove(index);
        }
        Some(effect)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_used_up_in_order() {
        let faults = Faults::default();
        faults.add(Fault::on_operation("a").status(500).times(2));
        faults.add(Fault::on_operation("a").status(503));
        faults.add(Fault::on_path(Method::GET, "/x").reset());
        assert_eq!(faults.remaining(), 4);
        let mut statuses = Vec::new();
        while let Some(effect) = faults.take("a", &Method::POST, "/a") {
            statuses.push(effect.status.unwrap().as_u16());
        }
        assert_eq!(statuses, [500, 500, 503]);
        assert!(faults.take("b", &Method::POST, "/x/1").is_none(), "the method counts");
        assert!(faults.take("b", &Method::GET, "/x/1").unwrap().reset);
        assert_eq!(faults.remaining(), 0);
    }
}
