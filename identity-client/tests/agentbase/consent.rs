//! Credentials of users, and how the two kinds of API key are told apart.

use identity_client::{
    AccessToken, Acquired, ApiKey, CredentialKind, ErrorKind, IdentityClient, PendingAuthorization, RequestContext,
    User,
};
use serde_json::{Value, json};

use crate::support::{RETURN_URL, Reply, SESSION, Server};

fn user() -> User {
    User::asserted("user-123").unwrap()
}

fn link() -> Value {
    json!({ "authorizationUrl": "https://idp.example.com/a?state=1", "sessionId": SESSION, "status": "IN_PROGRESS" })
}

async fn begin_token(client: &IdentityClient) -> PendingAuthorization {
    let request = client.access_token("demo-oauth").for_user(&user()).with_scopes(["openid"]);
    match request.with_return_url(RETURN_URL).with_custom_state("state-1").acquire().await.unwrap() {
        Acquired::NeedsConsent(pending) => pending,
        other => panic!("{other:?}"),
    }
}

async fn begin_key(client: &IdentityClient) -> PendingAuthorization {
    let request = client.api_key("demo-delegated").for_user(&user()).with_return_url(RETURN_URL);
    match request.with_custom_state("state-1").acquire().await.unwrap() {
        Acquired::NeedsConsent(pending) => pending,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn w4_an_answer_without_a_credential_is_an_error() {
    for body in [json!({}), json!(null), json!({ "apikey": "" }), json!({ "apikey": null }), json!({ "apiKey": "k" })] {
        let server = Server::script(vec![(200, body.clone())]).await;
        let client = server.client();
        let error = client.api_key("demo-key").for_agent().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{body}");
        let error = client.access_token("demo-oauth").with_scopes(["read"]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{body}");
        let request = client.api_key("demo-delegated").for_user(&user()).with_return_url(RETURN_URL);
        assert_eq!(request.acquire().await.unwrap_err().kind(), ErrorKind::Protocol, "{body}");
    }
}

#[tokio::test]
async fn a_link_without_a_session_cannot_be_asked_about() {
    for session in [Value::Null, json!(""), json!(" ")] {
        let answer = json!({ "authorizationUrl": "https://idp.example.com/a", "sessionId": session });
        let server = Server::script(vec![(200, answer)]).await;
        let request = server.client().api_key("demo-delegated").for_user(&user()).with_return_url(RETURN_URL);
        let error = request.acquire().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol);
        assert!(error.to_string().contains("session"), "{error}");
    }
}

#[tokio::test]
async fn std_6749_03_only_bearer_tokens_are_handed_out() {
    for (kind, good) in [(json!("Bearer"), true), (json!("bEARER"), true), (Value::Null, true), (json!("DPoP"), false)]
    {
        let server = Server::script(vec![(200, json!({ "accessToken": "t-1", "tokenType": kind }))]).await;
        let outcome = server.client().access_token("demo-oauth").with_scopes(["read"]).await;
        match outcome {
            Ok(token) => assert!(good && token.expose_secret() == "t-1" && token.expires_at().is_none()),
            Err(error) => assert!(!good && error.kind() == ErrorKind::Protocol, "{error}"),
        }
    }
}

#[tokio::test]
async fn w30_the_token_that_was_polled_is_used() {
    let server = Server::script(vec![
        (200, link()),
        (200, json!({ "sessionId": SESSION, "status": "IN_PROGRESS" })),
        (200, json!({ "accessToken": "t-1", "tokenType": "Bearer", "status": "COMPLETED" })),
    ])
    .await;
    let client = server.client();
    let pending = begin_token(&client).await;
    assert!(matches!(
        client.resume::<AccessToken>(pending.clone()).acquire().await.unwrap(),
        Acquired::NeedsConsent(_)
    ));
    let Acquired::Ready(token) = client.resume::<AccessToken>(pending).acquire().await.unwrap() else { panic!() };
    assert_eq!(token.expose_secret(), "t-1");
    let calls = server.calls();
    assert_eq!(calls.len(), 3);
    assert_eq!(calls[2].json()["sessionId"], SESSION);
    assert_eq!(calls[2].json()["customState"], "state-1");
}

#[tokio::test]
async fn a_whole_wait_ends_with_the_key() {
    let server = Server::script(vec![
        (200, link()),
        (200, json!({ "status": "IN_PROGRESS" })),
        (200, json!({ "status": "COMPLETED" })),
        (200, json!({ "apikey": "k-1", "status": "COMPLETED" })),
    ])
    .await;
    let request = server.client().api_key("demo-delegated").for_user(&user()).with_return_url(RETURN_URL);
    let key: ApiKey = request.with_custom_state("state-1").with_force(true).on_auth_url(|_| ()).await.unwrap();
    assert_eq!(key.expose_secret(), "k-1");
    let bodies: Vec<Value> = server.calls().iter().map(crate::support::Seen::json).collect();
    assert_eq!(bodies[0]["forceDelegation"], true);
    for polled in &bodies[1..3] {
        assert_eq!((&polled["sessionId"], &polled["customState"]), (&json!(SESSION), &Value::Null));
        assert_eq!(polled["forceDelegation"], Value::Null, "only the first request starts over");
    }
    assert_eq!((&bodies[3]["sessionId"], &bodies[3]["customState"]), (&Value::Null, &json!("state-1")));
    assert_eq!(bodies[3]["forceDelegation"], Value::Null);
}

#[tokio::test]
async fn w16_failed_is_final_at_once_and_while_polling() {
    let failed = json!({ "status": "FAILED", "sessionId": SESSION });
    let server = Server::script(vec![(200, link()), (200, failed.clone())]).await;
    let client = server.client();
    let pending = begin_token(&client).await;
    let error = client.resume::<AccessToken>(pending).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AuthorizationDenied);
    assert_eq!(server.calls().len(), 2);

    let server = Server::script(vec![(200, failed)]).await;
    let request = server.client().access_token("demo-oauth").for_user(&user()).with_scopes(["openid"]);
    let error = request.with_return_url(RETURN_URL).acquire().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AuthorizationDenied);
}

