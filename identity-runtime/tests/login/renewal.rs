//! Access tokens that end while the session goes on.

use std::time::Duration;

use futures_util::future::join_all;
use http::{HeaderMap, header::COOKIE};
use identity_client::ErrorKind;
use identity_runtime::LoginSession;
use serde_json::json;

use crate::stage::{Anything, Stage};

/// What a handler is given.
fn session(stage: &Stage) -> Result<LoginSession, Anything> {
    let cookies: Vec<_> = stage.browser.cookies().iter().map(|(name, value)| format!("{name}={value}")).collect();
    let headers = HeaderMap::from_iter([(COOKIE, cookies.join("; ").parse()?)]);
    Ok(stage.login.session(&headers).ok_or("no session")?)
}

async fn token(stage: &Stage) -> Result<String, Anything> {
    Ok(stage.get("/token").await?.text)
}

#[tokio::test]
async fn a_token_is_renewed_before_its_end_and_the_browser_gets_its_successor() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    stage.sign_in().await?;
    let first = token(&stage).await?;
    stage.clock.advance(Duration::from_secs(269));
    assert_eq!(token(&stage).await?, first);
    stage.clock.advance(Duration::from_secs(1));
    let before = stage.browser.cookies();
    let second = token(&stage).await?;
    assert_ne!(first, second);
    assert_ne!(stage.browser.cookies(), before);
    assert_eq!((token(&stage).await?, stage.issuer.token_requests()), (second, 2));
    // Each refresh token is good once, so a third token proves that the second one was kept.
    stage.clock.advance(Duration::from_secs(300));
    assert!(token(&stage).await?.starts_with("access-"));
    assert_eq!(stage.issuer.token_requests(), 3);
    Ok(())
}

#[tokio::test]
async fn an_answer_that_was_lost_costs_nothing() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    stage.sign_in().await?;
    let before = stage.browser.cookies();
    stage.clock.advance(Duration::from_secs(300));
    let second = token(&stage).await?;
    // The browser never got the cookies of the renewal.
    stage.browser.set_cookies(before.clone());
    assert_eq!(token(&stage).await?, second);
    stage.browser.set_cookies(before);
    stage.clock.advance(Duration::from_secs(300));
    assert!(token(&stage).await?.starts_with("access-"));
    assert_eq!(stage.issuer.token_requests(), 3);
    Ok(())
}

#[tokio::test]
async fn many_at_once_renew_once() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    stage.sign_in().await?;
    stage.clock.advance(Duration::from_secs(300));
    stage.issuer.manners().delay = Duration::from_millis(50);
    let tokens = join_all((0..20).map(|_| token(&stage))).await;
    let tokens = tokens.into_iter().collect::<Result<Vec<_>, _>>()?;
    assert!(tokens.iter().all(|token| *token == tokens[0] && token.starts_with("access-")), "{tokens:?}");
    assert_eq!(stage.issuer.token_requests(), 2);
    Ok(())
}

#[tokio::test]
async fn a_caller_who_goes_away_does_not_take_the_renewal_along() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    stage.sign_in().await?;
    stage.clock.advance(Duration::from_secs(300));
    let session = session(&stage)?;
    stage.issuer.manners().delay = Duration::from_millis(100);
    let caller = session.clone();
    let asking = tokio::spawn(async move { caller.access_token().await });
    while stage.issuer.token_requests() < 2 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    asking.abort();
    assert!(session.access_token().await?.expose_secret().starts_with("access-"));
    assert_eq!(stage.issuer.token_requests(), 2);
    Ok(())
}

#[tokio::test]
async fn while_the_issuer_is_down_a_token_serves_until_its_end() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    stage.sign_in().await?;
    let first = token(&stage).await?;
    stage.issuer.manners().refusal = Some((503, json!({})));
    stage.clock.advance(Duration::from_secs(280));
    assert_eq!(token(&stage).await?, first);
    stage.clock.advance(Duration::from_secs(20));
    assert_eq!(token(&stage).await?, "error Unavailable");
    assert_eq!(stage.who().await?.as_deref(), Some("alice"), "the session goes on");
    stage.issuer.manners().refusal = None;
    stage.clock.advance(Duration::from_secs(5));
    assert!(token(&stage).await?.starts_with("access-"));
    Ok(())
}

