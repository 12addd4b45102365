use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use identity_client::{AccessToken, ErrorKind, IdentityClient, Wait};
use proptest::prelude::*;

use crate::support::{Fake, HandClock, Script, secs, settle, user};

fn with_clock(fake: &Fake) -> (IdentityClient, HandClock) {
    let clock = HandClock::new();
    (fake.builder().with_clock(clock.clone()).build().unwrap(), clock)
}

#[tokio::test]
async fn w23_a_credential_is_fetched_once_and_kept_for_its_unknown_lifetime() {
    let fake = Fake::new();
    let (client, clock) = with_clock(&fake);
    let first = client.api_key("openai-key").for_agent().await.unwrap();
    clock.advance(secs(40));
    let again = client.api_key("openai-key").for_agent().await.unwrap();
    assert_eq!(first.expose_secret(), again.expose_secret());
    assert_eq!(fake.acquired(), 1);
    clock.advance(secs(20));
    client.api_key("openai-key").for_agent().await.unwrap();
    assert_eq!(fake.acquired(), 2);
}

#[tokio::test]
async fn zero_unknown_lifetime_keeps_nothing() {
    let fake = Fake::new();
    let client = fake.builder().with_unknown_lifetime(Duration::ZERO).build().unwrap();
    for expected in 1..=3 {
        client.api_key("openai-key").for_agent().await.unwrap();
        assert_eq!(fake.acquired(), expected);
    }
}

#[tokio::test]
async fn w29_an_ageing_credential_is_handed_out_and_renewed_ahead_of_need() {
    let fake = Fake::new();
    fake.then(Script::Issue(Some(secs(1000))));
    let (client, clock) = with_clock(&fake);
    let old = client.access_token("crm").with_scopes(["read"]).await.unwrap();
    clock.advance(secs(950));
    let now =
        join_all((0..20).map(|_| async { client.access_token("crm").with_scopes(["read"]).await.unwrap() })).await;
    assert!(now.iter().all(|token| token.expose_secret() == old.expose_secret()));
    settle().await;
    assert_eq!(fake.acquired(), 2, "one renewal, however many noticed");
    let renewed = client.access_token("crm").with_scopes(["read"]).await.unwrap();
    assert_ne!(renewed.expose_secret(), old.expose_secret());
    assert_eq!(fake.acquired(), 2);
}

#[tokio::test]
async fn w28_a_short_lived_token_is_used_for_most_of_its_life() {
    let fake = Fake::new();
    fake.then(Script::Issue(Some(secs(67))));
    let (client, clock) = with_clock(&fake);
    for _ in 0..53 {
        client.access_token("crm").with_scopes(["read"]).await.unwrap();
        clock.advance(secs(1));
    }
    assert_eq!(fake.acquired(), 1);
}

#[tokio::test]
async fn a_renewal_that_fails_in_passing_keeps_the_old_one_and_rests() {
    let fake = Fake::new();
    fake.then(Script::Issue(Some(secs(1000))));
    let (client, clock) = with_clock(&fake);
    let old = client.access_token("crm").with_scopes(["read"]).await.unwrap();
    clock.advance(secs(950));
    for _ in 0..10 {
        fake.then(Script::Fail(ErrorKind::Unavailable));
        let token = client.access_token("crm").with_scopes(["read"]).await.unwrap();
        assert_eq!(token.expose_secret(), old.expose_secret());
        settle().await;
    }
    assert_eq!(fake.acquired(), 2, "no second renewal before the rest is over");
    clock.advance(secs(2));
    client.access_token("crm").with_scopes(["read"]).await.unwrap();
    settle().await;
    assert_eq!(fake.acquired(), 3);
    clock.advance(secs(60));
    let error = client.access_token("crm").with_scopes(["read"]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "expired, and the platform cannot be asked");
}

#[tokio::test]
async fn a_renewal_that_is_refused_for_good_drops_the_old_one() {
    let fake = Fake::new();
    fake.then(Script::Issue(Some(secs(1000))))
        .then(Script::Fail(ErrorKind::NotFound))
        .then(Script::Fail(ErrorKind::NotFound));
    let (client, clock) = with_clock(&fake);
    client.access_token("crm").with_scopes(["read"]).await.unwrap();
    clock.advance(secs(950));
    client.access_token("crm").with_scopes(["read"]).await.unwrap();
    settle().await;
    let error = client.access_token("crm").with_scopes(["read"]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "the provider was deleted: its token is no longer handed out");
}

