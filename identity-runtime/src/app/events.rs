//! An invocation as server-sent events.
//!
//! Results are blocks `data: <json>` without a name, as the contract has it; so is an error, which is the last block. A missing
//! consent is a block with the name `authorization_required`. Comments keep the connection alive in between.

use std::convert::Infallible;

use axum::response::{
    IntoResponse as _, Response,
    sse::{Event, KeepAlive, Sse},
};
use futures_util::stream;
use http::{HeaderValue, header::CACHE_CONTROL};
use identity_client::PendingAuthorization;

use super::{
    consent::unshowable,
    failure::Failure,
    invocation::{Run, Step},
    reply::Kind,
};

/// The rest of an invocation, after what `first` says. Nothing is done ahead of the caller: a step is taken when the one
/// before it was sent, and none after the caller has gone.
pub(super) fn response(run: Run, first: Option<PendingAuthorization>) -> Response {
    let heartbeat = run.heartbeat();
    let first = first.map(Step::Told);
    let events = stream::unfold(Some((run, first)), |state| async move {
        let (mut run, first) = state?;
        let step = match first {
            Some(step) => step,
            None => run.step().await,
        };
        let (event, is_last) = event(&mut run, step)?;
        Some((Ok::<_, Infallible>(event), (!is_last).then_some((run, None))))
    });
    let mut response = Sse::new(events).keep_alive(KeepAlive::new().interval(heartbeat)).into_response();
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// What a step is to the caller, and whether nothing comes after it.
fn event(run: &mut Run, step: Step) -> Option<(Event, bool)> {
    match step {
        Step::Told(pending) => Some(match run.notice(&[pending]) {
            Some(notice) => (Event::default().event("authorization_required").data(notice.json()), false),
            None => (failed(run, unshowable()), true),
        }),
        Step::Item(json) => Some((data(&json), false)),
        Step::Replied(Kind::Json(Ok(json))) => Some((data(&json), true)),
        Step::Replied(Kind::Json(Err(_))) => Some((failed(run, Failure::handler_failed()), true)),
        Step::Replied(Kind::Events(events)) => {
            run.go_on_with(events);
            // A comment, for there is nothing yet.
            Some((Event::default().comment(""), false))
        }
        Step::Failed(failure) => Some((failed(run, failure), true)),
        Step::End => None,
    }
}

fn data(json: &[u8]) -> Event {
    // What serde wrote as JSON is UTF-8 and has no line breaks.
    Event::default().data(String::from_utf8_lossy(json))
}

fn failed(run: &Run, failure: Failure) -> Event {
    let mut body = failure.body(Some(run.request_id()));
    body["message"] = "An error occurred during streaming".into();
    Event::default().data(body.to_string())
}
