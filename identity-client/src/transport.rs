//! HTTP to a platform: one client, its size and time rules, and the loop of tries around a request.

mod answer;
mod endpoint;
mod options;

use std::{
    error::Error as StdError,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use backon::Retryable as _;
use bytes::Bytes;
use http::{HeaderMap, Method};
use identity_grammar::is_loopback_host;
use tracing::Instrument as _;
use url::Url;
use zeroize::Zeroizing;

use crate::{
    clock::{Clock, Moment},
    error::{BuildError, Error, ErrorKind},
    retry::RetryPolicy,
    retry_budget::RetryBudget,
};

pub(crate) use answer::Answer;
#[cfg(any(
    feature = "agentbase",
    feature = "agentkit",
    feature = "agent-identity",
    feature = "idaas",
    feature = "inbound"
))]
pub(crate) use endpoint::Endpoint;
pub use options::HttpOptions;

/// No answer of a platform is larger: a page of a hundred records is a few tens of KiB.
const MAX_BODY: usize = 1 << 20;

const LOOK_AT_THE_NETWORK: &str = "check the network, the proxy and the endpoint's host name, then try again";
const LOOK_AT_THIS_MACHINE: &str =
    "see whether the emulator or server on this machine still runs, and listens on this port; then try again";

/// Whether an operation can be repeated when it is not known whether it was carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Reading, deleting, replacing, asking for a credential: the same outcome however often.
    Safely,
    /// Creating: tried again only when nothing can have been sent.
    OnlyIfUnsent,
}

/// One request, made anew for each try so that signatures and dates are fresh.
pub(crate) struct Outgoing {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Bytes>,
}

/// The way to a platform. Cheap to clone; clones share connections.
#[derive(Clone)]
pub(crate) struct Transport {
    http: reqwest::Client,
    retry: RetryPolicy,
    /// Shared by the clones: they ask the same platform.
    budget: Arc<RetryBudget>,
    clock: Arc<dyn Clock>,
}

impl Transport {
    pub(crate) fn new(options: &HttpOptions, clock: Arc<dyn Clock>) -> Result<Self, BuildError> {
        options.retry.check()?;
        let http = options.client()?;
        Ok(Self { http, retry: options.retry, budget: Arc::default(), clock })
    }

    /// Waits for a part of a call, no longer than the whole call may take, which began then.
    #[cfg(any(feature = "agentbase", feature = "agentkit", feature = "agent-identity", feature = "idaas"))]
    pub(crate) async fn within<T>(
        &self,
        operation: &str,
        begun: Moment,
        part: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        tokio::time::timeout(self.left(begun), part).await.map_err(|_| self.overdue(operation))?
    }

    fn left(&self, begun: Moment) -> Duration {
        self.retry.deadline.saturating_sub(self.clock.now().since(&begun))
    }

    fn overdue(&self, operation: &str) -> Error {
        Error::new(
            ErrorKind::Timeout,
            format!("{operation}: no answer within {:?}, all tries together", self.retry.deadline),
        )
        .with_hint("the platform is slow or out of reach; try again, or give a longer deadline in `HttpOptions`")
    }

    /// Sends a request until it is answered, cannot be repeated, or the deadline is over, which began with the call that it is
    /// a part of. `prepare` makes each try anew, so that signatures and dates are fresh.
    ///
    /// An answer of any status is a success here; the platform reads it.
    pub(crate) async fn send(
        &self,
        operation: &'static str,
        repeat: Repeat,
        begun: Moment,
        prepare: impl Fn() -> Result<Outgoing, Error>,
    ) -> Result<Answer, Error> {
        self.send_unless(operation, repeat, begun, prepare, |_| false).await
    }

