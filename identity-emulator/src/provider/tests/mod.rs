//! The provider over real loopback HTTP.

mod authorize;
mod grants;
mod token;

use std::sync::atomic::AtomicI64;

use reqwest::{StatusCode, header::HeaderMap};
use tokio::{net::TcpListener, task::JoinHandle};

use super::*;
use crate::oauth::{challenge_of, client_for_tests};

const CALLBACK: &str = "http://127.0.0.1:9/cb?kept=1";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// A served provider whose clock stands still until told.
struct Server {
    provider: BuiltInProvider,
    http: reqwest::Client,
    seconds: Arc<AtomicI64>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    async fn of(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        Self { status, headers, body: response.text().await.unwrap() }
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.body))
    }

    fn error(&self) -> String {
        self.json()["error"].as_str().unwrap_or_default().to_owned()
    }

    /// A parameter of the URL that the browser is sent to.
    fn sent(&self, name: &str) -> Option<String> {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{}", self.body);
        let url = Url::parse(self.header("location")).unwrap();
        assert!(url.as_str().starts_with(CALLBACK), "{url}");
        url.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
    }

    /// The one-time id in the form.
    fn interaction(&self) -> &str {
        let (_, rest) = self.body.split_once("name=\"interaction\" value=\"").expect("no form");
        rest.split_once('"').unwrap().0
    }

    fn cookie(&self) -> &str {
        self.header("set-cookie").split(';').next().unwrap()
    }
}

impl Server {
    async fn start() -> Self {
        Self::start_with(|provider| provider).await
    }

    async fn start_with(configure: impl FnOnce(BuiltInProvider) -> BuiltInProvider) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/provider", listener.local_addr().unwrap());
        let seconds = Arc::new(AtomicI64::new(1_800_000_000));
        let clock = seconds.clone();
        let provider = BuiltInProvider::new(Url::parse(&base).unwrap())
            .unwrap()
            .with_clock(move || Timestamp::from_second(clock.load(Ordering::SeqCst)).unwrap());
        let provider = configure(provider);
        provider.allow_redirect_uri(&Url::parse(CALLBACK).unwrap()).unwrap();
        let app = Router::new().nest("/provider", provider.router());
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { provider, http: client_for_tests(), seconds, task }
    }

    fn pass(&self, seconds: i64) {
        self.seconds.fetch_add(seconds, Ordering::SeqCst);
    }

    fn url(&self, name: &str) -> Url {
        self.provider.endpoint(name)
    }

    /// The authorization request with some parameters replaced (`Some`) or left out (`None`).
    fn request(&self, changes: &[(&str, Option<&str>)]) -> Url {
        let challenge = challenge_of(VERIFIER);
        let mut url = self.url("authorize");
        let usual = [
            ("response_type", "code"),
            ("client_id", &*self.provider.client_id),
            ("redirect_uri", CALLBACK),
            ("scope", "openid read"),
            ("state", "st&te +%"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        for (name, value) in usual {
            let replaced = changes.iter().find(|(known, _)| *known == name);
            if let Some(value) = replaced.map_or(Some(value), |(_, value)| *value) {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
        url
    }

    async fn open(&self, url: Url) -> Answer {
        Answer::of(self.http.get(url)).await
    }

    async fn decide(&self, page: &Answer, login: &str, decision: &str) -> Answer {
        let fields = [("interaction", page.interaction()), ("login", login), ("decision", decision)];
        Answer::of(form(self.http.post(self.url("authorize")).header("cookie", page.cookie()), &fields)).await
    }

    /// A code for `alice`.
    async fn code(&self) -> String {
        let page = self.open(self.request(&[])).await;
        self.decide(&page, "alice", "allow").await.sent("code").unwrap()
    }

    /// `POST /token` with Basic.
    async fn token(&self, fields: &[(&str, &str)]) -> Answer {
        let registration = self.provider.registration();
        let secret = registration.client_secret.expose_secret();
        let request = self.http.post(self.url("token")).basic_auth(&registration.client_id, Some(secret));
        Answer::of(form(request, fields)).await
    }

    async fn redeem(&self, code: &str) -> Answer {
        let fields = [("code", code), ("redirect_uri", CALLBACK), ("code_verifier", VERIFIER)];
        self.token(&[&[("grant_type", "authorization_code")][..], &fields].concat()).await
    }

    async fn refresh(&self, token: &str) -> Answer {
        self.token(&[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    }

    async fn userinfo(&self, authorization: &str) -> Answer {
        let request = self.http.get(self.url("userinfo"));
        Answer::of(if authorization.is_empty() { request } else { request.header("authorization", authorization) })
            .await
    }
}

fn form(request: reqwest::RequestBuilder, fields: &[(&str, &str)]) -> reqwest::RequestBuilder {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    request.header("content-type", "application/x-www-form-urlencoded").body(body)
}

fn text<'a>(json: &'a serde_json::Value, name: &str) -> &'a str {
    json[name].as_str().unwrap_or_default()
}