#[tokio::test]
async fn w20_a_status_that_is_not_known_is_no_answer_yet() {
    for status in [json!("AWAITING_SECOND_FACTOR"), Value::Null] {
        let server =
            Server::script(vec![(200, link()), (200, json!({ "status": status, "sessionId": SESSION }))]).await;
        let client = server.client();
        let pending = begin_token(&client).await;
        let asked = client.resume::<AccessToken>(pending).acquire().await.unwrap();
        assert!(matches!(asked, Acquired::NeedsConsent(_)));
    }
}

#[tokio::test]
async fn w15_errors_while_polling_end_the_wait_unless_they_pass() {
    for (status, kind, calls) in [
        (401, ErrorKind::Unauthenticated, 3),
        (403, ErrorKind::PermissionDenied, 2),
        (404, ErrorKind::AuthorizationExpired, 2),
        (400, ErrorKind::InvalidRequest, 2),
    ] {
        let server = Server::script(vec![(200, link()), (status, json!({ "message": "session not found" }))]).await;
        let client = server.client();
        let pending = begin_key(&client).await;
        let error = client.resume::<ApiKey>(pending).await.unwrap_err();
        assert_eq!((error.kind(), error.status()), (kind, Some(status)));
        assert!(!error.is_retryable() && error.hint().is_some());
        assert_eq!(server.calls().len(), calls, "401 is repeated once with a new token");
    }
    let done = json!({ "apikey": "k-1", "status": "COMPLETED" });
    let server = Server::script(vec![(200, link()), (503, json!({})), (200, done)]).await;
    let client = server.client();
    let pending = begin_key(&client).await;
    assert_eq!(client.resume::<ApiKey>(pending).await.unwrap().expose_secret(), "k-1");
}

#[tokio::test]
async fn a_pending_survives_serialization_without_a_secret() {
    let server = Server::script(vec![(200, link()), (200, json!({ "apikey": "k-1" }))]).await;
    let text = serde_json::to_string(&begin_key(&server.client()).await).unwrap();
    assert!(!text.contains("iam-token") && !text.contains("hunter2"));
    let pending: PendingAuthorization = serde_json::from_str(&text).unwrap();
    assert_eq!(pending.credential(), CredentialKind::ApiKey);
    // Another process with the same configuration.
    assert_eq!(server.client().resume::<ApiKey>(pending).await.unwrap().expose_secret(), "k-1");
}