#[tokio::test(start_paused = true)]
async fn w25_a_thousand_cold_calls_make_one_request() {
    let fake = Fake::new();
    fake.then(Script::Slowly(secs(1)));
    let client = fake.client();
    let keys = join_all((0..1000).map(|_| client.api_key("openai-key").for_agent().into_future())).await;
    let first = keys[0].as_ref().unwrap().expose_secret();
    assert!(keys.iter().all(|key| key.as_ref().unwrap().expose_secret() == first));
    assert_eq!(fake.acquired(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_error_goes_to_all_who_waited_and_is_not_kept() {
    let fake = Fake::new();
    fake.then(Script::Slowly(secs(1))).then(Script::Fail(ErrorKind::Unavailable));
    let client = fake.client();
    let results = join_all((0..50).map(|_| client.api_key("openai-key").for_agent().into_future())).await;
    assert!(results.iter().all(|result| result.as_ref().unwrap_err().kind() == ErrorKind::Unavailable));
    assert_eq!(fake.acquired(), 1);
    client.api_key("openai-key").for_agent().await.unwrap();
    assert_eq!(fake.acquired(), 2);
}

#[tokio::test(start_paused = true)]
async fn others_go_on_when_the_first_caller_leaves() {
    let fake = Fake::new();
    fake.then(Script::Slowly(secs(10)));
    let client = fake.client();
    let leader = tokio::spawn(client.api_key("openai-key").for_agent().into_future());
    settle().await;
    let follower = tokio::spawn(client.api_key("openai-key").for_agent().into_future());
    settle().await;
    leader.abort();
    follower.await.unwrap().unwrap();
    assert_eq!(fake.acquired(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_flight_ends_when_everybody_has_left_and_wedges_nothing() {
    let fake = Fake::new();
    fake.then(Script::Slowly(secs(1000)));
    let client = fake.client();
    let calls: Vec<_> = (0..3).map(|_| tokio::spawn(client.api_key("openai-key").for_agent().into_future())).collect();
    settle().await;
    assert_eq!(fake.under_way(), 1);
    for call in &calls {
        call.abort();
    }
    settle().await;
    assert_eq!(fake.under_way(), 0, "the request was dropped with its last caller");
    client.api_key("openai-key").for_agent().await.unwrap();
    assert_eq!(fake.acquired(), 2);
}

#[tokio::test]
async fn clocks_that_jump_never_make_a_credential_live_longer() {
    let fake = Fake::new();
    fake.then(Script::Issue(Some(secs(1000))));
    let (client, clock) = with_clock(&fake);
    let ask = async || client.access_token("crm").with_scopes(["read"]).await.unwrap();
    ask().await;
    clock.set_wall_back(secs(100_000));
    clock.advance(secs(999 - 200));
    ask().await;
    clock.advance(secs(201));
    fake.then(Script::Issue(Some(secs(1000))));
    ask().await;
    assert_eq!(fake.acquired(), 2, "the steady clock says that it is over");
    clock.sleep_machine(secs(1000));
    ask().await;
    assert_eq!(fake.acquired(), 3, "it expired while the machine slept");
}

#[tokio::test(start_paused = true)]
async fn what_was_under_way_when_it_was_forgotten_is_not_kept() {
    let fake = Fake::new();
    fake.then(Script::Slowly(secs(5)));
    let client = fake.client();
    let call = tokio::spawn(client.api_key("openai-key").for_agent().into_future());
    settle().await;
    client.api_key("openai-key").for_agent().forget();
    let old = call.await.unwrap().unwrap();
    let new = client.api_key("openai-key").for_agent().await.unwrap();
    assert_ne!(old.expose_secret(), new.expose_secret());
    assert_eq!(fake.acquired(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_was_under_way_when_it_was_forgotten_is_not_kept_in_a_full_cache_either() {
    let fake = Fake::new();
    fake.then(Script::Slowly(secs(5)));
    let client = fake.builder().with_cache_capacity(1).build().unwrap();
    let alice = user("alice");
    let ask = || client.access_token("crm").with_scopes(["read"]).for_user(&alice).into_future();
    let call = tokio::spawn(ask());
    settle().await;
    client.forget_user(&alice);
    // Takes the place of what was forgotten.
    client.api_key("openai-key").for_agent().await.unwrap();
    let old = call.await.unwrap().unwrap();
    assert_ne!(old.expose_secret(), ask().await.unwrap().expose_secret());
}

#[tokio::test(start_paused = true)]
async fn waits_that_fail_do_not_let_the_cache_grow() {
    let fake = Fake::new();
    let client = fake.builder().with_cache_capacity(3).build().unwrap();
    for number in 0..20 {
        let request =
            fake.client().access_token("crm").with_scopes(["read"]).for_user(&user(&format!("user-{number}")));
        fake.then(Script::NeedsConsent);
        let error = request.with_wait(Wait::Return).await.unwrap_err();
        fake.then_poll(Script::Fail(ErrorKind::AuthorizationDenied));
        let resumed = client.resume::<AccessToken>(error.pending().unwrap().clone());
        let error = if number % 2 == 0 { resumed.await } else { resumed.acquire().await.map(|_| unreachable!()) };
        assert_eq!(error.unwrap_err().kind(), ErrorKind::AuthorizationDenied);
    }
    assert!(format!("{client:?}").contains("len: 3,"), "{client:?}");
}

#[tokio::test]
async fn forgetting_drops_what_it_names_and_nothing_else() {
    let fake = Fake::new();
    let client = fake.client();
    let (alice, bob) = (user("alice"), user("bob"));
    let ask = async |who| client.access_token("crm").with_scopes(["read"]).for_user(who).await.unwrap();
    let of_alice = ask(&alice).await;
    ask(&bob).await;
    client.api_key("openai-key").for_agent().await.unwrap();
    assert_eq!(fake.acquired(), 3);
    client.forget(&of_alice);
    ask(&bob).await;
    assert_eq!(fake.acquired(), 3);
    ask(&alice).await;
    assert_eq!(fake.acquired(), 4);
    client.forget_user(&alice);
    ask(&bob).await;
    client.api_key("openai-key").for_agent().await.unwrap();
    assert_eq!(fake.acquired(), 4);
    client.forget_all();
    ask(&bob).await;
    assert_eq!(fake.acquired(), 5);
}

#[tokio::test]
async fn the_cache_is_bounded_and_forgets_what_was_used_longest_ago() {
    let fake = Fake::new();
    let client = fake.builder().with_cache_capacity(3).build().unwrap();
    let ask = async |name: &str| client.api_key(name).for_agent().await.unwrap();
    for name in ["key-a", "key-b", "key-c", "key-a", "key-d"] {
        ask(name).await;
    }
    assert_eq!(fake.acquired(), 4);
    for name in ["key-a", "key-c", "key-d"] {
        ask(name).await;
    }
    assert_eq!(fake.acquired(), 4, "b was used longest ago");
    ask("key-b").await;
    assert_eq!(fake.acquired(), 5);
}

#[tokio::test]
async fn force_asks_again_once_and_does_not_stay() {
    let fake = Fake::new();
    fake.then(Script::Issue(Some(secs(1000)))).then(Script::Issue(Some(secs(1000))));
    let (client, clock) = with_clock(&fake);
    let ask = |force| {
        client.access_token("crm").with_scopes(["read"]).for_user(&user("alice")).with_force(force).into_future()
    };
    ask(false).await.unwrap();
    ask(true).await.unwrap();
    ask(false).await.unwrap();
    assert_eq!(fake.acquired(), 2);
    clock.advance(secs(950));
    ask(false).await.unwrap();
    settle().await;
    assert_eq!(fake.acquired(), 3, "renewed ahead of need");
}

#[tokio::test]
async fn a_token_source_is_always_fresh() {
    let fake = Fake::new();
    let (client, clock) = with_clock(&fake);
    let source = client.access_token("crm").with_scopes(["read"]).source().unwrap();
    let mut seen = std::collections::HashSet::new();
    for _ in 0..10 {
        seen.insert(source.token().await.unwrap().expose_secret().to_owned());
        clock.advance(secs(61));
    }
    assert_eq!(seen.len(), 10);
    assert!(client.access_token("crm").with_scopes(["a b"]).source().is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Whatever is asked, forgotten, refused and however time moves: who asks gets their own.
    #[test]
    fn two_principals_never_share_a_slot(
        steps in proptest::collection::vec((0..6_u8, 0..4_usize, 0..3_usize, 0..3_usize, 0..90_u64), 1..80),
    ) {
        const USERS: [Option<&str>; 4] = [None, Some("alice"), Some("alice "), Some("bob")];
        const PROVIDERS: [&str; 3] = ["crm", "crm-2", "mail"];
        const SCOPES: [&[&str]; 3] = [&["read"], &["read", "write"], &["write", "read"]];
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let fake = Fake::new();
            let clock = HandClock::new();
            let client = Arc::new(fake.builder().with_clock(clock.clone()).with_cache_capacity(4).build().unwrap());
            for (step, who, provider, scopes, wait) in steps {
                // "alice " is no user id, so it is another user here.
                let who = USERS[who].map(|id| user(if id == "alice " { "alice2" } else { id }));
                let request = || {
                    let request = client.access_token(PROVIDERS[provider]).with_scopes(SCOPES[scopes].iter().copied());
                    match &who { Some(who) => request.for_user(who), None => request }
                };
                match step {
                    0 => request().forget(),
                    1 => clock.advance(secs(wait)),
                    2 => { fake.then(Script::Fail(ErrorKind::Unavailable)); }
                    _ => {
                        if let Ok(token) = request().await {
                            let mut sorted = SCOPES[scopes].to_vec();
                            sorted.sort_unstable();
                            let owner = who.as_ref().map_or("agent", identity_client::User::id);
                            let expected = format!("secret.access_token.{}.{owner}.{}.", PROVIDERS[provider], sorted.join("+"));
                            assert!(token.expose_secret().starts_with(&expected), "{} is not {expected}", token.expose_secret());
                            if step == 5 {
                                drop(identity_client::Error::credential_rejected(&token));
                            }
                        }
                        settle().await;
                    }
                }
            }
        });
    }
}
