//! The few pages that a person sees: plain HTML, no script, nothing from elsewhere.

use std::fmt::Write as _;

use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use sha2::{Digest as _, Sha256};

const STYLE: &str = "body{font:1.1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:3rem auto;padding:0 1rem;color:#1b1f24;background:#fff}\
label{display:block;font-weight:600;margin-top:1rem}input{font:inherit;width:100%;box-sizing:border-box;padding:.5rem}\
button{font:inherit;padding:.5rem 1.2rem;margin:1.2rem .6rem 0 0}dt{font-weight:600}";

pub(super) struct Page<'a> {
    pub(super) title: &'a str,
    pub(super) text: &'a str,
    pub(super) form: Option<KeyForm<'a>>,
}

/// The form on which a person enters an API key, or declines.
pub(super) struct KeyForm<'a> {
    pub(super) agent: &'a str,
    pub(super) provider: &'a str,
    pub(super) user: &'a str,
    pub(super) state: &'a str,
    pub(super) csrf: &'a str,
    /// Where the browser goes after the form, as a source expression of the content security policy.
    pub(super) leads_to: String,
}

/// Text as HTML, in content as in quoted attributes.
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

impl KeyForm<'_> {
    fn render(&self) -> String {
        format!(
            "<dl><dt>Agent</dt><dd>{agent}</dd><dt>Service</dt><dd>{provider}</dd><dt>On behalf of</dt><dd>{user}</dd></dl>\
             <form method=\"post\" autocomplete=\"off\">\
             <input type=\"hidden\" name=\"state\" value=\"{state}\"><input type=\"hidden\" name=\"csrf\" value=\"{csrf}\">\
             <label for=\"apikey\">API key</label>\
             <input id=\"apikey\" name=\"apikey\" type=\"password\" autocomplete=\"off\" spellcheck=\"false\" maxlength=\"1000\" autofocus>\
             <button type=\"submit\" name=\"decision\" value=\"allow\">Hand over the key</button>\
             <button type=\"submit\" name=\"decision\" value=\"deny\">Decline</button></form>",
            agent = escape(self.agent),
            provider = escape(self.provider),
            user = escape(self.user),
            state = escape(self.state),
            csrf = escape(self.csrf),
        )
    }
}

/// A page with its headers. Nothing but its own style is loaded, nobody may frame it, nothing is cached or referred.
pub(super) fn page(status: StatusCode, page: &Page<'_>) -> Response {
    let mut body = String::new();
    let title = escape(page.title);
    // Writing to a String cannot fail.
    let _ = write!(
        body,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title}</title><style>{STYLE}</style></head><body><main><h1>{title}</h1><p>{text}</p>{form}</main></body></html>",
        text = escape(page.text),
        form = page.form.as_ref().map(KeyForm::render).unwrap_or_default(),
    );
    let style = STANDARD.encode(Sha256::digest(STYLE.as_bytes()));
    // Chromium applies form-action to the redirect after the form too, so the way back must be in it.
    let forms = page.form.as_ref().map_or_else(|| "'none'".to_owned(), |form| format!("'self' {}", form.leads_to));
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
    (status, headers, body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_echoed_is_escaped() {
        let hostile = "\"><script>alert('x')</script>&";
        let form = KeyForm {
            agent: hostile,
            provider: hostile,
            user: hostile,
            state: hostile,
            csrf: hostile,
            leads_to: String::new(),
        };
        let rendered = form.render();
        assert!(!rendered.contains("<script"), "{rendered}");
        assert_eq!(escape("<a href='x'>\"&"), "&lt;a href=&#39;x&#39;&gt;&quot;&amp;");
    }
}