#[tokio::test]
async fn w11_w19_what_a_consent_needs_is_checked_before_anything_is_sent() {
    let server = Server::script(vec![(200, link())]).await;
    let client = server.client();
    let key = || client.api_key("demo-delegated").for_user(&user());
    let token = || client.access_token("demo-oauth").for_user(&user()).with_scopes(["openid"]);
    let long = "s".repeat(51);
    let kinds = [
        key().acquire().await.unwrap_err().kind(),
        key().with_force(true).acquire().await.unwrap_err().kind(),
        key().with_return_url("http://app.example.com/").acquire().await.unwrap_err().kind(),
        key().with_return_url(RETURN_URL).with_custom_state(&long).acquire().await.unwrap_err().kind(),
        key().with_return_url(RETURN_URL).with_custom_state("").acquire().await.unwrap_err().kind(),
        token().acquire().await.unwrap_err().kind(),
        token().with_return_url(RETURN_URL).with_custom_state(long.repeat(2)).acquire().await.unwrap_err().kind(),
        token().with_return_url(RETURN_URL).with_custom_parameter("", "x").acquire().await.unwrap_err().kind(),
        client.access_token("demo-oauth").acquire().await.unwrap_err().kind(),
    ];
    assert!(kinds.iter().all(|kind| *kind == ErrorKind::InvalidRequest), "{kinds:?}");
    assert!(server.seen().is_empty());
    assert!(token().with_return_url(RETURN_URL).with_custom_state(&long).acquire().await.is_ok());
}

/// Answers look-ups of the two kinds of provider with these statuses.
async fn providers(delegated: u16, fixed: u16) -> Server {
    Server::new(move |seen| {
        if seen.path.ends_with("/api-key") {
            return Reply::json(200, &json!({ "apikey": "k-1" }));
        }
        let status = if seen.path.contains("delegated") { delegated } else { fixed };
        Reply::json(status, &json!({ "name": "demo-key", "message": "words" }))
    })
    .await
}

#[tokio::test]
async fn w17_only_404_says_that_a_provider_is_not_of_a_kind() {
    let server = providers(404, 200).await;
    server.client().api_key("demo-key").await.unwrap();
    assert_eq!(server.calls().len(), 3);

    let error = providers(404, 404).await.client().api_key("demo-key").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);

    for (delegated, fixed, kind) in [
        (401, 200, ErrorKind::Unauthenticated),
        (403, 200, ErrorKind::PermissionDenied),
        (429, 200, ErrorKind::RateLimited),
        (500, 200, ErrorKind::Unavailable),
        (503, 404, ErrorKind::Unavailable),
        (404, 403, ErrorKind::PermissionDenied),
        (404, 500, ErrorKind::Unavailable),
    ] {
        let server = providers(delegated, fixed).await;
        let error = server.client().api_key("demo-key").await.unwrap_err();
        assert_eq!(error.kind(), kind, "{delegated} {fixed}");
        assert!(server.calls().iter().all(|seen| !seen.path.ends_with("/api-key")));
    }

    let server = Server::new(|_| Reply::text(200, "<html>log in</html>")).await;
    assert_eq!(server.client().api_key("demo-key").await.unwrap_err().kind(), ErrorKind::Protocol);
}

#[tokio::test]
async fn w6_a_return_url_does_not_make_a_static_key_a_delegated_one() {
    let server = providers(404, 200).await;
    let context = RequestContext::new().with_user(user()).with_return_url(RETURN_URL).unwrap();
    let key = server.client().api_key("demo-key").with_context(context).await.unwrap();
    assert_eq!(key.expose_secret(), "k-1");
    let last = server.calls().last().unwrap().clone();
    assert_eq!((last.method.as_str(), last.body.as_str()), ("GET", ""));
    assert!(last.path.ends_with("/outbound-auth/api-key-providers/demo-key/agent-identities/demo-agent/api-key"));
}

#[tokio::test]
async fn w10_w8_the_identity_is_the_configured_one_and_none_is_ever_made() {
    let server = providers(404, 200).await;
    server.client().api_key("demo-key").await.unwrap();
    assert!(server.calls().iter().all(|seen| seen.method == "GET" && !seen.path.contains("default-workload")));
    let capabilities = server.client().capabilities();
    assert!(capabilities.static_api_keys && capabilities.delegated_api_keys && capabilities.user_tokens);
    assert!(capabilities.machine_tokens && capabilities.force_authentication && !capabilities.session_binding);
}

#[tokio::test]
async fn w33_what_identifies_a_user_is_in_no_error() {
    let message = "no consent of user-123 with state-1 in session 50000000-0000-4000-8000-000000000005";
    let server = Server::script(vec![(400, json!({ "message": message, "code": "user-123" }))]).await;
    let request = server.client().api_key("demo-delegated").for_user(&user()).with_return_url(RETURN_URL);
    let error = request.with_custom_state("state-1").acquire().await.unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains("user-123") && !shown.contains("state-1") && !shown.contains(SESSION), "{shown}");
}