    /// Like [`send`](Self::send), but an answer that `settled` recognises is never asked for again, whatever its status.
    pub(crate) async fn send_unless(
        &self,
        operation: &'static str,
        repeat: Repeat,
        begun: Moment,
        prepare: impl Fn() -> Result<Outgoing, Error>,
        settled: fn(&Answer) -> bool,
    ) -> Result<Answer, Error> {
        let left = self.left(begun);
        let count = AtomicU32::new(0);
        let attempt = || {
            let outgoing = prepare();
            // Not among the span's fields, which are not evaluated while nobody listens.
            let attempt = count.fetch_add(1, Ordering::Relaxed) + 1;
            let span = tracing::debug_span!("identity_client.http", operation, attempt, status = tracing::field::Empty);
            async move {
                let answer = self.attempt(outgoing.map_err(Tried::refused)?, attempt).await?;
                tracing::Span::current().record("status", answer.status);
                if answer.may_pass() && !settled(&answer) { Err(Tried::Answered(answer)) } else { Ok(answer) }
            }
            .instrument(span)
        };
        let tries = attempt
            .retry(self.retry.counter())
            .sleep(tokio::time::sleep)
            .when(|tried| tried.may_repeat(repeat))
            .adjust(|last, _| {
                let elapsed = self.clock.now().since(&begun);
                let tried = count.load(Ordering::Relaxed);
                let delay = self.retry.delay(tried, elapsed, last.retry_after(), fastrand::f64())?;
                if !self.budget.pay() {
                    tracing::warn!(operation, "not tried again: too many requests have failed lately");
                    return None;
                }
                tracing::debug!(operation, delay_ms = delay.as_secs_f64() * 1e3, "trying again");
                Some(delay)
            });
        match tokio::time::timeout(left, tries).await {
            Ok(Ok(answer)) => {
                self.budget.refund();
                Ok(answer)
            }
            Ok(Err(Tried::Answered(answer))) => Ok(answer),
            Ok(Err(Tried::Failed { error, .. })) => Err(error),
            Err(_) => Err(self.overdue(operation)),
        }
    }

    async fn attempt(&self, outgoing: Outgoing, tries: u32) -> Result<Answer, Tried> {
        let host = outgoing.url[url::Position::BeforeHost..url::Position::AfterPort].to_owned();
        let mut request = reqwest::Request::new(outgoing.method, outgoing.url);
        *request.headers_mut() = outgoing.headers;
        *request.body_mut() = outgoing.body.map(Into::into);
        let mut response = self.http.execute(request).await.map_err(|error| Tried::of(error, &host))?;
        let status = response.status().as_u16();
        let headers = std::mem::take(response.headers_mut());
        let mut body = Zeroizing::new(Vec::new());
        while let Some(chunk) = response.chunk().await.map_err(|error| Tried::of(error, &host))? {
            if body.len() + chunk.len() > MAX_BODY {
                return Err(Tried::Failed {
                    error: Error::protocol(format!("the answer of {host} is larger than {MAX_BODY} bytes")),
                    unsent: false,
                    passing: false,
                });
            }
            body.extend_from_slice(&chunk);
        }
        if is_cut_short(status, &headers, body.len()) {
            return Err(Tried::cut_short(&host));
        }
        Ok(Answer { status, headers, body, tries, received: self.clock.now().wall })
    }
}

