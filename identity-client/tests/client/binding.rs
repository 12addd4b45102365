//! Whoever finishes a consent must be whoever began it, before the credential can be used.

use std::sync::{Arc, Mutex};

use identity_client::{
    AccessToken, AccessTokenRequest, Acquired, AuditSink, BindingRefusal, Error, ErrorKind, IdentityClient,
    PendingAuthorization, Receipt, SessionBinding,
};

use crate::{
    captured::Captured,
    support::{Fake, HandClock, Script, secs, settle, user},
};

const MINUTE: u64 = 60;

fn calendar(client: &IdentityClient, who: &str) -> AccessTokenRequest {
    client.access_token("google").with_scopes(["calendar"]).for_user(&user(who))
}

async fn begin(client: &IdentityClient, who: &str) -> PendingAuthorization {
    match calendar(client, who).acquire().await.unwrap() {
        Acquired::NeedsConsent(pending) => pending,
        _ => panic!("nobody was asked"),
    }
}

fn state(pending: &PendingAuthorization) -> &str {
    pending.parts().custom_state.as_deref().unwrap()
}

/// A call that waits, in a task of its own.
fn waiting(client: &IdentityClient, who: &str) -> tokio::task::JoinHandle<Result<AccessToken, Error>> {
    tokio::spawn(calendar(client, who).on_auth_url(|_: PendingAuthorization| ()).into_future())
}

/// Receipts: outcome and binding.
#[derive(Debug, Clone, Default)]
struct Receipts(Arc<Mutex<Vec<serde_json::Value>>>);

impl AuditSink for Receipts {
    fn record(&self, receipt: &Receipt<'_>) {
        self.0.lock().unwrap().push(serde_json::to_value(receipt).unwrap());
    }
}

impl Receipts {
    fn last(&self) -> serde_json::Value {
        self.0.lock().unwrap().last().cloned().unwrap()
    }
}

struct Bench {
    fake: Fake,
    binding: SessionBinding,
    client: IdentityClient,
    receipts: Receipts,
    clock: HandClock,
}

fn bench() -> Bench {
    bench_with(|binding| binding)
}

fn bench_with(change: impl FnOnce(SessionBinding) -> SessionBinding) -> Bench {
    let (fake, receipts, clock) = (Fake::new(), Receipts::default(), HandClock::new());
    let binding = change(SessionBinding::with_clock(clock.clone()));
    let client = fake.builder().with_session_binding(binding.clone()).with_audit(receipts.clone()).build().unwrap();
    Bench { fake, binding, client, receipts, clock }
}

#[tokio::test(start_paused = true)]
async fn bind_01_a_victim_who_finishes_gives_nobody_a_credential_and_ends_the_wait_at_once() {
    let bench = bench();
    bench.fake.then(Script::NeedsConsent);
    let pending = begin(&bench.client, "mallory").await;
    for _ in 0..100 {
        bench.fake.then_poll(Script::Issue(None));
    }
    let call = waiting(&bench.client, "mallory");
    tokio::time::sleep(secs(20)).await;
    assert!(!call.is_finished(), "the platform gives a credential, the client does not");
    let begun = tokio::time::Instant::now();
    let refusal = bench.binding.confirm(state(&pending), &user("victim")).unwrap_err();
    assert_eq!(refusal, BindingRefusal::OtherUser);
    let error = call.await.unwrap().unwrap_err();
    assert_eq!((error.kind(), begun.elapsed()), (ErrorKind::AuthorizationDenied, secs(0)));
    assert!(error.hint().unwrap().contains("passed on"), "{error}");
    assert!(!format!("{error} {error:?}").contains(state(&pending)));
    let receipt = bench.receipts.last();
    assert_eq!(receipt["outcome"]["failed"], "AuthorizationDenied");
    assert!(receipt["bound"].is_null() && !receipt.to_string().contains(state(&pending)));
    // Not by asking again: the platform holds it as granted, and the client has mallory asked again instead.
    bench.fake.then(Script::Issue(None)).then(Script::Issue(None));
    let error = calendar(&bench.client, "mallory").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AuthorizationDenied, "{error}");
    // Nor by going back alone, nor by resuming.
    assert_eq!(bench.binding.confirm(state(&pending), &user("mallory")).unwrap_err(), BindingRefusal::Used);
    let error = bench.client.resume::<AccessToken>(pending).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AuthorizationDenied);
    // Others are unharmed, the victim too.
    calendar(&bench.client, "victim").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn bind_01_a_victim_who_is_not_signed_in_gives_nobody_a_credential_either() {
    let bench = bench();
    bench.fake.then(Script::NeedsConsent);
    for _ in 0..100 {
        bench.fake.then_poll(Script::Issue(None));
    }
    let error = waiting(&bench.client, "mallory").await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AuthorizationTimedOut);
    assert!(error.to_string().contains("did not come back through the return URL"), "{error}");
    // Not by waiting until the flow is over: what the platform holds stays doubtful.
    bench.clock.advance(secs(61 * MINUTE));
    bench.fake.then(Script::Issue(None)).then(Script::Issue(None));
    let error = calendar(&bench.client, "mallory").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AuthorizationDenied);
    // Other scopes of the same provider neither: a platform may answer with the wider grant.
    let other = bench.client.access_token("google").with_scopes(["mail"]).for_user(&user("mallory"));
    bench.fake.then(Script::Issue(None)).then(Script::Issue(None));
    assert_eq!(other.await.unwrap_err().kind(), ErrorKind::AuthorizationDenied);
}

