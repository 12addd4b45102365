//! Scripted trouble, as a client sees it.

use std::error::Error as _;
use std::io;
use std::time::{Duration, Instant};

use identity_emulator::Fault;
use reqwest::Method;
use serde_json::json;

use crate::support::Bench;

const LIST: &str = "/agent-identities";

#[tokio::test]
async fn statuses_come_with_headers_and_body_as_often_as_said() {
    let bench = Bench::start().await;
    let fault =
        Fault::on_operation("list_agent_identities").status(503).header("retry-after", "7").body("upstream down");
    bench.emulator.faults().add(fault.times(2));
    for _ in 0..2 {
        let response = bench.send(Method::GET, LIST, None).await;
        assert_eq!((response.status().as_u16(), response.headers()["retry-after"].to_str().unwrap()), (503, "7"));
        assert_eq!(response.text().await.unwrap(), "upstream down");
    }
    assert_eq!(bench.get(LIST).await.0, 200);
    assert_eq!(bench.emulator.faults().remaining(), 0);
    assert_eq!(bench.emulator.counters().count("list_agent_identities"), 3, "eaten requests count");
}

#[tokio::test]
async fn paths_are_hit_by_method_and_prefix() {
    let bench = Bench::start().await;
    bench.emulator.faults().add(Fault::on_path(Method::POST, "/identity/api/v1/agent-identities").status(500));
    assert_eq!(bench.get(LIST).await.0, 200);
    assert_eq!(bench.post(LIST, json!({ "name": "demo-agent" })).await.0, 500);
    assert_eq!(bench.get("/agent-identities/demo-agent").await.0, 404, "the request was not served");
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "measures a real delay")]
async fn a_delay_alone_only_delays() {
    let bench = Bench::start().await;
    bench.emulator.faults().add(Fault::on_operation("list_agent_identities").delay(Duration::from_millis(200)));
    let start = Instant::now();
    assert_eq!(bench.get(LIST).await.0, 200);
    assert!(start.elapsed() >= Duration::from_millis(200));
}

#[tokio::test]
async fn a_reset_is_a_reset() {
    let bench = Bench::start().await;
    bench.emulator.faults().add(Fault::on_operation("list_agent_identities").delay(Duration::from_millis(10)).reset());
    let request = bench.http.get(bench.url("/api/v1/agent-identities")).bearer_auth(&bench.bearer);
    let error = request.send().await.unwrap_err();
    let mut source = error.source();
    let mut kinds = Vec::new();
    while let Some(cause) = source {
        kinds.extend(cause.downcast_ref::<io::Error>().map(io::Error::kind));
        source = cause.source();
    }
    assert!(kinds.contains(&io::ErrorKind::ConnectionReset), "{error:?}");
    assert_eq!(bench.get(LIST).await.0, 200);
}

#[tokio::test]
async fn a_cut_body_breaks_off_where_said() {
    let bench = Bench::start().await;
    for (fault, sent) in [
        (Fault::on_operation("list_agent_identities").cut_body_after(10), 10),
        (Fault::on_operation("list_agent_identities").cut_body_after(0), 0),
        (Fault::on_operation("list_agent_identities").status(200).body("abc").cut_body_after(50), 3),
    ] {
        bench.emulator.faults().add(fault);
        let mut response = bench.send(Method::GET, LIST, None).await;
        assert_eq!(response.status(), 200);
        assert!(response.content_length().is_some_and(|announced| announced > sent));
        let mut received = 0;
        let error = loop {
            match response.chunk().await {
                Ok(Some(chunk)) => received += chunk.len() as u64,
                Ok(None) => panic!("the body ended as if it were whole"),
                Err(error) => break error,
            }
        };
        assert_eq!(received, sent, "{error}");
    }
}

#[tokio::test]
async fn requests_are_recorded_as_sent_and_shown_without_secrets() {
    let bench = Bench::start().await;
    bench.static_key("demo-key", "hush-key").await;
    let requests = bench.emulator.requests();
    let create = requests.last().unwrap();
    assert_eq!(
        (create.operation, create.path.as_str()),
        ("create_api_key_provider", "/identity/api/v1/outbound-auth/api-key-providers")
    );
    assert_eq!(create.headers["authorization"], "Bearer");
    assert_eq!(create.body.expose_json().unwrap(), json!({ "name": "demo-key", "apikey": "hush-key" }));
    assert_eq!(requests[0].operation, "iam_token");
    let shown = format!("{requests:?} {:?} {:?}", bench.emulator, bench.emulator.agentbase());
    assert!(!shown.contains("hush-key") && !shown.contains(&bench.bearer));
}

#[tokio::test]
async fn shutting_down_lets_requests_finish_and_frees_the_port() {
    let bench = Bench::start().await;
    bench.emulator.faults().add(Fault::on_operation("list_agent_identities").delay(Duration::from_millis(200)));
    let url = bench.url("/api/v1/agent-identities");
    let slow = tokio::spawn(bench.http.get(&url).bearer_auth(&bench.bearer).send());
    while bench.emulator.counters().count("list_agent_identities") == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let Bench { emulator, http, .. } = bench;
    emulator.shutdown().await;
    assert_eq!(slow.await.unwrap().unwrap().status(), 200);
    assert!(http.get(&url).send().await.unwrap_err().is_connect());
}
