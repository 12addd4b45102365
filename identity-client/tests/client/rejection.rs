use identity_client::{Error, ErrorKind, PendingAuthorization};

use crate::support::{Fake, HandClock, Script, secs, user};

#[tokio::test]
async fn a_refused_credential_is_forgotten_fetched_once_and_handed_out_fresh() {
    let fake = Fake::new();
    let client = fake.client();
    let old = client.access_token("crm").with_scopes(["read"]).await.unwrap();
    for _ in 0..20 {
        let error = Error::credential_rejected(&old);
        assert_eq!(error.kind(), ErrorKind::Unauthenticated);
        assert!(error.to_string().contains("`crm`"), "{error}");
        assert!(!error.to_string().contains(old.expose_secret()));
    }
    let new = client.access_token("crm").with_scopes(["read"]).await.unwrap();
    assert_ne!(old.expose_secret(), new.expose_secret());
    assert_eq!(fake.acquired(), 2);
    // A handler that was slow refuses the old one again: the new one stays.
    drop(Error::credential_rejected(&old));
    client.access_token("crm").with_scopes(["read"]).await.unwrap();
    assert_eq!(fake.acquired(), 2);
}

#[tokio::test]
async fn a_fresh_one_that_is_refused_too_is_not_asked_for_again_within_a_minute() {
    let fake = Fake::new();
    fake.then(Script::Secret("stale")).then(Script::Secret("stale"));
    let clock = HandClock::new();
    let client = fake.builder().with_clock(clock.clone()).build().unwrap();
    for _ in 0..2 {
        let key = client.api_key("openai-key").for_agent().await.unwrap();
        drop(Error::credential_rejected(&key));
        clock.advance(secs(1));
    }
    let error = client.api_key("openai-key").for_agent().await.unwrap_err();
    assert_eq!((error.kind(), fake.acquired()), (ErrorKind::Unauthenticated, 2));
    assert!(error.retry_after().unwrap() <= secs(60));
    assert!(error.to_string().contains("twice"), "{error}");
    client.api_key("other-key").for_agent().await.unwrap();
    client.api_key("openai-key").for_agent().forget();
    client.api_key("openai-key").for_agent().await.unwrap();
    assert_eq!(fake.acquired(), 4);
}

#[tokio::test]
async fn the_rest_ends_by_itself() {
    let fake = Fake::new();
    let clock = HandClock::new();
    let client = fake.builder().with_clock(clock.clone()).build().unwrap();
    for _ in 0..2 {
        let key = client.api_key("openai-key").for_agent().await.unwrap();
        drop(Error::credential_rejected(&key));
    }
    client.api_key("openai-key").for_agent().await.unwrap_err();
    clock.advance(secs(61));
    client.api_key("openai-key").for_agent().await.unwrap();
    // Long after the first refusal, one refusal counts as the first again.
    clock.advance(secs(600));
    let key = client.api_key("openai-key").for_agent().await.unwrap();
    drop(Error::credential_rejected(&key));
    client.api_key("openai-key").for_agent().await.unwrap();
}

#[tokio::test]
async fn a_credential_without_a_client_can_be_refused_too() {
    let key = identity_client::ApiKey::new("loose").unwrap();
    assert_eq!(Error::credential_rejected(&key).kind(), ErrorKind::Unauthenticated);
}

#[tokio::test(start_paused = true)]
async fn a_user_is_asked_anew_once_and_never_in_a_loop() {
    let fake = Fake::new();
    let client = fake.client();
    let alice = user("alice");
    let ask = || {
        let request = client.access_token("google").with_scopes(["calendar"]).for_user(&alice);
        request.on_auth_url(|_: PendingAuthorization| ()).into_future()
    };
    for _ in 0..2 {
        drop(Error::credential_rejected(&ask().await.unwrap()));
    }
    assert_eq!((fake.acquired(), fake.forced()), (2, 0));
    fake.then(Script::Slowly(secs(1))).then(Script::NeedsConsent);
    fake.then_poll(Script::NeedsConsent).then_poll(Script::Issue(None));
    let (one, two) = tokio::join!(ask(), ask());
    let consented = one.unwrap();
    assert_eq!(consented.expose_secret(), two.unwrap().expose_secret());
    assert_eq!((fake.acquired(), fake.forced()), (3, 1), "refused twice: the user is asked, once for all who wait");
    ask().await.unwrap();
    assert_eq!(fake.acquired(), 3);
    drop(Error::credential_rejected(&consented));
    let error = ask().await.unwrap_err();
    assert_eq!((error.kind(), fake.acquired()), (ErrorKind::Unauthenticated, 3), "refused even so: no second consent");
}

#[tokio::test(start_paused = true)]
async fn a_user_whom_nobody_got_to_ask_anew_is_asked_by_the_next_call() {
    let fake = Fake::new();
    let client = fake.client();
    let alice = user("alice");
    let ask = || client.access_token("google").with_scopes(["calendar"]).for_user(&alice).into_future();
    for _ in 0..2 {
        drop(Error::credential_rejected(&ask().await.unwrap()));
    }
    // Its caller leaves.
    fake.then(Script::Slowly(secs(1000)));
    assert!(tokio::time::timeout(secs(1), ask()).await.is_err());
    // The platform is out of reach.
    fake.clear();
    fake.then(Script::Fail(ErrorKind::Unavailable));
    assert_eq!(ask().await.unwrap_err().kind(), ErrorKind::Unavailable);
    ask().await.unwrap();
    assert_eq!((fake.acquired(), fake.forced()), (5, 3));
}