/// Whether fewer bytes came than the head promised (RFC 9113 section 8.1.1). Over HTTP/2 a stream that the server resets
/// without an error ends the body as if it were whole. With 204 and 304 a length promises nothing: they have no body (RFC 9110
/// section 6.4.1).
fn is_cut_short(status: u16, headers: &HeaderMap, received: usize) -> bool {
    if matches!(status, 204 | 304) {
        return false;
    }
    let promised = headers.get(http::header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    promised.is_some_and(|promised| promised > received as u64)
}

/// Why a try did not settle the matter.
enum Tried {
    /// By an answer that may be another one next time.
    Answered(Answer),
    /// Without an answer.
    Failed {
        error: Error,
        /// Nothing can have reached the platform.
        unsent: bool,
        /// Trying again may help.
        passing: bool,
    },
}

impl Tried {
    fn refused(error: Error) -> Self {
        Self::Failed { error, unsent: true, passing: false }
    }

    fn cut_short(host: &str) -> Self {
        let error = Error::new(ErrorKind::Transport, format!("the answer of {host} ended before its Content-Length"))
            .with_hint(LOOK_AT_THE_NETWORK);
        Self::Failed { error, unsent: false, passing: true }
    }

    fn of(error: reqwest::Error, host: &str) -> Self {
        let unsent = error.is_connect();
        let (kind, message) = if error.is_timeout() {
            (ErrorKind::Timeout, format!("{host} did not answer in time"))
        } else if unsent {
            (ErrorKind::Transport, format!("{host} could not be reached"))
        } else {
            (ErrorKind::Transport, format!("the connection to {host} broke"))
        };
        // reqwest's own error prints the URL, and those in between can quote what the peer sent: the innermost names the cause.
        let cause = innermost(&error.without_url());
        let name = host.rsplit_once(':').map_or(host, |(name, _port)| name);
        let hint = if unsent && is_loopback_host(name) { LOOK_AT_THIS_MACHINE } else { LOOK_AT_THE_NETWORK };
        let error = Error::new(kind, message).with_source(cause).with_hint(hint);
        Self::Failed { error, unsent, passing: true }
    }

    fn may_repeat(&self, repeat: Repeat) -> bool {
        match self {
            Self::Answered(_) => repeat == Repeat::Safely,
            Self::Failed { unsent, passing, .. } => *passing && (*unsent || repeat == Repeat::Safely),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Answered(answer) => answer.retry_after(),
            Self::Failed { .. } => None,
        }
    }
}

/// The text of the innermost cause: an I/O or TLS error.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn StdError = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").field("retry", &self.retry).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(all(feature = "rustls-no-provider", not(any(feature = "rustls-tls", feature = "native-tls"))))]
    #[test]
    fn without_a_crypto_provider_it_is_an_error_and_not_a_panic() {
        let error = Transport::new(&HttpOptions::new(), Arc::new(crate::SystemClock)).unwrap_err();
        assert!(error.is_missing(), "{error}");
    }

    #[cfg(feature = "agentbase")]
    #[tokio::test(start_paused = true)]
    async fn std_http_01_a_part_of_a_call_has_what_is_left_of_its_deadline() {
        #[derive(Debug)]
        struct Still(Moment);
        impl Clock for Still {
            fn now(&self) -> Moment {
                self.0
            }
        }
        let (begun, late) = (crate::SystemClock.now(), Duration::from_secs(29));
        let now = Moment { wall: begun.wall + late, steady: begun.steady + late };
        let transport = Transport::new(&HttpOptions::new(), Arc::new(Still(now))).unwrap();
        // Takes connections and says nothing.
        let silent = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = Url::parse(&format!("http://{}", silent.local_addr().unwrap())).unwrap();
        let prepare = || Ok(Outgoing { method: Method::GET, url: url.clone(), headers: HeaderMap::new(), body: None });
        let started = tokio::time::Instant::now();
        let waited = transport.within("a part", begun, std::future::pending::<Result<(), Error>>()).await;
        assert_eq!(waited.unwrap_err().kind(), ErrorKind::Timeout);
        assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
        let started = tokio::time::Instant::now();
        let sent = transport.send("a request", Repeat::Safely, begun, prepare).await;
        assert_eq!(sent.unwrap_err().kind(), ErrorKind::Timeout);
        assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    }

    #[test]
    fn an_answer_shorter_than_its_length_is_cut_short() {
        let with = |length: &str| HeaderMap::from_iter([(http::header::CONTENT_LENGTH, length.parse().unwrap())]);
        assert!(is_cut_short(200, &with("5000"), 0));
        assert!(is_cut_short(503, &with("5000"), 4999));
        assert!(!is_cut_short(200, &with("5000"), 5000));
        assert!(!is_cut_short(200, &with("soon"), 1));
        assert!(!is_cut_short(200, &HeaderMap::new(), 0));
        assert!(!is_cut_short(204, &with("5000"), 0));
        assert!(!is_cut_short(304, &with("5000"), 0));
    }
}
