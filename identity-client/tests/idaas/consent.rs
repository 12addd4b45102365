//! Third parties' tokens: at once, after a consent, or never.

use identity_client::{
    Acquired, ErrorKind, IdentityClient, PendingAuthorization, SessionBinding, User, Wait, idaas::AUTHORIZATION_SERVER,
};
use serde_json::{Value, json};

use crate::support::{Reply, SESSION, Seen, Server, user};

const FETCH: &str = "fetchOAuthAccessToken";

fn session(status: &str) -> Value {
    json!({
        "sessionId": "os_synthetic", "sessionUri": SESSION, "sessionStatus": status,
        "authorizationUrl": "https://example.invalid/authorize?request_uri=urn",
    })
}

fn needed() -> Reply {
    Reply::json(200, &json!({ "oauthAuthorizationSession": session("pending") }))
}

fn granted(token: &str) -> Reply {
    let content = json!({ "accessTokenValue": token, "tokenType": "Bearer", "scope": "repo" });
    Reply::json(200, &json!({ "oauthAccessTokenContent": content, "expirationTime": 4_000_000_000_000_u64 }))
}

/// A consent that goes through these states; then the token is there.
async fn through(states: &'static [&'static str]) -> Server {
    let mut asked = 0;
    Server::new(move |seen| {
        if !seen.path.ends_with(FETCH) {
            let state = states[asked.min(states.len() - 1)];
            asked += 1;
            return Reply::json(200, &session(state));
        }
        if asked >= states.len() && states.last() == Some(&"completed") { granted("3p-token") } else { needed() }
    })
    .await
}

fn ask(client: &IdentityClient) -> identity_client::AccessTokenRequest {
    client.access_token("github").with_scopes(["repo"]).for_user(&user("alice"))
}

fn is_fetch(seen: &Seen) -> bool {
    seen.path.ends_with(FETCH)
}

#[tokio::test]
async fn a_consent_goes_through_its_states_and_ends_with_a_token() {
    let server = through(&["pending", "callback_received", "hibernating", "completed"]).await;
    let client = server.client();
    let told = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let noted = std::sync::Arc::clone(&told);
    let tell = move |pending: PendingAuthorization| noted.lock().unwrap().push(pending.authorization_url().to_owned());
    let token =
        ask(&client).with_force(true).with_custom_parameter("prompt", "consent").on_auth_url(tell).await.unwrap();
    assert_eq!(token.expose_secret(), "3p-token");
    assert_eq!(*told.lock().unwrap(), ["https://example.invalid/authorize?request_uri=urn"]);
    let calls = server.calls();
    let fetches: Vec<_> = calls.iter().filter(|call| is_fetch(call)).map(Seen::json).collect();
    assert_eq!(fetches.len(), 2);
    assert_eq!(
        fetches[0],
        json!({ "credentialProviderIdentifier": "github", "customParameters": { "prompt": "consent" }, "forceAuthentication": true, "scope": "repo" })
    );
    assert!(fetches[1].get("forceAuthentication").is_none(), "the user is not asked again for what they agreed to");
    let polled = calls.iter().find(|call| !is_fetch(call)).unwrap();
    assert_eq!(polled.json(), json!({ "sessionUri": SESSION }));
    assert!(
        calls.iter().all(|call| call.bearer().unwrap().contains("AT_u_alice")),
        "a user's token, never the agent's"
    );
}

#[tokio::test]
async fn a_consent_that_fails_or_ends_is_an_error_at_once() {
    for (state, kind) in [("failed", ErrorKind::AuthorizationDenied), ("expired", ErrorKind::AuthorizationExpired)] {
        let server = through(if state == "failed" { &["failed"] } else { &["expired"] }).await;
        let error = ask(&server.client()).on_auth_url(|_: PendingAuthorization| ()).await.map(drop).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }
    let server =
        Server::new(|seen| if is_fetch(seen) { needed() } else { Reply::json(404, &json!({ "code": "NotFound" })) })
            .await;
    let error = ask(&server.client()).on_auth_url(|_: PendingAuthorization| ()).await.map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AuthorizationExpired, "{error}");
}

#[tokio::test]
async fn a_consent_that_is_complete_must_give_a_token() {
    let server =
        Server::new(|seen| if is_fetch(seen) { needed() } else { Reply::json(200, &session("completed")) }).await;
    let error = ask(&server.client()).on_auth_url(|_: PendingAuthorization| ()).await.map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
}

