//! The odd server, what each of its answers must come to, and a client that is sent there.

use std::{
    fmt::Write as _,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use identity_client::{
    Error,
    ErrorKind::{self, Protocol, RateLimited, Timeout, Transport, Unauthenticated, Unavailable},
    HttpOptions, IdentityClient, RetryPolicy, SecretString,
    agentbase::AgentBase,
};
use identity_tests::{AGENT, Anything};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

use crate::node::{Node, http};

pub(crate) const CLIENT_ID: &str = "service-account-of-the-tests";
pub(crate) const CLIENT_SECRET: &str = "hunter2-client-secret";
/// `CLIENT_ID:CLIENT_SECRET` in base64, as Basic has it.
pub(crate) const BASIC: &str = "c2VydmljZS1hY2NvdW50LW9mLXRoZS10ZXN0czpodW50ZXIyLWNsaWVudC1zZWNyZXQ=";
/// What the odd server calls its token and its key, and the token of our own IAM.
pub(crate) const SECRETS: [&str; 6] = [CLIENT_SECRET, BASIC, "tok-weird", "key-weird", "iam-token-of-ours", "POISON"];
/// For one operation, its tries together.
pub(crate) const DEADLINE: Duration = Duration::from_secs(3);
/// What a loaded machine may need besides.
pub(crate) const SLACK: Duration = Duration::from_secs(2);

/// What an answer must come to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Outcome {
    /// The token or the key that is in it.
    Credential,
    /// One of these.
    Fails(&'static [ErrorKind]),
}

use Outcome::{Credential, Fails};

/// What the answer `name` comes to as that of IAM's token endpoint. `None`: it is not in the table.
pub(crate) fn as_token(name: &str) -> Option<Outcome> {
    Some(match name {
        // RFC 6749 leaves out what is not there; a lifetime that is none is assumed to be short.
        "token-type-lower" | "token-type-missing" | "expires-string" | "expires-float" | "expires-negative"
        | "expires-zero" | "expires-huge" | "expires-null" | "expires-missing" => Credential,
        "token-type-mac" | "token-empty" | "token-crlf" => Fails(&[Protocol]),
        _ => return common(name),
    })
}

/// The same as the answer for an API key.
pub(crate) fn as_key(name: &str) -> Option<Outcome> {
    Some(match name {
        // Good bodies but for their lifetime and type, which a key does not have.
        "token-type-lower" | "token-type-mac" | "expires-string" | "expires-float" | "expires-negative"
        | "expires-zero" | "expires-huge" | "expires-null" => Credential,
        // No key in them.
        "token-type-missing" | "token-empty" | "token-crlf" | "expires-missing" => Fails(&[Protocol]),
        _ => return common(name),
    })
}

fn common(name: &str) -> Option<Outcome> {
    Some(match name {
        // Of a length and chunks the chunks count (RFC 9112 section 6.3). `gzip-lie` is not gzip, and no encoding was asked for, so none is undone.
        "ok" | "chunk-one-byte" | "length-and-chunked" | "gzip-lie" | "bare-lf" | "early-hints" | "continue-flood"
        | "extra-bytes" | "close-idle" | "wrong-type" | "no-type" | "fail-twice-then-ok" => Credential,
        "close-before-answer"
        | "reset-before-answer"
        | "reset-mid-body"
        | "short-body"
        | "chunk-cut"
        | "no-status-line"
        | "bad-status"
        | "http09"
        | "smtp-banner"
        | "two-lengths"
        | "negative-length"
        | "obs-fold"
        | "huge-length"
        | "bad-chunk"
        | "many-headers"
        | "huge-header"
        | "header-injection-nul" => Fails(&[Transport]),
        "stall-headers" | "stall-body" | "drip" | "drip-headers" => Fails(&[Timeout]),
        "endless-body"
        | "gzip-bomb"
        | "switching"
        | "no-content-with-body"
        | "redirect-loop"
        | "redirect-other-host"
        | "redirect-file"
        | "redirect-308-post"
        | "html-200"
        | "empty-200"
        | "json-null"
        | "json-array"
        | "json-cut"
        | "json-twice"
        | "json-bom"
        | "json-latin1"
        | "json-deep"
        | "error-in-200"
        | "form-body" => Fails(&[Protocol]),
        "error-400" | "error-echo-secret" => Fails(&[Protocol, ErrorKind::InvalidRequest]),
        "error-401-basic" => Fails(&[Unauthenticated]),
        "retry-after-seconds" => Fails(&[RateLimited]),
        "error-500-html" | "retry-after-date" | "retry-after-huge" | "retry-after-garbage" => Fails(&[Unavailable]),
        _ => return None,
    })
}

/// The same over HTTP/2, whoever answers.
pub(crate) fn over_http2(name: &str) -> Option<Outcome> {
    Some(match name {
        "ok" | "goaway-then-answer" | "trailers-error" | "ping-flood" | "settings-churn" | "zero-streams" => Credential,
        "rst-before-answer" | "rst-refused" | "destroy-session" | "length-lie" | "length-lie-reset" => {
            Fails(&[Transport])
        }
        // hyper takes a body that is reset without an error for one that has ended; half an object is none.
        "rst-mid-body" => Fails(&[Protocol, Transport]),
        // The server does not say that it drops the request that it has, so an answer may still come.
        "stall" | "goaway-before-answer" | "enhance-your-calm" => Fails(&[Timeout]),
        _ => return None,
    })
}

/// The running odd server.
pub(crate) struct Odd {
    pub(crate) node: Node,
}

impl Odd {
    pub(crate) async fn start(arguments: &[&str]) -> Result<Self, Anything> {
        Ok(Self { node: Node::start("weird-http.mjs", arguments).await? })
    }

    pub(crate) fn url(&self, name: &str) -> Result<String, Anything> {
        Ok(format!("http://127.0.0.1:{}/{name}", self.node.port("port")?))
    }

    pub(crate) async fn counts(&self) -> Result<Value, Anything> {
        Ok(http().get(self.url("_counts")?).send().await?.json().await?)
    }
}

/// How often a name was asked, by the server's own count.
pub(crate) fn count(counts: &Value, name: &str) -> u64 {
    counts[name].as_u64().unwrap_or(0)
}

/// Short times, and as many tries as usual.
pub(crate) fn options() -> HttpOptions {
    let retry = RetryPolicy::new()
        .with_base(Duration::from_millis(5))
        .with_cap(Duration::from_millis(50))
        .with_deadline(DEADLINE);
    HttpOptions::new().with_attempt_timeout(Duration::from_secs(1)).with_retry(retry)
}

/// A client of these endpoints that keeps no credential.
pub(crate) fn client(identity: &str, iam: &str, options: HttpOptions) -> Result<(AgentBase, IdentityClient), Anything> {
    let agentbase = AgentBase::builder()
        .with_client_credentials(CLIENT_ID, SecretString::from(CLIENT_SECRET))
        .with_agent_identity(AGENT)
        .with_identity_endpoint(identity)
        .with_iam_token_endpoint(iam)
        .with_http(options)
        .build()?;
    let client = IdentityClient::builder().with_platform(agentbase.clone()).with_unknown_lifetime(Duration::ZERO);
    Ok((agentbase, client.build()?))
}

/// No way to print an error prints a secret.
pub(crate) fn prints_no_secret(name: &str, error: &Error) {
    let mut text = format!("{error:?} {error:#?}");
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        let _ = write!(text, "\n{error} {error:?}");
        cause = error.source();
    }
    for secret in SECRETS {
        assert!(!text.contains(secret), "{name} prints {secret}: {text}");
    }
}

