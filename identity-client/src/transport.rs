//! HTTP to a platform: one client, its TLS, redirect, size and time rules, and the loop of tries around a request.

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
use http::{HeaderMap, HeaderValue, Method};
use identity_grammar::is_loopback_host;
#[cfg(any(test, feature = "agentbase", feature = "idaas"))]
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tracing::Instrument as _;
use url::Url;
use zeroize::Zeroizing;

use crate::{
    clock::{Clock, Moment},
    error::{BuildError, Error, ErrorKind},
    retry::RetryPolicy,
    retry_budget::RetryBudget,
};

/// No answer of a platform is larger: a page of a hundred records is a few tens of KiB.
const MAX_BODY: usize = 1 << 20;

const LOOK_AT_THE_NETWORK: &str = "check the network, the proxy and the endpoint's host name, then try again";
const LOOK_AT_THIS_MACHINE: &str =
    "see whether the emulator or server on this machine still runs, and listens on this port; then try again";

/// How a platform is reached.
#[derive(Clone)]
#[non_exhaustive]
pub struct HttpOptions {
    connect_timeout: Duration,
    attempt_timeout: Duration,
    retry: RetryPolicy,
    roots: Vec<Vec<u8>>,
    proxy: Option<String>,
    product: Option<String>,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            attempt_timeout: Duration::from_secs(15),
            retry: RetryPolicy::default(),
            roots: Vec::new(),
            proxy: None,
            product: None,
        }
    }
}

impl HttpOptions {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// For connecting, TLS included. Default: 5 s.
    #[must_use]
    pub fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// For one try, from connecting to the end of the body. Default: 15 s.
    #[must_use]
    pub fn with_attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = timeout;
        self
    }

    /// How often and how long is tried. Default: 3 tries, 30 s in all.
    #[must_use]
    pub fn with_retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }

    /// Trusts only the certificates given with this method, instead of those of the operating system. One PEM certificate
    /// each time.
    #[must_use]
    pub fn with_root_certificate_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.roots.push(pem.into());
        self
    }

    /// Goes through this HTTP proxy. Default: none, whatever the environment says: a variable must not decide where
    /// credentials travel.
    #[must_use]
    pub fn with_proxy(mut self, url: impl Into<String>) -> Self {
        self.proxy = Some(url.into());
        self
    }

    /// What the agent calls itself in `User-Agent`, for example `my-agent/1.2`.
    #[must_use]
    pub fn with_product(mut self, product: impl Into<String>) -> Self {
        self.product = Some(product.into());
        self
    }
}

impl fmt::Debug for HttpOptions {
    /// A proxy URL can hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpOptions")
            .field("connect_timeout", &self.connect_timeout)
            .field("attempt_timeout", &self.attempt_timeout)
            .field("retry", &self.retry)
            .field("roots", &self.roots.len())
            .field("proxy", &self.proxy.is_some())
            .finish_non_exhaustive()
    }
}

/// The base of a platform's URLs: https, or http on loopback.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Endpoint(Url);

/// Everything that is not unreserved is encoded, so a segment can never leave its place.
#[cfg(any(test, feature = "agentbase", feature = "idaas"))]
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

