//! A scripted person with a browser: what `--human approve` is where somebody has to sign in first.

use http::header::{ACCEPT, CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use reqwest::{RequestBuilder, Response};
use url::{Origin, Url};

use crate::without_redirects;

type Anything = Box<dyn std::error::Error + Send + Sync>;

/// More steps than any sign-in or consent has.
const STEPS: usize = 20;

/// Somebody of this name, who signs in and agrees wherever the emulator asks. Cookies of each origin are kept apart, although
/// browsers share those of a host.
#[derive(Debug)]
pub struct Visitor {
    name: String,
    http: reqwest::Client,
    cookies: Vec<(Origin, String, String)>,
}

/// Where a visitor arrived.
#[derive(Debug)]
pub struct Arrival {
    /// The address.
    pub url: Url,
    /// The page; empty if it was not opened.
    pub page: String,
}

impl Visitor {
    /// With an empty browser.
    ///
    /// # Errors
    /// If the system gives no HTTP client.
    pub fn new(name: &str) -> reqwest::Result<Self> {
        Ok(Self { name: name.to_owned(), http: without_redirects()?, cookies: Vec::new() })
    }

    /// Puts a cookie into the browser, as the site at this address would.
    pub fn set_cookie(&mut self, site: &Url, name: &str, value: &str) {
        let origin = site.origin();
        self.cookies.retain(|(of, known, _)| *of != origin || known != name);
        if !value.is_empty() {
            self.cookies.push((origin, name.to_owned(), value.to_owned()));
        }
    }

    /// Opens a page, and goes on from there, agreeing where asked, to the one that asks nothing more.
    ///
    /// # Errors
    /// If a site cannot be reached or answers with a failure, or the way does not end.
    pub async fn open(&mut self, url: &str) -> Result<Arrival, Anything> {
        self.go(url, None).await
    }

    /// The same up to an address that begins like this, which is not opened.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_until(&mut self, url: &str, prefix: &str) -> Result<Arrival, Anything> {
        self.go(url, Some(prefix)).await
    }

    /// Sends a form of a page, and does not go where that leads.
    ///
    /// # Errors
    /// If the site cannot be reached.
    pub async fn submit(&mut self, url: &Url, fields: &[(&str, &str)]) -> Result<Response, Anything> {
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = self.http.post(url.clone()).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(url, request.body(form)).await
    }

    /// Sends what the script of a page does.
    ///
    /// # Errors
    /// If the site cannot be reached.
    pub async fn send(&mut self, site: &Url, request: RequestBuilder) -> Result<Response, Anything> {
        let origin = site.origin();
        let own = self.cookies.iter().filter(|(of, ..)| *of == origin);
        let own: Vec<_> = own.map(|(_, name, value)| format!("{name}={value}")).collect();
        let answer = request.header(COOKIE, own.join("; ")).send().await?;
        for line in answer.headers().get_all(SET_COOKIE) {
            let pair = line.to_str()?.split(';').next().unwrap_or_default();
            let (name, value) = pair.split_once('=').ok_or("a site set what is no cookie")?;
            self.set_cookie(site, name, value);
        }
        Ok(answer)
    }

    /// For requests of a page's script.
    #[must_use]
    pub fn http(&self) -> &reqwest::Client {
        &self.http
    }

    async fn go(&mut self, url: &str, prefix: Option<&str>) -> Result<Arrival, Anything> {
        let mut url = Url::parse(url)?;
        let mut answers: Option<Vec<(&str, String)>> = None;
        for _ in 0..STEPS {
            if prefix.is_some_and(|prefix| url.as_str().starts_with(prefix)) {
                return Ok(Arrival { url, page: String::new() });
            }
            let answer = if let Some(fields) = answers.take() {
                let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
                self.submit(&url, &fields).await?
            } else {
                let request = self.http.get(url.clone()).header(ACCEPT, "text/html");
                self.send(&url, request).await?
            };
            if let Some(place) = next(&url, &answer)? {
                url = place;
                continue;
            }
            let page = answer.error_for_status()?.text().await?;
            let Some(interaction) = attribute(&page, "name=\"interaction\" value=\"") else {
                return Ok(Arrival { url, page });
            };
            let allow = [("interaction", interaction), ("login", self.name.clone()), ("decision", "allow".to_owned())];
            let action = attribute(&page, "action=\"").ok_or("a form without a target")?;
            (url, answers) = (url.join(&action)?, Some(allow.to_vec()));
        }
        Err("the pages do not end".into())
    }
}

fn next(here: &Url, answer: &Response) -> Result<Option<Url>, Anything> {
    let Some(place) = answer.headers().get(LOCATION) else { return Ok(None) };
    Ok(Some(here.join(place.to_str()?)?))
}

/// What stands after this in a page, up to the next quotation mark.
#[must_use]
pub fn attribute(page: &str, before: &str) -> Option<String> {
    let (value, _) = page.split_once(before)?.1.split_once('"')?;
    Some(value.replace("&amp;", "&"))
}
