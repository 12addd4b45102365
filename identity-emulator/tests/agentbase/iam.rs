//! The IAM token endpoint and its bearers.

use std::time::Duration;

use crate::support::{Bench, http, read};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use identity_emulator::Emulator;
use reqwest::Client;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

const FORM: &str = "application/x-www-form-urlencoded";

async fn token(http: &Client, url: &str, credentials: &str, kind: &str, body: &str) -> (u16, Value) {
    let request = http.post(url).header("authorization", format!("Basic {}", STANDARD.encode(credentials)));
    read(request.header("content-type", kind).body(body.to_owned()).send().await.unwrap()).await
}

#[tokio::test]
async fn credentials_are_read_without_percent_decoding() {
    let odd = Emulator::builder().with_service_account("id%20+", "se:cret%41 é+").start().await.unwrap();
    let url = odd.agentbase().token_url().to_owned();
    let good = "grant_type=client_credentials";
    assert_eq!(token(&http(), &url, "id%20+:se:cret%41 é+", FORM, good).await.0, 200);
    assert_eq!(token(&http(), &url, "id +:se:cretA é+", FORM, good).await.0, 401);
}

#[tokio::test]
async fn both_dialects_have_their_own_spelling() {
    let emulator = Emulator::builder().with_iam_token_lifetime(Duration::from_secs(77)).start().await.unwrap();
    let agentbase = emulator.agentbase();
    let credentials = format!("{}:{}", agentbase.client_id(), agentbase.client_secret().expose_secret());
    let v2 = agentbase.token_url().to_owned();
    let v1 = v2.replace("/v2/", "/v1/");
    let (status, body) = token(&http(), &v2, &credentials, FORM, "grant_type=client_credentials").await;
    assert_eq!((status, &body["expires_in"], &body["token_type"]), (200, &json!(77), &json!("Bearer")));
    let (status, body) = token(&http(), &v1, &credentials, FORM, "grantType=client_credentials").await;
    assert_eq!((status, &body["expiresIn"]), (200, &json!(77)));
    assert!(body["accessToken"].is_string());
    assert_eq!(token(&http(), &v1, &credentials, FORM, "grant_type=client_credentials").await.0, 400);
    assert_eq!(emulator.counters().count("iam_token"), 3);
}

#[tokio::test]
async fn bad_requests_and_bad_credentials_are_told_apart() {
    let emulator = Emulator::start().await.unwrap();
    let agentbase = emulator.agentbase();
    let url = agentbase.token_url();
    let secret = agentbase.client_secret().expose_secret();
    let right = format!("{}:{secret}", agentbase.client_id());
    for (kind, body) in [
        (FORM, ""),
        (FORM, "grant_type=password"),
        (FORM, "grant_type=client_credentials&grant_type=client_credentials"),
        ("application/json", "{\"grant_type\":\"client_credentials\"}"),
    ] {
        let (status, answer) = token(&http(), url, &right, kind, body).await;
        assert_eq!((status, &answer["errors"][0]["code"]), (400, &json!("INVALID_REQUEST")), "{body}");
    }
    let good = "grant_type=client_credentials";
    for wrong in
        [format!("{}:x{secret}", agentbase.client_id()), format!("x:{secret}"), "no colon".to_owned(), ":".to_owned()]
    {
        let (status, answer) = token(&http(), url, &wrong, FORM, good).await;
        assert_eq!((status, &answer["errors"][0]["code"]), (401, &json!("AUTHENTICATION_FAILED")), "{wrong}");
        assert!(!answer.to_string().contains(secret));
    }
    let naked = http().post(url).header("content-type", FORM).body(good).send().await.unwrap();
    assert_eq!(naked.status(), 401);
}

#[tokio::test]
async fn ten_failures_in_a_minute_shut_a_client_out() {
    let emulator = Emulator::start().await.unwrap();
    let agentbase = emulator.agentbase();
    let id = agentbase.client_id();
    let right = format!("{id}:{}", agentbase.client_secret().expose_secret());
    let good = "grant_type=client_credentials";
    let ask = async |credentials: &str| token(&http(), agentbase.token_url(), credentials, FORM, good).await;
    for _ in 0..9 {
        ask(&format!("{id}:wrong")).await;
    }
    assert_eq!(ask(&right).await.0, 200, "nine are forgiven, and forgotten");
    for _ in 0..10 {
        assert_eq!(ask(&format!("{id}:wrong")).await.1["errors"][0]["code"], "AUTHENTICATION_FAILED");
    }
    let (status, body) = ask(&right).await;
    assert_eq!((status, &body["errors"][0]["code"]), (401, &json!("TOO_MANY_FAILED_LOGINS")));
    assert_eq!(ask("other:wrong").await.1["errors"][0]["code"], "AUTHENTICATION_FAILED", "others are not");
    emulator.advance_clock(Duration::from_secs(61));
    assert_eq!(ask(&right).await.0, 200);
}

#[tokio::test]
async fn bearers_expire_and_can_be_revoked() {
    let mut bench = Bench::start().await;
    assert_eq!(bench.get("/agent-identities").await.0, 200);
    bench.emulator.revoke_iam_tokens();
    assert_eq!(bench.get("/agent-identities").await, (401, json!({ "message": "Unauthorized" })));
    bench.renew().await;
    bench.emulator.advance_clock(Duration::from_secs(3599));
    assert_eq!(bench.get("/agent-identities").await.0, 200);
    bench.emulator.advance_clock(Duration::from_secs(1));
    assert_eq!(bench.get("/agent-identities").await.0, 401);
}

#[tokio::test]
async fn without_a_good_bearer_nothing_is_told() {
    let bench = Bench::start().await;
    for path in ["/agent-identities", "/agent-identities/none", "/no/such/thing"] {
        let url = bench.url(&format!("/api/v1{path}"));
        for header in
            [None, Some("Bearer x".to_owned()), Some("Bearer".to_owned()), Some(format!("Basic {}", bench.bearer))]
        {
            let mut request = bench.http.get(&url);
            if let Some(header) = &header {
                request = request.header("authorization", header);
            }
            assert_eq!(request.send().await.unwrap().status(), 401, "{path} {header:?}");
        }
    }
    assert_eq!(bench.get("/no/such/thing").await, (404, json!({ "message": "not found" })));
    assert_eq!(bench.call(reqwest::Method::PATCH, "/agent-identities", None).await.0, 405);
}