impl Endpoint {
    /// `what` names the setting in errors.
    pub(crate) fn parse(text: &str, what: &str) -> Result<Self, BuildError> {
        let broken = |problem: &str| {
            BuildError::broken(
                format!("{what} {problem}"),
                "give an absolute https URL (http only on loopback) without user information, query and fragment",
            )
        };
        let url = Url::parse(text.trim()).map_err(|_| broken("is not a URL"))?;
        let host = url.host_str().ok_or_else(|| broken("has no host"))?;
        match url.scheme() {
            "https" => {}
            "http" if is_loopback_host(host) => {}
            "http" => return Err(broken("is plain http to another machine, which would send credentials unencrypted")),
            _ => return Err(broken("is not an https URL")),
        }
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
            return Err(broken("has user information, a query or a fragment"));
        }
        Ok(Self(url))
    }

    /// The URL without a slash at its end.
    pub(crate) fn as_str(&self) -> &str {
        self.0.as_str().trim_end_matches('/')
    }

    pub(crate) fn url(&self) -> &Url {
        &self.0
    }

    pub(crate) fn is_loopback(&self) -> bool {
        self.0.host_str().is_some_and(is_loopback_host)
    }

    /// The URL of a path below it; each segment is encoded whole.
    #[cfg(any(test, feature = "agentbase", feature = "idaas"))]
    pub(crate) fn at(&self, segments: &[&str]) -> Result<Url, Error> {
        let mut text = self.as_str().to_owned();
        for segment in segments {
            if matches!(*segment, "" | "." | "..") {
                return Err(Error::invalid("a name in the path is empty or made of dots"));
            }
            text.push('/');
            text.extend(utf8_percent_encode(segment, SEGMENT));
        }
        Url::parse(&text).map_err(|_| Error::invalid("the request's URL cannot be built"))
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

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

/// An answer, whatever its status.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// May hold a credential, so it is wiped when dropped.
    pub(crate) body: Zeroizing<Vec<u8>>,
    received: std::time::SystemTime,
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

    fn may_pass(&self) -> bool {
        matches!(self.status, 408 | 429 | 500 | 502 | 503 | 504) || (!self.is_success() && self.is_throttled())
    }

    #[cfg(all(test, feature = "agent-identity"))]
    pub(crate) fn of(status: u16, body: &[u8]) -> Self {
        let received = std::time::SystemTime::UNIX_EPOCH;
        Self { status, headers: HeaderMap::new(), body: Zeroizing::new(body.to_vec()), received }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("status", &self.status).field("length", &self.body.len()).finish_non_exhaustive()
    }
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
        let broken = |what: &str| BuildError::broken(what.to_owned(), "see `HttpOptions`");
        let product = options.product.as_deref().map_or_else(String::new, |product| format!(" {product}"));
        let user_agent = HeaderValue::try_from(format!("identity-client/{}{product}", env!("CARGO_PKG_VERSION")))
            .map_err(|_| broken("the product name cannot stand in a User-Agent header"))?;
        #[cfg(all(feature = "rustls-no-provider", not(any(feature = "rustls-tls", feature = "native-tls"))))]
        check_provider()?;
        #[expect(clippy::disallowed_methods, reason = "the one place that builds the client")]
        let mut builder = reqwest::Client::builder()
            .user_agent(user_agent)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy()
            .connect_timeout(options.connect_timeout)
            .timeout(options.attempt_timeout)
            .pool_idle_timeout(Duration::from_secs(60));
        if let Some(proxy) = &options.proxy {
            let proxy = reqwest::Proxy::all(proxy).map_err(|_| broken("the proxy is not a URL"))?;
            builder = builder.proxy(proxy);
        }
        builder = trust(builder, &options.roots)?;
        let http = builder.build().map_err(|error| {
            BuildError::broken("the HTTP client cannot be built", "see its cause: mostly TLS roots that cannot be read")
                .with_source(error.without_url())
        })?;
        Ok(Self { http, retry: options.retry, budget: Arc::default(), clock })
    }

    /// How long a call may take, whatever it is made of.
    pub(crate) fn deadline(&self) -> Duration {
        self.retry.deadline
    }

    /// That a call has taken longer than [`deadline`](Self::deadline).
    pub(crate) fn overdue(&self, operation: &str) -> Error {
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
        let left = self.retry.deadline.saturating_sub(self.clock.now().since(&begun));
        let count = AtomicU32::new(0);
        let attempt = || {
            let outgoing = prepare();
            // Not among the span's fields, which are not evaluated while nobody listens.
            let attempt = count.fetch_add(1, Ordering::Relaxed) + 1;
            let span = tracing::debug_span!("identity_client.http", operation, attempt, status = tracing::field::Empty);
            async move {
                let answer = self.attempt(outgoing.map_err(Tried::refused)?).await?;
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

    async fn attempt(&self, outgoing: Outgoing) -> Result<Answer, Tried> {
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
        Ok(Answer { status, headers, body, received: self.clock.now().wall })
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

/// reqwest would panic instead.
#[cfg(all(feature = "rustls-no-provider", not(any(feature = "rustls-tls", feature = "native-tls"))))]
fn check_provider() -> Result<(), BuildError> {
    if rustls::crypto::CryptoProvider::get_default().is_some() {
        return Ok(());
    }
    Err(BuildError::missing(
        "no TLS crypto provider is installed in this process",
        "install one before the client is built, for example `rustls::crypto::ring::default_provider().install_default()`, or use the feature `rustls-tls`",
    ))
}

#[cfg(any(feature = "rustls-tls", feature = "rustls-no-provider", feature = "native-tls"))]
fn trust(builder: reqwest::ClientBuilder, roots: &[Vec<u8>]) -> Result<reqwest::ClientBuilder, BuildError> {
    if roots.is_empty() {
        return Ok(builder);
    }
    let certificates =
        roots.iter().map(|pem| reqwest::Certificate::from_pem(pem)).collect::<Result<Vec<_>, _>>().map_err(|_| {
            BuildError::broken(
                "a root certificate is not PEM",
                "give the text from -----BEGIN CERTIFICATE----- to its end",
            )
        })?;
    Ok(builder.tls_certs_only(certificates))
}

#[cfg(not(any(feature = "rustls-tls", feature = "rustls-no-provider", feature = "native-tls")))]
fn trust(builder: reqwest::ClientBuilder, roots: &[Vec<u8>]) -> Result<reqwest::ClientBuilder, BuildError> {
    if roots.is_empty() {
        return Ok(builder);
    }
    Err(BuildError::broken(
        "root certificates were given, but no TLS is compiled in",
        "enable the feature `rustls-tls`",
    ))
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

    #[test]
    fn an_endpoint_is_https_or_on_loopback() {
        for good in [
            "https://agentbase.example.com/identity",
            "http://127.0.0.1:1/identity/",
            "http://localhost:8080",
            "http://[::1]:1",
        ] {
            Endpoint::parse(good, "the endpoint").unwrap();
        }
        for bad in [
            "",
            "agentbase.example.com",
            "http://agentbase.example.com/",
            "ftp://x/",
            "https://u:secret@h/",
            "https://h/?secret=1",
            "https://h/#x",
        ] {
            let error = Endpoint::parse(bad, "the endpoint").unwrap_err();
            assert!(error.is_broken());
            assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
        }
    }

    #[test]
    fn w12_a_path_segment_cannot_leave_its_place() {
        let endpoint = Endpoint::parse("https://h.example.com/identity/", "x").unwrap();
        for (segment, encoded) in
            [("../x", "..%2Fx"), ("a?b#c", "a%3Fb%23c"), ("a b", "a%20b"), ("{name}", "%7Bname%7D"), ("%2e", "%252e")]
        {
            let url = endpoint.at(&["api", segment]).unwrap();
            assert_eq!(url.as_str(), format!("https://h.example.com/identity/api/{encoded}"));
        }
        for bad in ["", ".", ".."] {
            endpoint.at(&[bad]).unwrap_err();
        }
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

    #[test]
    fn retry_after_is_read_in_both_forms() {
        let answer = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(http::header::RETRY_AFTER, HeaderValue::try_from(text).unwrap());
            let received = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
            Answer { status: 503, headers, body: Zeroizing::new(Vec::new()), received }.retry_after()
        };
        assert_eq!(answer("7"), Some(Duration::from_secs(7)));
        assert_eq!(answer("Sun, 06 Nov 1994 08:49:50 GMT"), Some(Duration::from_secs(13)));
        assert_eq!(answer("Sun, 06 Nov 1994 08:00:00 GMT"), Some(Duration::ZERO));
        for bad in ["", "-1", "soon", "1.5"] {
            assert_eq!(answer(bad), None, "{bad}");
        }
    }
}
