//! What the tests of every dialect need: HTTP by hand, with redirects off, and a reader of pages.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, LOCATION};
use reqwest::{Client, Response};
use serde_json::Value;

#[expect(clippy::disallowed_methods, reason = "tests speak HTTP by hand")]
pub(crate) fn http() -> Client {
    Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(Duration::from_secs(20))
        .build()
        .unwrap()
}

pub(crate) async fn read(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    let body = serde_json::from_str(&text).unwrap_or(if text.is_empty() { Value::Null } else { Value::String(text) });
    (status, body)
}

pub(crate) fn text(value: &Value, member: &str) -> String {
    value[member].as_str().unwrap_or_else(|| panic!("no {member} in {value}")).to_owned()
}

pub(crate) fn location(response: &Response) -> String {
    assert!(response.status().is_redirection(), "{}", response.status());
    response.headers()[LOCATION].to_str().unwrap().to_owned()
}

pub(crate) fn cookie(response: &Response) -> String {
    response.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned()
}

/// The value of a field of a form.
pub(crate) fn field(html: &str, name: &str) -> String {
    let (_, rest) = html.split_once(&format!("name=\"{name}\" value=\"")).expect("the form has the field");
    rest.split_once('"').unwrap().0.to_owned()
}

pub(crate) fn form(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// Presses a button on the consent page at this URL; where that sends the browser.
pub(crate) async fn decide(http: &Client, url: &str, login: &str, decision: &str) -> String {
    let page = http.get(url).send().await.unwrap();
    assert_eq!(page.status(), 200);
    let cookie = cookie(&page);
    let html = page.text().await.unwrap();
    let body = form(&[("interaction", &field(&html, "interaction")), ("login", login), ("decision", decision)]);
    let (_, action) = html.split_once("action=\"").unwrap();
    let action = action.split('"').next().unwrap().replace("&amp;", "&");
    let action = url::Url::parse(url).unwrap().join(&action).unwrap();
    let request = http.post(action).header("cookie", cookie);
    let answer = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(body).send().await.unwrap();
    location(&answer)
}
