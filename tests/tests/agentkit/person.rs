//! Somebody at the emulator's sign-in and consent pages, a step at a time.

use identity_tests::Anything;
use reqwest::{
    Client, Response, Url,
    header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE},
};

#[expect(clippy::disallowed_methods, reason = "a visitor of pages on loopback, who follows redirects by hand")]
pub(crate) fn without_redirects() -> reqwest::Result<Client> {
    Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build()
}

/// Where an answer leads.
pub(crate) fn place(answer: &Response) -> Result<Url, Anything> {
    let place = answer.headers().get(LOCATION).ok_or_else(|| format!("{} leads nowhere", answer.status()))?;
    Ok(answer.url().join(place.to_str()?)?)
}

/// Agrees as this person to what the link asks: where the provider sends the browser, unopened.
pub(crate) async fn allow(http: &Client, link: &str, login: &str) -> Result<Url, Anything> {
    let answer = http.get(link).send().await?.error_for_status()?;
    let here = answer.url().clone();
    // The form counts in the browser that was shown it.
    let cookies = answer.headers().get_all(SET_COOKIE).iter().filter_map(|line| line.to_str().ok()?.split(';').next());
    let cookies = cookies.collect::<Vec<_>>().join("; ");
    let page = answer.text().await?;
    let value = |before: &str| {
        let rest = page.split_once(before).map(|(_, rest)| rest).unwrap_or_default();
        rest.split('"').next().unwrap_or_default().replace("&amp;", "&")
    };
    let interaction = value("name=\"interaction\" value=\"");
    let fields = [("interaction", &*interaction), ("login", login), ("decision", "allow")];
    let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let request = http.post(here.join(&value("action=\""))?).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    place(&request.header(COOKIE, cookies).body(form).send().await?)
}
