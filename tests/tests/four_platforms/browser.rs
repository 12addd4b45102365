//! A person with a browser, as far as forms, redirects and cookies go. All sites are on this machine, so one jar serves them.

use std::{collections::BTreeMap, time::Duration};

use identity_client::SecretString;
use identity_tests::Anything;
use reqwest::{Client, Response, header};
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use url::{Url, form_urlencoded::Serializer};

/// The front end of the agent's users, as a client of the user pool. Nobody is there: its callback is where the person stops.
pub(crate) const CLIENT: &str = "portal";
pub(crate) const SECRET: &str = "synthetic-secret-of-the-portal";
pub(crate) const CALLBACK: &str = "http://127.0.0.1:8082/callback";

/// More than any way there and back has.
const MOST_STEPS: usize = 12;

#[derive(Deserialize)]
struct Tokens {
    access_token: SecretString,
}

/// A client that follows nothing by itself and stays on this machine.
#[expect(clippy::disallowed_methods, reason = "a person's browser, and a caller of the agent")]
pub(crate) fn http() -> Result<Client, Anything> {
    let builder = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    Ok(builder.timeout(Duration::from_secs(30)).build()?)
}

pub(crate) struct Browser {
    http: Client,
    name: &'static str,
    cookies: BTreeMap<String, String>,
}

impl Browser {
    pub(crate) fn of(name: &'static str) -> Result<Self, Anything> {
        Ok(Self { http: http()?, name, cookies: BTreeMap::new() })
    }

    /// The front end's session, which on this stage is the token itself.
    pub(crate) fn keep_session(&mut self, token: &SecretString) {
        self.cookies.insert("session".to_owned(), token.expose_secret().to_owned());
    }

    /// Opens the link, signs in and agrees wherever that is asked, and goes on to the last page. Where it is, and what it shows.
    pub(crate) async fn open(&mut self, link: &str) -> Result<(Url, String), Anything> {
        let mut place = Url::parse(link)?;
        let mut request = self.http.get(place.clone());
        for _ in 0..MOST_STEPS {
            let answer = self.send(request).await?;
            if let Some(next) = answer.headers().get(header::LOCATION) {
                place = place.join(next.to_str()?)?;
                if place.as_str().starts_with(CALLBACK) {
                    return Ok((place, String::new()));
                }
                request = self.http.get(place.clone());
                continue;
            }
            let status = answer.status();
            let page = answer.text().await?;
            if !status.is_success() {
                return Err(format!("{status} at {}", place.path()).into());
            }
            let Some(interaction) = between(&page, "name=\"interaction\" value=\"") else { return Ok((place, page)) };
            let action = between(&page, "action=\"").ok_or("a form without an action")?.replace("&amp;", "&");
            let filled_in = form(&[("interaction", interaction), ("login", self.name), ("decision", "allow")]);
            place = place.join(&action)?;
            request = posting(self.http.post(place.clone()), filled_in);
        }
        Err("the way never ends".into())
    }

    async fn send(&mut self, request: reqwest::RequestBuilder) -> Result<Response, Anything> {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let answer = request.header(header::COOKIE, cookies.join("; ")).send().await?;
        for cookie in answer.headers().get_all(header::SET_COOKIE) {
            let pair = cookie.to_str()?.split(';').next().unwrap_or_default();
            let (name, value) = pair.split_once('=').ok_or("a cookie without a value")?;
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        Ok(answer)
    }

    /// Signs in at the user pool, and gets what the front end would get.
    pub(crate) async fn token_of_pool(&mut self, issuer: &str) -> Result<SecretString, Anything> {
        let asked = [("response_type", "code"), ("client_id", CLIENT), ("redirect_uri", CALLBACK), ("scope", "openid")];
        let (back, _) = self.open(&format!("{issuer}/oauth/authorize?{}", form(&asked))).await?;
        let code = back.query_pairs().find(|(name, _)| name == "code").ok_or("no code came back")?.1.into_owned();
        let redeemed = form(&[("grant_type", "authorization_code"), ("redirect_uri", CALLBACK), ("code", &code)]);
        let request = self.http.post(format!("{issuer}/oauth/token")).basic_auth(CLIENT, Some(SECRET));
        let answer = posting(request, redeemed).send().await?.error_for_status()?;
        Ok(answer.json::<Tokens>().await?.access_token)
    }
}

fn posting(request: reqwest::RequestBuilder, form: String) -> reqwest::RequestBuilder {
    request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(form)
}

fn form(pairs: &[(&str, &str)]) -> String {
    Serializer::new(String::new()).extend_pairs(pairs).finish()
}

fn between<'a>(html: &'a str, before: &str) -> Option<&'a str> {
    html.split_once(before)?.1.split('"').next()
}
