//! What visitors see. Nothing of a request is ever shown.

use axum::{body::Body, response::Response};
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY, SET_COOKIE,
        X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
    },
};

/// What a page says: a heading, and what it means for the visitor.
pub(crate) struct Text(pub(crate) &'static str, pub(crate) &'static str);

pub(crate) const NOT_GOOD: Text = Text(
    "This link is not good",
    "It is over, was used before, or belongs to somebody else. Go back to the application and start again there.",
);
pub(crate) const SIGN_IN: Text = Text("Sign in first", "Sign in to the application, then open this page again.");
pub(crate) const DECLINED: Text = Text(
    "The account was not connected",
    "The provider reported that access was not given. Go back to the application to try again.",
);
pub(crate) const NOT_COMPLETE: Text = Text(
    "The account is not connected yet",
    "You agreed, but the last step did not work. Go back to the application and try again there.",
);
pub(crate) const LOOPBACK_ONLY: Text = Text(
    "Not from here",
    "These pages are set up for this machine only, with cookies that are not safe anywhere else.",
);

/// The only style, allowed by its digest.
const STYLE: &str = ":root{color-scheme:light dark}body{font:1.0625rem/1.5 system-ui,sans-serif;margin:0}\
    main{max-width:34rem;margin:12vh auto 0;padding:0 1.25rem}h1{font-size:1.5rem;line-height:1.25}";
const POLICY: &str = "default-src 'none'; style-src 'sha256-Ajc4ezqrx30p5jfPHfTc8WFbbKN6zVOYRcjvX2YutMo='; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A page that says one thing.
pub(crate) fn plain(status: StatusCode, text: &Text) -> Response {
    html(status, text.0, &escape(text.1))
}

/// The same, and where to go from here.
#[cfg(feature = "login")]
pub(crate) fn with_link(status: StatusCode, text: &Text, place: &str, label: &str) -> Response {
    let link = format!("{}</p><p><a href=\"{}\">{}</a>", escape(text.1), escape(place), escape(label));
    html(status, text.0, &link)
}

/// The end of a consent.
pub(crate) fn connected(provider: &str) -> Response {
    let text = format!("<strong>{}</strong> is connected. You can close this page.", escape(provider));
    html(StatusCode::OK, "Account connected", &text)
}

fn html(status: StatusCode, heading: &'static str, escaped: &str) -> Response {
    let body = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{heading}</title>\
         <style>{STYLE}</style></head>\n<body><main><h1>{heading}</h1><p>{escaped}</p></main></body></html>\n"
    );
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    guard(headers);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response
}

/// See Other, to a place given byte for byte.
pub(crate) fn redirect(place: &str) -> Response {
    let Ok(place) = HeaderValue::from_bytes(place.as_bytes()) else {
        return plain(StatusCode::FORBIDDEN, &NOT_GOOD);
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    guard(response.headers_mut());
    response.headers_mut().insert(LOCATION, place);
    response
}

pub(crate) fn with_cookie(mut response: Response, cookie: &str) -> Response {
    if let Ok(mut cookie) = HeaderValue::from_str(cookie) {
        cookie.set_sensitive(true);
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

/// The URL of these pages holds a state: it is not kept, and not told to where the visitor goes next.
fn guard(headers: &mut HeaderMap) {
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use sha2::{Digest as _, Sha256};

    use super::*;

    #[test]
    fn the_policy_allows_the_style_and_nothing_else() {
        let digest = STANDARD.encode(Sha256::digest(STYLE));
        assert!(POLICY.contains(&format!("style-src 'sha256-{digest}';")), "{digest}");
        assert!(!POLICY.contains("unsafe"));
    }

    #[test]
    fn bind_05_what_is_shown_is_escaped() {
        assert_eq!(escape("<a href=\"x\" b='&'>"), "&lt;a href=&quot;x&quot; b=&#39;&amp;&#39;&gt;");
    }
}
