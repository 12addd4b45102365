//! A browser just good enough for the consent page of the built-in provider.

use std::time::Duration;

use http::header::{COOKIE, LOCATION, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

/// More steps than any consent journey has.
const STEPS: usize = 8;

#[expect(clippy::disallowed_methods, reason = "talks to the emulator itself, on loopback, and carries no credential")]
pub(super) fn client(sender: &HeaderName, pass: &str) -> Option<reqwest::Client> {
    let mut headers = HeaderMap::new();
    headers.insert(sender, HeaderValue::try_from(pass).ok()?);
    let builder = reqwest::Client::builder()
        .default_headers(headers)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        // In clear on loopback only: without a single TLS root it is fast to build.
        .tls_certs_only([])
        .timeout(Duration::from_secs(5));
    builder.build().ok()
}

/// Goes from `start` over the consent page to the callback, and stops there: the application is not ours to visit.
pub(super) async fn walk(
    client: &reqwest::Client,
    start: &str,
    callback: &str,
    login: &str,
    approve: bool,
) -> Result<(), &'static str> {
    let mut url = Url::parse(start).map_err(|_| "the link is no URL")?;
    let origin = url.origin();
    let mut request = client.get(url.clone());
    for _ in 0..STEPS {
        let response = request.send().await.map_err(|_| "a page did not answer")?;
        if url.as_str().starts_with(callback) {
            let arrived = response.status().is_redirection() || response.status().is_success();
            return if arrived { Ok(()) } else { Err("the callback was refused") };
        }
        if response.status().is_redirection() {
            let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
            url = location.and_then(|location| url.join(location).ok()).ok_or("a redirect leads nowhere")?;
            if url.origin() != origin {
                return Err("a redirect leads elsewhere");
            }
            request = client.get(url.clone());
        } else if response.status().is_success() {
            let cookies = cookies(response.headers());
            let page = response.text().await.map_err(|_| "a page broke off")?;
            let interaction = hidden_field(&page, "interaction").ok_or("a page has no form")?;
            let decision = if approve { "allow" } else { "deny" };
            let form = url::form_urlencoded::Serializer::new(String::new())
                .append_pair("interaction", &interaction)
                .append_pair("login", &login_name(login))
                .append_pair("decision", decision)
                .finish();
            url.set_query(None);
            request = client
                .post(url.clone())
                .header(COOKIE, cookies)
                .header(http::header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(form);
        } else {
            return Err("a page was refused");
        }
    }
    Err("the journey does not end")
}

fn cookies(headers: &HeaderMap) -> String {
    let lines = headers.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs: Vec<&str> = lines.filter_map(|line| line.split(';').next()).collect();
    pairs.join("; ")
}

/// The value of a hidden field; the values in question are base64 and need no unescaping.
fn hidden_field(page: &str, name: &str) -> Option<String> {
    let (_, rest) = page.split_once(&format!("name=\"{name}\" value=\""))?;
    rest.split_once('"').map(|(value, _)| value.to_owned())
}

/// The user's id as a login name, as far as the provider takes it.
fn login_name(user: &str) -> String {
    let name: String = user.trim().chars().filter(|character| !character.is_control()).take(100).collect();
    if name.trim().is_empty() { "person".to_owned() } else { name }
}
