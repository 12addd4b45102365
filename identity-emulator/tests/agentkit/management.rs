//! Providers, pools and what is shown of them.

use identity_emulator::{Emulator, Seed};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{AGENT, Bench, Draft, Key, http, text};

#[tokio::test]
async fn a_provider_is_made_changed_listed_and_deleted() {
    let bench = Bench::start().await;
    bench.provider("calendar", "USER_FEDERATION").await;
    bench.feishu("feishu_oauth", json!(["drive:drive"])).await;
    let shown = bench.done("GetOauth2CredentialProvider", json!({ "Name": "calendar" })).await;
    assert_eq!(shown["Config"]["Scopes"], json!(["read"]));
    assert!(!shown.to_string().contains(bench.emulator.provider().client_secret().expose_secret()));
    let body = json!({ "Name": "calendar", "Config": { "Flow": "M2M", "Scopes": ["write"] } });
    bench.done("UpdateOauth2CredentialProvider", body).await;
    let shown = bench.done("GetOauth2CredentialProvider", json!({ "Name": "calendar" })).await;
    assert_eq!((&shown["Config"]["Flow"], &shown["Config"]["Scopes"]), (&json!("M2M"), &json!(["write"])));
    assert!(shown["Config"]["Oauth2Discovery"].is_object(), "what was not named stays");
    bench.done("CreateApiKeyCredentialProvider", json!({ "Name": "weather", "ApiKey": "hush" })).await;
    for (filter, names) in [
        (json!({}), vec!["calendar", "feishu_oauth", "weather"]),
        (json!({ "Type": "oauth2", "Vendor": 4 }), vec!["feishu_oauth"]),
        (json!({ "Type": "api_key" }), vec!["weather"]),
        (json!({ "Name": "calendar", "Flow": "M2M" }), vec!["calendar"]),
    ] {
        let body = json!({ "PageNumber": 1, "PageSize": 10, "Filter": filter });
        let listed = bench.done("ListCredentialProviders", body).await;
        let found: Vec<String> =
            listed["CredentialProviders"].as_array().unwrap().iter().map(|it| text(it, "Name")).collect();
        assert_eq!(found, names, "{filter}");
    }
    let page = bench.done("ListOauth2CredentialProviders", json!({ "PageNumber": 2, "PageSize": 1 })).await;
    assert_eq!(
        (&page["TotalCount"], text(&page["Oauth2CredentialProviders"][0], "Name").as_str()),
        (&json!(2), "feishu_oauth")
    );
    bench.done("DeleteOauth2CredentialProvider", json!({ "Name": "calendar" })).await;
    let (status, code, _) = bench.refused("GetOauth2CredentialProvider", json!({ "Name": "calendar" })).await;
    assert_eq!((status, code.as_str()), (404, "NotFound"));
}

#[tokio::test]
async fn bodies_that_do_not_fit_are_refused_by_the_name_of_the_field() {
    let bench = Bench::start().await;
    let config = json!({ "ClientId": "a", "ClientSecret": "hush-hush" });
    for (action, body, code) in [
        ("CreateWorkloadIdentity", json!({}), "MissingParameter"),
        ("CreateWorkloadIdentity", json!({ "Name": "a/b" }), "InvalidParameter"),
        ("CreateWorkloadIdentity", json!({ "Name": ["hush-hush"] }), "InvalidParameter"),
        ("CreateWorkloadIdentity", json!({ "Name": AGENT, "WorkloadPoolName": "nope" }), "NotFound"),
        ("CreateOauth2CredentialProvider", json!({ "Name": "p", "Config": config }), "MissingParameter"),
        ("CreateOauth2CredentialProvider", json!({ "Name": "p", "Vendor": 0, "Config": config }), "InvalidParameter"),
        (
            "CreateOauth2CredentialProvider",
            json!({ "Name": "p", "Vendor": 4, "Config": { "ClientId": "a" } }),
            "MissingParameter",
        ),
        ("CreateApiKeyCredentialProvider", json!({ "Name": "k" }), "MissingParameter"),
        ("ListUserPools", json!({ "PageSize": 10 }), "MissingParameter"),
        ("ListUserPools", json!({ "PageNumber": 1, "PageSize": 1000 }), "InvalidParameter"),
        ("GetResourceApiKey", json!({ "ProviderName": "k" }), "MissingParameter"),
        ("GetUserPool", json!({ "UserPoolUid": "nope" }), "NotFound"),
    ] {
        let (_, found, message) = bench.refused(action, body.clone()).await;
        assert_eq!(found, code, "{action} {body}: {message}");
        assert!(!message.contains("hush"), "{message}");
    }
    let (status, answer) = bench.call("CreateWorkloadIdentity", json!([])).await;
    assert_eq!((status, &answer["ResponseMetadata"]["Error"]["Code"]), (400, &json!("InvalidParameter")));
}

#[tokio::test]
async fn what_nobody_allowed_is_denied() {
    let seed =
        r#"{"agentkit":{"permissions":[{"principal":"user:alice","operation":"Action:invoke","resource":"*"}]}}"#;
    let bench = Bench::with(Emulator::builder().with_seed(Seed::from_json(seed).unwrap())).await;
    for (user, allowed) in [("alice", true), ("bob", false)] {
        let body = json!({
            "NamespaceName": "default",
            "Principal": { "Type": "user", "Id": user },
            "Operation": { "Type": "Action", "Id": "invoke" },
            "Resource": { "Type": "agent", "Id": "role-0001" },
        });
        let answer = bench.done("CheckPermission", body).await;
        assert_eq!(answer["Allowed"], allowed, "{user}");
    }
}

