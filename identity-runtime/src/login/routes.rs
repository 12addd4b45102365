//! The routes of a login.

use std::time::Duration;

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, RawQuery, State},
    response::Response,
    routing::{get, post},
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header::CACHE_CONTROL};
use identity_client::login::{CallbackParameters, LoginFailure, SignedIn};
use url::form_urlencoded;

use super::{
    client::LoginClient,
    layer::Settled,
    pages,
    seal::{SealedAttempt, Seconds},
};
use crate::return_url::{
    is_for_loopback,
    page::{self, Text},
    path::OwnPath,
};

/// How long a user may take at the issuer.
const ATTEMPT: Duration = Duration::from_secs(600);
/// No page of an application has a longer address.
const LONGEST_RETURN: usize = 1024;
const LONGEST_QUERY: usize = 8 * 1024;
const LONGEST_FORM: usize = 4 * 1024;

pub(super) fn router(client: &LoginClient) -> Router {
    Router::new()
        .route(LoginClient::LOGIN_PATH, get(login))
        .route(client.party().redirect_uri().path(), get(callback))
        .route(LoginClient::LOGOUT_PATH, post(logout).layer(DefaultBodyLimit::max(LONGEST_FORM)))
        .with_state(client.clone())
}

/// Where to go after signing in: a path of this application, or nowhere in particular.
fn return_to(client: &LoginClient, query: &str) -> OwnPath {
    let mut values = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "return_to");
    let value = values.next().filter(|(_, path)| path.len() <= LONGEST_RETURN && query.len() <= LONGEST_QUERY);
    let path = value.and_then(|(_, path)| OwnPath::new(&path).ok());
    path.unwrap_or_else(|| client.0.landing.clone())
}

async fn login(
    State(client): State<LoginClient>,
    method: Method,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    if let Some(refusal) = refusal(&client, &method, &headers, &Method::GET) {
        return refusal;
    }
    let return_to = return_to(&client, query.as_deref().unwrap_or_default());
    if let Some(elsewhere) = own_name(&client, &headers, &return_to) {
        return page::redirect(&elsewhere);
    }
    let departure = match client.party().begin().await {
        Ok(departure) => departure,
        Err(error) => {
            tracing::warn!(kind = ?error.kind(), %error, "no login can be begun");
            return again(StatusCode::BAD_GATEWAY, &pages::UNAVAILABLE, return_to.as_str());
        }
    };
    let place = departure.authorization_url().to_owned();
    let cookie = client.0.names.attempt(departure.attempt.state());
    let sealed =
        SealedAttempt { attempt: departure.attempt, return_to: return_to.as_str().to_owned(), begun: client.0.now() };
    let Some(sealed) = client.0.seal_attempt(&sealed) else {
        return again(StatusCode::INTERNAL_SERVER_ERROR, &pages::UNAVAILABLE, return_to.as_str());
    };
    let mut lines = client.0.names.make_room(&headers);
    lines.push(cookie.set_for(&sealed, ATTEMPT.as_secs()));
    lines.iter().fold(page::redirect(&place), |response, line| page::with_cookie(response, line))
}

/// On the own machine several names lead here, and cookies are of one of them: that of the redirect URI.
fn own_name(client: &LoginClient, headers: &HeaderMap, return_to: &OwnPath) -> Option<String> {
    if !client.0.insecure_loopback {
        // Behind a proxy the host may be another one than the browser's.
        return None;
    }
    let own = client.party().redirect_uri();
    let named = headers.get(http::header::HOST)?.to_str().ok()?;
    let is_own = named.eq_ignore_ascii_case(&own[url::Position::BeforeHost..url::Position::AfterPort]);
    let path = LoginClient::login_path(return_to.as_str());
    (!is_own).then(|| format!("{}{path}", own.origin().ascii_serialization()))
}

async fn callback(
    State(client): State<LoginClient>,
    method: Method,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    if let Some(refusal) = refusal(&client, &method, &headers, &Method::GET) {
        return refusal;
    }
    let parameters = match CallbackParameters::parse(query.as_deref().unwrap_or_default()) {
        Ok(parameters) => parameters,
        Err(failure) => return failed(&failure, client.0.landing.as_str()),
    };
    let cookie = client.0.names.attempt(parameters.state());
    let Some(sealed) = cookie.value(&headers).and_then(|sealed| client.0.open_attempt(sealed)) else {
        return failed(&LoginFailure::UnknownState, client.0.landing.as_str());
    };
    let response = match finish(&client, &sealed, &parameters).await {
        Ok(signed_in) => welcome(&client, &headers, &signed_in, &sealed.return_to),
        Err(failure) => failed(&failure, &sealed.return_to),
    };
    page::with_cookie(response, &cookie.removed())
}

