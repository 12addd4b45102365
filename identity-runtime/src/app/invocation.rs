//! One invocation, from its request to its answer.

use std::{panic::AssertUnwindSafe, pin::pin, sync::Arc};

use axum::{
    Json,
    extract::{FromRequest as _, Request, State, rejection::BytesRejection},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use futures_util::{
    FutureExt as _, StreamExt as _,
    future::{BoxFuture, Either, select},
};
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{ACCEPT, CONTENT_TYPE},
};
use identity_client::{PendingAuthorization, RequestContext};
use serde::de::IgnoredAny;
use tokio::{sync::OwnedSemaphorePermit, time::Instant};

use super::{
    Inner,
    caller::Caller,
    consent::{Notice, OnConsent, unshowable},
    events,
    failure::{Failure, Thrown},
    headers,
    lifecycle::Stage,
    reply::{Events, Kind, Reply},
};
use crate::inbound::InboundUser;

/// A handler, without its types.
pub(super) type Handler = Box<
    dyn Fn(&[u8], RequestContext) -> Result<BoxFuture<'static, Result<Reply, Thrown>>, serde_json::Error> + Send + Sync,
>;

/// `POST /invocations`.
pub(super) async fn invoke(State(app): State<Arc<Inner>>, request: Request) -> Response {
    let id = match headers::request_id(request.headers()) {
        Ok(id) => id,
        Err(failure) => return failure.response(None),
    };
    let shown = id.to_str().unwrap_or_default();
    let mut response = match Box::pin(answer(&app, request, shown)).await {
        Ok(response) => response,
        Err(failure) => failure.response(Some(shown)),
    };
    response.headers_mut().insert(headers::REQUEST_ID, id);
    response
}

