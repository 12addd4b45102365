//! Answers that sign nobody in.

use std::time::Duration;

use http::Method;
use identity_client::{
    inbound::Algorithm,
    login::{CallbackParameters, LoginAttempt, LoginFailure, RelyingParty},
};
use serde_json::json;

use crate::{
    browser::Browser,
    issuer::{CLIENT, SECRET},
    stage::{Anything, Stage},
};

/// Opens what should not work, and finds nobody signed in.
async fn is_refused(stage: &Stage, browser: &Browser, url: &str, status: u16) -> Result<(), Anything> {
    let page = browser.get(url).await?;
    assert_eq!(page.status, status, "{}", page.text);
    assert!(
        page.text.contains("Sign in</a>")
            && page.headers["content-security-policy"].to_str()?.contains("default-src 'none'")
    );
    assert!(!page.set.iter().any(|line| line.starts_with("session")), "{:?}", page.set);
    let page = browser.get(&stage.url("/who")).await?;
    assert_eq!(page.text, "nobody");
    Ok(())
}

#[tokio::test]
async fn another_state_or_none_is_refused_before_anything_is_sent() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    let back = stage.come_back().await?;
    let (place, _) = back.split_once('?').ok_or("no query")?;
    let other = "A".repeat(43);
    let tail_changed = format!("{}A", &back[..back.len() - 1]);
    let genuine =
        url::Url::parse(&back)?.query_pairs().find(|(name, _)| name == "state").ok_or("no state")?.1.into_owned();
    for url in [
        place.to_owned(),
        format!("{place}?code=code-1"),
        format!("{place}?code=code-1&state={other}"),
        format!("{place}?code=code-1&state={genuine}&state={genuine}"),
        format!("{place}?state={genuine}"),
        if tail_changed == back { format!("{}B", &back[..back.len() - 1]) } else { tail_changed },
    ] {
        is_refused(&stage, &stage.browser, &url, 400).await?;
    }
    assert_eq!(stage.issuer.token_requests(), 0);
    Ok(())
}

#[tokio::test]
async fn the_answer_of_one_browser_signs_nobody_in_at_another() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    let back = stage.come_back().await?;
    let victim = Browser::new()?;
    is_refused(&stage, &victim, &back, 400).await?;
    // Not even if the victim has an attempt of their own.
    victim.get(&stage.url("/login")).await?;
    is_refused(&stage, &victim, &back, 400).await?;
    assert_eq!(stage.issuer.token_requests(), 0);
    Ok(())
}

#[tokio::test]
async fn an_attempt_is_good_once_and_not_for_ever() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    let back = stage.come_back().await?;
    let before = stage.browser.cookies();
    assert_eq!(stage.browser.get(&back).await?.status, 303);
    let copy = Browser::new()?;
    // The cookie of the attempt is gone; a copy of it is of no use.
    copy.set_cookies(before);
    is_refused(&stage, &copy, &back, 400).await?;
    assert_eq!(stage.issuer.token_requests(), 1);

    let late = stage.come_back().await?;
    let other = Browser::new()?;
    other.set_cookies(stage.browser.cookies().into_iter().filter(|(name, _)| name.starts_with("login")).collect());
    stage.clock.advance(Duration::from_secs(600));
    is_refused(&stage, &other, &late, 400).await?;
    assert_eq!(stage.issuer.token_requests(), 1);
    Ok(())
}

/// Two callbacks at once: one is first.
#[tokio::test]
async fn an_attempt_that_is_opened_twice_at_once_sends_its_code_once() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    let back = stage.come_back().await?;
    stage.issuer.manners().delay = Duration::from_millis(50);
    let (one, two) = tokio::join!(stage.browser.get(&back), stage.browser.get(&back));
    let mut statuses = [one?.status, two?.status];
    statuses.sort_unstable();
    assert_eq!((statuses, stage.issuer.token_requests()), ([303, 400], 1));
    Ok(())
}

#[tokio::test]
async fn std_9207_02_an_answer_of_another_issuer_sends_nothing_and_shows_nothing() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    let evil = "https://evil.example.com".to_owned();
    for response in [
        vec![("code", "stolen".to_owned()), ("iss", evil.clone())],
        vec![("code", "stolen".to_owned())],
        vec![("code", "stolen".to_owned()), ("iss", format!("{}/", stage.issuer.name()))],
        vec![("error", "call_555".to_owned()), ("error_description", "call 555".to_owned()), ("iss", evil)],
    ] {
        stage.issuer.manners().response = Some(response);
        let back = stage.come_back().await?;
        let page = stage.browser.get(&back).await?;
        assert_eq!(page.status, 400);
        assert!(!page.text.contains("555") && !page.text.contains("evil"), "{}", page.text);
        assert_eq!(stage.who().await?, None);
    }
    assert_eq!(stage.issuer.token_requests(), 0);
    Ok(())
}

/// An application that keeps attempts of several issuers may take the wrong one.
#[tokio::test]
async fn an_attempt_of_another_issuer_is_not_finished() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    let party = stage.login.party();
    let attempt = party.begin().await?.attempt;
    let answer = format!("state={}&code=stolen&iss={}", attempt.state(), stage.issuer.name());
    let mut kept = serde_json::to_value(&attempt)?;
    kept["issuer"] = "https://evil.example.com".into();
    let other: LoginAttempt = serde_json::from_value(kept)?;
    let failure = party.finish(&other, &CallbackParameters::parse(&answer)?).await.unwrap_err();
    assert!(matches!(failure, LoginFailure::UnknownState), "{failure}");
    assert_eq!(stage.issuer.token_requests(), 0);
    Ok(())
}