#[tokio::test]
async fn a_session_whose_tokens_the_issuer_does_not_renew_is_over() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    stage.sign_in().await?;
    stage.issuer.manners().refusal = Some((400, json!({ "error": "invalid_grant" })));
    stage.clock.advance(Duration::from_secs(300));
    let copy = stage.browser.cookies();
    assert_eq!(token(&stage).await?, "error AuthorizationExpired");
    assert!(stage.browser.cookies().is_empty());
    stage.browser.set_cookies(copy);
    assert_eq!(stage.who().await?, None);
    Ok(())
}

#[tokio::test]
async fn tokens_of_another_user_are_not_taken() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    stage.sign_in().await?;
    stage.clock.advance(Duration::from_secs(300));
    stage.issuer.manners().claims = json!({ "sub": "mallory" });
    assert_eq!(token(&stage).await?, "error AuthorizationExpired");
    assert_eq!(stage.who().await?, None);
    Ok(())
}

#[tokio::test]
async fn without_a_refresh_token_the_user_signs_in_again() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    stage.issuer.manners().answer = json!({ "refresh_token": null });
    stage.sign_in().await?;
    stage.clock.advance(Duration::from_secs(299));
    assert!(token(&stage).await?.starts_with("access-"));
    stage.clock.advance(Duration::from_secs(1));
    assert_eq!(token(&stage).await?, "error AuthorizationExpired");
    assert_eq!(stage.issuer.token_requests(), 1);
    Ok(())
}

#[tokio::test]
async fn a_refresh_token_is_sent_once_however_the_issuer_fails() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    stage.sign_in().await?;
    let session = session(&stage)?;
    let first = session.access_token().await?;
    // It may have been taken and its successor lost.
    stage.issuer.manners().refusal = Some((503, json!({})));
    let error = session.access_token_after(&first).await.err().ok_or("it was renewed")?;
    assert_eq!((error.kind(), stage.issuer.token_requests()), (ErrorKind::Unavailable, 2));
    Ok(())
}

#[tokio::test]
async fn whoever_waited_for_a_renewal_that_failed_does_not_fail_it_again() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    stage.sign_in().await?;
    let session = session(&stage)?;
    let first = session.access_token().await?;
    stage.issuer.manners().refusal = Some((503, json!({})));
    for error in join_all((0..5).map(|_| session.access_token_after(&first))).await {
        assert_eq!(error.err().ok_or("it was renewed")?.kind(), ErrorKind::Unavailable);
    }
    assert_eq!(stage.issuer.token_requests(), 2);
    stage.clock.advance(Duration::from_secs(2));
    assert!(session.access_token_after(&first).await.is_err());
    assert_eq!(stage.issuer.token_requests(), 3);
    Ok(())
}

#[tokio::test]
async fn a_handler_that_outlives_its_session_gets_no_more_tokens() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    stage.sign_in().await?;
    let session = session(&stage)?;
    let token = stage.get("/csrf").await?.text;
    stage.browser.post(&stage.url("/logout"), &format!("csrf_token={token}")).await?;
    stage.clock.advance(Duration::from_secs(300));
    let error = session.access_token().await.err().ok_or("it was renewed")?;
    assert_eq!((error.kind(), stage.issuer.token_requests()), (ErrorKind::AuthorizationExpired, 1));
    Ok(())
}

#[tokio::test]
async fn a_clock_that_is_set_back_does_not_prolong_the_rest_after_a_failure() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    stage.sign_in().await?;
    let session = session(&stage)?;
    let first = session.access_token().await?;
    stage.issuer.manners().refusal = Some((400, json!({ "error": "slow_down" })));
    assert!(session.access_token_after(&first).await.is_err());
    stage.issuer.manners().refusal = None;
    stage.clock.set_back(Duration::from_secs(60));
    assert_ne!(session.access_token_after(&first).await?.expose_secret(), first.expose_secret());
    Ok(())
}

#[tokio::test]
async fn a_token_that_the_agent_refuses_is_replaced_once() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    stage.sign_in().await?;
    let session = session(&stage)?;
    let first = session.access_token().await?;
    let asked = join_all((0..5).map(|_| session.access_token_after(&first))).await;
    let second = asked.into_iter().collect::<Result<Vec<_>, _>>()?;
    assert!(second.iter().all(|token| token.expose_secret() == second[0].expose_secret()));
    assert_ne!(first.expose_secret(), second[0].expose_secret());
    assert_eq!(stage.issuer.token_requests(), 2);
    stage.issuer.manners().refusal = Some((400, json!({ "error": "invalid_grant" })));
    let error = session.access_token_after(&second[0]).await.err().ok_or("it was renewed")?;
    assert_eq!(error.kind(), ErrorKind::AuthorizationExpired);
    assert!(!format!("{session:?}{error:?}").contains("access-"));
    Ok(())
}
