//! Keys and tokens for agents, and for whom they are.

use std::time::Duration;

use identity_emulator::{AuditOutcome, Human};
use serde_json::{Value, json};

use crate::support::{AGENT, Bench, Draft, parameter, refusal, text};

fn ask(token: &str, extra: &Value) -> Value {
    let mut body = json!({ "ProviderName": "calendar", "IdentityToken": token, "Flow": "USER_FEDERATION" });
    for (name, value) in extra.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

async fn asked(bench: &Bench, token: &str, extra: Value) -> Value {
    bench.done("GetResourceOauth2Token", ask(token, &extra)).await
}

async fn subject(bench: &Bench, access_token: &str) -> String {
    let url = bench.emulator.provider().token_url().replace("/token", "/userinfo");
    let answer = bench.http.get(url).bearer_auth(access_token).send().await.unwrap();
    text(&answer.json().await.unwrap(), "sub")
}

#[tokio::test]
async fn an_api_key_says_where_it_belongs() {
    let bench = Bench::start().await;
    bench.agent().await;
    let placement = json!([{ "Location": "HEADER", "ParameterName": "X-Api-Key", "Prefix": "" }]);
    let body = json!({ "Name": "weather", "ApiKey": "synthetic-key", "ApiKeyMetadata": placement });
    bench.done("CreateApiKeyCredentialProvider", body).await;
    let token = bench.plain_token().await;
    let body = json!({ "ProviderName": "weather", "IdentityToken": token });
    let answer = bench.done("GetResourceApiKey", body).await;
    assert_eq!((answer["ApiKey"].as_str(), &answer["ApiKeyMetadata"]), (Some("synthetic-key"), &placement));
    let shown = bench.done("GetApiKeyCredentialProvider", json!({ "Name": "weather" })).await;
    assert!(!shown.to_string().contains("synthetic-key"));
    let body = json!({ "ProviderName": "nope", "IdentityToken": token });
    let (status, code, message) = bench.refused("GetResourceApiKey", body).await;
    assert_eq!((status, code.as_str(), message.as_str()), (404, "NotFound", "Credential provider not found"));
}

#[tokio::test]
async fn a_workload_token_is_three_parts_that_expire_and_cannot_be_made_up() {
    let bench = Bench::start().await;
    bench.agent().await;
    let body = json!({ "Name": AGENT, "UserId": "alice", "DurationSeconds": 60 });
    let answer = bench.done("GetWorkloadAccessTokenForUserId", body).await;
    assert!(text(&answer, "ExpiresAt").starts_with("2026-01-02T03:05:"));
    let token = text(&answer, "WorkloadAccessToken");
    assert_eq!(token.split('.').count(), 3);
    bench.provider("calendar", "USER_FEDERATION").await;
    assert!(asked(&bench, &token, json!({})).await["AuthorizationUrl"].is_string());
    let (head, tail) = token.rsplit_once('.').unwrap();
    for forged in [format!("{head}."), format!("{head}.{}", tail.to_ascii_uppercase()), "eyJ.SYNTHETIC.sig".to_owned()]
    {
        let (status, code, message) = bench.refused("GetResourceOauth2Token", ask(&forged, &json!({}))).await;
        assert_eq!((status, code.as_str()), (400, "InvalidParameter"));
        assert!(message.starts_with("IdentityToken") && !message.contains(&forged), "{message}");
    }
    bench.emulator.advance_clock(Duration::from_secs(61));
    let (status, code, _) = bench.refused("GetResourceOauth2Token", ask(&token, &json!({}))).await;
    assert_eq!((status, code.as_str()), (400, "InvalidParameter"));
}

#[tokio::test]
async fn a_machine_token_is_the_providers_own() {
    let bench = Bench::start().await;
    bench.agent().await;
    bench.provider("calendar", "M2M").await;
    let token = bench.plain_token().await;
    let answer = asked(&bench, &token, json!({ "Flow": "M2M", "Scopes": ["read"] })).await;
    assert!(answer["AuthorizationUrl"].is_null() && answer["ExpiresIn"].as_u64().unwrap() > 3_500);
    let client = bench.emulator.provider().client_id().to_owned();
    assert_eq!(subject(&bench, &text(&answer, "AccessToken")).await, client);
    let (status, code, _) = bench.refused("GetResourceOauth2Token", ask(&token, &json!({}))).await;
    assert_eq!((status, code.as_str()), (400, "InvalidParameter"), "a machine's token is nobody's");
    assert_eq!(bench.emulator.counters().count("provider_token"), 1);
}

#[tokio::test]
async fn a_user_consents_in_a_browser_and_the_next_question_finds_the_token() {
    let bench = Bench::start().await;
    bench.agent().await;
    bench.provider("calendar", "USER_FEDERATION").await;
    let token = bench.token_for("alice").await;
    let first =
        asked(&bench, &token, json!({ "CustomParameters": { "Entries": [{ "Key": "prompt", "Value": "consent" }] } }))
            .await;
    let url = text(&first, "AuthorizationUrl");
    assert!(first["AccessToken"].is_null() && first["ExpiresIn"].is_null());
    assert_eq!(parameter(&url, "prompt").as_deref(), Some("consent"));
    assert_eq!(parameter(&url, "redirect_uri").as_deref(), Some(bench.emulator.agentkit().callback_url()));
    let again = asked(&bench, &token, json!({})).await;
    assert_eq!(again, first, "pending looks like the first answer");
    let callback = bench.decide(&url, "alice", "allow").await;
    assert!(callback.starts_with(bench.emulator.agentkit().callback_url()));
    assert_eq!(bench.http.get(&callback).send().await.unwrap().status(), 200);
    assert_eq!(bench.http.get(&callback).send().await.unwrap().status(), 404, "a state works once");
    let answer = asked(&bench, &token, json!({})).await;
    assert!(answer["AuthorizationUrl"].is_null() && answer["ExpiresIn"].as_u64().unwrap() > 3_500);
    assert_eq!(subject(&bench, &text(&answer, "AccessToken")).await, "alice");
    let by_session = asked(&bench, &token, json!({ "SessionUri": first["SessionUri"] })).await;
    assert_eq!(by_session["AccessToken"], answer["AccessToken"]);
    // Scopes that were not granted are asked for.
    assert!(asked(&bench, &token, json!({ "Scopes": ["write"] })).await["AuthorizationUrl"].is_string());
    let outcomes: Vec<_> = bench.emulator.audit().iter().map(|entry| entry.outcome).collect();
    assert_eq!(
        outcomes[..4],
        [AuditOutcome::ConsentAsked, AuditOutcome::Pending, AuditOutcome::Granted, AuditOutcome::Released]
    );
}

#[tokio::test]
async fn two_users_and_two_agents_never_mix() {
    let bench = Bench::with_human(Human::Approve).await;
    bench.agent().await;
    bench.done("CreateWorkloadIdentity", json!({ "Name": "other-agent" })).await;
    bench.provider("calendar", "USER_FEDERATION").await;
    let (alice, bob) = (bench.token_for("alice").await, bench.token_for("bob").await);
    for token in [&alice, &bob] {
        assert!(asked(&bench, token, json!({})).await["AuthorizationUrl"].is_string());
    }
    for (token, user) in [(&alice, "alice"), (&bob, "bob")] {
        let answer = asked(&bench, token, json!({})).await;
        assert_eq!(subject(&bench, &text(&answer, "AccessToken")).await, user);
    }
    let body = json!({ "Name": "other-agent", "UserId": "alice" });
    let other = text(&bench.done("GetWorkloadAccessTokenForUserId", body).await, "WorkloadAccessToken");
    let first = asked(&bench, &other, json!({})).await;
    assert!(first["AuthorizationUrl"].is_string(), "what alice allowed one agent is not the other's");
    let foreign = ask(&bob, &json!({ "SessionUri": first["SessionUri"] }));
    let (status, code, _) = bench.refused("GetResourceOauth2Token", foreign).await;
    assert_eq!((status, code.as_str()), (404, "NotFound"));
}

#[tokio::test]
async fn force_replaces_the_stored_token_and_ends_older_links() {
    let bench = Bench::start().await;
    bench.agent().await;
    bench.provider("calendar", "USER_FEDERATION").await;
    let token = bench.token_for("alice").await;
    let stale = text(&asked(&bench, &token, json!({})).await, "AuthorizationUrl");
    let stale = bench.decide(&stale, "mallory", "allow").await;
    let forced = asked(&bench, &token, json!({ "ForceAuthentication": true })).await;
    assert_eq!(bench.http.get(&stale).send().await.unwrap().status(), 404, "the older link counts no more");
    let callback = bench.decide(&text(&forced, "AuthorizationUrl"), "alice", "allow").await;
    bench.http.get(&callback).send().await.unwrap();
    let old = text(&asked(&bench, &token, json!({})).await, "AccessToken");
    let forced = asked(&bench, &token, json!({ "ForceAuthentication": true })).await;
    assert!(forced["AccessToken"].is_null());
    assert_eq!(asked(&bench, &token, json!({})).await, forced, "the old token is gone before the new one is there");
    let callback = bench.decide(&text(&forced, "AuthorizationUrl"), "alice", "allow").await;
    bench.http.get(&callback).send().await.unwrap();
    assert_ne!(text(&asked(&bench, &token, json!({})).await, "AccessToken"), old);
}

#[tokio::test]
async fn a_stored_token_is_refreshed_and_a_refusal_leads_to_a_new_link() {
    let bench = Bench::start().await;
    bench.agent().await;
    bench.provider("calendar", "USER_FEDERATION").await;
    let body = json!({ "Name": AGENT, "UserId": "alice", "DurationSeconds": 43_200 });
    let token = text(&bench.done("GetWorkloadAccessTokenForUserId", body).await, "WorkloadAccessToken");
    let first = asked(&bench, &token, json!({})).await;
    let callback = bench.decide(&text(&first, "AuthorizationUrl"), "alice", "deny").await;
    let page = bench.http.get(&callback).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("You have declined"));
    let second = asked(&bench, &token, json!({})).await;
    assert_ne!(second["SessionUri"], first["SessionUri"]);
    let callback = bench.decide(&text(&second, "AuthorizationUrl"), "alice", "allow").await;
    bench.http.get(&callback).send().await.unwrap();
    let old = text(&asked(&bench, &token, json!({})).await, "AccessToken");
    bench.emulator.advance_clock(Duration::from_secs(3_601));
    let draft = Draft { date: "20260102T040407Z", ..Draft::id("GetResourceOauth2Token", &ask(&token, &json!({}))) };
    let (status, answer) = bench.signed(draft, &bench.key).await;
    assert_eq!(status, 200, "{answer}");
    let new = text(&answer["Result"], "AccessToken");
    assert_ne!(new, old);
    assert_eq!(subject(&bench, &new).await, "alice");
}

