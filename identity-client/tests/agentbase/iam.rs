//! The agent's own credentials: how often IAM is asked, and what becomes of its answers.

use std::time::Duration;

use identity_client::{ErrorKind, IdentityClient, agentbase::NewIdentity};
use serde_json::json;

use crate::support::{CLIENT_SECRET, ManualClock, RETURN_URL, Reply, Server, eventually, iam_answer};

/// Asks for another key each time, so that the client's own cache has nothing to say.
async fn keys(client: &IdentityClient, count: usize) {
    for index in 0..count {
        client.api_key(format!("key-{index}")).for_agent().with_force(true).await.unwrap();
    }
}

fn key() -> Reply {
    Reply::json(200, &json!({ "apikey": "k-1" }))
}

#[tokio::test]
async fn w3_a_refused_token_is_renewed_once_and_the_request_repeated() {
    let server = Server::new(|seen| {
        if seen.bearer() == "iam-token-1" { Reply::json(401, &json!({ "message": "Unauthorized" })) } else { key() }
    })
    .await;
    let client = server.client();
    keys(&client, 3).await;
    let bearers: Vec<String> = server.calls().iter().map(|seen| seen.bearer().to_owned()).collect();
    assert_eq!(bearers, ["iam-token-1", "iam-token-2", "iam-token-2", "iam-token-2"]);
    assert_eq!(server.iam_calls(), 2);
}

#[tokio::test]
async fn w3_what_was_refused_with_401_was_not_done_so_creating_is_repeated_too() {
    let server = Server::new(|seen| match seen.bearer() {
        "iam-token-1" => Reply::json(401, &json!({})),
        _ => Reply::json(200, &json!({ "name": "demo-agent" })),
    })
    .await;
    server.agentbase().identities().create(NewIdentity::new("demo-agent").unwrap()).await.unwrap();
    assert_eq!(server.calls().len(), 2);
    assert_eq!(server.calls()[0].body, server.calls()[1].body);
}

#[tokio::test]
async fn w3_a_second_401_ends_it() {
    let server = Server::script(vec![(401, json!({ "message": "Unauthorized" }))]).await;
    let error = server.client().api_key("demo-key").for_agent().await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Unauthenticated, Some(401)));
    assert!(!error.is_retryable());
    assert!(error.hint().unwrap().contains("given in code"), "{error}");
    assert_eq!((server.calls().len(), server.iam_calls()), (2, 2));
}

#[tokio::test]
async fn w3_many_refused_at_once_cost_one_renewal() {
    let server = Server::new(|seen| {
        let reply = if seen.bearer() == "iam-token-1" { Reply::json(401, &json!({})) } else { key() };
        reply.late(Duration::from_millis(50))
    })
    .await;
    let client = server.client();
    let asking = (0..32).map(|index| {
        let request = client.api_key(format!("key-{index}")).for_agent();
        tokio::spawn(async move { request.await.map(drop) })
    });
    for asked in asking.collect::<Vec<_>>() {
        asked.await.unwrap().unwrap();
    }
    assert_eq!(server.iam_calls(), 2);
}

#[tokio::test]
async fn w25_cold_calls_share_one_token_request() {
    let server = Server::raw(|seen| {
        if seen.is_iam() { Reply::json(200, &iam_answer(1, 3600)).late(Duration::from_millis(50)) } else { key() }
    })
    .await;
    let client = server.client();
    let asking: Vec<_> = (0..64)
        .map(|index| {
            let request = client.api_key(format!("key-{index}")).for_agent();
            tokio::spawn(async move { request.await.map(drop) })
        })
        .collect();
    for asked in asking {
        asked.await.unwrap().unwrap();
    }
    assert_eq!((server.iam_calls(), server.calls().len()), (1, 64));
}

#[tokio::test]
async fn a_caller_that_leaves_does_not_take_the_token_request_with_it() {
    let server = Server::raw(|seen| {
        if seen.is_iam() { Reply::json(200, &iam_answer(1, 3600)).late(Duration::from_millis(100)) } else { key() }
    })
    .await;
    let client = server.client();
    let (first, second) = (client.api_key("key-1").for_agent(), client.api_key("key-2").for_agent());
    let leaves = tokio::spawn(async move { tokio::time::timeout(Duration::from_millis(30), first).await.is_err() });
    tokio::time::sleep(Duration::from_millis(10)).await;
    second.await.unwrap();
    assert!(leaves.await.unwrap());
    assert_eq!(server.iam_calls(), 1);
}