#[tokio::test]
async fn the_agent_gets_what_needs_no_consent_and_is_told_what_needs_one() {
    let server = Server::new(|_| granted("3p-token")).await;
    let token = server.client().access_token("github_m2m").with_scopes(["repo"]).await.unwrap();
    assert_eq!((token.expose_secret(), token.scopes()[0].as_str()), ("3p-token", "repo"));
    let server = Server::new(|_| needed()).await;
    let error = server.client().access_token("github_3lo").await.map(drop).unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::UserMissing, Some("authorization_flow_mismatch")));
    assert!(error.hint().unwrap().contains("for_user"), "{error}");
}

#[tokio::test]
async fn w18_what_is_neither_token_nor_consent_is_an_error() {
    for body in [
        json!({}),
        json!({ "oauthAccessTokenContent": { "accessTokenValue": "" } }),
        json!({ "oauthAccessTokenContent": { "accessTokenValue": "t", "tokenType": "mac" } }),
        json!({ "oauthAccessTokenContent": { "accessTokenValue": "t" }, "expirationTime": 1_000 }),
        json!({ "oauthAccessTokenContent": { "accessTokenValue": "t" }, "revoked": true }),
        json!({ "oauthAuthorizationSession": { "sessionUri": SESSION } }),
        json!({ "oauthAuthorizationSession": { "authorizationUrl": "https://example.invalid/" } }),
        json!({ "oauthAuthorizationSession": { "authorizationUrl": "https://example.invalid/", "sessionUri": "urn:other:1" } }),
        json!({ "oauthAuthorizationSession": { "authorizationUrl": "javascript:alert(1)", "sessionUri": SESSION } }),
    ] {
        let shown = body.to_string();
        let server = Server::new(move |_| Reply::json(200, &body)).await;
        let error = ask(&server.client()).with_wait(Wait::Return).await.map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{shown}: {error}");
    }
}

#[tokio::test]
async fn a_consent_can_be_resumed_in_this_process_and_not_without_the_users_token() {
    let server = through(&["completed"]).await;
    let client = server.client();
    let Acquired::NeedsConsent(pending) = ask(&client).acquire().await.unwrap() else { panic!("consent is missing") };
    let stored = serde_json::to_string(&pending).unwrap();
    assert!(!stored.contains("AT_u"), "no token is stored");
    let read: PendingAuthorization = serde_json::from_str(&stored).unwrap();
    let error = client.resume::<identity_client::AccessToken>(read).await.map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UserMissing, "{error}");
    let token = client.resume::<identity_client::AccessToken>(pending).await.unwrap();
    assert_eq!(token.expose_secret(), "3p-token");
}

#[tokio::test]
async fn a_session_binding_cannot_work_and_says_so_where_a_consent_is_needed() {
    let server = Server::new(|seen| {
        if seen.json()["credentialProviderIdentifier"] == "github" { needed() } else { granted("3p-token") }
    })
    .await;
    let client = IdentityClient::builder()
        .with_platform(server.idaas())
        .with_session_binding(SessionBinding::new())
        .build()
        .unwrap();
    let error = ask(&client).with_wait(Wait::Return).await.map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.hint().unwrap().contains("accept_unbound_consent"), "{error}");
    // What needs none works.
    let scopes = ["https://api.example.com|read"];
    client.access_token(AUTHORIZATION_SERVER).with_scopes(scopes).for_user(&user("alice")).await.unwrap();
    client.access_token("github_granted").for_user(&user("alice")).await.unwrap();
}

#[tokio::test]
async fn w35_what_cannot_be_right_is_refused_before_anything_is_sent() {
    let server = Server::new(|_| granted("t")).await;
    let client = server.client();
    let own = |scopes: &[&str]| client.access_token(AUTHORIZATION_SERVER).with_scopes(scopes.iter().copied());
    let third = || client.access_token("github");
    let alice: User = user("alice");
    for (request, word) in [
        (own(&[]), "name at least one"),
        (own(&["read"]), "audience|permission"),
        (own(&["https://a|read", "https://b|read"]), "one audience"),
        (own(&["https://a|read"]).with_custom_parameter("a", "b"), "third parties"),
        (third().with_scopes(["https://a|read"]), "iauths_system"),
        (third().with_scopes(["s".repeat(300)]), "256"),
        (third().for_user(&alice).with_custom_parameter("", "b"), "no name"),
    ] {
        let error = request.await.map(drop).unwrap_err();
        assert!(error.to_string().contains(word), "{word}: {error}");
    }
    assert!(server.seen().is_empty());
}
