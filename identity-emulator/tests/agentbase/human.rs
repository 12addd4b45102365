//! The scripted person.

use identity_emulator::{AuditOutcome, Human};
use serde_json::{Value, json};

use crate::support::Bench;

async fn bench(human: Human) -> Bench {
    let bench = Bench::with_human(human).await;
    bench.identity().await;
    bench.delegated("demo-delegated").await;
    bench.oauth("demo-oauth").await;
    bench.emulator.counters().reset();
    bench
}

async fn ask(bench: &Bench, kind: &str, extra: Value) -> Value {
    let (status, body) = match kind {
        "key" => bench.ask_key("demo-delegated", extra).await,
        _ => bench.ask_token("demo-oauth", extra).await,
    };
    assert_eq!(status, 200, "{body}");
    body
}

fn credential(kind: &str) -> &'static str {
    if kind == "key" { "apikey" } else { "accessToken" }
}

#[tokio::test]
async fn approving_is_seen_by_the_first_poll() {
    let bench = bench(Human::Approve).await;
    for kind in ["key", "token"] {
        let asked = ask(&bench, kind, json!({})).await;
        assert_eq!(asked["status"], "IN_PROGRESS", "the link comes first");
        let polled = ask(&bench, kind, json!({ "sessionId": asked["sessionId"] })).await;
        assert_eq!(polled["status"], "COMPLETED", "{kind}");
        let ready = ask(&bench, kind, json!({})).await;
        assert!(ready[credential(kind)].as_str().is_some_and(|text| !text.is_empty()), "{ready}");
    }
    let counters = bench.emulator.counters();
    assert_eq!(counters.count("redirect_to_provider_authorize"), 0, "the person is no client");
    assert_eq!(counters.count("get_3lo_token"), 3);
    assert_eq!(counters.count("provider_token"), 1, "but the engine's request is a request");
    assert!(bench.emulator.audit().iter().any(|entry| entry.outcome == AuditOutcome::Granted));
}

#[tokio::test]
async fn approving_is_seen_by_whoever_asks_anew_instead_of_polling() {
    let bench = bench(Human::Approve).await;
    for kind in ["key", "token"] {
        ask(&bench, kind, json!({})).await;
        assert!(ask(&bench, kind, json!({})).await[credential(kind)].is_string(), "{kind}");
    }
}

#[tokio::test]
async fn denying_fails_the_session() {
    let bench = bench(Human::Deny).await;
    for kind in ["key", "token"] {
        let asked = ask(&bench, kind, json!({})).await;
        let polled = ask(&bench, kind, json!({ "sessionId": asked["sessionId"] })).await;
        assert_eq!(polled["status"], "FAILED", "{kind}");
        assert_eq!(ask(&bench, kind, json!({})).await["status"], "IN_PROGRESS", "nothing was granted");
    }
}

#[tokio::test]
async fn approving_after_two_polls_is_seen_by_the_third() {
    let bench = bench(Human::ApproveAfter(2)).await;
    for kind in ["key", "token"] {
        let asked = ask(&bench, kind, json!({})).await;
        let mut statuses = Vec::new();
        for _ in 0..3 {
            statuses.push(ask(&bench, kind, json!({ "sessionId": asked["sessionId"] })).await["status"].clone());
        }
        assert_eq!(statuses, ["IN_PROGRESS", "IN_PROGRESS", "COMPLETED"], "{kind}");
    }
}

#[tokio::test]
async fn a_person_who_changes_their_mind_is_seen_by_the_next_poll() {
    let bench = bench(Human::Manual).await;
    let asked = ask(&bench, "token", json!({})).await;
    let session = json!({ "sessionId": asked["sessionId"] });
    assert_eq!(ask(&bench, "token", session.clone()).await["status"], "IN_PROGRESS");
    bench.emulator.set_human(Human::Approve);
    assert_eq!(ask(&bench, "token", session).await["status"], "COMPLETED");
}

#[tokio::test]
async fn other_providers_stay_pending() {
    let bench = bench(Human::Approve).await;
    let body = json!({
        "name": "outside", "clientId": "id", "clientSecret": "secret",
        "authorizationUrl": "https://idp.example.com/authorize", "tokenUrl": "https://idp.example.com/token",
    });
    bench.made("/outbound-auth/oauth2-providers", body).await;
    let (_, asked) = bench.ask_token("outside", json!({})).await;
    let (_, polled) = bench.ask_token("outside", json!({ "sessionId": asked["sessionId"] })).await;
    assert_eq!(polled["status"], "IN_PROGRESS");
}