#[tokio::test]
async fn w28_a_short_token_is_reused_for_most_of_its_life_and_w29_renewed_ahead() {
    let clock = ManualClock::new();
    let mut issued = 0;
    let server = Server::raw(move |seen| {
        if !seen.is_iam() {
            return key();
        }
        issued += 1;
        Reply::json(200, &iam_answer(issued, 50))
    })
    .await;
    let agentbase = server.builder().with_clock(clock.clone()).build().unwrap();
    let client = crate::support::client(agentbase);
    keys(&client, 3).await;
    clock.advance(39);
    keys(&client, 3).await;
    assert_eq!(server.iam_calls(), 1);
    clock.advance(2);
    keys(&client, 1).await;
    assert_eq!(server.calls().last().unwrap().bearer(), "iam-token-1", "nobody waits for a renewal");
    eventually(|| server.iam_calls() == 2).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    keys(&client, 3).await;
    assert_eq!(server.calls().last().unwrap().bearer(), "iam-token-2");
    assert_eq!(server.iam_calls(), 2);
    clock.advance(51);
    keys(&client, 1).await;
    assert_eq!(server.calls().last().unwrap().bearer(), "iam-token-3", "an expired one is never sent");
}

#[tokio::test]
async fn w2_a_renewal_does_not_disturb_what_is_in_flight() {
    let clock = ManualClock::new();
    let server = Server::new(|_| key().late(Duration::from_millis(200))).await;
    let client = crate::support::client(server.builder().with_clock(clock.clone()).build().unwrap());
    let in_flight: Vec<_> = (0..10)
        .map(|index| {
            let request = client.api_key(format!("key-{index}")).for_agent();
            tokio::spawn(async move { request.await.map(drop) })
        })
        .collect();
    eventually(|| server.calls().len() == 10).await;
    clock.advance(4000);
    client.api_key("another").for_agent().await.unwrap();
    assert_eq!(server.iam_calls(), 2);
    for asked in in_flight {
        asked.await.unwrap().unwrap();
    }
    assert_eq!(server.calls().len(), 11);
}

#[tokio::test]
async fn a_renewal_that_fails_leaves_the_old_token_in_use_and_is_not_hammered() {
    let clock = ManualClock::new();
    let mut asked = 0;
    let server = Server::raw(move |seen| {
        if !seen.is_iam() {
            return key();
        }
        asked += 1;
        if asked == 1 { Reply::json(200, &iam_answer(1, 100)) } else { Reply::text(503, "down") }
    })
    .await;
    let client = crate::support::client(server.builder().with_clock(clock.clone()).build().unwrap());
    keys(&client, 1).await;
    clock.advance(85);
    keys(&client, 1).await;
    eventually(|| server.iam_calls() == 2).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    keys(&client, 5).await;
    assert_eq!(server.iam_calls(), 2);
    clock.advance(6);
    keys(&client, 1).await;
    eventually(|| server.iam_calls() == 3).await;
    clock.advance(20);
    let error = client.api_key("late").for_agent().await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Unavailable, true));
}

#[tokio::test]
async fn w4_without_a_token_nothing_is_sent_to_the_identity_service() {
    for body in ["{}", "null", "[]", "", "<html></html>", r#"{"access_token":""}"#, r#"{"access_token":null}"#] {
        let server = Server::raw(move |seen| if seen.is_iam() { Reply::text(200, body) } else { key() }).await;
        let error = server.client().api_key("demo-key").for_agent().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{body}");
        assert!(server.calls().is_empty());
    }
}

#[tokio::test]
async fn std_6749_03_a_token_of_another_type_is_never_used() {
    let answer = json!({ "access_token": "t-1", "expires_in": 60, "token_type": "mac" });
    let server = Server::raw(move |seen| if seen.is_iam() { Reply::json(200, &answer) } else { key() }).await;
    let error = server.client().api_key("demo-key").for_agent().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert!(server.calls().is_empty());
}

