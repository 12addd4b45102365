//! A missing consent, over the wire.

use std::time::UNIX_EPOCH;

use axum::response::{IntoResponse as _, Response};
use http::{
    HeaderValue, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};
use identity_client::{PendingAuthorization, SessionBinding, User};
use serde::Serialize;
use url::Url;

use super::{AppBuildError, failure::Failure};

/// Paths that the app serves itself.
const OWN: [&str; 3] = ["invocations", "health", "ping"];

/// What a caller gets who cannot be sent events, while a consent is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnConsent {
    /// Status 202 at once, with where the user agrees. The caller sends the same request again later: the consent that is
    /// under way is asked about, and no second one is begun. The default.
    #[default]
    Answer,
    /// The handler waits, and the client's own prompt tells the user. When the wait is over, or if the client has no prompt,
    /// the caller gets the 202 all the same.
    Wait,
}

/// Where the routes of a session binding are, from outside.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// Without a slash at its end.
    url: String,
    /// Below the app's own root; empty for the root itself.
    pub(super) path: String,
}

impl Place {
    pub(super) fn new(public_url: &str) -> Result<Self, AppBuildError> {
        let refused = |reason| AppBuildError::ConsentUrl { reason };
        identity_grammar::check_return_url(public_url).map_err(|_| {
            refused("it is no https URL (http only on the own machine), or has a fragment or a user in it")
        })?;
        let url = Url::parse(public_url).map_err(|_| refused("it is no URL"))?;
        if url.query().is_some() {
            return Err(refused("it has a query"));
        }
        let path = url.path().trim_end_matches('/').to_owned();
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte);
        if !path.bytes().all(is_plain) || path.contains("//") {
            return Err(refused("its path has other characters than letters, digits, `-`, `_`, `.` and `~`"));
        }
        if path.split('/').nth(1).is_some_and(|first| OWN.contains(&first)) {
            return Err(refused("its path begins with one that the app serves itself"));
        }
        Ok(Self { url: url.as_str().trim_end_matches('/').to_owned(), path })
    }

    /// Where the browser comes back to.
    pub(super) fn return_url(&self) -> String {
        format!("{}/return", self.url)
    }

    fn start_url(&self, pending: &PendingAuthorization) -> Option<String> {
        Some(format!("{}/start/{}", self.url, SessionBinding::handle(pending)?))
    }
}

/// What the caller is told of missing consents. Nothing in it is a secret; with a session binding the link is of use to
/// nobody but the user.
#[derive(Serialize)]
pub(super) struct Notice<'a> {
    status: &'static str,
    request_id: &'a str,
    pending: Vec<Pending<'a>>,
}

#[derive(Serialize)]
struct Pending<'a> {
    provider: &'a str,
    credential: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    scopes: Vec<&'a str>,
    authorization_url: String,
    /// Seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<u64>,
}

impl<'a> Notice<'a> {
    /// `None` if there is nothing that this user may be shown.
    pub(super) fn of(
        pendings: &'a [PendingAuthorization],
        user: Option<&User>,
        place: Option<&Place>,
        request_id: &'a str,
    ) -> Option<Self> {
        let own = pendings.iter().filter(|pending| Some(pending.user()) == user);
        let pending: Vec<_> = own.filter_map(|pending| Pending::of(pending, place)).collect();
        (!pending.is_empty()).then_some(Self { status: "authorization_required", request_id, pending })
    }

    pub(super) fn json(&self) -> String {
        // Text, numbers and lists of text: nothing that could fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    pub(super) fn response(&self) -> Response {
        let mut response = (StatusCode::ACCEPTED, self.json()).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

impl<'a> Pending<'a> {
    fn of(pending: &'a PendingAuthorization, place: Option<&Place>) -> Option<Self> {
        let authorization_url = match place {
            None => pending.authorization_url().to_owned(),
            Some(place) => place.start_url(pending).or_else(|| {
                tracing::error!(
                    provider = %pending.provider(),
                    "a consent cannot be bound: build the client with the session binding of the app's consent routes"
                );
                None
            })?,
        };
        let expires_at = pending.expires_at().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        Some(Self {
            provider: pending.provider().as_str(),
            credential: pending.credential().as_str(),
            scopes: pending.scopes().iter().map(AsRef::as_ref).collect(),
            authorization_url,
            expires_at: expires_at.map(|since| since.as_secs()),
        })
    }
}

/// A consent is missing that this caller may not be told of.
pub(super) fn unshowable() -> Failure {
    tracing::error!("a consent is missing that is not of the request's verified user, so its caller is not told of it");
    Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "credentials_failed", "A credential could not be obtained")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consent_routes_have_a_plain_place_of_their_own() {
        for (url, path) in [
            ("https://agent.example.com", ""),
            ("https://agent.example.com/", ""),
            ("https://agent.example.com/consent/", "/consent"),
            ("http://127.0.0.1:8080/a/b", "/a/b"),
        ] {
            let place = Place::new(url).unwrap();
            assert_eq!(place.path, path);
            assert_eq!(place.return_url(), format!("{}/return", url.trim_end_matches('/')));
        }
        for url in [
            "consent",
            "http://agent.example.com/consent",
            "https://agent.example.com/consent?a=b",
            "https://agent.example.com/consent#a",
            "https://agent.example.com/{consent}",
            "https://agent.example.com/a%2Fb",
            "https://agent.example.com/health/a",
            "https://agent.example.com/invocations",
            "https://agent.example.com//invocations",
        ] {
            assert!(Place::new(url).is_err(), "{url}");
        }
    }
}