#[tokio::test]
async fn a_user_who_says_no_is_told_so_and_nothing_of_the_request_is_shown() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    let name = stage.issuer.name().to_owned();
    stage.issuer.manners().response =
        Some(vec![("error", "access_denied".into()), ("error_description", "<b>call 555</b>".into()), ("iss", name)]);
    let back = stage.come_back().await?;
    let page = stage.browser.get(&back).await?;
    assert_eq!(page.status, 403);
    assert!(page.text.contains("ended before it was complete") && !page.text.contains("555"), "{}", page.text);
    Ok(())
}

#[tokio::test]
async fn an_id_token_that_is_not_of_this_login_is_refused() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    for claims in [
        json!({ "nonce": "forged" }),
        json!({ "nonce": null }),
        json!({ "aud": "another-client" }),
        json!({ "aud": ["front-end", "another-client"] }),
        json!({ "azp": "another-client" }),
        json!({ "iss": "https://evil.example.com" }),
        json!({ "exp": 1000 }),
        json!({ "at_hash": "AAAAAAAAAAAAAAAAAAAAAA" }),
        json!({ "sub": null }),
        json!({ "sub": "" }),
    ] {
        stage.issuer.manners().claims = claims.clone();
        let back = stage.come_back().await?;
        is_refused(&stage, &stage.browser, &back, 502).await.map_err(|error| format!("{claims}: {error}"))?;
    }
    Ok(())
}

#[tokio::test]
async fn a_token_answer_that_is_none_is_refused() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    for answer in [
        json!({ "id_token": null }),
        json!({ "id_token": "a.b.c" }),
        json!({ "access_token": null }),
        json!({ "token_type": "mac" }),
        json!({ "access_token": "x".repeat(14_000) }),
    ] {
        stage.issuer.manners().answer = answer;
        let back = stage.come_back().await?;
        is_refused(&stage, &stage.browser, &back, 502).await?;
    }
    stage.issuer.manners().answer = json!({});
    for (status, body) in
        [(400, json!({ "error": "invalid_grant" })), (401, json!({})), (503, json!({})), (302, json!({}))]
    {
        stage.issuer.manners().refusal = Some((status, body));
        let back = stage.come_back().await?;
        is_refused(&stage, &stage.browser, &back, 502).await?;
    }
    Ok(())
}

#[tokio::test]
async fn std_7636_03_an_issuer_without_pkce_or_that_is_down_gets_nobody_sent_to_it() -> Result<(), Anything> {
    for document in [
        json!({ "code_challenge_methods_supported": null }),
        json!({ "issuer": "https://evil.example.com" }),
        json!({ "authorization_endpoint": "http://evil.example.com/authorize" }),
        json!({ "token_endpoint": "http://169.254.169.254/token" }),
    ] {
        let stage = Stage::new().await?;
        stage.issuer.manners().document = document.clone();
        let page = stage.get("/login").await?;
        assert_eq!((page.status, page.place.is_none(), page.set.len()), (502, true, 0), "{document}");
    }
    Ok(())
}

/// What the issuer says of itself is asked for again, and what it said is not good for ever.
#[tokio::test]
async fn an_issuer_that_changes_or_stays_away_gets_nobody_sent_to_it() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    let status = async || Ok::<_, Anything>(stage.get("/login").await?.status);
    assert_eq!(status().await?, 303);
    stage.issuer.manners().document = json!({ "authorization_endpoint": "http://evil.example.com/authorize" });
    stage.clock.advance(Duration::from_secs(3599));
    assert_eq!(status().await?, 303);
    stage.clock.advance(Duration::from_secs(1));
    assert_eq!(status().await?, 502, "what it says now is wrong, and is not overlooked");
    stage.issuer.manners().document = json!({});
    stage.clock.advance(Duration::from_secs(1));
    assert_eq!(status().await?, 303);
    stage.issuer.manners().is_down = true;
    stage.clock.advance(Duration::from_secs(24 * 3600 - 1));
    assert_eq!(status().await?, 303, "what it said serves for a day");
    stage.clock.advance(Duration::from_secs(1));
    assert_eq!(status().await?, 502);
    // Nobody asks an issuer again that has just failed.
    stage.issuer.manners().is_down = false;
    assert_eq!(status().await?, 502);
    stage.clock.advance(Duration::from_secs(1));
    assert_eq!(status().await?, 303);
    Ok(())
}

#[tokio::test]
async fn an_algorithm_that_was_not_allowed_signs_nobody_in() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    let redirect_uri = stage.login.party().redirect_uri().as_str();
    for (algorithm, is_good) in [(Algorithm::Es256, true), (Algorithm::EdDsa, false)] {
        let party = RelyingParty::builder(stage.issuer.name(), CLIENT, redirect_uri)
            .with_client_secret(SECRET)
            .with_algorithms([algorithm])
            .with_clock(stage.clock.clone())
            .build()?;
        let departure = party.begin().await?;
        let back = stage.browser.get(departure.authorization_url()).await?;
        let answer = CallbackParameters::parse(back.place()?.query().ok_or("no query")?)?;
        let signed_in = party.finish(&departure.attempt, &answer).await;
        assert_eq!(signed_in.is_ok(), is_good);
        assert!(is_good || matches!(signed_in, Err(LoginFailure::IdToken(_))));
    }
    Ok(())
}

#[tokio::test]
async fn many_begun_attempts_do_not_fill_the_browser() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    for _ in 0..12 {
        stage.browser.send(Method::GET, &stage.url("/login"), None, &[]).await?;
    }
    assert_eq!(stage.browser.cookies().len(), 8);
    stage.sign_in().await
}
