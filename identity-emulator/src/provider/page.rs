//! The pages that a person sees: plain HTML, no script, readable on a phone.

use std::fmt::Write as _;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use url::Url;

use crate::html::{STYLE, escaped, form_targets};

/// What the consent page shows.
pub(super) struct Consent<'a> {
    pub(super) client_name: &'a str,
    pub(super) scopes: &'a [String],
    pub(super) redirect_uri: &'a Url,
    pub(super) interaction: &'a str,
    /// Path of the form's target.
    pub(super) action: &'a str,
    /// Path of the style sheet.
    pub(super) style: &'a str,
    /// Said when the form came back without a usable login name.
    pub(super) complaint: Option<&'static str>,
}

impl Consent<'_> {
    pub(super) fn into_response(self) -> Response {
        let mut main = format!("<h1>Allow “{}” to use your account?</h1>\n", escaped(self.client_name));
        main.push_str(&self.scope_list());
        let _ = writeln!(main, "<p>You will then return to <code>{}</code>.</p>", escaped(&origin(self.redirect_uri)));
        main.push_str(&self.form());
        let status = if self.complaint.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
        let policy = policy(Some(self.redirect_uri));
        html(status, "Allow access?", &main, self.style, &policy)
    }

    fn scope_list(&self) -> String {
        if self.scopes.is_empty() {
            return "<p>It asks for no particular permission.</p>\n".to_owned();
        }
        let mut list = "<p>It asks for permission to:</p>\n<ul>\n".to_owned();
        for scope in self.scopes {
            let _ = writeln!(list, "<li>{} (<code>{}</code>)</li>", in_words(scope), escaped(scope));
        }
        list.push_str("</ul>\n");
        list
    }

    /// "Allow" is first, so that the Enter key means it; "Deny" works without a name.
    fn form(&self) -> String {
        let (alert, described) = match self.complaint {
            Some(text) => (
                format!("<p id=\"complaint\" role=\"alert\">{}</p>\n", escaped(text)),
                " aria-invalid=\"true\" aria-describedby=\"complaint hint\"",
            ),
            None => (String::new(), " aria-describedby=\"hint\""),
        };
        format!(
            "<form method=\"post\" action=\"{}\">\n\
             <input type=\"hidden\" name=\"interaction\" value=\"{}\">\n\
             {alert}<label for=\"login\">Login name</label>\n\
             <input id=\"login\" name=\"login\" type=\"text\" autocomplete=\"username\" autocapitalize=\"none\" \
             spellcheck=\"false\" maxlength=\"100\" required{described}>\n\
             <p id=\"hint\">Any name will do: this provider runs on this machine and asks for no password.</p>\n\
             <div class=\"choices\">\n\
             <button type=\"submit\" name=\"decision\" value=\"allow\">Allow</button>\n\
             <button type=\"submit\" name=\"decision\" value=\"deny\" formnovalidate>Deny</button>\n\
             </div>\n</form>\n",
            escaped(self.action),
            escaped(self.interaction),
        )
    }
}

/// A page that says what is wrong and what to do; nothing of the request is repeated on it.
pub(super) fn error(status: StatusCode, what: &str, what_now: &str, style: &str) -> Response {
    let main = format!("<h1>This sign-in cannot go on</h1>\n<p>{}</p>\n<p>{}</p>\n", escaped(what), escaped(what_now));
    html(status, "Sign-in cannot go on", &main, style, &policy(None))
}

pub(crate) async fn style() -> Response {
    let text_css = HeaderValue::from_static("text/css; charset=utf-8");
    ([(header::CONTENT_TYPE, text_css)], STYLE).into_response()
}

fn html(status: StatusCode, title: &str, main: &str, style: &str, policy: &str) -> Response {
    let page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{} – built-in provider</title>\n<link rel=\"stylesheet\" href=\"{}\">\n</head>\n\
         <body>\n<main>\n{main}</main>\n</body>\n</html>\n",
        escaped(title),
        escaped(style),
    );
    let Ok(policy) = HeaderValue::from_str(policy) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let text_html = HeaderValue::from_static("text/html; charset=utf-8");
    let headers = [(header::CONTENT_TYPE, text_html), (header::CONTENT_SECURITY_POLICY, policy)];
    (status, headers, page).into_response()
}

fn policy(redirect_uri: Option<&Url>) -> String {
    let forms = redirect_uri.map_or_else(|| "'none'".to_owned(), form_targets);
    format!("default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action {forms}")
}

fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// A known scope in words. Everything unknown gets the same sentence; the code next to it says the rest.
fn in_words(scope: &str) -> &'static str {
    match scope {
        "openid" => "know who you are",
        "profile" => "see your name and profile",
        "email" => "see your e-mail address",
        "address" => "see your postal address",
        "phone" => "see your telephone number",
        "offline_access" => "keep access while you are away",
        _ if scope.ends_with(".readonly") || scope.ends_with(":read") || scope == "read" => "read data of yours",
        _ if scope.ends_with(":write") || scope == "write" => "change data of yours",
        _ => "use this permission",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policy_allows_forms_only_where_they_must_go() {
        let strict = "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action";
        assert_eq!(policy(None), format!("{strict} 'none'"));
        let next = Url::parse("http://127.0.0.1:9/cb").unwrap();
        assert_eq!(policy(Some(&next)), format!("{strict} {}", form_targets(&next)));
    }
}