#[tokio::test]
async fn the_seed_of_the_readme_is_there() {
    let (_, rest) = include_str!("../../README.md").split_once("```json\n").unwrap();
    let seed = Seed::from_json(rest.split_once("```").unwrap().0).unwrap();
    let bench = Bench::with(Emulator::builder().with_seed(seed)).await;
    assert_eq!(bench.key.id, "AKLTexample");
    let token = bench.plain_token().await;
    let answer =
        bench.done("GetResourceApiKey", json!({ "ProviderName": "weather_key", "IdentityToken": token })).await;
    assert_eq!(answer["ApiKey"], "synthetic-key");
    let body = json!({ "ProviderName": "service", "IdentityToken": token, "Flow": "M2M" });
    assert!(bench.done("GetResourceOauth2Token", body).await["AccessToken"].is_string());
    let body = json!({ "ProviderName": "feishu_oauth", "IdentityToken": bench.token_for("alice").await });
    assert!(bench.done("GetResourceOauth2Token", body).await["AuthorizationUrl"].is_string());
}

#[tokio::test]
async fn everything_survives_a_restart_encrypted() {
    let root = TempDir::new().unwrap();
    let builder = || Emulator::builder().with_data_dir(root.path().join("data")).with_key_file(root.path().join("key"));
    let bench = Bench::with(builder()).await;
    bench.agent().await;
    bench.done("CreateApiKeyCredentialProvider", json!({ "Name": "weather", "ApiKey": "hush-api-key" })).await;
    bench.feishu("feishu_oauth", json!([])).await;
    let pool = bench.done("CreateUserPool", json!({ "Name": "users" })).await;
    let token = bench.plain_token().await;
    let key = bench.key.clone();
    bench.emulator.shutdown().await;
    let bytes = std::fs::read(root.path().join("data/vault.snapshot")).unwrap();
    for secret in ["hush-api-key", key.secret.expose_secret(), AGENT] {
        assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()));
    }
    let bench = Bench::with(builder()).await;
    assert_eq!((&bench.key.id, bench.key.secret.expose_secret()), (&key.id, key.secret.expose_secret()));
    bench.done("GetUserPool", json!({ "UserPoolUid": pool["Uid"] })).await;
    bench.done("GetOauth2CredentialProvider", json!({ "Name": "feishu_oauth" })).await;
    let fresh = bench.plain_token().await;
    let header = |token: &str| token.split('.').next().unwrap().to_owned();
    assert_eq!(header(&token), header(&fresh), "the same key signs");
    let body = json!({ "ProviderName": "weather", "IdentityToken": fresh });
    assert_eq!(bench.done("GetResourceApiKey", body).await["ApiKey"], "hush-api-key");
}

#[tokio::test]
async fn the_overview_shows_the_objects_and_no_secret() {
    let bench = Bench::start().await;
    bench.agent().await;
    bench.feishu("feishu_oauth", json!(["drive:drive"])).await;
    bench.done("CreateApiKeyCredentialProvider", json!({ "Name": "weather", "ApiKey": "hush-api-key" })).await;
    let pool = bench.done("CreateUserPool", json!({ "Name": "users" })).await;
    let client = json!({ "UserPoolUid": pool["Uid"], "Name": "web-client", "ClientType": "WEB_APPLICATION" });
    let client = bench.done("CreateUserPoolClient", client).await;
    let token = bench.token_for("alice").await;
    let body = json!({ "ProviderName": "feishu_oauth", "IdentityToken": token });
    let asked = bench.done("GetResourceOauth2Token", body).await;
    let page = http().get(bench.emulator.overview_url()).send().await.unwrap().text().await.unwrap();
    for shown in [AGENT, "feishu_oauth", "weather", "users", "web-client", "drive:drive", &bench.key.id, "alice"] {
        assert!(page.contains(shown), "{shown}");
    }
    let url = text(&asked, "AuthorizationUrl");
    let state = crate::support::parameter(&url, "state").unwrap();
    for secret in [
        "hush-api-key",
        bench.key.secret.expose_secret(),
        bench.emulator.feishu().client_secret().expose_secret(),
        &text(&client, "ClientSecret"),
        &text(&asked, "SessionUri"),
        &token,
        &state,
    ] {
        assert!(!page.contains(secret));
    }
}

#[tokio::test]
async fn operations_have_the_names_of_the_vendors_packages() {
    let bench = Bench::start().await;
    bench.agent().await;
    bench.token_for("alice").await;
    bench.signed(Draft::sts("AssumeRole", &[]), &Key { token: None, ..bench.key.clone() }).await;
    let counters = bench.emulator.counters();
    for operation in ["create_workload_identity", "get_workload_access_token_for_user_id", "assume_role"] {
        assert_eq!(counters.count(operation), 1, "{operation}");
    }
    let recorded = bench.emulator.requests();
    assert_eq!(recorded[0].headers["authorization"], "HMAC-SHA256");
    assert_eq!(recorded[0].body.expose_json().unwrap()["Name"], Value::from(AGENT));
}
