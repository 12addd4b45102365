//! What failures look like, when requests are repeated, and that nothing secret is ever in an error.

use std::time::Duration;

use identity_client::{Clock as _, ErrorKind, HttpOptions, SystemClock, agentbase::NewIdentity};
use serde_json::{Value, json};

use crate::support::{Reply, Server, client, quick};

#[tokio::test]
async fn every_status_has_its_kind_and_says_what_to_do() {
    for (status, kind, hint) in [
        (400, ErrorKind::InvalidRequest, "correct"),
        (422, ErrorKind::InvalidRequest, "correct"),
        (403, ErrorKind::PermissionDenied, "AgentBaseFullAccess"),
        (404, ErrorKind::NotFound, "check the name"),
        (409, ErrorKind::Conflict, "another name"),
        (429, ErrorKind::RateLimited, "wait"),
        (408, ErrorKind::Unavailable, "later"),
        (500, ErrorKind::Unavailable, "later"),
        (599, ErrorKind::Unavailable, "later"),
        (302, ErrorKind::Protocol, "redirect"),
        (418, ErrorKind::Protocol, "endpoint"),
    ] {
        let server = Server::script(vec![(status, json!({ "code": "E_CODE", "message": "some words" }))]).await;
        let error = server.agentbase().identities().get("demo-agent").await.unwrap_err();
        assert_eq!((error.kind(), error.status(), error.code()), (kind, Some(status), Some("E_CODE")), "{status}");
        assert!(error.hint().unwrap().contains(hint), "{error}");
        assert!(error.to_string().contains("\"some words\""), "{error}");
        let passing = matches!(kind, ErrorKind::RateLimited | ErrorKind::Unavailable);
        assert_eq!(error.is_retryable(), passing, "{status}");
    }
}

#[tokio::test]
async fn w33_no_error_repeats_a_body_a_bearer_or_a_secret() {
    let secrets = ["hunter2-key", "iam-token-1", "s3cr3t-in-html"];
    let bodies = [
        json!({ "message": "rejected value hunter2-key" }).to_string(),
        json!({ "message": "bad bearer iam-token-1", "code": "iam-token-1" }).to_string(),
        json!({ "error": "hunter2-key", "detail": "hunter2-key" }).to_string(),
        json!({ "errors": [{ "message": "hunter2-key", "code": "hunter2-key" }] }).to_string(),
        "<html>s3cr3t-in-html</html>".to_owned(),
        json!({ "apikey": "s3cr3t-in-html" }).to_string(),
        json!("s3cr3t-in-html").to_string(),
    ];
    for body in bodies {
        for status in [400, 409, 500, 200] {
            let text = body.clone();
            let server = Server::new(move |_| Reply::text(status, &text).with("x-request-id", "hunter2-key")).await;
            let created = server.agentbase().api_key_providers().create("demo-key", "hunter2-key").await;
            let shown = match created {
                Ok(provider) => format!("{provider:?}"),
                Err(error) => {
                    assert_eq!(error.request_id(), None);
                    format!("{error} {error:?} {:?}", std::error::Error::source(&error).map(ToString::to_string))
                }
            };
            assert!(!secrets.iter().any(|secret| shown.contains(secret)), "{status} {body}: {shown}");
        }
    }
}

#[tokio::test]
async fn w33_an_oauth_client_secret_is_not_repeated_either() {
    let server = Server::script(vec![(400, json!({ "message": "clientSecret hunter2-oauth is too weak" }))]).await;
    let urls = ("https://idp.example.com/a", "https://idp.example.com/t");
    let oauth = identity_client::agentbase::OAuth2Client::new("c", "hunter2-oauth", urls.0, urls.1).unwrap();
    let providers = server.agentbase().oauth2_providers();
    for error in [
        providers.create("demo-oauth", oauth.clone()).await.unwrap_err(),
        providers.update("demo-oauth", oauth).await.unwrap_err(),
    ] {
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
    }
}

#[tokio::test]
async fn the_request_id_of_the_platform_is_kept() {
    let id = "0b7c6a52-4f19-4bb1-9f57-4f3d5ad0b0aa";
    let server = Server::new(move |_| Reply::json(500, &json!({})).with("x-correlation-id", id)).await;
    let error = server.agentbase().identities().get("demo-agent").await.unwrap_err();
    assert_eq!(error.request_id(), Some(id));
}

#[tokio::test]
async fn w21_reads_are_tried_again_after_5xx_resets_and_cut_bodies() {
    let mut asked = 0;
    let server = Server::new(move |_| {
        asked += 1;
        match asked {
            1 => Reply::text(503, "upstream down"),
            2 => Reply::Reset,
            3 => Reply::Truncated,
            _ => Reply::json(200, &json!({ "apikey": "k-1" })),
        }
    })
    .await;
    client(server.trying(4)).api_key("demo-key").for_agent().await.unwrap();
    assert_eq!(server.calls().len(), 4);
}

