//! What clients sent, for tests that compare it with recorded traffic.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, Method, Uri};

/// How many requests are kept; older ones are dropped.
const CAPACITY: usize = 1_000;

/// One request as it arrived.
///
/// Header values other than `accept` and `content-type` are not kept; of `authorization` only the scheme is (`"Bearer"`).
/// Query values and the body may hold a secret: `Debug` shows their names and size only.
#[derive(Clone)]
#[non_exhaustive]
pub struct RecordedRequest {
    /// The operation, by the name that [`Counters`](crate::Counters) uses.
    pub operation: &'static str,
    /// The HTTP method.
    pub method: Method,
    /// The path, as sent (percent-encoding untouched).
    pub path: String,
    /// The query, decoded, in the order sent.
    pub query: Vec<(String, String)>,
    /// Header names in lower case. The value is kept for `accept` and `content-type`, for `authorization` it is the scheme, else empty.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: RecordedBody,
}

impl RecordedRequest {
    pub(crate) fn new(operation: &'static str, method: &Method, uri: &Uri, headers: &HeaderMap, body: Bytes) -> Self {
        let query = uri.query().unwrap_or_default();
        Self {
            operation,
            method: method.clone(),
            path: uri.path().to_owned(),
            query: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
            headers: headers.iter().map(|(name, value)| (name.as_str().to_owned(), kept(name, value))).collect(),
            body: RecordedBody(body),
        }
    }
}

fn kept(name: &http::HeaderName, value: &http::HeaderValue) -> String {
    let text = value.to_str().unwrap_or_default();
    if name == ACCEPT || name == CONTENT_TYPE {
        text.to_owned()
    } else if name == AUTHORIZATION {
        // A value without a scheme would be the secret itself.
        text.split_once(' ').map(|(scheme, _)| scheme.to_owned()).unwrap_or_default()
    } else {
        String::new()
    }
}

impl fmt::Debug for RecordedRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.query.iter().map(|(name, _)| name.as_str()).collect();
        formatter
            .debug_struct("RecordedRequest")
            .field("operation", &self.operation)
            .field("method", &self.method)
            .field("path", &self.path)
            .field("query", &names)
            .field("headers", &self.headers)
            .field("body", &self.body)
            .finish()
    }
}

/// A body as sent, secrets included, hence with a `Debug` that shows its length only.
#[derive(Clone)]
pub struct RecordedBody(Bytes);

impl RecordedBody {
    /// The bytes, secrets included.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The body as JSON, secrets included; `None` when it is none.
    pub fn expose_json(&self) -> Option<serde_json::Value> {
        serde_json::from_slice(&self.0).ok()
    }
}

impl fmt::Debug for RecordedBody {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "[{} bytes]", self.0.len())
    }
}

#[derive(Default)]
pub(crate) struct Recorder {
    requests: Mutex<VecDeque<RecordedRequest>>,
}

impl Recorder {
    pub(crate) fn record(&self, request: RecordedRequest) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        if requests.len() == CAPACITY {
            requests.pop_front();
        }
        requests.push_back(request);
    }

    pub(crate) fn requests(&self) -> Vec<RecordedRequest> {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn keeps_the_scheme_and_hides_the_rest() {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer hush-bearer"));
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        headers.insert("x-other", HeaderValue::from_static("hush-header"));
        let uri = Uri::from_static("/path?state=hush-state");
        let recorded = RecordedRequest::new(
            "unknown",
            &Method::POST,
            &uri,
            &headers,
            Bytes::from_static(b"{\"apikey\":\"hush-key\"}"),
        );
        assert_eq!(recorded.headers["authorization"], "Bearer");
        assert_eq!(recorded.headers["accept"], "*/*");
        assert_eq!(recorded.body.expose_json().unwrap()["apikey"], "hush-key");
        let shown = format!("{recorded:?}");
        assert!(!shown.contains("hush"), "{shown}");
    }

    #[test]
    fn a_bare_authorization_value_is_not_kept() {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_static("hush-bearer"));
        let recorded = RecordedRequest::new("unknown", &Method::GET, &Uri::from_static("/"), &headers, Bytes::new());
        assert_eq!(recorded.headers["authorization"], "");
    }

    #[test]
    fn is_bounded() {
        let recorder = Recorder::default();
        for _ in 0..=CAPACITY {
            let uri = Uri::from_static("/");
            recorder.record(RecordedRequest::new("unknown", &Method::GET, &uri, &HeaderMap::new(), Bytes::new()));
        }
        assert_eq!(recorder.requests().len(), CAPACITY);
    }
}
