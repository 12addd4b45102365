//! What the vendor's packages sent, sent again byte for byte.

use std::collections::BTreeSet;

use identity_emulator::Emulator;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::{Value, json};

use crate::support::{http, read};

const RECORDED: &str = include_str!("../../../tests/fixtures/wire/alibaba-idaas.jsonl");
/// The issuer that the recorded assertions are for.
const ISSUER: &str = "https://127.0.0.1:18443/api/v2/iauths_system/oauth2";

fn recorded(begins: &str) -> Vec<Value> {
    let lines = RECORDED.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["op"].as_str().is_some_and(|op| op.starts_with(begins))).collect()
}

async fn emulator() -> Emulator {
    let token_requests = recorded("token.");
    let keys: BTreeSet<&str> =
        token_requests.iter().filter_map(|line| line["assertion"]["public_key_pem"].as_str()).collect();
    let seed = json!({ "idaas": {
        "instance": "idaas_synthetic0001",
        "applications": [{
            "client_id": "app_synthetic0001",
            "client_secret": "CSsynthetic+secret/0001=",
            "public_keys": keys,
            "permissions": { "https://api.example.com": ["read:file", "write:file"], "urn:cloud:idaas:pam": [".all"] },
        }],
    } });
    let seed = identity_emulator::Seed::from_json(&seed.to_string()).unwrap();
    let start = jiff::Timestamp::from_second(1_795_303_200).unwrap();
    let builder = Emulator::builder().with_seed(seed).with_start_time(start);
    builder.with_idaas_issuer(ISSUER.parse().unwrap()).start().await.unwrap()
}

async fn send(emulator: &Emulator, line: &Value) -> (u16, Value) {
    let body = line["request"]["body"].as_str().unwrap().to_owned();
    let url = format!("{}/token", emulator.idaas().served_at());
    let mut request = http().post(url).header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(body);
    let headers = line["request"]["headers"].as_object().unwrap();
    let header = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(AUTHORIZATION.as_str()));
    if let Some((_, value)) = header {
        request = request.header(AUTHORIZATION, value.as_str().unwrap());
    }
    read(request.send().await.unwrap()).await
}

#[tokio::test]
async fn every_recorded_secret_and_assertion_is_accepted_once() {
    let emulator = emulator().await;
    let (mut by_secret, mut by_assertion) = (0, 0);
    for line in recorded("token.client_credentials.") {
        let op = line["op"].as_str().unwrap();
        // Their certificates, tokens and documents lead to nobody: other tests bring some that do.
        if ["OIDC", "PKCS7", "PCA"].iter().any(|method| op.contains(method)) {
            continue;
        }
        let (status, answer) = send(&emulator, &line).await;
        assert_eq!((status, &answer["token_type"]), (200, &json!("Bearer")), "{op}: {answer}");
        for (name, _) in
            serde_json::from_str::<Value>(line["response"]["body"].as_str().unwrap()).unwrap().as_object().unwrap()
        {
            assert!(!answer[name].is_null(), "{op}: {name}");
        }
        if line["assertion"].is_null() {
            by_secret += 1;
        } else {
            by_assertion += 1;
            let (status, answer) = send(&emulator, &line).await;
            assert_eq!((status, &answer["error"]), (401, &json!("invalid_client")), "{op} again: {answer}");
        }
    }
    assert!(by_secret >= 4 && by_assertion >= 8, "{by_secret} and {by_assertion}");
}

/// Its subject token is nobody's: the client is known, the user is not.
#[tokio::test]
async fn a_recorded_exchange_gets_as_far_as_its_subject() {
    let emulator = emulator().await;
    let mut sent = 0;
    for line in recorded("token.exchange.") {
        let op = line["op"].as_str().unwrap();
        if !["CLIENT_SECRET_BASIC", "CLIENT_SECRET_JWT", "PRIVATE_KEY_JWT"].iter().any(|method| op.ends_with(method)) {
            continue;
        }
        let (status, answer) = send(&emulator, &line).await;
        assert_eq!((status, &answer["error"]), (400, &json!("invalid_request")), "{op}: {answer}");
        assert!(answer["error_description"].as_str().unwrap().contains("subject_token"), "{answer}");
        sent += 1;
    }
    assert_eq!(sent, 3);
}