#[tokio::test]
async fn w21_the_platforms_wish_to_wait_is_honoured() {
    let mut asked = 0;
    let server = Server::new(move |_| {
        asked += 1;
        if asked == 1 {
            return Reply::json(429, &json!({})).with("retry-after", "1");
        }
        Reply::json(200, &json!({ "apikey": "k-1" }))
    })
    .await;
    let begun = SystemClock.now().steady;
    client(server.trying(2)).api_key("demo-key").for_agent().await.unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(1));

    let server = Server::new(|_| Reply::json(429, &json!({})).with("retry-after", "7")).await;
    let error = server.client().api_key("demo-key").for_agent().await.unwrap_err();
    assert_eq!((error.kind(), error.retry_after()), (ErrorKind::RateLimited, Some(Duration::from_secs(7))));
}

#[tokio::test]
async fn creating_is_not_repeated_when_it_may_have_happened() {
    for reply in [|| Reply::text(503, "down"), || Reply::Reset, || Reply::Truncated] {
        let server = Server::new(move |_| reply()).await;
        let identities = server.trying(3).identities();
        let error = identities.create(NewIdentity::new("demo-agent").unwrap()).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Transport), "{error}");
        assert_eq!(server.calls().len(), 1);
    }
}

#[tokio::test]
async fn a_forced_consent_is_not_begun_twice() {
    let server = Server::new(|_| Reply::text(503, "down")).await;
    let user = identity_client::User::asserted("user-123").unwrap();
    let client = client(server.trying(3));
    let ask = || {
        let request = client.access_token("demo-oauth").for_user(&user).with_scopes(["openid"]);
        request.with_return_url(crate::support::RETURN_URL)
    };
    ask().with_force(true).acquire().await.unwrap_err();
    assert_eq!(server.calls().len(), 1);
    ask().acquire().await.unwrap_err();
    assert_eq!(server.calls().len(), 4);
}

#[tokio::test]
async fn a_deletion_whose_first_try_had_no_outcome_may_find_nothing_left() {
    let mut asked = 0;
    let server = Server::new(move |_| {
        asked += 1;
        if asked == 1 { Reply::Reset } else { Reply::json(404, &json!({ "message": "not found" })) }
    })
    .await;
    server.trying(3).identities().delete("demo-agent").await.unwrap();
    assert_eq!(server.calls().len(), 2);

    let server = Server::script(vec![(404, json!({ "message": "not found" }))]).await;
    let error = server.trying(3).identities().delete("demo-agent").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn w4_a_success_that_is_not_what_it_should_be_is_an_error() {
    for body in ["<html>top-secret</html>", "[\"top-secret\"]", "\"top-secret\"", "{\"name\":[\"top-secret\"]}", ""] {
        let server = Server::new(move |_| Reply::text(200, body)).await;
        let error = server.agentbase().identities().get("demo-agent").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{body}");
        assert!(!format!("{error} {error:?}").contains("top-secret"));
    }
}

#[tokio::test]
async fn w12_a_name_cannot_leave_its_place_and_w32_is_not_quoted() {
    let server = Server::script(vec![(200, Value::Null)]).await;
    let agentbase = server.agentbase();
    for bad in ["../api-key-providers", "a?b#c", "{name}", "ab", "hunter2 hunter2", "", &"x".repeat(51)] {
        let error = agentbase.oauth2_providers().get(bad).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{bad}");
        assert!(!format!("{error} {error:?}").contains("hunter2"));
        agentbase.identities().delete(bad).await.unwrap_err();
        agentbase.api_key_providers().rotate(bad, "k").await.unwrap_err();
        agentbase.delegated_api_key_providers().create(bad).await.unwrap_err();
    }
    // The general rule for names takes it, AgentBase's own does not.
    let error = client(agentbase).api_key("v2.openai:key").for_agent().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    assert!(server.seen().is_empty(), "nothing is sent, not even for a token");
}

#[tokio::test]
async fn plain_http_goes_to_no_proxy_and_https_through_a_tunnel() {
    let proxy = Server::raw(|_| Reply::text(502, "")).await;
    let server = Server::script(vec![(200, json!({ "apikey": "sk-1" }))]).await;
    let http = || HttpOptions::new().with_retry(quick(1)).with_proxy(proxy.origin());
    // Plain http is for this machine only, and a proxy is another one.
    let near = client(server.builder().with_http(http()).build().unwrap());
    assert_eq!(near.api_key("openai-key").for_agent().await.unwrap().expose_secret(), "sk-1");
    assert!(proxy.seen().is_empty(), "{:?}", proxy.seen());
    let far = server.builder().with_http(http()).with_iam_token_endpoint("https://iam.example.com/token");
    let far = far.with_identity_endpoint("https://identity.example.com");
    let error = client(far.build().unwrap()).api_key("openai-key").for_agent().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transport, "{error}");
    let seen = proxy.seen();
    assert!(!seen.is_empty() && seen.iter().all(|seen| seen.method == "CONNECT"), "{seen:?}");
    assert!(seen.iter().all(|seen| !seen.headers.contains_key("authorization") && seen.body.is_empty()), "{seen:?}");
}

/// Variables belong to a process, so the test is another one, run again where everything is to go through a dead proxy.
#[test]
fn no_proxy_of_the_environment_is_used() {
    let mut again = std::process::Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", "errors::every_status_has_its_kind_and_says_what_to_do"]);
    for name in ["ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY"] {
        again.env(name, "http://127.0.0.1:1").env(name.to_ascii_lowercase(), "http://127.0.0.1:1");
    }
    let output = again.env_remove("NO_PROXY").env_remove("no_proxy").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}
