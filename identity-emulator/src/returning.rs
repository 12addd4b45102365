//! The user's browser on its way back: from the provider, and on to the application.

use std::collections::HashMap;

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CACHE_CONTROL, LOCATION, REFERRER_POLICY};
use url::Url;

use crate::html;
use crate::vault::Session;

/// Schemes to which a browser must never be sent: they run or show what the URL itself carries.
const NEVER: [&str; 6] = ["javascript", "data", "vbscript", "file", "blob", "about"];

/// Whether a browser may be sent there.
pub(crate) fn is_safe(return_url: &str) -> bool {
    Url::parse(return_url).is_ok_and(|url| !NEVER.contains(&url.scheme()))
}

/// A redirect that leaves no trace of the URL it came from.
pub(crate) fn redirect(location: &str) -> Response {
    (StatusCode::FOUND, [(LOCATION, location), (CACHE_CONTROL, "no-store"), (REFERRER_POLICY, "no-referrer")])
        .into_response()
}

/// A page for a link that leads nowhere, whatever the reason: telling used from unknown would help only a guesser.
pub(crate) fn dead_link() -> Response {
    let text = "This link is unknown, was used already, or has expired. Go back to the application and start again.";
    html::message(StatusCode::NOT_FOUND, "Nothing to do here", text)
}

/// What the provider sent the browser back with.
pub(crate) enum Verdict {
    Code(String),
    Refused(String),
}

impl Verdict {
    pub(crate) fn read(query: &HashMap<String, String>) -> Option<Self> {
        let value = |name: &str| query.get(name).filter(|value| !value.is_empty());
        // With an error no code counts: RFC 6749 section 4.1.2.1.
        match value("error") {
            Some(error) => Some(Self::Refused(refusal_code(error))),
            None => value("code").cloned().map(Self::Code),
        }
    }
}

/// The provider's error code if it has the form of one.
fn refusal_code(error: &str) -> String {
    let plain = error.len() <= 64 && error.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if plain { error.to_owned() } else { "access_denied".to_owned() }
}

/// Where the browser lands: the return URL with the application's own state and, after a failure, an error code in the
/// manner of RFC 6749 section 4.1.2.1. How the platform hands `customState` back is not documented (contract section 14).
pub(crate) fn landing(session: &Session, error: Option<&str>) -> String {
    let Ok(mut url) = Url::parse(&session.return_url) else { return session.return_url.clone() };
    if session.custom_state.is_none() && error.is_none() {
        return session.return_url.clone();
    }
    {
        let mut query = url.query_pairs_mut();
        if let Some(error) = error {
            query.append_pair("error", error);
        }
        if let Some(state) = &session.custom_state {
            query.append_pair("state", state);
        }
    }
    url.into()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::random;
    use crate::vault::{Asks, Grant, SessionStatus};

    #[test]
    fn the_landing_keeps_the_query_and_adds_state_and_error() {
        let mut session = Session {
            id: random::uuid(),
            grant: Grant { identity: String::new(), provider_id: String::new(), user: String::new() },
            return_url: "https://app.example.com/callback?x=1".to_owned(),
            custom_state: None,
            state: None,
            asks: Asks::Key,
            setting_out: None,
            held: None,
            status: SessionStatus::Open,
            created_at: Timestamp::UNIX_EPOCH,
            expires_at: Timestamp::UNIX_EPOCH,
        };
        assert_eq!(landing(&session, None), "https://app.example.com/callback?x=1");
        session.custom_state = Some("a b&c".to_owned());
        assert_eq!(landing(&session, None), "https://app.example.com/callback?x=1&state=a+b%26c");
        assert_eq!(
            landing(&session, Some("access_denied")),
            "https://app.example.com/callback?x=1&error=access_denied&state=a+b%26c"
        );
    }
}
