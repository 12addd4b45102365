//! An issuer over loopback HTTP: discovery, keys, rotation, and an issuer that is down, slow or hostile. A hand clock counts.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use identity_client::{
    Clock as _, Error, HttpOptions,
    inbound::{Refusal, RefusalCode, TokenVerifier, TokenVerifierBuilder},
};
use serde_json::{Value, json};

use crate::{
    keys::Pair,
    loopback::{ManualClock, Reply, Server, eventually, quick},
};

const AUDIENCE: &str = "https://agent.example.com";
const DISCOVERY: &str = "/.well-known/openid-configuration";
const KEYS: &str = "/keys";

type Fault = Box<dyn Fn(&str) -> Reply + Send>;

/// What the issuer answers, which a test changes while it runs.
#[derive(Default)]
struct Script {
    origin: String,
    document: Option<Value>,
    keys: Vec<Value>,
    /// Instead of a document or of keys.
    fault: Option<Fault>,
    /// Answers come this late.
    delay: Duration,
}

struct Stage {
    server: Server,
    script: Arc<Mutex<Script>>,
    clock: ManualClock,
}

impl Stage {
    async fn new(keys: &[Value]) -> Self {
        let script = Arc::new(Mutex::new(Script { keys: keys.to_vec(), ..Script::default() }));
        let told = Arc::clone(&script);
        let server = Server::raw(move |seen| {
            let script = told.lock().unwrap();
            let reply = match (&script.fault, seen.path.as_str()) {
                (Some(fault), path) => fault(path),
                (None, DISCOVERY) => {
                    let usual = json!({ "issuer": script.origin, "jwks_uri": format!("{}{KEYS}", script.origin) });
                    Reply::json(200, script.document.as_ref().unwrap_or(&usual))
                }
                (None, KEYS) => Reply::json(200, &json!({ "keys": script.keys })),
                _ => Reply::text(404, ""),
            };
            if script.delay.is_zero() { reply } else { reply.late(script.delay) }
        })
        .await;
        server.origin().clone_into(&mut script.lock().unwrap().origin);
        Self { server, script, clock: ManualClock::new() }
    }

    fn change(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.script.lock().unwrap());
    }

    fn fail(&self, fault: impl Fn(&str) -> Reply + Send + 'static) {
        self.change(|script| script.fault = Some(Box::new(fault)));
    }

    fn builder(&self) -> TokenVerifierBuilder {
        TokenVerifier::issuer(self.server.origin())
            .with_audience(AUDIENCE)
            .with_clock(self.clock.clone())
            // The hand clock may jump while a request is under way.
            .with_http(HttpOptions::new().with_retry(quick(1).with_deadline(Duration::from_secs(3600))))
    }

    fn verifier(&self) -> TokenVerifier {
        self.builder().build().unwrap()
    }

    fn token(&self, pair: &Pair, id: &str) -> String {
        let now = self.clock.now().wall.duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let claims = json!({ "iss": self.server.origin(), "aud": AUDIENCE, "sub": "alice", "exp": now + 100_000 });
        pair.token(&json!({ "alg": "EdDSA", "kid": id }), &claims)
    }

    fn asked(&self, path: &str) -> usize {
        self.server.seen().iter().filter(|seen| seen.path == path).count()
    }
}

