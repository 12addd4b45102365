//! What happens to every request before it is served: checked, counted, recorded, and perhaps spoilt.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt as _, stream};
use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};
use serde_json::json;

use crate::core::Core;
use crate::faults::Effect;
use crate::listener::ConnectionControl;
use crate::operation::operation_of;
use crate::recorder::RecordedRequest;

/// The largest request body.
const BODY_LIMIT: usize = 1024 * 1024;
/// The largest answer that a fault can cut.
const ANSWER_LIMIT: usize = 16 * 1024 * 1024;

pub(crate) async fn pass(
    State(core): State<Arc<Core>>,
    ConnectInfo(control): ConnectInfo<ConnectionControl>,
    request: Request,
    next: Next,
) -> Response {
    let (parts, body) = request.into_parts();
    if !names_loopback(&parts) && !names_signed(&core, &parts) {
        return refusal(StatusCode::MISDIRECTED_REQUEST, "The Host header must name a loopback address");
    }
    let operation = operation_of(&parts.method, &parts.uri, &parts.headers);
    let scripted = core.human.is_sender(&parts.headers);
    if !scripted {
        core.counters.add(operation);
    }
    let Ok(body) = to_bytes(body, BODY_LIMIT).await else {
        return refusal(StatusCode::PAYLOAD_TOO_LARGE, "The body is larger than 1 MiB");
    };
    let effect = if scripted {
        None
    } else {
        core.recorder.record(RecordedRequest::new(operation, &parts.method, &parts.uri, &parts.headers, body.clone()));
        core.faults.take(operation, &parts.method, parts.uri.path())
    };
    tracing::debug!(operation, method = %parts.method, fault = effect.is_some(), "request");
    let request = Request::from_parts(parts, Body::from(body));
    match effect {
        None => next.run(request).await,
        Some(effect) => spoil(effect, &control, request, next).await,
    }
}

/// A page elsewhere whose name was made to resolve to loopback must not talk to us through somebody's browser.
fn names_loopback(parts: &Parts) -> bool {
    let host = host_of(parts);
    host == "localhost" || host == "[::1]" || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}

/// Every call of this endpoint is signed, so that nobody's browser can be made to call it.
fn names_signed(core: &Core, parts: &Parts) -> bool {
    let host = host_of(parts);
    parts.method == Method::POST && parts.uri.path() == "/" && core.signed_hosts.contains(&host)
}

fn host_of(parts: &Parts) -> String {
    let header = || parts.headers.get(HOST).and_then(|host| host.to_str().ok());
    let authority = parts.uri.authority().map(http::uri::Authority::as_str).or_else(header);
    let host = authority.and_then(|authority| authority.parse::<http::uri::Authority>().ok());
    host.map(|authority| authority.host().to_owned()).unwrap_or_default()
}

fn refusal(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({ "message": message }))).into_response()
}

async fn spoil(effect: Effect, control: &ConnectionControl, request: Request, next: Next) -> Response {
    if !effect.delay.is_zero() {
        tokio::time::sleep(effect.delay).await;
    }
    if effect.reset {
        control.reset();
        // Never seen: the connection is torn down when the server tries to write it.
        return StatusCode::NO_CONTENT.into_response();
    }
    let response = match effect.status {
        Some(status) => (status, effect.headers, effect.body).into_response(),
        None => next.run(request).await,
    };
    match effect.cut_after {
        Some(bytes) => cut(response, bytes).await,
        None => response,
    }
}

/// Announces the whole body, or one byte more than is sent if there is nothing to cut, and breaks off.
async fn cut(response: Response, after: usize) -> Response {
    let (mut parts, body) = response.into_parts();
    let Ok(whole) = to_bytes(body, ANSWER_LIMIT).await else {
        return refusal(StatusCode::INTERNAL_SERVER_ERROR, "The answer is too large to be cut");
    };
    let announced = whole.len().max(after.saturating_add(1));
    let kept = whole.slice(..after.min(whole.len()));
    let end = stream::once(async {
        // Lets the server flush what comes before; it drops unsent bytes when the body fails.
        tokio::time::sleep(Duration::from_millis(20)).await;
        Err::<Bytes, _>(io::Error::from(io::ErrorKind::ConnectionAborted))
    });
    parts.headers.remove(TRANSFER_ENCODING);
    parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(announced));
    Response::from_parts(parts, Body::from_stream(stream::once(async { Ok(kept) }).chain(end)))
}
