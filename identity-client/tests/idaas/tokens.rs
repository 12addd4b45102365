//! Tokens of IDaaS itself, and those that the developer API is asked with: what is kept, renewed and refused.

use std::time::Duration;

use identity_client::{
    AccessToken, Clock as _, Error, ErrorKind, HttpOptions, IdentityClient, SystemClock,
    idaas::{AUTHORIZATION_SERVER, ClientAuthentication, SecretSource},
};
use serde_json::json;

use crate::support::{ManualClock, Reply, SCOPE, Server, TOKEN_PATH, client, eventually, issue, key, quick, user};

async fn own(client: &IdentityClient) -> Result<AccessToken, Error> {
    client.access_token(AUTHORIZATION_SERVER).with_scopes([SCOPE]).await
}

async fn some_key(client: &IdentityClient) -> Result<String, Error> {
    // A key is not kept here, so that each asks with a token.
    client.forget_all();
    client.api_key("llm_api_key").for_agent().await.map(|key| key.expose_secret().to_owned())
}

#[tokio::test]
async fn w1_a_token_is_never_used_past_its_life_however_short_that_is() {
    for life in [10, 600, 1200, 1800, 2400, 7200] {
        let clock = ManualClock::new();
        let server = Server::tokens(move |count| Reply::json(200, &issue(&format!("token-{count}"), life))).await;
        let idaas = server.builder().with_clock(clock.clone()).build().unwrap();
        let client = client(idaas);
        some_key(&client).await.unwrap();
        clock.advance(life);
        some_key(&client).await.unwrap();
        let bearers: Vec<_> = server.calls().iter().map(|call| call.bearer().unwrap().to_owned()).collect();
        assert_eq!(bearers, ["token-1", "token-2"], "{life}");
    }
}

