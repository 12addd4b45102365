//! A call of a platform, before it is authenticated.

use std::borrow::Cow;

use crate::transport::Repeat;

/// A request, of which each platform has its own kind, and what holds for its tries and its errors.
pub(crate) struct Call<'a, Request> {
    /// An infinitive, for messages.
    pub(crate) operation: &'static str,
    pub(crate) request: Request,
    pub(crate) repeat: Repeat,
    /// What to do if there is no such thing.
    pub(crate) not_found: &'static str,
    hidden: Vec<Cow<'a, str>>,
}

impl<'a, Request> Call<'a, Request> {
    /// Reads, replacements and deletions can be repeated; see [`once`](Self::once).
    pub(crate) fn of(operation: &'static str, request: Request, not_found: &'static str) -> Self {
        Self { operation, request, repeat: Repeat::Safely, not_found, hidden: Vec::new() }
    }

    /// Is tried again only if nothing can have been sent.
    pub(crate) fn once(mut self) -> Self {
        self.repeat = Repeat::OnlyIfUnsent;
        self
    }

    /// What no error may repeat, besides what authenticates the call.
    pub(crate) fn hiding<T: Into<Cow<'a, str>>>(mut self, hidden: impl IntoIterator<Item = T>) -> Self {
        self.hidden.extend(hidden.into_iter().map(Into::into));
        self
    }

    pub(crate) fn if_not_found(mut self, hint: &'static str) -> Self {
        self.not_found = hint;
        self
    }

    /// All that no error may repeat; `own` is what authenticates the call.
    pub(crate) fn hidden<'h>(&'h self, own: impl IntoIterator<Item = &'h str>) -> Vec<&'h str> {
        self.hidden.iter().map(AsRef::as_ref).chain(own).collect()
    }
}