#[tokio::test(start_paused = true)]
async fn bind_01_a_consent_that_is_still_open_casts_doubt_on_a_later_one() {
    let bench = bench();
    bench.fake.then(Script::NeedsConsent).then(Script::NeedsConsent);
    let first = begin(&bench.client, "mallory").await;
    let forced = calendar(&bench.client, "mallory").with_force(true).acquire().await.unwrap();
    let Acquired::NeedsConsent(second) = forced else { panic!("force asks") };
    assert_ne!(state(&first), state(&second));
    bench.binding.confirm(state(&second), &user("mallory")).unwrap();
    bench.fake.then_poll(Script::Issue(Some(secs(1))));
    calendar(&bench.client, "mallory").await.unwrap();
    // The victim finishes the first one now; its credential takes the place of mallory's on the platform.
    tokio::time::sleep(secs(2)).await;
    bench.client.forget_all();
    bench.fake.then(Script::Issue(None)).then_poll(Script::Issue(None));
    let error = calendar(&bench.client, "mallory").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AuthorizationDenied);
}

#[tokio::test(start_paused = true)]
async fn a_page_left_open_does_not_cost_a_user_what_was_granted() {
    let bench = bench();
    bench.fake.then(Script::NeedsConsent);
    begin(&bench.client, "alice").await;
    let mail = || bench.client.access_token("google").with_scopes(["mail"]).for_user(&user("alice"));
    bench.fake.then(Script::Issue(None)).then_poll(Script::NeedsConsent);
    mail().await.unwrap();
    assert_eq!((bench.fake.acquired(), bench.fake.polled()), (2, 1));
    // A connection that breaks is no reason to ask a person.
    bench.client.forget_all();
    bench.fake.then(Script::Issue(None)).then_poll(Script::Fail(ErrorKind::Transport));
    assert_eq!(mail().await.unwrap_err().kind(), ErrorKind::Transport);
    // Refused on the platform: nothing was granted by it, and there is nothing more to ask.
    bench.fake.then(Script::Issue(None)).then_poll(Script::Fail(ErrorKind::AuthorizationDenied));
    mail().await.unwrap();
    bench.client.forget_all();
    mail().await.unwrap();
    assert_eq!((bench.fake.acquired(), bench.fake.polled()), (5, 3));
}

#[tokio::test(start_paused = true)]
async fn bind_02_forged_callbacks_change_nothing_and_the_genuine_one_works_once() {
    let bench = bench();
    bench.fake.then(Script::NeedsConsent);
    let pending = begin(&bench.client, "alice").await;
    let genuine = state(&pending).to_owned();
    let call = waiting(&bench.client, "alice");
    settle().await;
    for number in 0..1000 {
        let mut forged = genuine.clone();
        match number % 5 {
            0 => forged = format!("forged-{number}"),
            1 => forged.truncate(number % genuine.len()),
            2 => forged.push('A'),
            3 => forged = forged.to_ascii_uppercase(),
            _ => forged = forged.repeat(number),
        }
        for who in ["alice", "mallory"] {
            assert_eq!(bench.binding.confirm(&forged, &user(who)).unwrap_err(), BindingRefusal::Unknown);
        }
    }
    // The right state in the wrong browser changes nothing either.
    for proof in [None, Some(""), Some("guess"), Some(genuine.as_str())] {
        let refusal = bench.binding.confirm_in_browser(&genuine, &user("alice"), proof).unwrap_err();
        assert_eq!(refusal, BindingRefusal::OtherBrowser);
    }
    let confirmed = bench.binding.confirm(&genuine, &user("alice")).unwrap();
    assert_eq!(confirmed.provider.as_str(), "google");
    assert_eq!(bench.binding.confirm(&genuine, &user("alice")).unwrap_err(), BindingRefusal::Used);
    bench.fake.then_poll(Script::Issue(None));
    call.await.unwrap().unwrap();
    assert_eq!(bench.receipts.last()["bound"], "confirmed");
    calendar(&bench.client, "alice").await.unwrap();
    assert_eq!(
        (bench.receipts.last()["source"].as_str(), bench.receipts.last()["bound"].as_str()),
        (Some("cache"), Some("confirmed"))
    );
    assert_eq!(bench.fake.acquired(), 1);
}

