//! As much of a browser as a login needs: cookies by the rules of RFC 6265, and no redirect that a test does not ask for.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::{Method, header};
use reqwest::{Client, Response, Url};

use crate::stage::Anything;

pub(crate) struct Browser {
    http: Client,
    /// By host and name. On loopback all ports share them.
    cookies: Mutex<BTreeMap<String, String>>,
}

/// What a request was answered with.
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) place: Option<Url>,
    pub(crate) set: Vec<String>,
    pub(crate) headers: http::HeaderMap,
    pub(crate) text: String,
}

impl Browser {
    #[expect(clippy::disallowed_methods, reason = "a browser, which is not the issuer's client")]
    pub(crate) fn new() -> Result<Self, Anything> {
        let builder = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        Ok(Self { http: builder.timeout(Duration::from_secs(20)).build()?, cookies: Mutex::default() })
    }

    fn jar(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.cookies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn cookies(&self) -> BTreeMap<String, String> {
        self.jar().clone()
    }

    pub(crate) fn set_cookies(&self, cookies: BTreeMap<String, String>) {
        *self.jar() = cookies;
    }

    pub(crate) async fn get(&self, url: &str) -> Result<Page, Anything> {
        self.send(Method::GET, url, None, &[]).await
    }

    pub(crate) async fn post(&self, url: &str, form: &str) -> Result<Page, Anything> {
        self.send(Method::POST, url, Some(form), &[]).await
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        url: &str,
        form: Option<&str>,
        headers: &[(&str, &str)],
    ) -> Result<Page, Anything> {
        let cookies: Vec<_> = self.cookies().iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut request = self.http.request(method, url).header(header::ACCEPT, "text/html");
        if !cookies.is_empty() {
            request = request.header(header::COOKIE, cookies.join("; "));
        }
        if let Some(form) = form {
            request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(form.to_owned());
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.read(request.send().await?).await
    }

    async fn read(&self, response: Response) -> Result<Page, Anything> {
        let set: Vec<_> = response.headers().get_all(header::SET_COOKIE).iter().collect();
        let set: Vec<_> = set.into_iter().map(|line| line.to_str().map(str::to_owned)).collect::<Result<_, _>>()?;
        for line in &set {
            let (name, rest) = line.split_once('=').ok_or("no cookie")?;
            let value = rest.split(';').next().unwrap_or_default();
            let mut cookies = self.jar();
            if line.contains("Max-Age=0") {
                cookies.remove(name);
            } else {
                cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let place =
            response.headers().get(header::LOCATION).map(|place| place.to_str().map(str::to_owned)).transpose()?;
        let place = place.map(|place| response.url().join(&place)).transpose()?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Page { status, place, set, headers, text: response.text().await? })
    }

    /// Follows redirects until there is a page.
    pub(crate) async fn follow(&self, url: &str) -> Result<Page, Anything> {
        let mut page = self.get(url).await?;
        for _ in 0..10 {
            let Some(place) = page.place.clone() else { return Ok(page) };
            page = self.get(place.as_str()).await?;
        }
        Err("redirects without end".into())
    }
}

impl Page {
    pub(crate) fn place(&self) -> Result<&Url, Anything> {
        self.place.as_ref().ok_or_else(|| format!("no redirect but {}: {}", self.status, self.text).into())
    }
}