#[tokio::test]
async fn std_6749_04_every_shape_of_a_refusal_is_read_and_a_wrong_secret_does_not_hammer() {
    for (status, body, code) in [
        (401, json!({ "error": "invalid_client" }), Some("invalid_client")),
        (400, json!({ "error": "invalid_client", "error_description": "no" }), Some("invalid_client")),
        (
            401,
            json!({ "errors": [{ "code": "AUTHENTICATION_FAILED", "message": "bad" }] }),
            Some("AUTHENTICATION_FAILED"),
        ),
        (401, json!({ "code": "E401", "message": format!("wrong: {CLIENT_SECRET}") }), Some("E401")),
        (401, json!(format!("raw {CLIENT_SECRET}")), None),
    ] {
        let clock = ManualClock::new();
        let text = body.to_string();
        let server = Server::raw(move |_| Reply::text(status, &text)).await;
        let client = crate::support::client(server.builder().with_clock(clock.clone()).build().unwrap());
        for _ in 0..5 {
            let error = client.api_key("demo-key").for_agent().await.unwrap_err();
            assert_eq!((error.kind(), error.code()), (ErrorKind::Unauthenticated, code));
            assert_eq!(error.retry_after(), Some(Duration::from_secs(5)));
            assert!(error.to_string().contains("given in code"), "{error}");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
        assert_eq!(server.iam_calls(), 1);
        clock.advance(5);
        client.api_key("demo-key").for_agent().await.unwrap_err();
        assert_eq!(server.iam_calls(), 2);
    }
}

#[tokio::test]
async fn a_lockout_is_not_asked_about_for_a_minute_whatever_its_status() {
    for status in [401, 403, 429, 503] {
        let clock = ManualClock::new();
        let body = json!({ "errors": [{ "code": "TOO_MANY_FAILED_LOGINS", "message": "locked" }] });
        let server = Server::raw(move |_| Reply::json(status, &body)).await;
        let builder = server.builder().with_clock(clock.clone());
        let retry = crate::support::quick(3);
        let agentbase = builder.with_http(identity_client::HttpOptions::new().with_retry(retry)).build().unwrap();
        let client = crate::support::client(agentbase);
        for wait in [0, 20, 39] {
            clock.advance(wait);
            let error = client.api_key("demo-key").for_agent().await.unwrap_err();
            assert_eq!((error.kind(), error.code()), (ErrorKind::Unauthenticated, Some("TOO_MANY_FAILED_LOGINS")));
            assert!(error.retry_after().unwrap() <= Duration::from_secs(60));
            assert!(!error.is_retryable());
            assert!(error.hint().unwrap().contains("locked"), "{error}");
        }
        assert_eq!(server.iam_calls(), 1, "{status}");
        clock.advance(1);
        client.api_key("demo-key").for_agent().await.unwrap_err();
        assert_eq!(server.iam_calls(), 2);
    }
}

#[tokio::test]
async fn w21_a_token_request_is_tried_again_when_iam_is_down() {
    let mut asked = 0;
    let server = Server::raw(move |seen| {
        if !seen.is_iam() {
            return key();
        }
        asked += 1;
        match asked {
            1 => Reply::text(503, "down"),
            2 => Reply::Reset,
            _ => Reply::json(200, &iam_answer(1, 3600)),
        }
    })
    .await;
    let client = crate::support::client(server.trying(3));
    client.api_key("demo-key").for_agent().await.unwrap();
    assert_eq!(server.iam_calls(), 3);
}

#[tokio::test]
async fn std_http_02_redirects_are_not_followed_with_credentials() {
    let elsewhere = Server::new(|_| key()).await;
    for of_iam in [true, false] {
        for status in [301, 302, 303, 307, 308] {
            let location = format!("{}/identity", elsewhere.origin());
            let server = Server::raw(move |seen| {
                if seen.is_iam() == of_iam {
                    return Reply::text(status, "").with("location", &location);
                }
                if seen.is_iam() { Reply::json(200, &iam_answer(1, 3600)) } else { key() }
            })
            .await;
            let error = server.client().api_key("demo-key").for_agent().await.unwrap_err();
            assert_eq!((error.kind(), error.status()), (ErrorKind::Protocol, Some(status)));
        }
    }
    assert!(elsewhere.seen().is_empty());
}

#[tokio::test]
async fn w41_credentials_belong_to_the_client_that_they_were_given_to() {
    let server = Server::raw(|seen| {
        if !seen.is_iam() {
            return Reply::json(200, &json!({ "apikey": format!("key of {}", seen.bearer()) }));
        }
        let tenant = if seen.headers["authorization"].ends_with("dGVuYW50LTE6cw==") { 1 } else { 2 };
        Reply::json(200, &iam_answer(tenant, 3600))
    })
    .await;
    for (tenant, expected) in [("tenant-1", "key of iam-token-1"), ("tenant-2", "key of iam-token-2")] {
        let agentbase = server.builder().with_client_credentials(tenant, "s").build().unwrap();
        let key = crate::support::client(agentbase).api_key("demo-key").for_agent().await.unwrap();
        assert_eq!(key.expose_secret(), expected);
    }
}

#[tokio::test]
async fn w5_no_header_of_the_invocation_reaches_the_service() {
    let server = Server::new(|_| key()).await;
    server.client().api_key("demo-key").for_agent().with_return_url(RETURN_URL).await.unwrap();
    let mut names: Vec<String> = server.calls()[0].headers.keys().cloned().collect();
    names.retain(|name| !["host", "user-agent", "accept", "authorization"].contains(&name.as_str()));
    assert!(names.is_empty(), "{names:?}");
}
