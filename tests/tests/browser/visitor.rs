//! Somebody at an OpenID provider without a browser: cookies and forms by hand, to see each step.

use std::{collections::BTreeMap, time::Duration};

use identity_tests::Anything;
use reqwest::{Client, Response, Url, header};

/// Cookies of each origin apart, although browsers share those of a host.
pub(super) struct Visitor {
    http: Client,
    jar: BTreeMap<(String, String), String>,
}

#[expect(clippy::disallowed_methods, reason = "a visitor of web pages, who follows redirects by hand")]
pub(super) fn http() -> Result<Client, Anything> {
    let builder = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    Ok(builder.timeout(Duration::from_secs(20)).build()?)
}

impl Visitor {
    pub(super) fn new() -> Result<Self, Anything> {
        Ok(Self { http: http()?, jar: BTreeMap::new() })
    }

    pub(super) async fn get(&mut self, url: &str) -> Result<Response, Anything> {
        self.send(url, None).await
    }

    pub(super) async fn send(&mut self, url: &str, form: Option<&[(&str, &str)]>) -> Result<Response, Anything> {
        let origin = Url::parse(url)?.origin().ascii_serialization();
        let own = self.jar.iter().filter(|((of, _), _)| *of == origin);
        let cookies: Vec<_> = own.map(|((_, name), value)| format!("{name}={value}")).collect();
        let request = match form {
            None => self.http.get(url),
            Some(pairs) => {
                let body: String = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
                self.http.post(url).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(body)
            }
        };
        let request = request.header(header::ACCEPT, "text/html").header(header::COOKIE, cookies.join("; "));
        let response = request.send().await?;
        for line in response.headers().get_all(header::SET_COOKIE) {
            let (name, rest) = line.to_str()?.split_once('=').ok_or("no cookie")?;
            let value = rest.split(';').next().unwrap_or_default();
            if value.is_empty() {
                self.jar.remove(&(origin.clone(), name.to_owned()));
            } else {
                self.jar.insert((origin.clone(), name.to_owned()), value.to_owned());
            }
        }
        Ok(response)
    }

    /// Where a page leads to.
    pub(super) async fn next(&mut self, url: &str) -> Result<String, Anything> {
        let response = self.get(url).await?;
        place(&response)
    }

    /// Through the provider's pages, as this user, up to where they lead back to: `prefix` is not opened.
    pub(super) async fn agree(&mut self, url: &str, name: &str, prefix: &str) -> Result<String, Anything> {
        let mut url = url.to_owned();
        for _ in 0..20 {
            if url.starts_with(prefix) {
                return Ok(url);
            }
            let response = self.get(&url).await?;
            if response.status().is_redirection() {
                url = place(&response)?;
                continue;
            }
            let here = response.url().clone();
            let page = response.text().await?;
            let action = page.split("action=\"").nth(1).and_then(|rest| rest.split('"').next()).ok_or("no form")?;
            let action = here.join(action)?;
            let prompt = if page.contains("value=\"login\"") { "login" } else { "consent" };
            let form = [("prompt", prompt), ("login", name), ("password", "any")];
            url = place(&self.send(action.as_str(), Some(&form)).await?)?;
        }
        Err("pages without end".into())
    }
}

pub(super) fn place(response: &Response) -> Result<String, Anything> {
    let place = response.headers().get(header::LOCATION).ok_or_else(|| format!("{} leads nowhere", response.url()))?;
    Ok(response.url().join(place.to_str()?)?.into())
}
