//! Return URLs, and who may complete a consent.

use identity_emulator::Human;
use serde_json::{Value, json};

use crate::support::{Bench, RETURN_URL, location, parameter, text};

async fn begun(bench: &Bench, user: &str) -> (String, Value) {
    let token = bench.token_for(user).await;
    let body = json!({
        "ProviderName": "calendar", "IdentityToken": token, "ResourceOauth2ReturnUrl": RETURN_URL, "CustomState": "a b&c",
    });
    (token, bench.done("GetResourceOauth2Token", body).await)
}

async fn poll(bench: &Bench, token: &str) -> Value {
    let body = json!({ "ProviderName": "calendar", "IdentityToken": token, "ResourceOauth2ReturnUrl": RETURN_URL });
    bench.done("GetResourceOauth2Token", body).await
}

async fn bench() -> Bench {
    let bench = Bench::with_human(Human::Manual).await;
    bench.agent().await;
    bench.provider("calendar", "USER_FEDERATION").await;
    bench
}

#[tokio::test]
async fn a_consent_counts_when_the_application_has_said_for_whom() {
    let bench = bench().await;
    let (token, first) = begun(&bench, "alice").await;
    let uri = text(&first, "SessionUri");
    let complete = |user: Value| json!({ "SessionUri": uri, "UserIdentifier": user });
    let early = bench.refused("CompleteResourceTokenAuth", complete(json!({ "UserID": "alice" }))).await;
    assert_eq!((early.0, early.1.as_str()), (400, "InvalidParameter"));
    let callback = bench.decide(&text(&first, "AuthorizationUrl"), "alice", "allow").await;
    let landed = location(&bench.http.get(&callback).send().await.unwrap());
    assert!(landed.starts_with(RETURN_URL));
    assert_eq!(parameter(&landed, "session_uri").as_deref(), Some(uri.as_str()));
    assert_eq!(parameter(&landed, "state").as_deref(), Some("a b&c"));
    assert_eq!(poll(&bench, &token).await, first, "consented, but not bound yet");

    let bob = bench.token_for("bob").await;
    bench.done("CreateWorkloadIdentity", json!({ "Name": "other-agent" })).await;
    let body = json!({ "Name": "other-agent", "UserId": "alice" });
    let other = text(&bench.done("GetWorkloadAccessTokenForUserId", body).await, "WorkloadAccessToken");
    for foreign in [
        json!({ "UserID": "bob" }),
        json!({ "IdentityToken": bob }),
        json!({ "IdentityToken": other }),
        json!({ "IdentityToken": bench.plain_token().await }),
        json!({ "UserID": "alice", "IdentityToken": bob }),
    ] {
        let (status, code, _) = bench.refused("CompleteResourceTokenAuth", complete(foreign)).await;
        assert_eq!((status, code.as_str()), (403, "AccessDenied"));
        assert!(poll(&bench, &token).await["AccessToken"].is_null());
    }
    let nobody = bench.refused("CompleteResourceTokenAuth", complete(json!({}))).await;
    assert_eq!((nobody.0, nobody.1.as_str()), (400, "MissingParameter"));

    for _ in 0..2 {
        let done = bench.done("CompleteResourceTokenAuth", complete(json!({ "IdentityToken": token }))).await;
        assert_eq!(done, json!({}), "also when the first answer was lost");
    }
    assert!(poll(&bench, &token).await["AccessToken"].is_string());
    assert!(poll(&bench, &bob).await["AccessToken"].is_null());
}

#[tokio::test]
async fn a_session_that_nobody_began_cannot_be_completed() {
    let bench = bench().await;
    for uri in [
        "urn:ietf:params:oauth:request_uri:SYNTHETIC",
        "urn:ietf:params:oauth:request_uri:00000000-0000-4000-8000-000000000000",
    ] {
        let body = json!({ "SessionUri": uri, "UserIdentifier": { "UserID": "alice" } });
        let (status, code, _) = bench.refused("CompleteResourceTokenAuth", body).await;
        assert_eq!((status, code.as_str()), (404, "NotFound"), "{uri}");
    }
}

#[tokio::test]
async fn return_urls_match_to_the_letter() {
    let bench = bench().await;
    let token = bench.token_for("alice").await;
    for bad in ["https://app.example.com/bound/", "https://app.example.com/bound?x=1", "https://evil.example/", "bound"]
    {
        let body = json!({ "ProviderName": "calendar", "IdentityToken": token, "ResourceOauth2ReturnUrl": bad });
        let (status, code, message) = bench.refused("GetResourceOauth2Token", body).await;
        assert_eq!((status, code.as_str()), (400, "InvalidParameter"), "{bad}");
        assert!(message.starts_with("ResourceOauth2ReturnUrl"), "{message}");
    }
    let body = json!({ "Name": "x", "AllowedResourceOauth2ReturnUrls": ["javascript:alert(1)"] });
    assert_eq!(bench.refused("CreateWorkloadIdentity", body).await.0, 400);
}

/// A front end that received code and state itself.
#[tokio::test]
async fn code_and_state_can_be_handed_over_by_whom_they_belong_to() {
    let bench = bench().await;
    let token = bench.token_for("alice").await;
    let first =
        bench.done("GetResourceOauth2Token", json!({ "ProviderName": "calendar", "IdentityToken": token })).await;
    let callback = bench.decide(&text(&first, "AuthorizationUrl"), "alice", "allow").await;
    let (state, code) = (parameter(&callback, "state"), parameter(&callback, "code"));
    let body = |token: &str| json!({ "State": state, "Code": code, "IdentityToken": token });
    let bob = bench.token_for("bob").await;
    let (status, error, _) = bench.refused("Oauth2Callback", body(&bob)).await;
    assert_eq!((status, error.as_str()), (403, "AccessDenied"));
    let answer = bench.done("Oauth2Callback", body(&token)).await;
    assert!(answer["AccessToken"].is_string());
    let (status, error, _) = bench.refused("Oauth2Callback", body(&token)).await;
    assert_eq!((status, error.as_str()), (404, "NotFound"), "a state works once");
    let poll =
        bench.done("GetResourceOauth2Token", json!({ "ProviderName": "calendar", "IdentityToken": token })).await;
    assert_eq!(poll["AccessToken"], answer["AccessToken"]);
}

#[tokio::test]
async fn a_callback_without_code_and_state_says_so() {
    let bench = bench().await;
    let url = bench.emulator.agentkit().callback_url().to_owned();
    for query in ["", "?code=x", "?state=x"] {
        let page = bench.http.get(format!("{url}{query}")).send().await.unwrap();
        assert_eq!(page.status(), 400, "{query}");
        assert!(page.text().await.unwrap().contains("Missing authorization code or state"));
    }
}
