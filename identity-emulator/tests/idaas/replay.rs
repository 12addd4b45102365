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

/// The account that signed the recorded calls of the OpenAPI, and its role's session.
const ACCOUNT: (&str, &str) = ("AKsynthetic0001", "SKsynthetic0001");
const SESSION: (&str, &str) = ("STS.synthetic0001", "STSsyntheticSecurityToken");

async fn emulator() -> Emulator {
    let token_requests = recorded("token.");
    let keys: BTreeSet<&str> =
        token_requests.iter().filter_map(|line| line["assertion"]["public_key_pem"].as_str()).collect();
    let account = json!({ "access_key_id": ACCOUNT.0, "access_key_secret": ACCOUNT.1 });
    let seed = json!({ "agent_identity": account, "idaas": {
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
    let role = "acs:ram::1000000000000001:role/Agent";
    let builder = builder.with_sts_credentials(SESSION.0, ACCOUNT.1, SESSION.1, role);
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

/// As it was sent, the signed host included.
async fn send_signed(emulator: &Emulator, line: &Value) -> (u16, Value) {
    let url = format!("{}/?{}", emulator.idaas().open_api_endpoint(), line["request"]["query"].as_str().unwrap());
    let headers = line["request"]["headers"].as_object().unwrap();
    let headers = headers.iter().filter(|(name, _)| *name != "content-length");
    let request =
        headers.fold(http().post(url), |request, (name, value)| request.header(name, value.as_str().unwrap()));
    read(request.send().await.unwrap()).await
}

#[tokio::test]
async fn the_recorded_calls_of_the_openapi_are_accepted_once_from_account_and_role() {
    let emulator = emulator().await;
    let mut accepted = 0;
    for line in recorded("openapi.GenerateOauthToken") {
        let op = line["op"].as_str().unwrap();
        let (status, answer) = send_signed(&emulator, &line).await;
        if op.contains("token_exchange") {
            // Its subject token is nobody's.
            assert_eq!((status, &answer["Code"]), (400, &json!("InvalidParameter.SubjectToken")), "{op}: {answer}");
            assert!(answer["Message"].as_str().unwrap().contains("subject_token"), "{answer}");
            continue;
        }
        assert_eq!(status, 200, "{op}: {answer}");
        let told = &answer["TokenResponse"];
        assert_eq!((&told["TokenType"], &told["ExpiresIn"]), (&json!("Bearer"), &json!(3600)), "{answer}");
        assert_eq!(told["IssuedTokenType"], "urn:ietf:params:oauth:token-type:access_token");
        assert!(answer["RequestId"].is_string() && told["AccessToken"].is_string() && told["ExpiresAt"].is_i64());
        let (status, answer) = send_signed(&emulator, &line).await;
        assert_eq!((status, &answer["Code"]), (400, &json!("SignatureNonceUsed")), "{op} again: {answer}");
        accepted += 1;
    }
    assert!(accepted >= 4, "{accepted}");
    assert!(emulator.counters().count("generate_oauth_token") >= 2 * accepted);
}

#[tokio::test]
async fn what_was_changed_on_its_way_is_refused() {
    let emulator = emulator().await;
    let lines = recorded("openapi.GenerateOauthToken.sts");
    let line = &lines[0];
    let cases = [
        ("query", "ScopeValues.1", "ScopeValues.2", "SignatureDoesNotMatch"),
        ("x-acs-security-token", "synthetic", "Synthetic", "InvalidSecurityToken.MismatchWithAccessKey"),
        ("x-acs-accesskey-id", "0001", "0002", "SignatureDoesNotMatch"),
        ("authorization", "Signature=6", "Signature=7", "SignatureDoesNotMatch"),
        ("authorization", "accept;", "", "SignatureDoesNotMatch"),
        ("authorization", "x-acs-security-token;", "", "IncompleteSignature"),
    ];
    for (place, from, to, code) in cases {
        let mut line = line.clone();
        let request = &mut line["request"];
        let text = if place == "query" { &mut request["query"] } else { &mut request["headers"][place] };
        let changed = text.as_str().unwrap().replace(from, to);
        assert_ne!(text.as_str(), Some(changed.as_str()), "{place}");
        *text = changed.into();
        let (status, answer) = send_signed(&emulator, &line).await;
        assert_eq!((status, &answer["Code"]), (400, &json!(code)), "{place} {from}: {answer}");
    }
    assert_eq!(send_signed(&emulator, line).await.0, 200, "none of these used up its nonce");
}
