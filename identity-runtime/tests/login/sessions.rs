//! Sessions: how long they are good, and for whom.

use std::time::Duration;

use http::{HeaderMap, header::COOKIE};
use identity_client::{SessionBinding, User, login::RelyingParty};
use identity_runtime::{LoginBuildError, LoginClient, LoginClientBuilder, ReturnUrlRouter, SessionKey};
use serde_json::json;
use tower::ServiceExt as _;

use crate::{
    issuer::{CLIENT, Issuer},
    stage::{Anything, HandClock, Stage, login},
};

#[tokio::test]
async fn a_session_ends_with_its_lifetime() -> Result<(), Anything> {
    let stage = Stage::with(|builder| builder.with_session_lifetime(Duration::from_secs(3600))).await?;
    let page = stage.browser.get(&stage.come_back().await?).await?;
    assert!(page.set[0].starts_with("session-") && page.set[0].contains("; Max-Age=3600;"), "no longer in the browser");
    stage.clock.advance(Duration::from_secs(3599));
    assert_eq!(stage.who().await?.as_deref(), Some("alice"));
    stage.clock.advance(Duration::from_secs(1));
    assert_eq!(stage.who().await?, None);
    Ok(())
}

#[tokio::test]
async fn the_cookies_show_nothing_and_cannot_be_changed() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    stage.sign_in().await?;
    let cookies = stage.browser.cookies();
    let (name, value) = cookies.iter().next().ok_or("no cookie")?;
    for secret in ["alice", "access-", "refresh-"] {
        assert!(!value.contains(secret));
    }
    for index in [1, 10, 40, value.len() - 2] {
        let mut changed = value.clone().into_bytes();
        changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
        stage.browser.set_cookies([(name.clone(), String::from_utf8(changed)?)].into());
        assert_eq!(stage.who().await?, None, "{index}");
    }
    stage.browser.set_cookies(cookies);
    assert_eq!(stage.who().await?.as_deref(), Some("alice"));
    Ok(())
}

#[tokio::test]
async fn long_tokens_are_split_over_cookies() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    let long = "t".repeat(6_000);
    // Its hash is another one.
    stage.issuer.manners().claims = json!({ "at_hash": null });
    stage.issuer.manners().answer = json!({ "access_token": long });
    stage.sign_in().await?;
    assert_eq!(stage.browser.cookies().len(), 3);
    assert_eq!(stage.get("/token").await?.text, long);
    let mut cookies = stage.browser.cookies();
    cookies.pop_last();
    stage.browser.set_cookies(cookies);
    assert_eq!(stage.who().await?, None);
    Ok(())
}

#[tokio::test]
async fn another_user_in_the_same_browser_is_another_session() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    stage.sign_in().await?;
    let (before, token) = (stage.browser.cookies(), stage.get("/csrf").await?.text);
    stage.issuer.manners().user = "bob".into();
    stage.sign_in().await?;
    assert_eq!(stage.who().await?.as_deref(), Some("bob"));
    assert_eq!(stage.issuer.token_requests(), 2, "the end of the one session did not take the other with it");
    assert_ne!(stage.get("/csrf").await?.text, token);
    stage.browser.set_cookies(before);
    assert_eq!(stage.who().await?, None, "the session before has ended");
    Ok(())
}

#[tokio::test]
async fn keys_are_changed_without_signing_anybody_out() -> Result<(), Anything> {
    let (old, new) = (SessionKey::from_bytes([1; 32]), SessionKey::from_bytes([2; 32]));
    let stage = Stage::with(|builder| builder.with_session_key(old.clone())).await?;
    stage.sign_in().await?;
    let session = |client: &LoginClient| {
        let cookies: Vec<_> = stage.browser.cookies().iter().map(|(name, value)| format!("{name}={value}")).collect();
        let headers = http::HeaderMap::from_iter([(http::header::COOKIE, cookies.join("; ").parse().unwrap())]);
        client.user(&headers).map(|user| user.id().to_owned())
    };
    let with = |adjust: &dyn Fn(identity_runtime::LoginClientBuilder) -> identity_runtime::LoginClientBuilder| {
        login(&stage.issuer, &stage.clock, &stage.origin, adjust)
    };
    let restarted = with(&|builder| builder.with_session_key(old.clone()))?;
    assert_eq!(session(&restarted).as_deref(), Some("alice"));
    let rotated = with(&|builder| builder.with_session_key(new.clone()).with_previous_session_key(old.clone()))?;
    assert_eq!(session(&rotated).as_deref(), Some("alice"));
    let later = with(&|builder| builder.with_session_key(new.clone()))?;
    assert_eq!(session(&later), None);
    let of_its_own = with(&|builder| builder)?;
    assert_eq!(session(&of_its_own), None);

    // An answer through the layer brings a cookie that the new key alone opens.
    let cookies: Vec<_> = stage.browser.cookies().iter().map(|(name, value)| format!("{name}={value}")).collect();
    let app = axum::Router::new().route("/", axum::routing::get(async || "here")).layer(rotated.layer());
    let request = http::Request::get("/").header("cookie", cookies.join("; ")).body(axum::body::Body::empty())?;
    let answer = app.oneshot(request).await?;
    let line = answer.headers()["set-cookie"].to_str()?.to_owned();
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let headers =
        http::HeaderMap::from_iter([(http::header::COOKIE, line.split(';').next().unwrap_or_default().parse()?)]);
    assert_eq!(later.user(&headers), Some(User::asserted("alice")?));
    Ok(())
}

