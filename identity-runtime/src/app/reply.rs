//! What a handler answers.

use std::fmt;

use bytes::Bytes;
use futures_util::{
    StreamExt as _,
    stream::{BoxStream, Stream},
};
use serde::Serialize;

use super::failure::{BoxError, Thrown};

/// What a handler answers: JSON, or events as they come.
///
/// A handler may return any type that serde serializes instead, which is [`Reply::json`].
pub struct Reply(pub(super) Kind);

pub(super) enum Kind {
    Json(Result<Bytes, serde_json::Error>),
    Events(Events),
}

/// Each item is one JSON text.
pub(super) type Events = BoxStream<'static, Result<Bytes, Thrown>>;

impl Reply {
    /// One JSON value, with status 200.
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Self {
        Self(Kind::Json(to_json(value)))
    }

    /// Server-sent events: one block `data: <json>` for each item, as soon as the item is there and the caller has taken the
    /// one before. The stream is polled with the context of its request, and dropped when the caller goes away.
    pub fn events<S>(items: S) -> Self
    where
        S: Stream<Item: Serialize> + Send + 'static,
    {
        let json = items.map(|item| to_json(&item).map_err(Thrown::new));
        Self(Kind::Events(json.boxed()))
    }

    /// The same for items that can fail. The first error is the last event: what the caller is told of it is what an error of
    /// a handler would be answered with.
    pub fn try_events<S, T, E>(items: S) -> Self
    where
        S: Stream<Item = Result<T, E>> + Send + 'static,
        T: Serialize,
        E: Into<BoxError>,
    {
        let json = items.map(|item| match item {
            Ok(item) => to_json(&item).map_err(Thrown::new),
            Err(error) => Err(Thrown::new(error)),
        });
        Self(Kind::Events(json.boxed()))
    }
}

fn to_json<T: Serialize + ?Sized>(value: &T) -> Result<Bytes, serde_json::Error> {
    serde_json::to_vec(value).map(Bytes::from)
}

impl fmt::Debug for Reply {
    /// An answer may be personal, so only its kind is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Json(_) => "Reply::Json",
            Kind::Events(_) => "Reply::Events",
        })
    }
}

/// What a handler may return: a [`Reply`], or any type that serde serializes.
pub trait IntoReply {
    /// The answer.
    fn into_reply(self) -> Reply;
}

impl IntoReply for Reply {
    fn into_reply(self) -> Reply {
        self
    }
}

impl<T: Serialize> IntoReply for T {
    fn into_reply(self) -> Reply {
        Reply::json(&self)
    }
}
