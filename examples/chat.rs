//! The front end of `login_app`: a small chat page for signed-in users, and the way of their questions to the agent.
//!
//! The browser never holds the access token: it talks to this application alone, which calls the agent on the user's behalf.

use std::{future::Future, io, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::Body,
    extract::{DefaultBodyLimit, State},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use futures_util::stream;
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS},
};
use identity_client::{AccessToken, ErrorKind, login::AgentTarget};
use identity_runtime::{LoginClient, LoginSession};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::net::TcpListener;
use url::Url;

const PAGE: &str = include_str!("chat/page.html");
const SCRIPT: &str = include_str!("chat/chat.js");
const STYLE: &str = include_str!("chat/chat.css");
const LONGEST_QUESTION: usize = 16 * 1024;
const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");

/// A front end: where users sign in, and the agent that they talk to.
#[derive(Debug, Clone)]
pub struct Chat(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    login: LoginClient,
    agent: AgentTarget,
    http: reqwest::Client,
    policy: HeaderValue,
}

/// What the page sends.
#[derive(Debug, Serialize, Deserialize)]
struct Question {
    prompt: String,
}

impl Chat {
    /// A front end with this login for this agent.
    ///
    /// # Errors
    /// If the client of the agent cannot be built.
    #[expect(
        clippy::disallowed_methods,
        reason = "the front end's way to its agent: no redirects, no proxy of the environment"
    )]
    pub fn new(login: LoginClient, agent: AgentTarget) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(Duration::from_secs(5))
            .timeout(Duration::from_secs(300))
            .build()?;
        // The form that signs out ends at the issuer, and a browser asks the policy about that, too.
        let issuer = Url::parse(login.party().issuer())?.origin().ascii_serialization();
        let policy = format!(
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'self' {issuer}; \
             base-uri 'none'; frame-ancestors 'none'"
        );
        Ok(Self(Arc::new(Inner { login, agent, http, policy: HeaderValue::from_str(&policy)? })))
    }

    /// Serves it until the signal.
    ///
    /// # Errors
    /// What the listener fails with.
    pub async fn serve(
        self,
        listener: TcpListener,
        signal: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        let login = self.0.login.clone();
        let routes = Router::new()
            .route("/", get(page))
            .route("/ask", post(ask).layer(DefaultBodyLimit::max(LONGEST_QUESTION)))
            .route("/chat.js", get(async || ([(CONTENT_TYPE, "text/javascript; charset=utf-8")], SCRIPT)))
            .route("/chat.css", get(async || ([(CONTENT_TYPE, "text/css; charset=utf-8")], STYLE)))
            .with_state(self)
            .merge(login.router())
            .layer(login.layer());
        axum::serve(listener, routes).with_graceful_shutdown(signal).await
    }
}

/// Nobody sees it who is not signed in: the extractor sends them to sign in.
async fn page(State(chat): State<Chat>, session: LoginSession) -> Response {
    let html = PAGE
        .replace("{csrf}", &escaped(session.csrf_token()))
        .replace("{agent}", &escaped(chat.0.agent.name().unwrap_or("the agent")))
        .replace("{user}", &escaped(session.name().unwrap_or(session.user().id())));
    let mut response = ([(CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, chat.0.policy.clone());
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Passes a question on with the user's access token, and the agent's events back as they come.
async fn ask(
    State(chat): State<Chat>,
    session: LoginSession,
    headers: HeaderMap,
    Json(question): Json<Question>,
) -> Response {
    let token = headers.get("x-csrf-token").and_then(|value| value.to_str().ok());
    if !token.is_some_and(|token| session.has_csrf_token(token)) {
        return refused(StatusCode::FORBIDDEN, "This page is out of date. Load it again.");
    }
    let answer = match asked(&chat, &session, &question).await {
        Ok(answer) => answer,
        Err(refusal) => return refusal,
    };
    let is_events = answer.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == EVENTS);
    if answer.status() != StatusCode::OK || !is_events {
        return refused(StatusCode::BAD_GATEWAY, "The agent cannot answer just now. Try again in a moment.");
    }
    let pieces = stream::try_unfold(answer, async |mut answer| {
        let piece = answer.chunk().await.map_err(reqwest::Error::without_url)?;
        Ok::<_, reqwest::Error>(piece.map(|piece| (piece, answer)))
    });
    let headers = [(CONTENT_TYPE, EVENTS), (CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    (headers, Body::from_stream(pieces)).into_response()
}

async fn asked(chat: &Chat, session: &LoginSession, question: &Question) -> Result<reqwest::Response, Response> {
    let over = |kind: ErrorKind| match kind {
        ErrorKind::AuthorizationExpired => refused(StatusCode::UNAUTHORIZED, "Your session is over. Sign in again."),
        _ => refused(StatusCode::BAD_GATEWAY, "You cannot be shown to the agent just now. Try again in a moment."),
    };
    let token = session.access_token().await.map_err(|error| over(error.kind()))?;
    let answer = send(chat, &token, question).await?;
    if answer.status() != StatusCode::UNAUTHORIZED {
        return Ok(answer);
    }
    // Once more: the issuer may have ended the token before its time.
    let token = session.access_token_after(&token).await.map_err(|error| over(error.kind()))?;
    send(chat, &token, question).await
}

async fn send(chat: &Chat, token: &AccessToken, question: &Question) -> Result<reqwest::Response, Response> {
    let unreachable =
        || refused(StatusCode::BAD_GATEWAY, "The agent cannot be reached just now. Try again in a moment.");
    let request = chat.0.http.post(chat.0.agent.invocations()).header(ACCEPT, EVENTS).json(question);
    let mut request = request.build().map_err(|_| unreachable())?;
    token.apply(&mut request).map_err(|_| unreachable())?;
    chat.0.http.execute(request).await.map_err(|_| unreachable())
}

fn refused(status: StatusCode, text: &str) -> Response {
    (status, Json(json!({ "error": text }))).into_response()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}