async fn answer(app: &Arc<Inner>, request: Request, id: &str) -> Result<Response, Failure> {
    if app.lifecycle.stage() != Stage::Running {
        return Err(Failure::shutting_down());
    }
    let permit = Arc::clone(&app.permits).try_acquire_owned().map_err(|_| {
        tracing::warn!(request_id = id, "as many invocations are under way as may; one is sent away");
        Failure::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_invocations", "As many invocations run as may")
            .with_retry_after(app.settings.retry_after)
    })?;
    if !says_json(request.headers()) {
        let text = "The body must be JSON, with `Content-Type: application/json`";
        return Err(Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", text));
    }
    let deadline = Instant::now() + app.settings.deadline;
    let (context, caller) = context(app, &request, id)?;
    let body = tokio::time::timeout_at(deadline, body(request));
    let body = app.lifecycle.unless_stopped(body).await.ok_or_else(Failure::shutting_down)?;
    let body =
        body.map_err(|_| Failure::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", "The body came too slowly"))??;
    let handler = (app.handler)(&body, context.clone()).map_err(|error| invalid_payload(&body, &error))?;
    drop(body);
    let work = Work::Handler(handler);
    let mut run = Run { app: Arc::clone(app), work, caller, context, deadline, finished: None, _permit: permit };
    match run.step().await {
        Step::Told(pending) => Ok(events::response(run, Some(pending))),
        Step::Replied(Kind::Events(stream)) => {
            run.go_on_with(stream);
            Ok(events::response(run, None))
        }
        Step::Replied(Kind::Json(json)) => {
            let json = json.map_err(|_| not_json(id))?;
            Ok(([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], json).into_response())
        }
        Step::Failed(failure) if !failure.pendings.is_empty() => {
            let notice = run.notice(&failure.pendings).ok_or_else(unshowable)?;
            Ok(notice.response())
        }
        Step::Failed(failure) => Err(failure),
        // A handler that has not answered yet has no items.
        Step::Item(_) | Step::End => Err(Failure::handler_failed()),
    }
}

/// The context that the handler runs in, and its caller.
fn context(app: &Inner, request: &Request, id: &str) -> Result<(RequestContext, Arc<Caller>), Failure> {
    let headers = request.headers();
    let mut context = RequestContext::new()
        .with_request_id(id)
        .with_custom_headers(headers::custom(headers))
        .with_end_of_waits(app.lifecycle.end_of_waits());
    if let Some(session) = headers::session_id(headers)? {
        context = context.with_session_id(session);
    }
    if let Some(client) = &app.settings.client {
        context = context.with_client(client.clone());
    }
    if let Some(place) = &app.place {
        context = context.with_return_url(place.return_url()).map_err(|_| Failure::handler_failed())?;
    }
    if let Some(InboundUser(user)) = request.extensions().get() {
        context = context.with_user(user.clone());
    }
    let caller = Arc::new(Caller::new(accepts_events(headers)));
    if caller.streams() || app.settings.on_consent == OnConsent::Answer {
        context = context.with_prompt(Arc::clone(&caller) as _);
    }
    Ok((context, caller))
}

async fn body(request: Request) -> Result<Bytes, Failure> {
    Bytes::from_request(request, &()).await.map_err(|rejection| match rejection {
        BytesRejection::FailedToBufferBody(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            Failure::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", "The body is larger than this agent takes")
        }
        _ => Failure::new(StatusCode::BAD_REQUEST, "incomplete_body", "The body did not come whole"),
    })
}

/// Where it stops being right, and not what was there: the payload may hold anything.
fn invalid_payload(body: &[u8], error: &serde_json::Error) -> Failure {
    // A type that does not fit is seen before the end of what may be no JSON at all. Skipped text need not be UTF-8.
    let broken = serde_json::from_slice::<IgnoredAny>(body).err();
    let is_json = broken.is_none() && std::str::from_utf8(body).is_ok();
    let at = broken.as_ref().unwrap_or(error);
    let (code, text) = if is_json {
        ("invalid_payload", "The payload is JSON, but not what this agent takes")
    } else {
        ("invalid_json", "Invalid JSON in request")
    };
    Failure::new(StatusCode::BAD_REQUEST, code, text).with_detail("line", at.line()).with_detail("column", at.column())
}

fn not_json(request_id: &str) -> Failure {
    tracing::error!(request_id, error_type = "serde_json::Error", "a handler's result cannot be written as JSON");
    Failure::handler_failed()
}

/// One invocation that is under way. Dropping it cancels the handler.
pub(super) struct Run {
    app: Arc<Inner>,
    work: Work,
    caller: Arc<Caller>,
    context: RequestContext,
    deadline: Instant,
    /// The end, while the caller is still told what came before it.
    finished: Option<Step>,
    _permit: OwnedSemaphorePermit,
}

enum Work {
    Handler(BoxFuture<'static, Result<Reply, Thrown>>),
    Events(Events),
    Done,
}

/// What happens next in an invocation.
pub(super) enum Step {
    /// A consent is missing, which the caller can be told now.
    Told(PendingAuthorization),
    Replied(Kind),
    Item(Bytes),
    End,
    Failed(Failure),
}

impl Run {
    pub(super) fn go_on_with(&mut self, events: Events) {
        self.caller.start_stream();
        self.work = Work::Events(events);
    }

    pub(super) fn request_id(&self) -> &str {
        self.context.request_id().unwrap_or_default()
    }

    pub(super) fn heartbeat(&self) -> std::time::Duration {
        self.app.settings.heartbeat
    }

    pub(super) fn notice<'a>(&'a self, pendings: &'a [PendingAuthorization]) -> Option<Notice<'a>> {
        Notice::of(pendings, self.context.user(), self.app.place.as_ref(), self.request_id())
    }

    /// Goes on until there is something for the caller.
    pub(super) async fn step(&mut self) -> Step {
        if self.caller.streams()
            && let Some(pending) = self.caller.try_next()
        {
            return Step::Told(pending);
        }
        if let Some(finished) = self.finished.take() {
            return finished;
        }
        let (caller, deadline) = (Arc::clone(&self.caller), self.deadline);
        let lifecycle = self.app.lifecycle.clone();
        let told = async { if caller.streams() { caller.next().await } else { std::future::pending().await } };
        let next = {
            let work = self.work();
            let next = async {
                match select(pin!(work), pin!(told)).await {
                    Either::Left((step, _)) => step,
                    Either::Right((pending, _)) => Step::Told(pending),
                }
            };
            lifecycle.unless_stopped(tokio::time::timeout_at(deadline, next)).await
        };
        let step = match next {
            None => Step::Failed(Failure::shutting_down()),
            Some(Err(_)) => Step::Failed(Failure::deadline()),
            Some(Ok(Step::Told(pending))) => return Step::Told(pending),
            Some(Ok(step)) => step,
        };
        if matches!(step, Step::Failed(_) | Step::End) {
            self.work = Work::Done;
        }
        match self.caller.try_next().filter(|_| self.caller.streams()) {
            Some(pending) => {
                self.finished = Some(step);
                Step::Told(pending)
            }
            None => step,
        }
    }

    /// One step of the handler or of its stream, in its context; a panic is a failure of this invocation alone.
    async fn work(&mut self) -> Step {
        let Self { work, context, caller, .. } = self;
        let id = context.request_id().unwrap_or_default();
        let scope = context.clone();
        let failed = |thrown: &Thrown| Step::Failed(Failure::of_handler(thrown, caller.all(), id));
        let outcome = match work {
            Work::Handler(handler) => {
                AssertUnwindSafe(scope.scope(handler)).catch_unwind().await.map(|replied| match replied {
                    Ok(Reply(kind)) => Step::Replied(kind),
                    Err(thrown) => failed(&thrown),
                })
            }
            Work::Events(events) => {
                AssertUnwindSafe(scope.scope(events.next())).catch_unwind().await.map(|item| match item {
                    Some(Ok(item)) => Step::Item(item),
                    Some(Err(thrown)) => failed(&thrown),
                    None => Step::End,
                })
            }
            Work::Done => Ok(Step::End),
        };
        outcome.unwrap_or_else(|_| {
            tracing::error!(request_id = id, "a handler panicked");
            Step::Failed(Failure::handler_failed())
        })
    }
}

/// `application/json`, or a type that says `+json`.
fn says_json(headers: &HeaderMap) -> bool {
    let named = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = named.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// Whether a caller names server-sent events among what it accepts; that it accepts anything is not enough.
fn accepts_events(headers: &HeaderMap) -> bool {
    let named = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    named.flat_map(|value| value.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let is_events = parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case("text/event-stream"));
        is_events && !parts.any(|part| matches!(part, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
    })
}

/// Everything that no route serves.
pub(super) async fn not_found() -> Response {
    Failure::new(StatusCode::NOT_FOUND, "not_found", "There is nothing at this path").response(None)
}

pub(super) async fn wrong_method() -> Response {
    Failure::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "This path does not take this method")
        .response(None)
}

/// `GET /health` and `GET /ping`.
pub(super) async fn health(State(app): State<Arc<Inner>>) -> Response {
    match app.health.report(&app.settings.tasks).await {
        Ok(report) => Json(report).into_response(),
        Err(failure) => failure.response(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: http::HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn events_are_for_callers_who_name_them() {
        for (value, accepted) in [
            ("text/event-stream", true),
            ("application/json;q=0.5, Text/Event-Stream;q=0.9", true),
            ("*/*", false),
            ("text/*", false),
            ("text/event-stream;q=0", false),
            ("text/event-streams", false),
        ] {
            assert_eq!(accepts_events(&headers(ACCEPT, value)), accepted, "{value}");
        }
    }

    #[test]
    fn a_body_is_json_if_it_says_so() {
        for (value, is) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/cloudevents+json", true),
            ("text/plain", false),
            ("text/json", false),
            ("", false),
        ] {
            assert_eq!(says_json(&headers(CONTENT_TYPE, value)), is, "{value}");
        }
        assert!(!says_json(&HeaderMap::new()));
    }
}