#[tokio::test]
async fn the_scripted_person_decides_here_too() {
    for (human, expected) in [(Human::Approve, true), (Human::ApproveAfter(1), false), (Human::Deny, false)] {
        let bench = Bench::with_human(human).await;
        bench.agent().await;
        bench.provider("calendar", "USER_FEDERATION").await;
        let token = bench.token_for("alice").await;
        asked(&bench, &token, json!({})).await;
        let poll = asked(&bench, &token, json!({})).await;
        assert_eq!(poll["AccessToken"].is_string(), expected, "{human}");
        let poll = asked(&bench, &token, json!({})).await;
        assert_eq!(poll["AccessToken"].is_string(), human != Human::Deny, "{human}");
    }
}

#[tokio::test]
async fn a_token_without_a_user_opens_no_users_vault() {
    let bench = Bench::start().await;
    bench.agent().await;
    bench.provider("calendar", "USER_FEDERATION").await;
    let token = bench.plain_token().await;
    let (status, answer) = bench.call("GetResourceOauth2Token", ask(&token, &json!({}))).await;
    assert_eq!((status, refusal(status, &answer).1.as_str()), (400, "InvalidParameter"));
    for user in ["", "alice\u{1f}pool", "a\nb"] {
        let (status, code, _) =
            bench.refused("GetWorkloadAccessTokenForUserId", json!({ "Name": AGENT, "UserId": user })).await;
        assert_eq!(status, 400, "{user:?}: {code}");
    }
}

