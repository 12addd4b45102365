//! What all pages that a person sees have in common: plain HTML, no script, nothing from elsewhere.

use std::fmt;

use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use sha2::{Digest as _, Sha256};
use url::Url;

/// The one style sheet.
pub(crate) const STYLE: &str = include_str!("style.css");

/// Text as HTML, in content as in quoted attributes.
pub(crate) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

/// HTML in the making. What is not a literal of this program goes in as text: nothing can be forgotten to be escaped.
#[derive(Debug, Default)]
pub(crate) struct Markup(String);

impl Markup {
    pub(crate) fn new(html: &'static str) -> Self {
        Self(html.to_owned())
    }

    pub(crate) fn raw(mut self, html: &'static str) -> Self {
        self.0.push_str(html);
        self
    }

    pub(crate) fn text(mut self, text: impl fmt::Display) -> Self {
        self.0.push_str(&escaped(&text.to_string()));
        self
    }

    pub(crate) fn join(mut self, other: &Self) -> Self {
        self.0.push_str(&other.0);
        self
    }

    #[cfg(test)]
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// How wide a page may become.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Width {
    /// Good for sentences and a form.
    Column,
    /// Good for tables.
    Screen,
}

/// A page. Its title is its heading, too.
pub(crate) struct Page<'a> {
    pub(crate) title: &'a str,
    pub(crate) main: Markup,
    pub(crate) width: Width,
    /// Where its form may lead, see [`form_targets`]; without a form nowhere.
    pub(crate) forms: Option<String>,
}

/// A page with its headers. Nothing but its own style is loaded, nobody may frame it, nothing is cached or referred.
pub(crate) fn respond(status: StatusCode, page: &Page<'_>) -> Response {
    let body = Markup::new(match page.width {
        Width::Column => "<body>\n",
        Width::Screen => "<body class=\"wide\">\n",
    });
    let document = Markup::new("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n")
        .raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>")
        .text(page.title)
        .raw(" – identity emulator</title>\n<style>")
        .raw(STYLE)
        .raw("</style>\n</head>\n")
        .join(&body)
        .raw("<main>\n<h1>")
        .text(page.title)
        .raw("</h1>\n")
        .join(&page.main)
        .raw("</main>\n</body>\n</html>\n");
    let style = STANDARD.encode(Sha256::digest(STYLE.as_bytes()));
    let forms = page.forms.as_deref().unwrap_or("'none'");
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; form-action {forms}; frame-ancestors 'none'; base-uri 'none'"
    );
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, policy.as_str()),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
    ];
    (status, headers, document.0).into_response()
}

/// A page that says something and asks for nothing.
pub(crate) fn message(status: StatusCode, title: &str, text: &str) -> Response {
    let main = Markup::new("<p>").text(text).raw("</p>\n");
    respond(status, &Page { title, main, width: Width::Column, forms: None })
}

/// The sources of `form-action` for a form of ours after which the browser goes to `next`.
///
/// Chromium checks `form-action` on every redirect after a form, not only on the first one, and what is at `next` may send
/// the browser on to an application that we do not know: any https origin, and in clear when `next` is.
/// Nothing is lost by it: our pages have no markup of others that could add a form, and their own forms go to `'self'`.
/// No host is named: some characters that a URL's host may have would end the directive, and an IPv6 address cannot be
/// written in a policy at all.
pub(crate) fn form_targets(next: &Url) -> String {
    match next.scheme() {
        "https" => "'self' https:".to_owned(),
        scheme => format!("'self' https: {scheme}:"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_literals_are_not() {
        assert_eq!(escaped("<a href='x'>\"&"), "&lt;a href=&#39;x&#39;&gt;&quot;&amp;");
        assert_eq!(Markup::new("<b>").text("<i>").join(&Markup::new("</b>")).as_str(), "<b>&lt;i&gt;</b>");
    }

    #[test]
    fn a_form_may_lead_where_its_browser_must_go() {
        for (next, expected) in [
            ("https://a.example/cb?x='self'", "'self' https:"),
            ("http://127.0.0.1:9/cb", "'self' https: http:"),
            ("http://[::1]:9/cb", "'self' https: http:"),
            ("http://a;sandbox,script-src/cb", "'self' https: http:"),
            ("my-app:/done", "'self' https: my-app:"),
        ] {
            assert_eq!(form_targets(&Url::parse(next).unwrap()), expected, "{next}");
        }
    }

    #[test]
    fn a_page_has_no_hole() {
        let page = Page { title: "<T>", main: Markup::new("<p>"), width: Width::Column, forms: None };
        let response = respond(StatusCode::OK, &page);
        let policy = response.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
        for part in
            ["default-src 'none';", "form-action 'none';", "style-src 'sha256-", "frame-ancestors 'none';", "base-uri"]
        {
            assert!(policy.contains(part), "{part} is missing in {policy}");
        }
        assert!(!policy.contains("unsafe") && !STYLE.contains("</"), "the style sheet cannot end its element");
        for (name, value) in [
            (CACHE_CONTROL, "no-store"),
            (REFERRER_POLICY, "no-referrer"),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (X_FRAME_OPTIONS, "DENY"),
        ] {
            assert_eq!(response.headers()[&name], value, "{name}");
        }
    }
}