#[tokio::test(start_paused = true)]
async fn bind_02_nobody_sets_out_for_what_is_confirmed_or_over_a_link_that_must_not_be_opened() {
    let bench = bench();
    bench.fake.then(Script::NeedsConsent);
    let pending = begin(&bench.client, "alice").await;
    let handle = SessionBinding::handle(&pending).unwrap();
    bench.binding.begin(&handle, &user("alice")).unwrap();
    bench.binding.confirm(state(&pending), &user("alice")).unwrap();
    assert_eq!(bench.binding.begin(&handle, &user("alice")).unwrap_err(), BindingRefusal::Used);
    // What was kept between two processes may have been changed there.
    let mut kept = serde_json::to_value(&pending).unwrap();
    kept["authorization_url"] = "http://idp.example.com/authorize?session=secret-session".into();
    let changed: PendingAuthorization = serde_json::from_value(kept).unwrap();
    let after_restart = SessionBinding::new();
    let client = bench.fake.builder().with_session_binding(after_restart.clone()).build().unwrap();
    drop(client.resume::<AccessToken>(changed).acquire().await);
    assert_eq!(after_restart.begin(&handle, &user("alice")).unwrap_err(), BindingRefusal::BadLink);
}

#[tokio::test(start_paused = true)]
async fn bind_02_a_state_lives_no_longer_than_the_session() {
    let bench = bench();
    bench.fake.set_session_lifetime(secs(300));
    bench.fake.then(Script::NeedsConsent);
    let pending = begin(&bench.client, "alice").await;
    bench.clock.advance(secs(301));
    assert_eq!(bench.binding.confirm(state(&pending), &user("alice")).unwrap_err(), BindingRefusal::Unknown);
    let error = bench.client.resume::<AccessToken>(pending).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AuthorizationExpired);
}

#[tokio::test(start_paused = true)]
async fn bind_02_whoever_comes_back_before_agreeing_has_not_come_back_from_it() {
    let bench = bench();
    bench.fake.then(Script::NeedsConsent);
    let pending = begin(&bench.client, "mallory").await;
    bench.binding.confirm(state(&pending), &user("mallory")).unwrap();
    let call = waiting(&bench.client, "mallory");
    tokio::time::sleep(secs(20)).await;
    bench.clock.advance(secs(31));
    for _ in 0..9 {
        bench.fake.then_poll(Script::NeedsConsent).then_poll(Script::Issue(None));
    }
    assert_eq!(call.await.unwrap().unwrap_err().kind(), ErrorKind::AuthorizationDenied);
}

#[tokio::test(start_paused = true)]
async fn bind_03_another_process_confirms_what_this_one_began() {
    let bench = bench();
    bench.fake.then(Script::NeedsConsent);
    let pending = begin(&bench.client, "alice").await;
    let handle = SessionBinding::handle(&pending).unwrap();
    let departure = bench.binding.begin(&handle, &user("alice")).unwrap();
    assert_eq!(departure.authorization_url(), pending.authorization_url());
    let kept = serde_json::to_string(&pending).unwrap();

    let after_restart = SessionBinding::new();
    let client = bench.fake.builder().with_session_binding(after_restart.clone()).build().unwrap();
    let resumed: PendingAuthorization = serde_json::from_str(&kept).unwrap();
    let unknown = after_restart.confirm(state(&pending), &user("alice")).unwrap_err();
    assert_eq!(unknown, BindingRefusal::Unknown);
    bench.fake.then_poll(Script::Issue(None));
    let asked = client.resume::<AccessToken>(resumed.clone()).acquire().await.unwrap();
    assert!(matches!(asked, Acquired::NeedsConsent(_)), "resuming is no way around");
    let proof = secrecy(&departure.browser_proof);
    after_restart.confirm_in_browser(state(&pending), &user("alice"), Some(&proof)).unwrap();
    bench.fake.then_poll(Script::Issue(None));
    client.resume::<AccessToken>(resumed).await.unwrap();
}

fn secrecy(secret: &identity_client::SecretString) -> String {
    use secrecy::ExposeSecret as _;
    secret.expose_secret().to_owned()
}

