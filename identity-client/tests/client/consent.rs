use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use futures_util::future::{BoxFuture, join_all};
use identity_client::{
    AccessToken, AccessTokenRequest, Acquired, AgentIdentityName, ErrorKind, IdentityClient, PendingAuthorization,
    PendingParts, Prompt, PromptError, RequestContext, Wait,
};

use crate::support::{Fake, HandClock, Script, secs, settle, user};

fn calendar(client: &IdentityClient) -> AccessTokenRequest {
    client.access_token("google").with_scopes(["calendar"]).for_user(&user("alice"))
}

/// Counts how often the user was told.
fn counting(told: &Arc<AtomicU64>) -> impl Fn(PendingAuthorization) + Send + Sync + 'static {
    let told = Arc::clone(told);
    move |pending| {
        assert!(pending.authorization_url().starts_with("https://fake.example.com/consent?"));
        told.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn the_user_is_told_once_and_one_poller_serves_everybody() {
    let fake = Fake::new();
    fake.then(Script::NeedsConsent);
    fake.then_poll(Script::NeedsConsent).then_poll(Script::NeedsConsent).then_poll(Script::Issue(None));
    let client = fake.client();
    let told = Arc::new(AtomicU64::new(0));
    let tokens = join_all((0..30).map(|_| calendar(&client).on_auth_url(counting(&told)).into_future())).await;
    assert!(
        tokens
            .iter()
            .all(|token| token.as_ref().unwrap().expose_secret() == "secret.access_token.google.alice.calendar.3")
    );
    assert_eq!((told.load(Ordering::SeqCst), fake.acquired(), fake.polled()), (1, 1, 3));
    calendar(&client).await.unwrap();
    assert_eq!((fake.acquired(), fake.polled()), (1, 3), "w30: the token that was polled is used and kept");
}

#[tokio::test(start_paused = true)]
async fn an_async_prompt_runs_in_the_context_of_the_call() {
    let fake = Fake::new();
    fake.then(Script::NeedsConsent);
    fake.then_poll(Script::Issue(None));
    let client = fake.client();
    let context = identity_client::RequestContext::new().with_request_id("req-1");
    let call = calendar(&client).on_auth_url(async |_: PendingAuthorization| {
        let context = identity_client::RequestContext::current().ok_or("no context")?;
        if context.request_id() == Some("req-1") { Ok(()) } else { Err("another context") }
    });
    context.scope(call.into_future()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn w43_without_anybody_to_tell_the_user_it_fails_at_once() {
    let fake = Fake::new();
    fake.then(Script::NeedsConsent);
    let client = fake.client();
    let begun = tokio::time::Instant::now();
    let error = calendar(&client).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AuthorizationRequired);
    assert!(error.pending().is_some());
    assert!(error.hint().unwrap().contains("on_auth_url"), "{error}");
    assert!(begun.elapsed() < secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_prompt_that_fails_ends_the_call_and_the_next_call_tells_again() {
    let fake = Fake::new();
    fake.then(Script::NeedsConsent);
    let client = fake.client();
    let error = calendar(&client).on_auth_url(|_: PendingAuthorization| Err::<(), _>("no chat")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AuthorizationRequired);
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "no chat");
    // Asking again goes on with the same consent: one question whether it has been given meanwhile, then the wait.
    fake.then_poll(Script::NeedsConsent).then_poll(Script::Issue(None));
    let told = Arc::new(AtomicU64::new(0));
    calendar(&client).on_auth_url(counting(&told)).await.unwrap();
    assert_eq!((told.load(Ordering::SeqCst), fake.acquired()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn time_out_names_provider_and_seconds_and_returns_the_pending() {
    let fake = Fake::new();
    fake.then(Script::NeedsConsent);
    let client = fake.client();
    let begun = tokio::time::Instant::now();
    let error = calendar(&client).on_auth_url(|_: PendingAuthorization| ()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AuthorizationTimedOut);
    assert_eq!(begun.elapsed(), secs(60));
    for part in ["`google`", "60 seconds", "resume"] {
        assert!(error.to_string().contains(part), "{error}");
    }
    assert!(fake.polled() >= 10);
    assert_eq!(fake.under_way(), 0);
    // The consent is given afterwards: resuming gets the token, in another client too.
    let pending: PendingAuthorization =
        serde_json::from_str(&serde_json::to_string(error.pending().unwrap()).unwrap()).unwrap();
    fake.then_poll(Script::Issue(None));
    let token: AccessToken = fake.client().resume(pending.clone()).await.unwrap();
    assert!(token.expose_secret().starts_with("secret.access_token.google.alice.calendar."));
    assert_eq!(fake.acquired(), 1);
    let error = fake.client().resume::<identity_client::ApiKey>(pending).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_cuts_a_request_in_flight() {
    let fake = Fake::new();
    fake.then(Script::NeedsConsent);
    fake.then_poll(Script::Slowly(secs(1000)));
    let client = fake.client();
    let begun = tokio::time::Instant::now();
    let error = calendar(&client).on_auth_url(|_: PendingAuthorization| ()).with_timeout(secs(10)).await.unwrap_err();
    assert_eq!((error.kind(), begun.elapsed()), (ErrorKind::AuthorizationTimedOut, secs(10)));
    settle().await;
    assert_eq!(fake.under_way(), 0);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_last_waiter_stops_the_polling() {
    let fake = Fake::new();
    fake.then(Script::NeedsConsent);
    let client = fake.client();
    let call = tokio::spawn(calendar(&client).on_auth_url(|_: PendingAuthorization| ()).into_future());
    tokio::time::sleep(secs(10)).await;
    call.abort();
    settle().await;
    let polled = fake.polled();
    assert!(polled > 0);
    tokio::time::sleep(secs(100)).await;
    assert_eq!(fake.polled(), polled);
}

#[tokio::test(start_paused = true)]
async fn w15_final_errors_stop_at_once_and_passing_ones_do_not() {
    for kind in
        [ErrorKind::Unauthenticated, ErrorKind::PermissionDenied, ErrorKind::NotFound, ErrorKind::AuthorizationDenied]
    {
        let fake = Fake::new();
        fake.then(Script::NeedsConsent);
        fake.then_poll(Script::Fail(kind)).then_poll(Script::Issue(None));
        let error = calendar(&fake.client()).on_auth_url(|_: PendingAuthorization| ()).await.unwrap_err();
        assert_eq!((error.kind(), fake.polled()), (kind, 1));
    }
    for kind in [ErrorKind::Unavailable, ErrorKind::Transport, ErrorKind::Timeout, ErrorKind::RateLimited] {
        let fake = Fake::new();
        fake.then(Script::NeedsConsent);
        fake.then_poll(Script::Fail(kind)).then_poll(Script::Issue(None));
        calendar(&fake.client()).on_auth_url(|_: PendingAuthorization| ()).await.unwrap();
        assert_eq!(fake.polled(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_ends_is_told_from_a_user_who_is_slow() {
    let fake = Fake::new();
    fake.set_session_lifetime(secs(20));
    fake.then(Script::NeedsConsent);
    let error = calendar(&fake.client()).on_auth_url(|_: PendingAuthorization| ()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AuthorizationExpired);
}

#[tokio::test(start_paused = true)]
async fn return_at_once_and_acquire_hand_out_the_same_pending_until_it_is_given() {
    let fake = Fake::new();
    fake.then(Script::NeedsConsent);
    let client = fake.client();
    let error = calendar(&client).with_wait(Wait::Return).await.unwrap_err();
    let first = error.pending().unwrap().clone();
    fake.then_poll(Script::NeedsConsent);
    let Acquired::NeedsConsent(second) = calendar(&client).acquire().await.unwrap() else { panic!("not given yet") };
    assert_eq!(first, second, "no second link for one consent");
    assert_eq!(fake.acquired(), 1);
    fake.then_poll(Script::Issue(None));
    let Acquired::Ready(_) = calendar(&client).acquire().await.unwrap() else { panic!("given") };
    assert_eq!((fake.acquired(), fake.polled()), (1, 2));
}

#[tokio::test]
async fn a_pending_of_another_client_is_refused() {
    let fake = Fake::new();
    fake.then(Script::NeedsConsent);
    let client = fake.client();
    let Acquired::NeedsConsent(pending) = calendar(&client).acquire().await.unwrap() else {
        panic!("consent is missing")
    };
    let others: [fn(&mut PendingParts); 3] = [
        |parts| parts.platform = "other".to_owned(),
        |parts| parts.endpoint = "https://evil.example.com".to_owned(),
        |parts| parts.agent_identity = AgentIdentityName::new("agent-2").unwrap(),
    ];
    for change in others {
        let mut parts = pending.parts().clone();
        change(&mut parts);
        let error = client.resume::<AccessToken>(PendingAuthorization::new(parts)).await.unwrap_err();
        assert_eq!((error.kind(), fake.polled()), (ErrorKind::InvalidRequest, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_pending_that_is_over_is_not_asked_about() {
    let fake = Fake::new();
    fake.set_session_lifetime(secs(600));
    fake.then(Script::NeedsConsent);
    let clock = HandClock::new();
    let client = fake.builder().with_clock(clock.clone()).build().unwrap();
    let error = calendar(&client).with_wait(Wait::Return).await.unwrap_err();
    let pending = error.pending().unwrap();
    clock.advance(secs(601));
    let error = client.resume::<AccessToken>(pending.clone()).acquire().await.unwrap_err();
    assert_eq!((error.kind(), fake.polled()), (ErrorKind::AuthorizationExpired, 0));
}

/// The caller of one request.
#[derive(Default)]
struct Caller(AtomicU64);

impl Prompt for Caller {
    fn show(&self, _: PendingAuthorization) -> BoxFuture<'_, Result<(), PromptError>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Box::pin(std::future::ready(Ok(())))
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_is_not_shown_the_link_of_another_user() {
    let fake = Fake::new();
    let client = fake.client();
    let caller = Arc::new(Caller::default());
    for (who, shown) in [("bob", 0), ("alice", 1)] {
        let context = RequestContext::new().with_user(user("alice")).with_prompt(Arc::clone(&caller) as _);
        fake.then(Script::NeedsConsent);
        let request = client.access_token("google").with_scopes(["calendar"]).for_user(&user(who));
        context.scope(request.into_future()).await.unwrap_err();
        assert_eq!(caller.0.load(Ordering::SeqCst), shown, "{who}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_consent_that_ended_unused_begins_anew_by_itself() {
    let fake = Fake::new();
    fake.then(Script::NeedsConsent).then(Script::NeedsConsent);
    let client = fake.client();
    let pending = async || match calendar(&client).acquire().await.unwrap() {
        Acquired::NeedsConsent(pending) => pending,
        _ => panic!("nobody has agreed"),
    };
    let first = pending().await;
    fake.then_poll(Script::Fail(ErrorKind::AuthorizationExpired));
    let second = pending().await;
    assert_ne!(first, second);
    assert_eq!((fake.acquired(), fake.polled()), (2, 1));
}

#[tokio::test]
async fn a_link_that_must_not_be_opened_is_not_shown() {
    let fake = Fake::new();
    fake.set_link("http://idp.example.com/authorize?session=secret-session");
    fake.then(Script::NeedsConsent);
    let told = Arc::new(AtomicU64::new(0));
    let error = calendar(&fake.client()).on_auth_url(counting(&told)).await.unwrap_err();
    assert_eq!((error.kind(), told.load(Ordering::SeqCst)), (ErrorKind::Protocol, 0));
    assert!(error.to_string().contains("`google`") && error.to_string().contains("not https"), "{error}");
}

/// What was written to a terminal.
#[derive(Clone, Default)]
struct Screen(Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn the_terminal_shows_the_link_and_the_time_that_is_left() {
    let fake = Fake::new();
    fake.then(Script::NeedsConsent);
    for _ in 0..4 {
        fake.then_poll(Script::NeedsConsent);
    }
    fake.then_poll(Script::Issue(None));
    let screen = Screen::default();
    let client = fake.builder().with_prompt(identity_client::TerminalPrompt::to(screen.clone())).build().unwrap();
    let (one, two) = tokio::join!(calendar(&client), calendar(&client));
    assert!(one.is_ok() && two.is_ok());
    let text = String::from_utf8(screen.0.lock().unwrap().clone()).unwrap();
    assert_eq!(text.matches("https://fake.example.com/consent?session=secret-session-1\n").count(), 1, "{text}");
    assert!(text.contains("`google`") && text.contains("60 s left") && text.contains("55 s left"), "{text}");
    assert!(text.ends_with("\r\x1b[K"), "the line is cleared when the wait is over");
}

/// Polls a call `polls` times, half a second apart, and drops it.
async fn drop_after(call: impl IntoFuture, polls: usize) {
    let mut call = std::pin::pin!(call.into_future());
    for _ in 0..polls {
        let once = std::future::poll_fn(|cx| std::task::Poll::Ready(call.as_mut().poll(cx).is_ready()));
        if once.await {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn cancellation_at_every_await_point_wedges_nothing() {
    for polls in 0..60 {
        let fake = Fake::new();
        fake.then(Script::Slowly(secs(2))).then(Script::NeedsConsent);
        fake.then_poll(Script::Slowly(secs(2))).then_poll(Script::NeedsConsent);
        fake.then_poll(Script::Fail(ErrorKind::Unavailable)).then_poll(Script::NeedsConsent);
        let client = fake.client();
        let call = || calendar(&client).on_auth_url(async |_: PendingAuthorization| tokio::time::sleep(secs(1)).await);
        drop_after(call(), polls).await;
        settle().await;
        assert_eq!(fake.under_way(), 0, "dropped after {polls} polls, a request is still under way");
        let asked = fake.polled();
        tokio::time::sleep(secs(30)).await;
        assert_eq!(fake.polled(), asked, "dropped after {polls} polls, a poller is still running");
        // Whatever was left, the next call comes to an end.
        fake.clear();
        fake.then(Script::NeedsConsent);
        fake.then_poll(Script::NeedsConsent).then_poll(Script::Issue(None)).then_poll(Script::Issue(None));
        call().await.unwrap_or_else(|error| panic!("dropped after {polls} polls, the slot is wedged: {error}"));
    }
}

/// Tells nobody, ever.
async fn stuck(_: PendingAuthorization) {
    std::future::pending::<()>().await;
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_leaves_before_the_user_is_told_leaves_the_telling_to_the_next() {
    let fake = Fake::new();
    fake.then(Script::NeedsConsent);
    let client = fake.client();
    let left = tokio::spawn(calendar(&client).on_auth_url(stuck).into_future());
    settle().await;
    left.abort();
    settle().await;
    let told = Arc::new(AtomicU64::new(0));
    for (expected, give_up) in [(1, true), (1, false)] {
        // A prompt that does not end within the time is a user who was not told, either.
        if give_up {
            let error = calendar(&client).on_auth_url(stuck).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::AuthorizationTimedOut);
        }
        fake.then_poll(Script::NeedsConsent).then_poll(Script::Issue(None));
        calendar(&client).on_auth_url(counting(&told)).await.unwrap();
        assert_eq!((told.load(Ordering::SeqCst), fake.acquired()), (expected, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_timeout_beyond_all_time_waits_as_long_as_a_consent_can_last() {
    let fake = Fake::new();
    let client = fake.client();
    for timeout in [secs(7200), std::time::Duration::MAX] {
        fake.then(Script::NeedsConsent);
        let begun = tokio::time::Instant::now();
        let error =
            calendar(&client).on_auth_url(|_: PendingAuthorization| ()).with_timeout(timeout).await.unwrap_err();
        assert!(begun.elapsed() <= secs(3600), "{:?}", begun.elapsed());
        let pending = error.pending().cloned();
        if let Some(pending) = pending {
            let error = client.resume::<AccessToken>(pending).with_timeout(timeout).await.unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::AuthorizationTimedOut | ErrorKind::AuthorizationExpired));
        }
        client.forget_all();
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_given_for_a_user_who_was_forgotten_meanwhile_is_not_kept() {
    let fake = Fake::new();
    let client = fake.client();
    let alice = user("alice");
    // While the user is being told.
    fake.then(Script::NeedsConsent).then_poll(Script::Issue(None));
    let slowly = async |_: PendingAuthorization| tokio::time::sleep(secs(5)).await;
    let call = tokio::spawn(calendar(&client).on_auth_url(slowly).into_future());
    tokio::time::sleep(secs(2)).await;
    client.forget_user(&alice);
    call.await.unwrap().unwrap();
    let error = {
        fake.then(Script::NeedsConsent);
        calendar(&client).with_wait(Wait::Return).await.unwrap_err()
    };
    assert_eq!((error.kind(), fake.acquired()), (ErrorKind::AuthorizationRequired, 2));
    // While a pending is asked about.
    fake.then_poll(Script::Slowly(secs(5))).then_poll(Script::Issue(None));
    let resumed = client.resume::<AccessToken>(error.pending().unwrap().clone());
    let call = tokio::spawn(resumed.acquire());
    tokio::time::sleep(secs(2)).await;
    client.forget_user(&alice);
    assert!(matches!(call.await.unwrap().unwrap(), Acquired::Ready(_)));
    calendar(&client).await.unwrap();
    assert_eq!(fake.acquired(), 3);
}