/// The pages of a consent in an application with a login: a visitor signs in on the way.
#[tokio::test]
async fn a_consent_link_leads_over_the_login_and_back() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    let router = ReturnUrlRouter::with_login(SessionBinding::new(), &stage.login);
    let app = axum::Router::new().nest("/consent", router.into_router());
    let host = stage.origin.trim_start_matches("http://").to_owned();
    let ask = |cookies: String| {
        let request = http::Request::get("/consent/start/abc?x=1").header("host", &host).header("cookie", cookies);
        app.clone().oneshot(request.body(axum::body::Body::empty()).unwrap())
    };
    let answer = ask("a=b".to_owned()).await?;
    assert_eq!(answer.status(), 303);
    assert_eq!(answer.headers()["location"], "/login?return_to=%2Fconsent%2Fstart%2Fabc%3Fx%3D1");
    stage.sign_in().await?;
    let cookies: Vec<_> = stage.browser.cookies().iter().map(|(name, value)| format!("{name}={value}")).collect();
    let elsewhere = http::Request::get("/consent/start/abc").header("host", "app.example.com");
    let answer = app.clone().oneshot(elsewhere.body(axum::body::Body::empty())?).await?;
    assert_eq!(answer.status(), 421, "the cookies are as insecure as those of the login");
    // Signed in, but there is no such consent.
    assert_eq!(ask(cookies.join("; ")).await?.status(), 403);
    Ok(())
}

#[tokio::test]
async fn what_cannot_work_is_refused_before_it_runs() -> Result<(), Anything> {
    let issuer = Issuer::start(&HandClock::new()).await?;
    let builder = |redirect_uri: &str| -> Result<_, Anything> {
        Ok(LoginClient::builder(
            identity_client::login::RelyingParty::builder(issuer.name(), CLIENT, redirect_uri).build()?,
        ))
    };
    let refused = |builder: identity_runtime::LoginClientBuilder| builder.build().err();
    assert_eq!(refused(builder("https://a.example.com/cb")?), None);
    assert_eq!(refused(builder("http://127.0.0.1:1/cb")?), Some(LoginBuildError::PlainHttp));
    let insecure = builder("https://a.example.com/cb")?.dangerously_use_insecure_cookies_on_loopback();
    assert_eq!(refused(insecure), Some(LoginBuildError::NeedlesslyInsecure));
    for path in ["login", "logout", "%7Bx%7D"] {
        assert_eq!(refused(builder(&format!("https://a.example.com/{path}"))?), Some(LoginBuildError::RedirectPath));
    }
    let short = builder("https://a.example.com/cb")?.with_session_lifetime(Duration::from_secs(1));
    assert_eq!(refused(short), Some(LoginBuildError::Lifetime));
    let keys = (0..=8).map(|byte| SessionKey::from_bytes([byte; 32]));
    let many = keys.fold(builder("https://a.example.com/cb")?, LoginClientBuilder::with_previous_session_key);
    assert_eq!(refused(many), Some(LoginBuildError::TooManyKeys));
    Ok(())
}

#[tokio::test]
async fn a_cookie_of_one_application_is_none_of_another_with_the_same_key() -> Result<(), Anything> {
    let key = || SessionKey::from_bytes([7; 32]);
    let stage = Stage::with(|builder| builder.with_session_key(key())).await?;
    stage.sign_in().await?;
    let cookies: Vec<_> = stage.browser.cookies().iter().map(|(name, value)| format!("{name}={value}")).collect();
    let headers = HeaderMap::from_iter([(COOKIE, cookies.join("; ").parse()?)]);
    let knows = |issuer: &str, client: &str| -> Result<bool, Anything> {
        let party = RelyingParty::builder(issuer, client, stage.url("/callback")).build()?;
        let login = LoginClient::builder(party).dangerously_use_insecure_cookies_on_loopback();
        let login = login.with_session_key(key()).with_clock(stage.clock.clone()).build()?;
        Ok(login.session(&headers).is_some())
    };
    let issuer = stage.issuer.name();
    assert!(knows(issuer, CLIENT)?);
    assert!(!knows(issuer, "another-client")? && !knows("https://other.example.com", CLIENT)?);
    Ok(())
}
