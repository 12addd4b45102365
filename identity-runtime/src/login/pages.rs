//! What visitors see of a login that does not work out. It says the same whatever the reason: that is in the log.

use crate::return_url::page::Text;

pub(super) const NOT_SIGNED_IN: Text = Text(
    "You are not signed in",
    "The sign-in did not work out: it took too long, was finished before, or was begun in another browser.",
);
pub(super) const DECLINED: Text =
    Text("You are not signed in", "The sign-in was ended before it was complete. Nothing has happened.");
pub(super) const UNAVAILABLE: Text = Text(
    "Signing in does not work just now",
    "The service that signs you in cannot be reached, or does not answer as it should. Try again in a moment.",
);
pub(super) const NOT_SIGNED_OUT: Text = Text(
    "You are still signed in",
    "The request to sign out did not come from a page of this application. Go back to it and sign out there.",
);