#[tokio::test(start_paused = true)]
async fn bind_04_without_a_binding_a_receipt_says_unbound() {
    let (fake, receipts) = (Fake::new(), Receipts::default());
    let client = fake.builder().with_audit(receipts.clone()).accept_unbound_consent("one user").build().unwrap();
    fake.then(Script::NeedsConsent).then_poll(Script::Issue(None));
    waiting(&client, "alice").await.unwrap().unwrap();
    assert_eq!(receipts.last()["bound"], "unbound");
    calendar(&client, "alice").await.unwrap();
    assert_eq!(receipts.last()["bound"], "unbound", "from the cache too");
    calendar(&client, "bob").await.unwrap();
    assert_eq!(receipts.last()["bound"], "not_needed");
    for builder in [
        fake.builder().accept_unbound_consent(" "),
        fake.builder().accept_unbound_consent("one user").with_session_binding(SessionBinding::new()),
    ] {
        assert!(builder.build().unwrap_err().is_broken());
    }
}

#[test]
fn bind_04_a_client_warns_once_unless_it_was_told_why() {
    let warned = |accept: bool| {
        let captured = Captured::default();
        let _listening = captured.listen("info");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let fake = Fake::new();
        let builder = fake.builder();
        let builder = if accept { builder.accept_unbound_consent("one user") } else { builder };
        let client = builder.build().unwrap();
        fake.then(Script::NeedsConsent).then(Script::NeedsConsent);
        runtime.block_on(async {
            begin(&client, "alice").await;
            begin(&client, "bob").await;
        });
        captured.text().matches("accept_unbound_consent").count()
    };
    assert_eq!((warned(false), warned(true)), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn what_was_granted_before_the_process_started_can_be_refused() {
    let bench = bench_with(SessionBinding::refusing_earlier_grants);
    bench.fake.then(Script::Issue(None)).then(Script::NeedsConsent);
    // The fake cannot ask again by force, so there is no way on but to revoke.
    assert_eq!(calendar(&bench.client, "alice").await.unwrap_err().kind(), ErrorKind::AuthorizationDenied);
    let bench = bench_with(SessionBinding::refusing_earlier_grants);
    bench.fake.set_can_force();
    bench.fake.then(Script::Issue(None)).then(Script::NeedsConsent);
    let pending = begin(&bench.client, "alice").await;
    assert_eq!(bench.fake.acquired(), 2);
    bench.binding.confirm(state(&pending), &user("alice")).unwrap();
    bench.fake.then_poll(Script::Issue(Some(secs(1))));
    calendar(&bench.client, "alice").await.unwrap();
    bench.client.forget_all();
    calendar(&bench.client, "alice").await.unwrap();
    // The agent's own credentials are nobody's consent.
    bench.client.access_token("crm").with_scopes(["read"]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_state_of_the_application_must_be_unguessable_and_fresh() {
    let bench = bench();
    let error = calendar(&bench.client, "alice").with_custom_state("conversation-7").acquire().await.unwrap_err();
    assert_eq!((error.kind(), bench.fake.acquired()), (ErrorKind::InvalidRequest, 0));
    let own = "kq3NnJYt0mT2v8bHcXy5Zw";
    bench.fake.then(Script::NeedsConsent).then(Script::NeedsConsent);
    calendar(&bench.client, "alice").with_custom_state(own).acquire().await.unwrap();
    let error = calendar(&bench.client, "bob").with_custom_state(own).acquire().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{error}");
    bench.binding.confirm(own, &user("alice")).unwrap();
}

#[tokio::test(start_paused = true)]
async fn nothing_of_a_binding_prints_a_state() {
    let bench = bench();
    bench.fake.then(Script::NeedsConsent);
    let pending = begin(&bench.client, "alice").await;
    let handle = SessionBinding::handle(&pending).unwrap();
    assert_eq!(state(&pending).len(), 48);
    assert_ne!(handle, state(&pending));
    assert_eq!(bench.binding.begin(&handle, &user("mallory")).unwrap_err(), BindingRefusal::OtherUser);
    assert_eq!(bench.binding.begin("AAAA", &user("alice")).unwrap_err(), BindingRefusal::Unknown);
    let departure = bench.binding.begin(&handle, &user("alice")).unwrap();
    let printed = format!("{:?} {:?} {:?} {pending:?}", bench.binding, departure, bench.client);
    for secret in [state(&pending), &secrecy(&departure.browser_proof), "/consent?"] {
        assert!(!printed.contains(secret), "{printed}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_credential_that_comes_after_its_consent_is_over_is_not_released() {
    let bench = bench();
    bench.fake.then(Script::NeedsConsent).then_poll(Script::Slowly(secs(5))).then_poll(Script::Issue(None));
    let call = waiting(&bench.client, "alice");
    // While the platform is asked, the time to come back ends.
    tokio::time::sleep(secs(3)).await;
    bench.clock.advance(secs(61 * MINUTE));
    let error = call.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AuthorizationDenied);
    assert!(error.to_string().contains("never came back"), "{error}");
}
