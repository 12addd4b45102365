//! A user is asked once for what several handlers, or a service, want: never back and forth.

use identity_client::{AccessToken, Error, ErrorKind, IdentityClient, PendingAuthorization, Wait};

use crate::support::{Fake, HandClock, Script, secs, user};

async fn ask(client: &IdentityClient, scopes: &[&str]) -> Result<AccessToken, Error> {
    let request = client.access_token("google").with_scopes(scopes.iter().copied()).for_user(&user("alice"));
    request.on_auth_url(|_: PendingAuthorization| ()).await
}

/// What the user would be asked for, in order.
async fn asked_for(client: &IdentityClient, scopes: &[&str]) -> Vec<String> {
    let request = client.access_token("google").with_scopes(scopes.iter().copied()).for_user(&user("alice"));
    let error = request.with_wait(Wait::Return).await.unwrap_err();
    error.pending().unwrap().scopes().iter().map(ToString::to_string).collect()
}

#[tokio::test(start_paused = true)]
async fn a_second_consent_is_asked_for_the_union_once() -> Result<(), Error> {
    let fake = Fake::new();
    let client = fake.client();
    ask(&client, &["read"]).await?;
    // Not agreed to yet: alone, then with what is agreed to already.
    fake.then(Script::NeedsConsent).then(Script::NeedsConsent);
    fake.then_poll(Script::NeedsConsent).then_poll(Script::Issue(None));
    let token = ask(&client, &["write"]).await?;
    assert!(token.expose_secret().contains("google.alice.read+write"), "the user agreed to both");
    assert_eq!(fake.acquired(), 3);
    // Both handlers go on without another question.
    ask(&client, &["read"]).await?;
    ask(&client, &["write"]).await?;
    assert_eq!((fake.acquired(), fake.polled()), (3, 2));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn what_the_platform_has_already_is_not_asked_for_again() -> Result<(), Error> {
    let fake = Fake::new();
    let client = fake.client();
    ask(&client, &["read"]).await?;
    ask(&client, &["write"]).await?;
    assert_eq!(fake.acquired(), 2, "the platform had both: nobody is asked, and nothing is widened");
    fake.then(Script::NeedsConsent);
    ask(&client, &["list"]).await?;
    assert_eq!(fake.acquired(), 4, "the platform has the union: nobody is asked");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_scopes_of_another_user_or_provider_or_the_agent_are_never_added() -> Result<(), Error> {
    let fake = Fake::new();
    let client = fake.client();
    client.access_token("google").with_scopes(["theirs"]).for_user(&user("bob")).await?;
    client.access_token("github").with_scopes(["elsewhere"]).for_user(&user("alice")).await?;
    client.access_token("google").with_scopes(["machine"]).for_agent().await?;
    fake.then(Script::NeedsConsent);
    assert_eq!(asked_for(&client, &["read"]).await, ["read"]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn what_was_forgotten_is_not_added() -> Result<(), Error> {
    let fake = Fake::new();
    let client = fake.client();
    ask(&client, &["read"]).await?;
    client.access_token("google").with_scopes(["read"]).for_user(&user("alice")).forget();
    fake.then(Script::NeedsConsent);
    assert_eq!(asked_for(&client, &["write"]).await, ["write"]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn who_refuses_the_union_is_asked_for_the_rest_alone() -> Result<(), Error> {
    let fake = Fake::new();
    let client = fake.client();
    ask(&client, &["read"]).await?;
    fake.then(Script::NeedsConsent).then(Script::NeedsConsent).then_poll(Script::Fail(ErrorKind::AuthorizationDenied));
    assert_eq!(ask(&client, &["write"]).await.unwrap_err().kind(), ErrorKind::AuthorizationDenied);
    fake.then(Script::NeedsConsent);
    assert_eq!(asked_for(&client, &["write"]).await, ["write"]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn std_6750_04_insufficient_scope_asks_the_user_for_the_union_once() -> Result<(), Error> {
    let fake = Fake::new();
    let clock = HandClock::new();
    let client = fake.builder().with_clock(clock.clone()).build().unwrap();
    ask(&client, &["list"]).await?;
    let token = ask(&client, &["read", "write"]).await?;
    for _ in 0..3 {
        let error = Error::insufficient_scope(&token, "write");
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        assert!(error.to_string().contains("`write`") && error.hint().unwrap().contains("call again"), "{error}");
    }
    fake.then(Script::NeedsConsent).then_poll(Script::Issue(None));
    let (one, two) = tokio::join!(ask(&client, &["read", "write"]), ask(&client, &["write", "read"]));
    let wider = one?;
    assert_eq!(wider.expose_secret(), two?.expose_secret());
    assert!(wider.expose_secret().contains("alice.list+read+write"));
    assert_eq!((fake.acquired(), fake.forced(), fake.polled()), (3, 1, 1), "one question for all who wait");
    // Agreed, and still not enough: no loop.
    for _ in 0..5 {
        let error = Error::insufficient_scope(&wider, "write");
        assert!(error.hint().unwrap().contains("administrator"), "{error}");
        assert_eq!(ask(&client, &["read", "write"]).await?.expose_secret(), wider.expose_secret());
        clock.advance(secs(10));
    }
    assert_eq!((fake.acquired(), fake.forced()), (3, 1));
    // Of the old token nobody needs to be told again.
    assert!(Error::insufficient_scope(&token, "write").hint().unwrap().contains("newer"));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn std_9700_05_a_service_cannot_widen_what_is_asked_for() -> Result<(), Error> {
    let fake = Fake::new();
    let client = fake.client();
    let token = ask(&client, &["read"]).await?;
    let error = Error::insufficient_scope(&token, "read admin \u{7}bell");
    assert!(error.to_string().contains("does not declare `admin`"), "{error}");
    assert!(!error.to_string().contains('\u{7}'));
    ask(&client, &["read"]).await?;
    assert_eq!(fake.acquired(), 1, "the token is kept, and nobody is asked");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_agents_own_token_and_a_loose_one_ask_nobody() -> Result<(), Error> {
    let fake = Fake::new();
    let client = fake.client();
    let token = client.access_token("google").with_scopes(["read"]).for_agent().await?;
    assert!(Error::insufficient_scope(&token, "").hint().unwrap().contains("own client"));
    client.access_token("google").with_scopes(["read"]).for_agent().await?;
    assert_eq!(fake.acquired(), 1);
    let loose = AccessToken::new("loose")?;
    assert_eq!(Error::insufficient_scope(&loose, "x").kind(), ErrorKind::PermissionDenied);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_step_up_that_nobody_got_to_ask_for_is_asked_for_by_the_next_call() -> Result<(), Error> {
    let fake = Fake::new();
    let client = fake.client();
    let token = ask(&client, &["read"]).await?;
    drop(Error::insufficient_scope(&token, "read"));
    // Its caller leaves.
    fake.then(Script::Slowly(secs(1000)));
    let left = tokio::time::timeout(secs(1), ask(&client, &["read"])).await;
    assert!(left.is_err());
    // The platform is out of reach.
    fake.clear();
    fake.then(Script::Fail(ErrorKind::Unavailable));
    assert_eq!(ask(&client, &["read"]).await.unwrap_err().kind(), ErrorKind::Unavailable);
    ask(&client, &["read"]).await?;
    assert_eq!((fake.acquired(), fake.forced()), (4, 3), "each of them asked the user anew");
    Ok(())
}