fn unavailable(refusal: &Refusal) -> Error {
    assert_eq!((refusal.code(), refusal.status()), (RefusalCode::KeysUnavailable, 503));
    let source = std::error::Error::source(refusal).unwrap();
    source.downcast_ref::<Error>().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn std_jwt_04_a_thousand_cold_verifications_are_one_discovery_and_one_fetch() {
    let pair = Pair::edwards();
    let stage = Stage::new(&[pair.published("a")]).await;
    stage.change(|script| script.delay = Duration::from_millis(50));
    let (verifier, token) = (stage.verifier(), stage.token(&pair, "a"));
    let verifications = (0..1000).map(|_| {
        let (verifier, token) = (verifier.clone(), token.clone());
        tokio::spawn(async move { verifier.verify(&token).await.map(drop) })
    });
    for verification in verifications.collect::<Vec<_>>() {
        verification.await.unwrap().unwrap();
    }
    assert_eq!((stage.asked(DISCOVERY), stage.asked(KEYS)), (1, 1));
    // Warm: nothing is asked, and nothing is waited for.
    stage.fail(|_| Reply::Reset);
    for _ in 0..100 {
        let verification = futures_util::FutureExt::now_or_never(verifier.verify(&token));
        verification.expect("it waits for nothing").unwrap();
    }
    assert_eq!(stage.server.seen().len(), 2);
}

#[tokio::test]
async fn std_jwt_04_an_unknown_key_asks_at_most_once_a_cool_down() {
    let (pair, next) = (Pair::edwards(), Pair::edwards());
    let stage = Stage::new(&[pair.published("a")]).await;
    let verifier = stage.verifier();
    verifier.verify(&stage.token(&pair, "a")).await.unwrap();
    let unknown = |number: usize| stage.token(&pair, &format!("unknown-{number}"));
    for number in 0..50 {
        assert_eq!(verifier.verify(&unknown(number)).await.unwrap_err().code(), RefusalCode::KeyUnknown);
    }
    assert_eq!((stage.asked(DISCOVERY), stage.asked(KEYS)), (1, 2));
    stage.clock.advance(29);
    assert_eq!(verifier.verify(&unknown(0)).await.unwrap_err().code(), RefusalCode::KeyUnknown);
    assert_eq!(stage.asked(KEYS), 2);
    stage.clock.advance(1);
    stage.change(|script| script.keys.push(next.published("b")));
    verifier.verify(&stage.token(&next, "b")).await.unwrap();
    assert_eq!(stage.asked(KEYS), 3);
    // A token of another issuer makes nobody ask.
    stage.clock.advance(31);
    let claims = json!({ "iss": "https://evil.example.net", "aud": AUDIENCE, "sub": "x", "exp": 9_999_999_999_u64 });
    let foreign = pair.token(&json!({ "alg": "EdDSA", "kid": "c" }), &claims);
    assert_eq!(verifier.verify(&foreign).await.unwrap_err().code(), RefusalCode::IssuerMismatch);
    assert_eq!(stage.asked(KEYS), 3);
}

#[tokio::test]
async fn a_caller_who_leaves_does_not_keep_new_keys_from_others() {
    let (pair, next) = (Pair::edwards(), Pair::edwards());
    let stage = Stage::new(&[pair.published("a")]).await;
    let verifier = stage.verifier();
    verifier.verify(&stage.token(&pair, "a")).await.unwrap();
    stage.change(|script| {
        script.keys.push(next.published("b"));
        script.delay = Duration::from_millis(50);
    });
    // Somebody makes the keys be asked for, and hangs up at once.
    let unknown = stage.token(&pair, "unknown");
    assert!(futures_util::FutureExt::now_or_never(verifier.verify(&unknown)).is_none());
    verifier.verify(&stage.token(&next, "b")).await.unwrap();
    assert_eq!(stage.asked(KEYS), 2);
}

#[tokio::test]
async fn std_jwt_04_a_withdrawn_key_is_honoured_until_its_set_expires() {
    let (old, new) = (Pair::edwards(), Pair::edwards());
    let stage = Stage::new(&[old.published("old")]).await;
    let verifier = stage.verifier();
    let (of_old, of_new) = (stage.token(&old, "old"), stage.token(&new, "new"));
    verifier.verify(&of_old).await.unwrap();
    stage.clock.advance(100);
    stage.change(|script| script.keys = vec![new.published("new")]);
    verifier.verify(&of_new).await.unwrap();
    verifier.verify(&of_old).await.unwrap();
    stage.clock.advance(199);
    verifier.verify(&of_old).await.unwrap();
    stage.clock.advance(1);
    assert_eq!(verifier.verify(&of_old).await.unwrap_err().code(), RefusalCode::KeyUnknown);
    verifier.verify(&of_new).await.unwrap();
    // The same id with another key replaces it at once.
    stage.clock.advance(301);
    stage.change(|script| script.keys = vec![old.published("new")]);
    assert_eq!(verifier.verify(&of_new).await.unwrap_err().code(), RefusalCode::SignatureInvalid);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn std_jwt_04_no_valid_token_is_refused_while_keys_rotate() {
    let pairs: Vec<_> = (0..12).map(|_| Pair::edwards()).collect();
    let published = |round: usize| pairs[round].published(&format!("key-{round}"));
    let stage = Stage::new(&[published(0)]).await;
    stage.change(|script| script.delay = Duration::from_millis(3));
    let verifier = stage.verifier();
    let current = Arc::new(Mutex::new(stage.token(&pairs[0], "key-0")));
    let (count, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let callers = (0..16).map(|_| {
        let (verifier, current) = (verifier.clone(), Arc::clone(&current));
        let (count, ended) = (Arc::clone(&count), Arc::clone(&ended));
        tokio::spawn(async move {
            while !ended.load(Ordering::Relaxed) {
                let token = current.lock().unwrap().clone();
                verifier.verify(&token).await.unwrap();
                count.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        })
    });
    let callers: Vec<_> = callers.collect();
    let some_more = || async {
        let before = count.load(Ordering::Relaxed);
        eventually(|| count.load(Ordering::Relaxed) >= before + 100).await;
    };
    some_more().await;
    for (round, pair) in pairs.iter().enumerate().skip(1) {
        // The issuer signs with a key from the moment it is published, and publishes the last one only as long as it has to.
        stage.change(|script| script.keys = vec![published(round - 1), published(round)]);
        stage.clock.advance(31);
        *current.lock().unwrap() = stage.token(pair, &format!("key-{round}"));
        some_more().await;
    }
    ended.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }
    assert_eq!((stage.asked(DISCOVERY), stage.asked(KEYS)), (1, pairs.len()), "once at the beginning, once a rotation");
}

#[tokio::test]
async fn keys_are_renewed_ahead_while_tokens_come_in() {
    let pair = Pair::edwards();
    let stage = Stage::new(&[pair.published("a")]).await;
    let (verifier, token) = (stage.verifier(), stage.token(&pair, "a"));
    verifier.verify(&token).await.unwrap();
    stage.clock.advance(239);
    verifier.verify(&token).await.unwrap();
    assert_eq!(stage.asked(KEYS), 1);
    stage.clock.advance(1);
    for _ in 0..20 {
        verifier.verify(&token).await.unwrap();
    }
    eventually(|| stage.asked(KEYS) == 2).await;
    // For good: the next one is due after four fifths again.
    tokio::time::sleep(Duration::from_millis(50)).await;
    verifier.verify(&token).await.unwrap();
    assert_eq!((stage.asked(DISCOVERY), stage.asked(KEYS)), (1, 2));
}

#[tokio::test]
async fn std_jwt_04_keys_serve_for_a_day_while_the_issuer_is_down() {
    let pair = Pair::edwards();
    let stage = Stage::new(&[pair.published("a")]).await;
    let (verifier, token) = (stage.verifier(), stage.token(&pair, "a"));
    verifier.verify(&token).await.unwrap();
    stage.fail(|_| Reply::text(503, "secret page"));
    stage.clock.advance(301);
    verifier.verify(&token).await.unwrap();
    let asked = stage.server.seen().len();
    for _ in 0..50 {
        let verification = futures_util::FutureExt::now_or_never(verifier.verify(&token));
        verification.expect("nobody waits for an issuer that is down").unwrap();
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(stage.server.seen().len(), asked, "a failure is rested on");
    stage.clock.advance(24 * 3600 - 302);
    verifier.verify(&token).await.unwrap();
    stage.clock.advance(1);
    let error = unavailable(&verifier.verify(&token).await.unwrap_err());
    assert!(!format!("{error} {error:?}").contains("secret page"), "{error:?}");
    // It comes back.
    stage.change(|script| script.fault = None);
    stage.clock.advance(31);
    verifier.verify(&token).await.unwrap();
}

#[tokio::test]
async fn a_cold_failure_is_told_to_all_who_wait_and_tried_again_after_a_rest() {
    let pair = Pair::edwards();
    let stage = Stage::new(&[pair.published("a")]).await;
    stage.fail(|_| Reply::text(500, "").with("retry-after", "7"));
    let (verifier, token) = (stage.verifier(), stage.token(&pair, "a"));
    let waiting = futures_util::future::join_all((0..50).map(|_| verifier.verify(&token))).await;
    for refusal in waiting {
        let refusal = refusal.unwrap_err();
        unavailable(&refusal);
        assert_eq!(refusal.retry_after(), Some(Duration::from_secs(7)));
    }
    assert_eq!(stage.server.seen().len(), 1);
    stage.change(|script| script.fault = None);
    unavailable(&verifier.verify(&token).await.unwrap_err());
    stage.clock.advance(1);
    verifier.verify(&token).await.unwrap();
    assert_eq!(stage.server.seen().len(), 3);
}

#[tokio::test]
async fn whoever_goes_away_does_not_take_the_fetch_along() {
    let pair = Pair::edwards();
    let stage = Stage::new(&[pair.published("a")]).await;
    stage.change(|script| script.delay = Duration::from_secs(60));
    let (verifier, token) = (stage.verifier(), stage.token(&pair, "a"));
    for _ in 0..3 {
        let cut = tokio::time::timeout(Duration::from_millis(20), verifier.verify(&token)).await;
        assert!(cut.is_err());
    }
    stage.change(|script| script.delay = Duration::ZERO);
    verifier.verify(&token).await.unwrap();
}

#[tokio::test]
async fn std_8414_02_a_document_of_another_issuer_is_refused() {
    let pair = Pair::edwards();
    let stage = Stage::new(&[pair.published("a")]).await;
    let origin = stage.server.origin().to_owned();
    let keys = format!("{origin}{KEYS}");
    let token = stage.token(&pair, "a");
    for issuer in [
        json!(format!("{origin}/")),
        json!(origin.to_uppercase()),
        json!(origin.replace("127.0.0.1", "localhost")),
        json!("https://evil.example.net"),
        json!([origin]),
        Value::Null,
    ] {
        stage.change(|script| script.document = Some(json!({ "issuer": issuer, "jwks_uri": keys })));
        let error = unavailable(&stage.verifier().verify(&token).await.unwrap_err());
        assert!(error.to_string().contains("of another issuer"), "{error}");
    }
    assert_eq!(stage.asked(KEYS), 0);
}

#[tokio::test]
async fn std_8414_03_redirects_and_foreign_places_are_not_followed() {
    let pair = Pair::edwards();
    let elsewhere = Stage::new(&[pair.published("a")]).await;
    let stage = Stage::new(&[]).await;
    let token = stage.token(&pair, "a");
    let target = elsewhere.server.origin().to_owned();
    stage.fail(move |path| Reply::text(302, "").with("location", &format!("{target}{path}")));
    let error = unavailable(&stage.verifier().verify(&token).await.unwrap_err());
    assert_eq!(error.status(), Some(302), "{error}");
    stage.change(|script| script.fault = None);
    let origin = stage.server.origin().to_owned();
    for url in [
        format!("{}{KEYS}", elsewhere.server.origin()),
        "http://keys.example.net/".to_owned(),
        "https://169.254.169.254/keys".to_owned(),
        "https://localhost/keys".to_owned(),
        "file:///etc/passwd".to_owned(),
        "keys".to_owned(),
        String::new(),
    ] {
        stage.change(|script| script.document = Some(json!({ "issuer": origin, "jwks_uri": url })));
        let error = unavailable(&stage.verifier().verify(&token).await.unwrap_err());
        assert!(error.to_string().contains("jwks_uri"), "{url}: {error}");
    }
    assert_eq!(elsewhere.server.seen().len(), 0);
}

#[tokio::test]
async fn std_8414_03_bodies_and_key_sets_are_bounded() {
    let pair = Pair::edwards();
    let stage = Stage::new(&[pair.published("a")]).await;
    let token = stage.token(&pair, "a");
    let many = |count: usize| (0..count).map(|number| pair.published(&format!("k{number}"))).collect::<Vec<_>>();
    stage.change(|script| script.keys = many(101));
    let error = unavailable(&stage.verifier().verify(&token).await.unwrap_err());
    assert!(error.to_string().contains("more than 100 keys"), "{error}");
    stage.change(|script| script.keys = many(100));
    stage.verifier().verify(&stage.token(&pair, "k99")).await.unwrap();
    stage.change(|script| script.keys = vec![json!({ "x": "y".repeat(1 << 20) })]);
    let error = unavailable(&stage.verifier().verify(&token).await.unwrap_err());
    assert!(error.to_string().contains("larger than"), "{error}");
    for fault in [
        (|_| Reply::text(200, "")) as fn(&str) -> Reply,
        |_| Reply::text(200, "[]"),
        |_| Reply::text(200, "<html>secret page</html>"),
        |_| Reply::text(204, ""),
        |_| Reply::text(200, r#"{"issuer":"a","issuer":"b"}"#),
        |_| Reply::Truncated,
        |_| Reply::Reset,
        |path| if path == DISCOVERY { Reply::text(404, "") } else { Reply::Reset },
    ] {
        stage.fail(fault);
        let error = unavailable(&stage.verifier().verify(&token).await.unwrap_err());
        assert!(!format!("{error} {error:?}").contains("secret page"), "{error:?}");
    }
    // Nothing but the keys in the set is an error, so an issuer can withdraw them all.
    stage.change(|script| (script.fault, script.keys) = (None, Vec::new()));
    assert_eq!(stage.verifier().verify(&token).await.unwrap_err().code(), RefusalCode::KeyUnknown);
}

#[tokio::test]
async fn an_issuer_that_is_slow_is_given_up() {
    let pair = Pair::edwards();
    let stage = Stage::new(&[pair.published("a")]).await;
    stage.change(|script| script.delay = Duration::from_secs(20));
    let http = HttpOptions::new().with_retry(quick(1)).with_attempt_timeout(Duration::from_millis(200));
    let verifier = stage.builder().with_http(http).build().unwrap();
    unavailable(&verifier.verify(&stage.token(&pair, "a")).await.unwrap_err());
}

#[tokio::test]
async fn std_8414_01_where_the_document_is_looked_for() {
    let server = Server::raw(|_| Reply::text(404, "")).await;
    let token = |issuer: &str| {
        let claims = json!({ "iss": issuer, "aud": AUDIENCE, "sub": "alice", "exp": 9_999_999_999_u64 });
        Pair::edwards().token(&json!({ "alg": "EdDSA" }), &claims)
    };
    for (path, expected) in [
        ("", "/.well-known/openid-configuration"),
        ("/", "/.well-known/openid-configuration"),
        ("/tenant", "/tenant/.well-known/openid-configuration"),
        ("/tenant/", "/tenant/.well-known/openid-configuration"),
        ("/api/v2/iauths_system/oauth2", "/api/v2/iauths_system/oauth2/.well-known/openid-configuration"),
    ] {
        let issuer = format!("{}{path}", server.origin());
        let verifier = TokenVerifier::issuer(&issuer).with_audience(AUDIENCE).build().unwrap();
        unavailable(&verifier.verify(&token(&issuer)).await.unwrap_err());
        assert_eq!(server.seen().last().unwrap().path, expected);
    }
}

/// Keys move: the document is read again when they are gone from where they were.
#[tokio::test]
async fn keys_that_have_moved_are_found_again() {
    let pair = Pair::edwards();
    let stage = Stage::new(&[pair.published("a")]).await;
    let (verifier, token) = (stage.verifier(), stage.token(&pair, "a"));
    let origin = stage.server.origin().to_owned();
    stage.change(|script| script.document = Some(json!({ "issuer": origin, "jwks_uri": format!("{origin}/old") })));
    unavailable(&verifier.verify(&token).await.unwrap_err());
    stage.change(|script| script.document = None);
    stage.clock.advance(2);
    verifier.verify(&token).await.unwrap();
    assert_eq!((stage.asked(DISCOVERY), stage.asked("/old"), stage.asked(KEYS)), (2, 1, 1));
    stage.clock.advance(3601);
    verifier.verify(&token).await.unwrap();
    assert_eq!(stage.asked(DISCOVERY), 3, "after an hour it is asked again where they are");
}
