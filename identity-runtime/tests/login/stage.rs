//! An application with a login, its issuer, and a clock in hand.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{Router, routing::get};
use identity_client::{Clock, Moment, SystemClock, login::RelyingParty};
use identity_runtime::{LoginClient, LoginClientBuilder, LoginSession};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{
    browser::{Browser, Page},
    issuer::{CLIENT, Issuer, SECRET},
};

pub(crate) type Anything = Box<dyn std::error::Error + Send + Sync>;

/// Stands still until it is moved.
#[derive(Debug, Clone)]
pub(crate) struct HandClock(Arc<Mutex<Moment>>);

impl HandClock {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(SystemClock.now())))
    }

    pub(crate) fn advance(&self, by: Duration) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now = Moment { wall: now.wall + by, steady: now.steady + by };
    }

    /// As when a time server corrects it.
    pub(crate) fn set_back(&self, by: Duration) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).wall -= by;
    }
}

impl Clock for HandClock {
    fn now(&self) -> Moment {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) struct Stage {
    pub(crate) issuer: Issuer,
    pub(crate) clock: HandClock,
    pub(crate) login: LoginClient,
    pub(crate) browser: Browser,
    pub(crate) origin: String,
    server: JoinHandle<()>,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Stage {
    pub(crate) async fn new() -> Result<Self, Anything> {
        Self::with(|builder| builder).await
    }

    pub(crate) async fn with(adjust: impl FnOnce(LoginClientBuilder) -> LoginClientBuilder) -> Result<Self, Anything> {
        let clock = HandClock::new();
        let issuer = Issuer::start(&clock).await?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let origin = format!("http://{}", listener.local_addr()?);
        let login = login(&issuer, &clock, &origin, adjust)?;
        let app = application(&login);
        let server = tokio::spawn(async move { drop(axum::serve(listener, app).await) });
        Ok(Self { issuer, clock, login, browser: Browser::new()?, origin, server })
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Page, Anything> {
        self.browser.get(&self.url(path)).await
    }

    /// From the login to the redirect URI, which is not opened.
    pub(crate) async fn come_back(&self) -> Result<String, Anything> {
        let departure = self.get("/login").await?;
        let back = self.browser.get(departure.place()?.as_str()).await?;
        Ok(back.place()?.to_string())
    }

    pub(crate) async fn sign_in(&self) -> Result<(), Anything> {
        let page = self.browser.follow(&self.url("/login")).await?;
        assert!(page.text.starts_with("home of "), "{}", page.text);
        Ok(())
    }

    /// The user whom the application sees.
    pub(crate) async fn who(&self) -> Result<Option<String>, Anything> {
        let page = self.get("/who").await?;
        Ok(page.text.strip_prefix("user ").map(str::to_owned))
    }
}

pub(crate) fn login(
    issuer: &Issuer,
    clock: &HandClock,
    origin: &str,
    adjust: impl FnOnce(LoginClientBuilder) -> LoginClientBuilder,
) -> Result<LoginClient, Anything> {
    let party = RelyingParty::builder(issuer.name(), CLIENT, format!("{origin}/callback"))
        .with_client_secret(SECRET)
        .with_clock(clock.clone())
        .build()?;
    let builder = LoginClient::builder(party).dangerously_use_insecure_cookies_on_loopback().with_clock(clock.clone());
    Ok(adjust(builder).build()?)
}

fn application(login: &LoginClient) -> Router {
    Router::new()
        .route("/", get(async |session: LoginSession| format!("home of {}", session.name().unwrap_or_default())))
        .route("/page", get(async |session: LoginSession| format!("page of {}", session.user().id())))
        .route("/who", get(who))
        .route("/csrf", get(async |session: LoginSession| session.csrf_token().to_owned()))
        .route("/token", get(token))
        .merge(login.router())
        .layer(login.layer())
}

async fn who(session: Option<LoginSession>) -> String {
    session.map_or_else(|| "nobody".to_owned(), |session| format!("user {}", session.user().id()))
}

/// No application shows it; this one is a test.
async fn token(session: LoginSession) -> String {
    match session.access_token().await {
        Ok(token) => token.expose_secret().to_owned(),
        Err(error) => format!("error {:?}", error.kind()),
    }
}
