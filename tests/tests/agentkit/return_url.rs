//! The pages of the runtime in front of AgentKit, on real loopback HTTP: a handler waits for a consent, and a browser goes the whole way.

use std::{future::ready, time::Duration};

use axum::Router;
use http::{StatusCode, header, request::Parts};
use identity_client::{
    AccessToken, Acquired, Error, ErrorKind, IdentityClient, PendingAuthorization, SessionBinding, User,
    agentkit::{AgentKit, NewIdentity},
};
use identity_emulator::{Emulator, Human};
use identity_runtime::ReturnUrlRouter;
use identity_tests::{AGENT, Anything, OAUTH_PROVIDER};
use reqwest::Response;
use tokio::{net::TcpListener, sync::mpsc, task::JoinHandle};
use url::Url;

use crate::{
    SCOPE,
    person::{allow, place, without_redirects},
    platform, register_feishu,
};

/// The application of two users, whose session is a cookie that says who they are, and the agent of both.
struct Site {
    emulator: Emulator,
    agentkit: AgentKit,
    client: IdentityClient,
    url: String,
    server: JoinHandle<()>,
}

impl Drop for Site {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn user_of_session(parts: &Parts) -> Option<User> {
    let cookies = parts.headers.get(header::COOKIE)?.to_str().ok()?;
    let id = cookies.split("; ").find_map(|cookie| cookie.strip_prefix("session-of="))?;
    User::asserted(id).ok()
}

impl Site {
    async fn start() -> Result<Self, Anything> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let emulator = Emulator::builder().with_human(Human::Manual).start().await?;
        let agentkit = platform(&emulator)?;
        let agent = NewIdentity::new(AGENT)?.with_allowed_return_url(format!("{url}/consent/return"));
        agentkit.management().identities().create(agent).await?;
        register_feishu(&emulator, &agentkit).await?;
        let binding = SessionBinding::new();
        let client = IdentityClient::builder()
            .with_platform(agentkit.clone())
            .with_session_binding(binding.clone())
            .with_consent_timeout(Duration::from_secs(30))
            .build()?;
        let pages = ReturnUrlRouter::new(binding, |parts| ready(user_of_session(parts)));
        let pages = pages.dangerously_use_insecure_cookies_on_loopback().into_router();
        let app = Router::new().nest("/consent", pages);
        let server = tokio::spawn(async move { drop(axum::serve(listener, app).await) });
        Ok(Self { emulator, agentkit, client, url, server })
    }

    /// A handler of this user that waits for the consent, and the consent.
    async fn waiting(
        &self,
        user: &str,
    ) -> Result<(JoinHandle<Result<AccessToken, Error>>, PendingAuthorization), Anything> {
        let (tell, mut told) = mpsc::unbounded_channel();
        let request = self.client.access_token(OAUTH_PROVIDER).with_scopes([SCOPE]).for_user(&User::asserted(user)?);
        let request = request.with_return_url(format!("{}/consent/return", self.url));
        let request = request
            .on_auth_url(move |pending: PendingAuthorization| tell.send(pending).is_ok().then_some(()).ok_or("gone"));
        let handler = tokio::spawn(request.into_future());
        let pending = tokio::time::timeout(Duration::from_secs(20), told.recv()).await?;
        Ok((handler, pending.ok_or("nobody was asked")?))
    }

    fn start_link(&self, pending: &PendingAuthorization) -> Result<String, Anything> {
        Ok(format!("{}/consent/start/{}", self.url, SessionBinding::handle(pending).ok_or("a consent has a state")?))
    }
}

/// Somebody who is signed in to the application, with the cookies that it gave them.
struct Browser {
    http: reqwest::Client,
    cookies: String,
}

impl Browser {
    fn of(user: &str) -> Result<Self, Anything> {
        Ok(Self { http: without_redirects()?, cookies: format!("session-of={user}") })
    }

    async fn open(&mut self, url: &str) -> Result<Response, Anything> {
        let answer = self.http.get(url).header(header::COOKIE, &self.cookies).send().await?;
        for line in answer.headers().get_all(header::SET_COOKIE) {
            let cookie = line.to_str()?.split(';').next().unwrap_or_default();
            self.cookies = format!("{}; {cookie}", self.cookies);
        }
        Ok(answer)
    }

    /// Agrees at the outside provider as this person there, and comes back by the vault's callback: where that leads, unopened.
    async fn agree(&self, link: &str, login: &str) -> Result<String, Anything> {
        let callback = allow(&self.http, link, login).await?;
        Ok(place(&self.http.get(callback).send().await?)?.into())
    }
}