/// The rows of the tutorials' tables that show in the browser.
#[tokio::test]
async fn feishu_has_scopes_and_a_redirect_list_of_its_own() {
    let bench = Bench::start().await;
    bench.agent().await;
    bench.feishu("calendar", json!(["docx:document:readonly"])).await;
    let token = bench.token_for("alice").await;
    let callback = "https://auth.id.cn-beijing.volces.com/api/v1/oauth2callback";
    let good = text(&asked(&bench, &token, json!({ "RedirectUrl": callback })).await, "AuthorizationUrl");
    let back = bench.decide(&good, "alice", "allow").await;
    assert_eq!(bench.http.get(&back).send().await.unwrap().status(), 200);
    assert!(asked(&bench, &token, json!({ "RedirectUrl": callback })).await["AccessToken"].is_string());
    for (extra, code) in [
        (json!({ "Scopes": ["openid"] }), "20043"),
        (json!({ "Scopes": ["drive:drive", "profile"] }), "20043"),
        (json!({ "Scopes": ["drive:drive"], "RedirectUrl": "https://runtime.example.com/callback" }), "20029"),
    ] {
        let url = text(&asked(&bench, &token, extra).await, "AuthorizationUrl");
        let page = bench.http.get(&url).send().await.unwrap();
        assert_eq!(page.status(), 400);
        assert!(page.text().await.unwrap().contains(code), "{code}");
    }
}