/// Both endpoints, well behaved, and it remembers the bearers that it was given.
pub(crate) struct Good {
    pub(crate) origin: String,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    bearers: Vec<String>,
    refuse_next: bool,
}

impl Good {
    pub(crate) async fn start() -> Result<Self, Anything> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let origin = format!("http://{}", listener.local_addr()?);
        let state = Arc::new(Mutex::new(State::default()));
        let remembered = Arc::clone(&state);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(answer(stream, Arc::clone(&remembered)));
            }
        });
        Ok(Self { origin, state, task })
    }

    /// The next request for a key is answered with 401.
    pub(crate) fn refuse_next(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).refuse_next = true;
    }

    pub(crate) fn bearers(&self) -> Vec<String> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).bearers.clone()
    }
}

impl Drop for Good {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One request a connection. Its body is read last: none decides the answer.
async fn answer(mut stream: TcpStream, state: Arc<Mutex<State>>) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if stream.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let head = String::from_utf8_lossy(&head);
    let (status, body) = if head.starts_with("POST /token ") {
        ("200 OK", r#"{"access_token":"iam-token-of-ours","token_type":"Bearer","expires_in":300}"#)
    } else {
        let bearer = head.lines().find_map(|line| line.strip_prefix("authorization: Bearer ")).unwrap_or_default();
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        state.bearers.push(bearer.to_owned());
        if std::mem::take(&mut state.refuse_next) {
            ("401 Unauthorized", "{}")
        } else {
            ("200 OK", r#"{"apikey":"key-of-ours"}"#)
        }
    };
    let length = body.len();
    let text = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    );
    stream.write_all(text.as_bytes()).await?;
    stream.shutdown().await?;
    tokio::io::copy(&mut stream, &mut tokio::io::sink()).await.map(drop)
}
