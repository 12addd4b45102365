//! A user's token for a user's token: contract section 6. Two users never mix.

use std::time::Duration;

use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::support::{API, APP, Bench, Key, PAM, SECRET, START, refused, text};

#[tokio::test]
async fn the_exchanged_token_is_the_users_in_the_hands_of_the_application() {
    let bench = Bench::start().await;
    let inbound = bench.inbound("alice").await;
    let (status, answer) = bench.token((APP, SECRET), API, Some(&inbound)).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["issued_token_type"], "urn:ietf:params:oauth:token-type:access_token");
    let claims = bench.claims(&text(&answer, "access_token")).await;
    assert_eq!((&claims["sub"], &claims["act"]), (&json!("alice"), &json!({ "sub": APP })));
    assert_eq!((&claims["aud"], &claims["scope"]), (&json!("https://api.example.com"), &json!("read:file")));
    assert!(answer["expires_in"].as_i64().unwrap() <= 1800, "it does not outlive the user's token");
}

#[tokio::test]
async fn a_foreign_or_dead_subject_opens_nothing() {
    let bench = Bench::start().await;
    let other = Bench::start().await;
    let (head, _) =
        bench.inbound("alice").await.rsplit_once('.').map(|(head, end)| (head.to_owned(), end.to_owned())).unwrap();
    let issuer = bench.emulator.idaas().issuer().to_owned();
    let claims = json!({
        "iss": issuer, "sub": "alice", "sub_type": "user", "client_id": APP, "aud": PAM, "scope": ".all", "exp": START + 600,
    });
    let forged = Key::rsa().jwt(json!({}), &claims);
    let (_, machine) = bench.token((APP, SECRET), API, None).await;
    for subject in [
        other.inbound("alice").await,
        format!("{head}.AAAA"),
        forged,
        "AT_synthetic_user".to_owned(),
        text(&machine, "access_token"),
    ] {
        let description = refused(bench.token((APP, SECRET), API, Some(&subject)).await, (400, "invalid_request"));
        assert!(description.contains("subject_token") && !description.contains(&subject), "{description}");
    }
    let inbound = bench.inbound("alice").await;
    refused(
        bench.token((APP, SECRET), "https://api.example.com|delete:file", Some(&inbound)).await,
        (400, "invalid_scope"),
    );
    refused(bench.token((APP, "CSwrong"), API, Some(&inbound)).await, (401, "invalid_client"));
    bench.emulator.advance_clock(Duration::from_secs(1801));
    refused(bench.token((APP, SECRET), API, Some(&inbound)).await, (400, "invalid_request"));
}

/// A JWT that an application had made says what the application likes: it must not pass for a user's access token.
#[tokio::test]
async fn a_minted_jwt_is_no_access_token() {
    let issuer = "https://issuer.example.com";
    let bench =
        Bench::with(json!({}), &json!({ "jwt_providers": [{ "identifier": "jwt", "issuers": [issuer] }] })).await;
    let token = bench.pam(None).await;
    let own = bench.emulator.idaas().issuer().to_owned();
    let mint = |more: serde_json::Value| {
        let mut body = json!({
            "credentialProviderIdentifier": "jwt", "subject": "alice", "audiences": ["https://api.example.com"],
            "customClaims": { "client_id": APP, "scope": ".all" },
        });
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        body
    };
    let (status, answer) = bench.act("generateJwt", &mint(json!({})), &token).await;
    assert_eq!(status, 200, "{answer}");
    let jwt = text(&answer["jwtContent"], "jwtValue");
    refused(bench.token((APP, SECRET), API, Some(&jwt)).await, (400, "invalid_request"));
    refused(bench.get("authenticationTokens", &jwt).await, (401, "invalid_token"));
    for more in [
        json!({ "issuer": own }),
        json!({ "issuer": "https://nobody.example.com" }),
        json!({ "customClaims": { "iss": own } }),
        json!({ "customClaims": { "sub_type": "user" } }),
        json!({ "audiences": [PAM] }),
        json!({ "audiences": [] }),
    ] {
        refused(bench.act("generateJwt", &mint(more), &token).await, (400, "invalid_request"));
    }
    assert_eq!(bench.act("generateJwt", &mint(json!({ "issuer": issuer })), &token).await.0, 200);
}

#[tokio::test]
async fn a_chain_of_applications_is_named_and_ends() {
    let all = json!({ PAM: [".all"], "https://api.example.com": ["read:file"] });
    let others: Vec<_> = (0..5)
        .map(|number| json!({ "client_id": format!("app_{number}"), "client_secret": "CSx", "permissions": all }))
        .collect();
    let bench = Bench::with(json!({}), &json!({ "applications": others })).await;
    let mut token = bench.inbound("alice").await;
    for number in 0..4 {
        let (status, answer) = bench.token((&format!("app_{number}"), "CSx"), API, Some(&token)).await;
        assert_eq!(status, 200, "{answer}");
        token = text(&answer, "access_token");
    }
    let claims = bench.claims(&token).await;
    assert_eq!((&claims["sub"], &claims["act"]["sub"]), (&json!("alice"), &json!("app_3")));
    assert_eq!(claims["act"]["act"]["act"]["act"], json!({ "sub": "app_0" }));
    let description = refused(bench.token(("app_4", "CSx"), API, Some(&token)).await, (400, "invalid_request"));
    assert!(description.contains("too often"), "{description}");
}

#[tokio::test]
async fn users_without_a_name_and_with_an_applications_name() {
    let bench = Bench::start().await;
    let hour = Duration::from_secs(3600);
    for user in ["", "a\u{1f}b"] {
        assert!(bench.emulator.idaas_user_token(user, API, hour).await.is_err());
    }
    // Called like the application, and still a user.
    let token = bench.emulator.idaas_user_token(APP, API, hour).await.unwrap();
    let (status, answer) = bench.token((APP, SECRET), API, Some(token.expose_secret())).await;
    assert_eq!(status, 200, "{answer}");
}
