//! The few pages that a person sees on their way.

use axum::response::Response;
use http::StatusCode;

use crate::html::{Markup, Page, Width, respond};

/// The form on which a person enters an API key, or declines.
pub(super) struct KeyForm<'a> {
    pub(super) agent: &'a str,
    pub(super) provider: &'a str,
    pub(super) user: &'a str,
    pub(super) state: &'a str,
    pub(super) csrf: &'a str,
    /// Said when the form came back without a usable key.
    pub(super) complaint: Option<&'static str>,
    /// Where the browser may go after the form, see [`form_targets`](crate::html::form_targets).
    pub(super) leads_to: String,
}

impl KeyForm<'_> {
    pub(super) fn into_response(self) -> Response {
        let main = self.render();
        let page = Page { title: "Hand over an API key", main, width: Width::Column, forms: Some(self.leads_to) };
        respond(StatusCode::OK, &page)
    }

    /// "Hand over" is first, so that the Enter key means it; "Decline" works without a key.
    fn render(&self) -> Markup {
        let (alert, described) = match self.complaint {
            Some(text) => (
                Markup::new("<p id=\"complaint\" role=\"alert\">").text(text).raw("</p>\n"),
                " aria-invalid=\"true\" aria-describedby=\"complaint hint\"",
            ),
            None => (Markup::default(), " aria-describedby=\"hint\""),
        };
        Markup::new("<p>An agent asks for an API key of yours.</p>\n<dl>\n<dt>Agent</dt><dd>")
            .text(self.agent)
            .raw("</dd>\n<dt>Service</dt><dd>")
            .text(self.provider)
            .raw("</dd>\n<dt>On behalf of</dt><dd>")
            .text(self.user)
            .raw("</dd>\n</dl>\n<form method=\"post\" autocomplete=\"off\">\n<input type=\"hidden\" name=\"state\" value=\"")
            .text(self.state)
            .raw("\">\n<input type=\"hidden\" name=\"csrf\" value=\"")
            .text(self.csrf)
            .raw("\">\n")
            .join(&alert)
            .raw("<label for=\"apikey\">API key</label>\n<input id=\"apikey\" name=\"apikey\" type=\"password\" ")
            .raw("autocomplete=\"off\" autocapitalize=\"none\" spellcheck=\"false\" maxlength=\"1000\" required autofocus")
            .raw(described)
            .raw(">\n<p id=\"hint\">It goes to the emulator’s vault and to this agent only.</p>\n<div class=\"choices\">\n")
            .raw("<button type=\"submit\" name=\"decision\" value=\"allow\">Hand it over</button>\n")
            .raw("<button type=\"submit\" name=\"decision\" value=\"deny\" formnovalidate>Decline</button>\n")
            .raw("</div>\n</form>\n")
    }
}

#[cfg(test)]
mod tests {
    use http::header::CONTENT_SECURITY_POLICY;

    use super::*;

    fn form(hostile: &str) -> KeyForm<'_> {
        KeyForm {
            agent: hostile,
            provider: hostile,
            user: hostile,
            state: hostile,
            csrf: hostile,
            complaint: Some("Enter a key."),
            leads_to: "'self' http://localhost:*".to_owned(),
        }
    }

    #[test]
    fn everything_echoed_is_escaped() {
        let rendered = form("\"><script>alert('x')</script>&").render();
        let rendered = rendered.as_str();
        assert!(!rendered.contains("<script") && !rendered.contains("alert('"), "{rendered}");
        assert_eq!(rendered.matches("&quot;&gt;&lt;script&gt;").count(), 5);
        assert!(rendered.find("value=\"allow\"").unwrap() < rendered.find("value=\"deny\" formnovalidate").unwrap());
    }

    #[test]
    fn the_policy_lets_the_browser_go_where_the_form_leads() {
        let response = form("x").into_response();
        let policy = response.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.contains("form-action 'self' http://localhost:*;"), "{policy}");
    }
}