/// What the vault gives an agent that does not look who came back: nothing before the completion call.
async fn is_released(site: &Site, user: &str) -> Result<bool, Anything> {
    let careless = IdentityClient::builder().with_platform(site.agentkit.clone()).build()?;
    let user = User::asserted(user)?;
    let request = careless.access_token(OAUTH_PROVIDER).with_scopes([SCOPE]).for_user(&user);
    Ok(matches!(request.acquire().await?, Acquired::Ready(_)))
}

#[tokio::test]
async fn the_user_who_set_out_comes_back_and_the_handler_goes_on() -> Result<(), Anything> {
    let site = Site::start().await?;
    let (handler, pending) = site.waiting("alice").await?;
    let mut alice = Browser::of("alice")?;
    let out = alice.open(&site.start_link(&pending)?).await?;
    assert_eq!((out.status().as_u16(), out.headers()[header::LOCATION].to_str()?), (303, pending.authorization_url()));
    let landing = alice.agree(pending.authorization_url(), "alice-at-feishu").await?;
    assert!(
        landing.starts_with(&format!("{}/consent/return?", site.url)),
        "the vault sends the browser to the return URL"
    );
    let state =
        Url::parse(&landing)?.query_pairs().find(|(name, _)| name == "state").map(|(_, state)| state.into_owned());
    assert_eq!(state, pending.parts().custom_state, "with the state of the binding");
    assert!(!is_released(&site, "alice").await? && !handler.is_finished(), "she has not come back yet");
    assert_eq!(site.emulator.counters().count("complete_resource_token_auth"), 0);

    assert_eq!(alice.open(&landing).await?.status(), StatusCode::OK);
    assert!(!handler.await??.expose_secret().is_empty());
    assert!(site.emulator.counters().count("complete_resource_token_auth") >= 1);
    assert!(is_released(&site, "alice").await?);
    assert_eq!(alice.open(&landing).await?.status(), StatusCode::FORBIDDEN, "a landing is good once");
    Ok(())
}

#[tokio::test]
async fn another_user_s_browser_is_refused_and_the_credential_stays_in_the_vault() -> Result<(), Anything> {
    let site = Site::start().await?;
    let (handler, pending) = site.waiting("mallory").await?;
    let mut victim = Browser::of("victim")?;
    assert_eq!(victim.open(&site.start_link(&pending)?).await?.status(), StatusCode::FORBIDDEN);
    // Sent the authorization URL itself, the victim agrees with an account of their own, and lands signed in as themselves.
    let landing = victim.agree(pending.authorization_url(), "victim-at-feishu").await?;
    assert_eq!(victim.open(&landing).await?.status(), StatusCode::FORBIDDEN);
    let error = handler.await?.err().ok_or("mallory has the victim's credential")?;
    assert_eq!(error.kind(), ErrorKind::AuthorizationDenied, "{error}");
    assert_eq!(site.emulator.counters().count("complete_resource_token_auth"), 0);
    for user in ["mallory", "victim"] {
        assert!(!is_released(&site, user).await?, "{user}");
    }
    Ok(())
}

/// The right user in a browser that did not set out has no proof of it, and a state that nobody sent out is nobody's.
#[tokio::test]
async fn a_browser_that_did_not_set_out_and_a_forged_state_complete_nothing() -> Result<(), Anything> {
    let site = Site::start().await?;
    let (handler, pending) = site.waiting("alice").await?;
    let mut alice = Browser::of("alice")?;
    alice.open(&site.start_link(&pending)?).await?;
    let landing = alice.agree(pending.authorization_url(), "alice-at-feishu").await?;
    let state = pending.parts().custom_state.clone().ok_or("a bound consent has a state")?;
    let forged = landing.replace(&state, &"A".repeat(state.len()));
    assert_ne!(forged, landing);
    for forged in [&*forged, &format!("{}/consent/return", site.url), &format!("{landing}&state=another")] {
        assert_eq!(alice.open(forged).await?.status(), StatusCode::FORBIDDEN, "{forged}");
    }
    let elsewhere = Browser::of("alice")?.open(&landing).await?;
    assert_eq!(elsewhere.status(), StatusCode::FORBIDDEN);
    assert_eq!(site.emulator.counters().count("complete_resource_token_auth"), 0);
    assert!(!is_released(&site, "alice").await?);
    handler.abort();
    Ok(())
}
