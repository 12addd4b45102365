//! The stage of these tests: an emulator that knows the outside provider, and an application to which the browser comes back.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use identity_client::{PendingAuthorization, RequestContext, User, agentbase::IdentityUpdate};
use identity_tests::{AGENT, Anything, Stage};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::{sleep, timeout},
};

use crate::openid::OpenIdProvider;

/// The name under which the outside provider is registered at the platform.
pub(super) const OPENID: &str = "openid";

pub(super) struct Scene {
    pub(super) stage: Stage,
    pub(super) application: Application,
}

impl Scene {
    pub(super) async fn new() -> Result<Self, Anything> {
        let stage = Stage::new().await?;
        let application = Application::start().await?;
        lead_back_to(&stage, &application.return_url).await?;
        Ok(Self { stage, application })
    }

    /// With an outside provider, registered on both sides.
    pub(super) async fn with(openid: &OpenIdProvider) -> Result<Self, Anything> {
        let scene = Self::new().await?;
        register(&scene.stage, openid).await?;
        Ok(scene)
    }

    /// What a handler gets for a request of this user.
    pub(super) fn context(&self, user: &str) -> Result<RequestContext, Anything> {
        let context = RequestContext::new().with_client(self.stage.client.clone()).with_user(User::asserted(user)?);
        Ok(context.with_return_url(self.application.return_url.as_str())?)
    }
}

/// Lets consents lead back to this URL and no other.
pub(super) async fn lead_back_to(stage: &Stage, return_url: &str) -> Result<(), Anything> {
    let update = IdentityUpdate::new().with_allowed_return_urls([return_url]);
    stage.agentbase.identities().update(AGENT, update).await?;
    Ok(())
}

/// Registers an outside provider at the platform, and the platform there.
pub(super) async fn register(stage: &Stage, openid: &OpenIdProvider) -> Result<(), Anything> {
    let provider = stage.agentbase.oauth2_providers().create(OPENID, openid.client()?).await?;
    openid.allow_redirect(&provider.callback_url.ok_or("the provider has no callback URL")?).await
}

/// Says "back in the application" to every visitor.
pub(super) struct Application {
    pub(super) return_url: String,
    server: JoinHandle<()>,
}

impl Application {
    async fn start() -> Result<Self, Anything> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let return_url = format!("http://{}/done?from=consent", listener.local_addr()?);
        let server = tokio::spawn(async move {
            while let Ok((visitor, _)) = listener.accept().await {
                tokio::spawn(timeout(Duration::from_secs(5), greet(visitor)));
            }
        });
        Ok(Self { return_url, server })
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn greet(mut visitor: TcpStream) -> std::io::Result<()> {
    let mut request = BufReader::new(&mut visitor).take(8192).lines();
    while request.next_line().await?.is_some_and(|line| !line.is_empty()) {}
    let page = "<!doctype html><html lang=en><title>Back</title><h1>Back in the application</h1>";
    let length = page.len();
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{page}"
    );
    visitor.write_all(answer.as_bytes()).await?;
    visitor.shutdown().await
}

static SHOWN: Mutex<Vec<PendingAuthorization>> = Mutex::new(Vec::new());

fn shown() -> MutexGuard<'static, Vec<PendingAuthorization>> {
    SHOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where the handlers of these tests tell their users; each test has users of its own.
pub(super) fn show(pending: PendingAuthorization) {
    shown().push(pending);
}

/// What has been shown to a user so far.
pub(super) fn all_shown_to(user: &str) -> Vec<PendingAuthorization> {
    shown().iter().filter(|pending| pending.user().id() == user).cloned().collect()
}

/// The link that a user is shown first.
pub(super) async fn link_shown_to(user: &str) -> Result<String, Anything> {
    let looking = async {
        loop {
            if let Some(pending) = all_shown_to(user).first() {
                return pending.authorization_url().to_owned();
            }
            sleep(Duration::from_millis(10)).await;
        }
    };
    Ok(timeout(Duration::from_secs(10), looking).await.map_err(|_| format!("{user} was shown nothing"))?)
}
