//! The session of a request, for handlers.

use std::{
    fmt,
    task::{Context, Poll},
};

use axum::{
    Json,
    body::Body,
    extract::{FromRequestParts, OptionalFromRequestParts, OriginalUri},
    response::{IntoResponse, Response},
};
use futures_util::{FutureExt as _, future::BoxFuture};
use http::{
    HeaderMap, HeaderValue, Method, Request, StatusCode,
    header::{ACCEPT, CACHE_CONTROL},
    request::Parts,
};
use tower::{Layer, Service};

use super::{client::LoginClient, session::LoginSession};
use crate::return_url::page;

/// The layer of [`LoginClient::layer`].
#[derive(Debug, Clone)]
pub struct LoginLayer(LoginClient);

impl LoginLayer {
    pub(super) fn new(client: LoginClient) -> Self {
        Self(client)
    }
}

impl<S> Layer<S> for LoginLayer {
    type Service = LoginService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        LoginService { client: self.0.clone(), inner }
    }
}

/// The service of [`LoginLayer`].
#[derive(Clone)]
pub struct LoginService<S> {
    client: LoginClient,
    inner: S,
}

impl<S> fmt::Debug for LoginService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LoginService")
    }
}

/// That the layer was there, and whom it found.
#[derive(Clone)]
struct Found(Option<LoginSession>);

impl<S> Service<Request<Body>> for LoginService<S>
where
    S: Service<Request<Body>> + Clone + Send + 'static,
    S::Response: IntoResponse,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let client = self.client.clone();
        let cookies = cookies_of(request.headers());
        let session = client.session(&cookies);
        request.extensions_mut().insert(Found(session.clone()));
        let answer = self.inner.call(request);
        async move {
            let response = answer.await?.into_response();
            Ok(match session {
                Some(session) => up_to_date(&client, &session, &cookies, response),
                None => response,
            })
        }
        .boxed()
    }
}

/// The cookies alone, to be looked at again when the request is gone.
fn cookies_of(headers: &HeaderMap) -> HeaderMap {
    let cookies = headers.get_all(http::header::COOKIE).iter();
    cookies.map(|value| (http::header::COOKIE, value.clone())).collect()
}

/// Adds the cookies of what has changed since the request came, unless the handler has set the session's cookies itself.
fn up_to_date(client: &LoginClient, session: &LoginSession, cookies: &HeaderMap, response: Response) -> Response {
    if response.extensions().get::<Settled>().is_some() {
        return response;
    }
    let lines = if session.is_over() {
        client.0.names.remove_session(cookies)
    } else {
        let Some(newer) = session.newer() else { return response };
        let lines = client.0.session_cookies(&newer, cookies);
        if lines.is_none() {
            tracing::warn!("renewed tokens are too long for cookies; they are good as long as this process runs");
        }
        lines.unwrap_or_default()
    };
    let mut response = lines.iter().fold(response, |response, line| page::with_cookie(response, line));
    if !lines.is_empty() {
        // No cache may give this answer to somebody else.
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

/// Marks an answer that has set the session's cookies.
#[derive(Clone)]
pub(super) struct Settled;

/// The answer to a visitor who is not signed in: a page is sent to sign in and back, anything else gets 401 and JSON.
#[derive(Debug)]
pub struct NotSignedIn {
    login: Option<String>,
    misconfigured: bool,
}

impl IntoResponse for NotSignedIn {
    fn into_response(self) -> Response {
        if self.misconfigured {
            tracing::error!("a handler takes a `LoginSession`, but `LoginClient::layer` is not around it");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
        if let Some(login) = self.login {
            return page::redirect(&login);
        }
        let body = Json(serde_json::json!({ "error": "sign in first", "login": LoginClient::LOGIN_PATH }));
        (StatusCode::UNAUTHORIZED, [(CACHE_CONTROL, "no-store")], body).into_response()
    }
}

impl NotSignedIn {
    fn to(parts: &Parts) -> Self {
        let accept = parts.headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let is_page = parts.method == Method::GET && accept.contains("text/html");
        Self { login: is_page.then(|| LoginClient::login_path(&place_of(parts))), misconfigured: false }
    }
}

/// The path and query that the browser asked for, outside of all nesting.
pub(crate) fn place_of(parts: &Parts) -> String {
    let uri = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |original| &original.0);
    uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string)
}

impl<S: Sync> FromRequestParts<S> for LoginSession {
    type Rejection = NotSignedIn;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, NotSignedIn> {
        match parts.extensions.get::<Found>() {
            Some(Found(Some(session))) => Ok(session.clone()),
            Some(Found(None)) => Err(NotSignedIn::to(parts)),
            None => Err(NotSignedIn { login: None, misconfigured: true }),
        }
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for LoginSession {
    type Rejection = NotSignedIn;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, NotSignedIn> {
        match parts.extensions.get::<Found>() {
            Some(Found(session)) => Ok(session.clone()),
            None => Err(NotSignedIn { login: None, misconfigured: true }),
        }
    }
}
