//! The developer API: keys, scopes, JWTs (contract sections 9 and 10).

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{API, APP, Bench, PAM, SECRET, refused, text};

const KEY: &str = "credentials/_/actions/obtain?credentialIdentifier=";

async fn bench() -> Bench {
    let rest = json!({
        "applications": [{ "client_id": "app_other", "client_secret": "CSother", "permissions": { PAM: [".all"] } }],
        "api_keys": [
            { "identifier": "llm key/+&1", "apikey": "synthetic-shared" },
            { "identifier": "own", "apikey": "synthetic-of-alice", "exclusive_user": "alice" },
            { "identifier": "own", "apikey": "synthetic-of-bob", "exclusive_user": "bob" },
        ],
        "jwt_providers": [{ "identifier": "jwt" }],
    });
    Bench::with(json!({}), &rest).await
}

fn key_in(answer: &Value) -> &str {
    answer["credentialContent"]["apiKeyContent"]["apiKey"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn a_key_by_its_identifier() {
    let bench = bench().await;
    let token = bench.pam_with(&format!("{PAM}|credential:obtain"), None).await;
    let (status, answer) = bench.get(&format!("{KEY}llm+key%2F%2B%261"), &token).await;
    assert_eq!((status, key_in(&answer)), (200, "synthetic-shared"), "{answer}");
    assert_eq!(answer["credentialType"], "api_key");
    assert!(text(&answer, "credentialId").starts_with("cred_"));
    refused(bench.get(&format!("{KEY}nothing"), &token).await, (404, "credential_not_found"));
    refused(bench.get("credentials/_/actions/obtain", &token).await, (400, "invalid_request"));
    refused(bench.get("authenticationTokens", &token).await, (403, "insufficient_scope"));
    let (_, other) = bench.token((APP, SECRET), API, None).await;
    refused(bench.get(&format!("{KEY}own"), &text(&other, "access_token")).await, (401, "invalid_token"));
    refused(bench.get(&format!("{KEY}own"), "AT_synthetic").await, (401, "invalid_token"));
    bench.emulator.advance_clock(Duration::from_secs(3601));
    refused(bench.get(&format!("{KEY}llm+key%2F%2B%261"), &token).await, (401, "invalid_token"));
}

/// Two users never mix, and neither has what the machine has not.
#[tokio::test]
async fn an_exclusive_key_is_its_users_alone() {
    let bench = bench().await;
    for (user, key) in [("alice", "synthetic-of-alice"), ("bob", "synthetic-of-bob")] {
        let token = bench.pam(Some(user)).await;
        let (_, answer) = bench.get(&format!("{KEY}own"), &token).await;
        assert_eq!((key_in(&answer), answer["exclusiveUserId"].as_str()), (key, Some(user)));
        assert_eq!(key_in(&bench.get(&format!("{KEY}llm+key%2F%2B%261"), &token).await.1), "synthetic-shared");
    }
    for user in [None, Some("carol")] {
        let token = bench.pam(user).await;
        refused(bench.get(&format!("{KEY}own"), &token).await, (404, "credential_not_found"));
        // Neither by guessing how it is filed.
        refused(bench.get(&format!("{KEY}alice%1Fown"), &token).await, (404, "credential_not_found"));
    }
}

async fn minted(bench: &Bench, token: &str) -> Value {
    let body = json!({
        "credentialProviderIdentifier": "jwt", "subject": "user-1", "audiences": ["https://api.example.com"],
        "customClaims": { "role": "reader" }, "expiration": 900, "includeDerivedShortToken": true,
    });
    let (status, answer) = bench.act("generateJwt", &body, token).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

async fn is_active(bench: &Bench, token: &str) -> bool {
    let (status, answer) = bench.act("validate", &json!({ "token": token }), "").await;
    assert_eq!(status, 200, "{answer}");
    answer["active"].as_bool().unwrap()
}

#[tokio::test]
async fn a_jwt_is_made_read_back_revoked_and_reinstated() {
    let bench = bench().await;
    let token = bench.pam(None).await;
    let made = minted(&bench, &token).await;
    let (jwt, short) = (text(&made["jwtContent"], "jwtValue"), text(&made["jwtContent"], "derivedShortToken"));
    let claims = bench.claims(&jwt).await;
    assert_eq!((&claims["sub"], &claims["role"]), (&json!("user-1"), &json!("reader")));
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 900);
    assert_eq!((&made["consumerType"], &made["consumerId"]), (&json!("application"), &json!(APP)));
    let by_id = json!({ "consumerId": APP, "authenticationTokenId": made["authenticationTokenId"] });
    assert_eq!(bench.act("obtainJwt", &by_id, &token).await, (200, made.clone()));
    let by_short = |token: &str| json!({ "derivedShortToken": token });
    assert_eq!(bench.act("obtainJwtByDerivedShortToken", &by_short(&short), "").await, (200, made.clone()));
    refused(
        bench.act("obtainJwtByDerivedShortToken", &by_short(&jwt), "").await,
        (404, "authentication_token_not_found"),
    );
    assert!(is_active(&bench, &jwt).await && is_active(&bench, &short).await && !is_active(&bench, "dst_x").await);

    assert_eq!(bench.act("revoke", &json!({ "token": short }), &token).await, (200, json!({})));
    assert!(!is_active(&bench, &jwt).await);
    refused(
        bench.act("obtainJwtByDerivedShortToken", &by_short(&short), "").await,
        (404, "authentication_token_not_found"),
    );
    assert_eq!(bench.act("reinstate", &json!({ "token": jwt }), &token).await, (200, json!({})));
    assert!(is_active(&bench, &jwt).await);
    let consumer = json!({ "consumerId": APP, "credentialProviderIdentifier": "jwt" });
    assert_eq!(bench.act("revokeByConsumer", &consumer, &token).await, (200, json!({})));
    assert!(!is_active(&bench, &jwt).await);
    assert_eq!(bench.act("reinstateByConsumer", &consumer, &token).await, (200, json!({})));
    assert!(is_active(&bench, &jwt).await);
    bench.emulator.advance_clock(Duration::from_secs(901));
    assert!(!is_active(&bench, &jwt).await);
}

#[tokio::test]
async fn nobody_reaches_the_jwt_of_another() {
    let bench = bench().await;
    let alice = bench.pam(Some("alice")).await;
    let made = minted(&bench, &alice).await;
    assert_eq!((&made["consumerType"], &made["consumerId"]), (&json!("custom"), &json!("alice")));
    let (_, other) = bench.token(("app_other", "CSother"), &format!("{PAM}|.all"), None).await;
    for token in [bench.pam(Some("bob")).await, bench.pam(None).await, text(&other, "access_token")] {
        let by_id = json!({ "consumerId": "alice", "authenticationTokenId": made["authenticationTokenId"] });
        refused(bench.act("obtainJwt", &by_id, &token).await, (404, "authentication_token_not_found"));
        let revoked = bench.act("revoke", &made["jwtContent"].clone().take_token(), &token).await;
        refused(revoked, (404, "authentication_token_not_found"));
        let (_, list) = bench.get("authenticationTokens?consumerId=alice", &token).await;
        assert_eq!(list["totalCount"], 0, "{list}");
    }
    let consumer = json!({ "consumerId": "alice", "credentialProviderIdentifier": "jwt" });
    let bob = bench.pam(Some("bob")).await;
    refused(bench.act("revokeByConsumer", &consumer, &bob).await, (403, "insufficient_scope"));
    assert!(is_active(&bench, &text(&made["jwtContent"], "jwtValue")).await);
    let (_, list) = bench.get("authenticationTokens?consumerId=alice&revoked=False&expired=False", &alice).await;
    assert_eq!(
        (&list["totalCount"], &list["entities"][0]["authenticationTokenId"]),
        (&json!(1), &made["authenticationTokenId"])
    );
    assert!(list["entities"][0]["jwtContent"].is_null());
}

trait TakeToken {
    fn take_token(self) -> Value;
}

impl TakeToken for Value {
    fn take_token(self) -> Value {
        json!({ "token": self["jwtValue"] })
    }
}

#[tokio::test]
async fn a_list_comes_in_pages() {
    let bench = bench().await;
    let token = bench.pam(None).await;
    for _ in 0..3 {
        minted(&bench, &token).await;
    }
    let (_, first) = bench.get("authenticationTokens?maxResults=2", &token).await;
    assert_eq!((first["entities"].as_array().unwrap().len(), &first["totalCount"]), (2, &json!(3)));
    let next = text(&first, "nextToken");
    let (_, second) = bench.get(&format!("authenticationTokens?maxResults=2&nextToken={next}"), &token).await;
    assert_eq!((second["entities"].as_array().unwrap().len(), &second["nextToken"]), (1, &json!("")));
    assert!(!first["entities"].as_array().unwrap().contains(&second["entities"][0]));
    for query in ["maxResults=0", "maxResults=x", "nextToken=x", "revoked=perhaps"] {
        refused(bench.get(&format!("authenticationTokens?{query}"), &token).await, (400, "invalid_request"));
    }
    let (_, none) = bench.get("authenticationTokens?revoked=True", &token).await;
    assert_eq!(none["totalCount"], 0);
}

#[tokio::test]
async fn what_is_kept_survives_and_what_was_issued_still_counts() {
    let (directory, keys) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let builder = || {
        identity_emulator::Emulator::builder().with_data_dir(directory.path()).with_key_file(keys.path().join("key"))
    };
    let first = Bench::built(builder(), json!({}), &json!({ "jwt_providers": [{ "identifier": "jwt" }] })).await;
    let token = first.pam(None).await;
    let jwt = text(&minted(&first, &token).await["jwtContent"], "jwtValue");
    let keys_before = first.jwks().await;
    first.emulator.shutdown().await;
    let again = Bench::built(builder(), json!({}), &json!({})).await;
    assert_eq!(again.jwks().await, keys_before);
    assert!(is_active(&again, &jwt).await);
}