async fn finish(
    client: &LoginClient,
    sealed: &SealedAttempt,
    parameters: &CallbackParameters,
) -> Result<SignedIn, LoginFailure> {
    let (now, end): (Seconds, Seconds) = (client.0.now(), sealed.begun.saturating_add(ATTEMPT.as_secs()));
    if now >= end {
        return Err(LoginFailure::UnknownState);
    }
    // Before anything is sent, so that two at once are not both the first.
    if !client.0.spent.spend(sealed.attempt.state(), end, now) {
        return Err(LoginFailure::Replayed);
    }
    client.party().finish(&sealed.attempt, parameters).await
}

/// A new session, whatever session the browser had before.
fn welcome(client: &LoginClient, headers: &HeaderMap, signed_in: &SignedIn, return_to: &str) -> Response {
    let session = client.0.begin_session(signed_in);
    let Some(lines) = session.and_then(|session| client.0.session_cookies(&session, headers)) else {
        tracing::error!("the tokens of a login are too long for cookies; ask for fewer claims or scopes");
        return again(StatusCode::BAD_GATEWAY, &pages::UNAVAILABLE, return_to);
    };
    if let Some(before) = client.session(headers) {
        before.end();
    }
    settled(lines.iter().fold(page::redirect(return_to), |response, line| page::with_cookie(response, line)))
}

fn failed(failure: &LoginFailure, return_to: &str) -> Response {
    tracing::warn!(code = failure.code(), %failure, "nobody was signed in");
    let (status, text) = match failure {
        LoginFailure::Declined { .. } => (StatusCode::FORBIDDEN, &pages::DECLINED),
        LoginFailure::Issuer(_) | LoginFailure::IdToken(_) | LoginFailure::IdTokenMissing => {
            (StatusCode::BAD_GATEWAY, &pages::UNAVAILABLE)
        }
        _ => (StatusCode::BAD_REQUEST, &pages::NOT_SIGNED_IN),
    };
    again(status, text, return_to)
}

fn again(status: StatusCode, text: &Text, return_to: &str) -> Response {
    page::with_link(status, text, &LoginClient::login_path(return_to), "Sign in")
}

async fn logout(State(client): State<LoginClient>, method: Method, headers: HeaderMap, body: Bytes) -> Response {
    if let Some(refusal) = refusal(&client, &method, &headers, &Method::POST) {
        return refusal;
    }
    let Some(session) = client.session(&headers) else {
        return settled(signed_out(&client, &headers, client.0.signed_out.as_str()));
    };
    let mut tokens = form_urlencoded::parse(&body).filter(|(name, _)| name == "csrf_token");
    let token = tokens.next().filter(|_| tokens.next().is_none());
    if !token.is_some_and(|(_, token)| session.has_csrf_token(&token)) || !is_of_this_site(&headers) {
        return page::with_link(StatusCode::FORBIDDEN, &pages::NOT_SIGNED_OUT, client.0.landing.as_str(), "Go back");
    }
    session.end();
    let issuer = if client.0.local_logout {
        None
    } else {
        client.party().end_session_url(client.0.post_logout.as_deref()).await.unwrap_or_else(|error| {
            tracing::warn!(kind = ?error.kind(), "the user signed out here alone: the issuer cannot be asked");
            None
        })
    };
    settled(signed_out(&client, &headers, issuer.as_deref().unwrap_or(client.0.signed_out.as_str())))
}

fn signed_out(client: &LoginClient, headers: &HeaderMap, place: &str) -> Response {
    let lines = client.0.names.remove_session(headers);
    lines.iter().fold(page::redirect(place), |response, line| page::with_cookie(response, line))
}

/// Keeps the layer from writing the cookies of the session that was.
fn settled(mut response: Response) -> Response {
    response.extensions_mut().insert(Settled);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A browser that says where a request comes from must say: from here.
fn is_of_this_site(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_none_or(|site| site == "same-origin")
}

fn refusal(client: &LoginClient, method: &Method, headers: &HeaderMap, wanted: &Method) -> Option<Response> {
    if method != wanted {
        return Some(page::plain(StatusCode::METHOD_NOT_ALLOWED, &page::NOT_GOOD));
    }
    let is_elsewhere = client.0.insecure_loopback && !is_for_loopback(headers);
    is_elsewhere.then(|| page::plain(StatusCode::MISDIRECTED_REQUEST, &page::LOOPBACK_ONLY))
}