#[tokio::test]
async fn w2_an_ageing_token_is_renewed_ahead_and_nobody_waits_for_it() {
    let clock = ManualClock::new();
    let server = Server::tokens(|count| {
        let reply = Reply::json(200, &issue(&format!("token-{count}"), 3600));
        if count == 1 { reply } else { reply.late(Duration::from_millis(200)) }
    })
    .await;
    let client = client(server.builder().with_clock(clock.clone()).build().unwrap());
    some_key(&client).await.unwrap();
    clock.advance(3600 - 120);
    some_key(&client).await.unwrap();
    assert_eq!(server.calls()[1].bearer(), Some("token-1"), "the old one is good, and used");
    eventually(|| server.token_calls().len() == 2).await;
    let renewed = || server.calls().iter().any(|call| call.bearer() == Some("token-2"));
    for _ in 0..100 {
        some_key(&client).await.unwrap();
        if renewed() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(renewed());
    assert_eq!(server.token_calls().len(), 2);
}

#[tokio::test]
async fn w3_a_renewal_that_fails_costs_nobody_a_token_that_is_good() {
    let clock = ManualClock::new();
    let server = Server::tokens(|count| match count {
        1 => Reply::json(200, &issue("token-1", 7200)),
        2 => Reply::text(503, "down"),
        3 => Reply::Reset,
        4 => Reply::json(429, &json!({ "Code": "Throttling.User" })),
        _ => Reply::json(200, &issue("token-5", 7200)),
    })
    .await;
    let client = client(server.builder().with_clock(clock.clone()).build().unwrap());
    some_key(&client).await.unwrap();
    clock.advance(7200 - 145);
    for failures in 2..=4 {
        some_key(&client).await.unwrap();
        eventually(|| server.token_calls().len() == failures).await;
        // The rest after a failure is over.
        tokio::time::sleep(Duration::from_millis(50)).await;
        clock.advance(30);
    }
    assert!(server.calls().iter().all(|call| call.bearer() == Some("token-1")));
    for _ in 0..100 {
        some_key(&client).await.unwrap();
        if server.calls().last().unwrap().bearer() == Some("token-5") {
            return;
        }
        clock.advance(1);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it was never renewed");
}

#[tokio::test]
async fn w4_a_refused_client_is_not_asked_about_again_at_once_and_w15_says_why() {
    let clock = ManualClock::new();
    let server = Server::tokens(|_| {
        Reply::json(401, &json!({ "error": "invalid_client", "error_description": "client authentication failed", "request_id": "RID-1" }))
    })
    .await;
    let client = client(server.builder().with_clock(clock.clone()).build().unwrap());
    let text = some_key(&client).await.unwrap_err().to_string();
    assert!(
        text.contains("`llm_api_key`") && !text.contains("iauths_system"),
        "nobody asked for that provider: {text}"
    );
    for _ in 0..5 {
        for error in [some_key(&client).await.unwrap_err(), own(&client).await.map(drop).unwrap_err()] {
            assert_eq!((error.kind(), error.code()), (ErrorKind::Unauthenticated, Some("invalid_client")));
            assert_eq!((error.status(), error.request_id()), (Some(401), Some("RID-1")));
            assert!(error.retry_after().unwrap() <= Duration::from_secs(5));
            let text = error.to_string();
            assert!(text.contains("client authentication failed") && text.contains("CLIENT_SECRET_POST"), "{text}");
            assert!(!text.contains("None"), "{text}");
        }
    }
    assert_eq!(server.token_calls().len(), 1);
    clock.advance(5);
    own(&client).await.map(drop).unwrap_err();
    assert_eq!(server.token_calls().len(), 2);
}

#[tokio::test]
async fn w4_a_wish_to_be_left_alone_is_kept() {
    let clock = ManualClock::new();
    let server = Server::tokens(|count| match count {
        1 => Reply::json(429, &json!({ "Code": "Throttling.User", "Message": "slow", "RequestId": "RID-3" }))
            .with("retry-after", "30"),
        _ => Reply::json(200, &issue("token", 60)),
    })
    .await;
    let client = client(server.builder().with_clock(clock.clone()).build().unwrap());
    for _ in 0..3 {
        let error = own(&client).await.map(drop).unwrap_err();
        assert_eq!(
            (error.kind(), error.code(), error.is_retryable()),
            (ErrorKind::RateLimited, Some("Throttling.User"), true)
        );
        clock.advance(9);
    }
    assert_eq!(server.token_calls().len(), 1);
    clock.advance(4);
    own(&client).await.unwrap();
}

#[tokio::test]
async fn w5_whoever_waits_for_a_slow_cold_start_gets_its_token() {
    let server = Server::tokens(|_| Reply::json(200, &issue("token", 3600)).late(Duration::from_millis(700))).await;
    let idaas = server.idaas();
    let keys = (0..40).map(|_| {
        let credentials = idaas.credentials();
        async move { credentials.obtain("llm_api_key").await }
    });
    for key in futures_util::future::join_all(keys).await {
        key.unwrap();
    }
    assert_eq!(server.token_calls().len(), 1, "w8: one flight");
}

#[tokio::test]
async fn w5_a_failed_cold_start_tells_everybody_why_and_w19_the_next_call_begins_anew() {
    let server = Server::tokens(|count| match count {
        1 => Reply::text(503, "<html>down</html>").late(Duration::from_millis(200)),
        _ => Reply::json(200, &issue("token", 3600)),
    })
    .await;
    let idaas = server.idaas();
    let keys = (0..10).map(|_| {
        let credentials = idaas.credentials();
        async move { credentials.obtain("llm_api_key").await }
    });
    for key in futures_util::future::join_all(keys).await {
        let error = key.unwrap_err();
        assert_eq!((error.kind(), error.status()), (ErrorKind::Unavailable, Some(503)));
    }
    assert_eq!(server.token_calls().len(), 1);
    idaas.credentials().obtain("llm_api_key").await.unwrap();
}

#[tokio::test]
async fn w6_a_token_without_expires_at_is_kept_for_expires_in_and_texts_count_as_numbers() {
    let soon = SystemClock.now().wall.duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap().as_secs() + 600;
    for (life, answer) in [
        (3600, json!({ "access_token": "t", "expires_in": 3600 })),
        (3600, json!({ "access_token": "t", "expires_in": "3600", "expires_at": "1795306794" })),
        (600, json!({ "access_token": "t", "expires_at": soon })),
        (600, json!({ "access_token": "t", "expires_in": 3600, "expires_at": soon })),
        // Nothing is said: kept for a minute.
        (60, json!({ "access_token": "t" })),
        (60, json!({ "access_token": "t", "expires_in": "soon", "expires_at": null })),
    ] {
        let clock = ManualClock::new();
        let server = Server::tokens(move |_| Reply::json(200, &answer)).await;
        let client = client(server.builder().with_clock(clock.clone()).build().unwrap());
        for _ in 0..3 {
            some_key(&client).await.unwrap();
        }
        assert_eq!(server.token_calls().len(), 1, "{life}");
        clock.advance(life + 1);
        // It asks again, whatever the same answer is worth by then.
        some_key(&client).await.ok();
        assert_eq!(server.token_calls().len(), 2, "{life}");
    }
}

#[tokio::test]
async fn w7_a_success_without_a_token_is_an_error() {
    for body in [
        "{}",
        "[]",
        "null",
        "",
        "<html>hi</html>",
        r#"{"access_token":null}"#,
        r#"{"access_token":" "}"#,
        r#"{"access_token":7}"#,
        r#"{"access_token":"a b"}"#,
        r#"{"access_token":"t","token_type":"mac"}"#,
        r#"{"access_token":"t","expires_at":1000}"#,
    ] {
        let server = Server::tokens(move |_| Reply::text(200, body)).await;
        let client = server.client();
        for error in [own(&client).await.map(drop).unwrap_err(), some_key(&client).await.unwrap_err()] {
            assert_eq!(error.kind(), ErrorKind::Protocol, "{body}");
            assert!(error.hint().is_some());
        }
        assert!(server.calls().is_empty(), "{body}");
    }
}

#[tokio::test]
async fn w8_w9_scopes_are_a_set_and_one_new_scope_costs_one_request() {
    let server = Server::new(|_| key("sk-1")).await;
    let client = server.client();
    let ask = |scopes: &[&str]| {
        let request = client.access_token(AUTHORIZATION_SERVER).with_scopes(scopes.iter().copied());
        async move { request.await.unwrap().expose_secret().to_owned() }
    };
    let (one, two) = ("https://q|1", "https://q|2");
    let both = futures_util::future::join_all((0..6).map(|_| ask(&[one, two]))).await;
    assert_eq!(ask(&[two, one]).await, both[0]);
    assert_eq!(ask(&[one, two, one]).await, both[0]);
    assert_eq!(server.token_calls().len(), 1);
    assert_ne!(ask(&[one]).await, both[0]);
    assert_eq!(server.token_calls().len(), 2);
}

#[tokio::test]
async fn w16_an_answer_that_is_not_json_keeps_its_status() {
    for (status, body, kind) in [
        (404, "<html>nope</html>", ErrorKind::NotFound),
        (400, "[1]", ErrorKind::InvalidRequest),
        (502, "<html>bad</html>", ErrorKind::Unavailable),
        (403, "", ErrorKind::PermissionDenied),
        (418, "\"text\"", ErrorKind::Protocol),
    ] {
        let server = Server::tokens(move |_| Reply::text(status, body)).await;
        let error = own(&server.client()).await.map(drop).unwrap_err();
        assert_eq!((error.kind(), error.status()), (kind, Some(status)));
        assert!(error.hint().is_some() && !error.to_string().contains("html"), "{error}");
    }
}

#[tokio::test]
async fn w24_each_operation_asks_for_the_one_permission_that_it_needs() {
    let server = Server::new(|_| key("sk-1")).await;
    server.client().api_key("llm_api_key").for_agent().await.unwrap();
    let scopes: Vec<_> = server.token_calls().iter().map(|call| call.form()["scope"].clone()).collect();
    assert_eq!(scopes, ["urn:cloud:idaas:pam|credential:obtain"]);
}

#[tokio::test]
async fn w27_redirects_are_not_followed_with_a_secret() {
    let elsewhere = Server::new(|_| key("sk-1")).await;
    for of_token in [true, false] {
        for status in [301, 302, 303, 307, 308] {
            let location = format!("{}{TOKEN_PATH}", elsewhere.origin());
            let server = Server::raw(move |seen| {
                if seen.is_token() == of_token {
                    return Reply::text(status, "").with("location", &location);
                }
                Reply::json(200, &issue("t", 60))
            })
            .await;
            let error = some_key(&server.client()).await.unwrap_err();
            assert_eq!((error.kind(), error.status()), (ErrorKind::Protocol, Some(status)));
            assert!(error.to_string().contains("redirect"), "{error}");
        }
    }
    assert!(elsewhere.seen().is_empty());
}

#[tokio::test]
async fn a_bearer_that_is_refused_is_renewed_once_and_the_request_repeated() {
    let server =
        Server::new(|seen| if seen.bearer().unwrap().ends_with(".1") { Reply::text(401, "") } else { key("sk-1") })
            .await;
    assert_eq!(some_key(&server.client()).await.unwrap(), "sk-1");
    assert_eq!((server.token_calls().len(), server.calls().len()), (2, 2));

    let server = Server::new(|_| Reply::text(401, "")).await;
    let error = some_key(&server.client()).await.unwrap_err();
    assert_eq!((error.kind(), server.calls().len()), (ErrorKind::Unauthenticated, 2));
}

#[tokio::test]
async fn w21_w33_two_applications_in_one_process_know_nothing_of_each_other() {
    let server = Server::raw(|seen| {
        if seen.is_token() {
            Reply::json(200, &issue(&format!("token-of-{}", seen.form()["client_id"]), 3600))
        } else {
            key(seen.bearer().unwrap())
        }
    })
    .await;
    for name in ["app_1", "app_2", "app_1"] {
        let idaas = server.builder().with_client_id(name).build().unwrap();
        assert_eq!(some_key(&client(idaas)).await.unwrap(), format!("token-of-{name}"));
    }
}

#[tokio::test]
async fn w12_an_exchanged_secret_is_used_from_the_next_request_on() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secret");
    std::fs::write(&path, "CS-old\n").unwrap();
    let server = Server::tokens(|count| Reply::json(200, &issue(&format!("t-{count}"), 60))).await;
    let authentication = ClientAuthentication::client_secret_post(SecretSource::file(&path));
    let client = client(server.builder().with_authentication(authentication).build().unwrap());
    own(&client).await.unwrap();
    std::fs::write(&path, "CS-new").unwrap();
    client.forget_all();
    own(&client).await.unwrap();
    let secrets: Vec<_> = server.token_calls().iter().map(|call| call.form()["client_secret"].clone()).collect();
    assert_eq!(secrets, ["CS-old", "CS-new"]);
}

#[tokio::test]
async fn a_passing_failure_is_tried_again_with_a_new_assertion() {
    let server = Server::tokens(|count| match count {
        1 => Reply::text(503, ""),
        2 => Reply::Reset,
        3 => Reply::Truncated,
        _ => Reply::json(200, &issue("t", 60)),
    })
    .await;
    let authentication = ClientAuthentication::client_secret_jwt(SecretSource::given("secret"));
    let http = HttpOptions::new().with_retry(quick(4));
    let idaas = server.builder().with_authentication(authentication).with_http(http).build().unwrap();
    own(&client(idaas)).await.unwrap();
    let mut assertions: Vec<_> =
        server.token_calls().iter().map(|call| call.form()["client_assertion"].clone()).collect();
    assertions.dedup();
    assert_eq!(assertions.len(), 4);
}

#[tokio::test]
async fn a_user_and_the_agent_never_share_a_token() {
    let server = Server::new(|_| key("sk-1")).await;
    let client = server.client();
    let ask = |who: Option<&str>| {
        let request = client.access_token(AUTHORIZATION_SERVER).with_scopes([SCOPE]);
        let request = match who {
            Some(id) => request.for_user(&user(id)),
            None => request.for_agent(),
        };
        async move { request.await.unwrap().expose_secret().to_owned() }
    };
    let (agent, alice, bob) = (ask(None).await, ask(Some("alice")).await, ask(Some("bob")).await);
    assert!(agent.contains(".agent.") && alice.contains("alice") && bob.contains("bob"));
    assert_eq!((ask(None).await, ask(Some("alice")).await), (agent, alice));
    assert_eq!(server.token_calls().len(), 3);
}
