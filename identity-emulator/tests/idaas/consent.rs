//! Tokens of third parties: contract section 10.

use std::time::Duration;

use identity_emulator::{Emulator, Human};
use serde_json::{Value, json};

use crate::common::decide;
use crate::support::{Bench, PAM, refused, text};

const FETCH: &str = "fetchOAuthAccessToken";

async fn bench(human: Human) -> Bench {
    let rest = json!({ "oauth2_providers": [
        { "identifier": "calendar", "builtin": true, "flow": "user_federation", "scopes": ["read"] },
        { "identifier": "reports", "builtin": true, "flow": "m2m" },
    ] });
    Bench::built(Emulator::builder().with_human(human), json!({}), &rest).await
}

fn calendar() -> Value {
    json!({ "credentialProviderIdentifier": "calendar" })
}

#[tokio::test]
async fn a_machines_token_needs_nobody() {
    let bench = bench(Human::Manual).await;
    let token = bench.pam(None).await;
    let body = json!({ "credentialProviderIdentifier": "reports", "scope": "repo read" });
    let (status, answer) = bench.act(FETCH, &body, &token).await;
    assert_eq!(status, 200, "{answer}");
    let content = &answer["oauthAccessTokenContent"];
    assert!(!text(content, "accessTokenValue").is_empty() && content["scope"] == "read repo");
    assert!(text(&answer, "authenticationTokenId").starts_with("atntkn_"));
    refused(bench.act(FETCH, &calendar(), &token).await, (403, "insufficient_scope"));
    let unknown = json!({ "credentialProviderIdentifier": "nothing" });
    refused(bench.act(FETCH, &unknown, &token).await, (404, "credential_provider_not_found"));
    let long = json!({ "credentialProviderIdentifier": "reports", "scope": "x".repeat(257) });
    refused(bench.act(FETCH, &long, &token).await, (400, "invalid_request"));
    let narrow = bench.pam_with(&format!("{PAM}|credential:obtain"), None).await;
    refused(bench.act(FETCH, &body, &narrow).await, (403, "insufficient_scope"));
}

#[tokio::test]
async fn a_user_consents_and_nobody_else_gets_the_token() {
    let bench = bench(Human::Manual).await;
    let (alice, bob) = (bench.pam(Some("alice")).await, bench.pam(Some("bob")).await);
    let (_, first) = bench.act(FETCH, &calendar(), &alice).await;
    let session = &first["oauthAuthorizationSession"];
    assert_eq!(session["sessionStatus"], "pending", "{first}");
    let (_, again) = bench.act(FETCH, &calendar(), &alice).await;
    assert_eq!(&again["oauthAuthorizationSession"], session, "one consent at a time");
    let (_, other) = bench.act(FETCH, &calendar(), &bob).await;
    assert_ne!(other["oauthAuthorizationSession"]["sessionId"], session["sessionId"]);

    let uri = text(session, "sessionUri");
    let (_, pending) = bench.session(&uri, &alice).await;
    assert_eq!((&pending["sessionStatus"], &pending["consumerId"]), (&json!("pending"), &json!("alice")));
    refused(bench.session(&uri, &bob).await, (404, "oauth_authorization_session_not_found"));
    refused(bench.session(&uri, &bench.pam(None).await).await, (404, "oauth_authorization_session_not_found"));

    let back = decide(&bench.http, &text(session, "authorizationUrl"), "alice", "allow").await;
    assert_eq!(bench.http.get(&back).send().await.unwrap().status(), 200);
    let (_, done) = bench.session(&uri, &alice).await;
    assert_eq!(done["sessionStatus"], "completed", "{done}");
    assert!(done["authorizationUrl"].is_null());
    let (_, granted) = bench.act(FETCH, &calendar(), &alice).await;
    assert_eq!(granted["authenticationTokenId"], done["authenticationTokenId"]);
    assert_eq!(
        (&granted["consumerId"], &granted["oauthAccessTokenContent"]["scope"]),
        (&json!("alice"), &json!("read"))
    );
    let (_, still) = bench.act(FETCH, &calendar(), &bob).await;
    assert!(still["oauthAccessTokenContent"].is_null(), "{still}");
    let (_, list) = bench.get("authenticationTokens?credentialProviderIdentifier=calendar", &alice).await;
    assert_eq!(
        (&list["totalCount"], &list["entities"][0]["authenticationTokenId"]),
        (&json!(1), &done["authenticationTokenId"])
    );
    assert_eq!(bench.get("authenticationTokens", &bob).await.1["totalCount"], 0);

    let forced = json!({ "credentialProviderIdentifier": "calendar", "forceAuthentication": true, "customParameters": { "prompt": "consent" } });
    let (_, forced) = bench.act(FETCH, &forced, &alice).await;
    assert!(text(&forced["oauthAuthorizationSession"], "authorizationUrl").contains("prompt=consent"));
}

#[tokio::test]
async fn a_refusal_and_the_end_of_patience_are_told_apart() {
    let bench = bench(Human::Manual).await;
    let alice = bench.pam(Some("alice")).await;
    let (_, first) = bench.act(FETCH, &calendar(), &alice).await;
    let session = &first["oauthAuthorizationSession"];
    let back = decide(&bench.http, &text(session, "authorizationUrl"), "alice", "deny").await;
    bench.http.get(&back).send().await.unwrap();
    let (_, failed) = bench.session(&text(session, "sessionUri"), &alice).await;
    assert_eq!((&failed["sessionStatus"], &failed["errorCode"]), (&json!("failed"), &json!("authorization_failed")));
    let (_, second) = bench.act(FETCH, &calendar(), &alice).await;
    let second = text(&second["oauthAuthorizationSession"], "sessionUri");
    assert_ne!(second, text(session, "sessionUri"));
    bench.emulator.advance_clock(Duration::from_secs(601));
    assert_eq!(bench.session(&second, &alice).await.1["sessionStatus"], "expired");
}

#[tokio::test]
async fn a_scripted_person_consents_while_the_application_polls() {
    let bench = bench(Human::ApproveAfter(1)).await;
    let alice = bench.pam(Some("alice")).await;
    let (_, first) = bench.act(FETCH, &calendar(), &alice).await;
    let uri = text(&first["oauthAuthorizationSession"], "sessionUri");
    assert_eq!(bench.session(&uri, &alice).await.1["sessionStatus"], "pending");
    assert_eq!(bench.session(&uri, &alice).await.1["sessionStatus"], "completed");
    assert!(bench.act(FETCH, &calendar(), &alice).await.1["oauthAccessTokenContent"].is_object());
}
