//! A gateway before a server that does not look at tokens: it asks the issuer about the token of each request.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri, header},
    response::{IntoResponse as _, Response},
};
use identity_tests::Anything;
use tokio::net::TcpListener;

/// The running gateway. It ends with the runtime of its test.
pub(super) struct Gateway {
    url: String,
    state: Arc<Gate>,
}

struct Gate {
    upstream: String,
    userinfo: String,
    http: reqwest::Client,
    refused: AtomicUsize,
    ended: AtomicUsize,
    tokens: Mutex<Tokens>,
}

#[derive(Default)]
struct Tokens {
    accepted: HashSet<String>,
    last: Option<String>,
    taken_back: HashSet<String>,
}

impl Gateway {
    pub(super) async fn start(upstream: String, userinfo: String) -> Result<Self, Anything> {
        let http = without_redirects()?;
        let (refused, ended, tokens) = Default::default();
        let state = Arc::new(Gate { upstream, userinfo, http, refused, ended, tokens });
        let app = Router::new().fallback(pass).with_state(Arc::clone(&state));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/mcp", listener.local_addr()?);
        tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(Self { url, state })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// How many different tokens were good.
    pub(super) fn tokens(&self) -> usize {
        self.state.tokens().accepted.len()
    }

    /// How many requests were refused.
    pub(super) fn refused(&self) -> usize {
        self.state.refused.load(Ordering::Relaxed)
    }

    /// How many sessions the server has ended because it was told to.
    pub(super) fn ended(&self) -> usize {
        self.state.ended.load(Ordering::Relaxed)
    }

    pub(super) fn last_token(&self) -> Option<String> {
        self.state.tokens().last.clone()
    }

    pub(super) async fn refuses(&self, token: &str) -> Result<bool, Anything> {
        Ok(self.state.judge(token).await? == StatusCode::UNAUTHORIZED)
    }

    /// From now on the token that was used last is refused.
    pub(super) fn take_back_last_token(&self) {
        let mut tokens = self.state.tokens();
        let last = tokens.last.clone();
        tokens.taken_back.extend(last);
    }
}

impl Gate {
    fn tokens(&self) -> MutexGuard<'_, Tokens> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn judge(&self, token: &str) -> reqwest::Result<StatusCode> {
        if self.tokens().taken_back.contains(token) {
            return Ok(StatusCode::UNAUTHORIZED);
        }
        Ok(self.http.get(&self.userinfo).bearer_auth(token).send().await?.status())
    }

    async fn forward(
        &self,
        method: Method,
        uri: &Uri,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> reqwest::Result<Response> {
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        // The server behind has no business with the token, and the client below writes its own host and length.
        for own in [header::AUTHORIZATION, header::HOST, header::CONTENT_LENGTH] {
            headers.remove(own);
        }
        let request = self.http.request(method, format!("{}{path}", self.upstream)).headers(headers).body(body);
        let answer = request.send().await?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let mut response = Response::new(Body::from_stream(answer.bytes_stream()));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response.headers_mut().remove(header::TRANSFER_ENCODING);
        Ok(response)
    }
}

async fn pass(State(gate): State<Arc<Gate>>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let Some(token) = bearer.map(str::to_owned) else { return refuse(&gate) };
    match gate.judge(&token).await {
        Ok(StatusCode::OK) => {}
        Ok(StatusCode::UNAUTHORIZED) => return refuse(&gate),
        _ => return StatusCode::BAD_GATEWAY.into_response(),
    }
    {
        let mut tokens = gate.tokens();
        tokens.accepted.insert(token.clone());
        tokens.last = Some(token);
    }
    let is_end = method == Method::DELETE;
    let answer = gate.forward(method, &uri, headers, body).await;
    if is_end && answer.as_ref().is_ok_and(|answer| answer.status().is_success()) {
        gate.ended.fetch_add(1, Ordering::Relaxed);
    }
    answer.unwrap_or_else(|_| StatusCode::BAD_GATEWAY.into_response())
}

fn refuse(gate: &Gate) -> Response {
    gate.refused.fetch_add(1, Ordering::Relaxed);
    let challenge = "Bearer error=\"invalid_token\"";
    (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, challenge)]).into_response()
}

#[expect(clippy::disallowed_methods, reason = "a program's own client, with redirects off")]
pub(super) fn without_redirects() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build()
}
