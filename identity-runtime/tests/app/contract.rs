//! Section 8 of the contract: routes, headers, statuses, bodies.

use std::time::UNIX_EPOCH;

use http::StatusCode;
use identity_client::{Clock as _, RequestContext, SystemClock};
use identity_runtime::{AgentApp, AgentAppBuilder, HealthStatus};
use serde_json::{Value, json};

use crate::support::{Anything, caller, error, nothing, serve};

/// Gives back what it got.
fn echo() -> AgentAppBuilder {
    AgentApp::builder(async |payload: Value, context: RequestContext| {
        Ok::<_, std::io::Error>(json!({
            "payload": payload,
            "request_id": context.request_id(),
            "session_id": context.session_id(),
            "user": context.user().map(identity_client::User::id),
            "custom": context.custom_header("X-GreenNode-AgentBase-Custom-Tenant"),
            "authorization": context.custom_header("authorization"),
        }))
    })
}

#[tokio::test]
async fn an_invocation_is_answered_with_the_handlers_json() -> Result<(), Anything> {
    let app = serve(echo()).await?;
    for payload in [json!({"a": [1, 2.5, "ü"]}), json!(null), json!("text"), json!([]), json!(7)] {
        let answer = app.post(&payload).send().await?;
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()["content-type"], "application/json");
        assert_eq!(answer.headers()["x-accel-buffering"], "no");
        assert_eq!(answer.json::<Value>().await?["payload"], payload);
    }
    Ok(())
}

#[tokio::test]
async fn non_ascii_text_is_sent_as_it_is() -> Result<(), Anything> {
    let app = serve(AgentApp::builder(async |text: String, _| Ok::<_, std::io::Error>(text))).await?;
    assert_eq!(app.post(&json!("grüße 🌍")).send().await?.text().await?, "\"grüße 🌍\"");
    Ok(())
}

#[tokio::test]
async fn ids_and_custom_headers_reach_the_handler() -> Result<(), Anything> {
    let app = serve(echo()).await?;
    let request = app.post(&nothing());
    let answer = request
        .header("x-greennode-agentbase-request-id", "request-1")
        .header("X-GREENNODE-AGENTBASE-SESSION-ID", "session-1")
        .header("X-GreenNode-AgentBase-Custom-Tenant", "acme")
        .header("Authorization", "Bearer inbound")
        .send()
        .await?;
    assert_eq!(answer.headers()["x-greennode-agentbase-request-id"], "request-1");
    let seen: Value = answer.json().await?;
    assert_eq!(
        (&seen["request_id"], &seen["session_id"], &seen["custom"]),
        (&json!("request-1"), &json!("session-1"), &json!("acme"))
    );
    // The caller's token is for the agent, and not for what the agent calls.
    assert_eq!(seen["authorization"], Value::Null);
    Ok(())
}

#[tokio::test]
async fn without_an_id_of_the_caller_each_request_gets_a_uuid() -> Result<(), Anything> {
    let app = serve(echo()).await?;
    let mut ids = Vec::new();
    for _ in 0..2 {
        let answer = app.post(&nothing()).send().await?;
        let id = answer.headers()["x-greennode-agentbase-request-id"].to_str()?.to_owned();
        let seen: Value = answer.json().await?;
        assert_eq!((&seen["request_id"], &seen["session_id"]), (&json!(id), &Value::Null));
        ids.push(id);
    }
    assert!(ids[0] != ids[1] && ids.iter().all(|id| id.len() == 36));
    Ok(())
}

#[tokio::test]
async fn an_id_that_is_there_twice_or_too_long_is_refused() -> Result<(), Anything> {
    let app = serve(echo()).await?;
    for name in ["x-greennode-agentbase-request-id", "x-greennode-agentbase-session-id"] {
        let twice = app.post(&nothing()).header(name, "a").header(name, "b").send().await?;
        let long = app.post(&nothing()).header(name, "x".repeat(300)).send().await?;
        for answer in [twice, long] {
            assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
            assert_eq!(error(&answer.json().await?)?.2, "invalid_header");
        }
    }
    Ok(())
}

#[tokio::test]
async fn what_is_no_json_is_refused_without_repeating_it() -> Result<(), Anything> {
    let app = serve(AgentApp::builder(async |_: u32, _| Ok::<_, std::io::Error>(()))).await?;
    for (body, code) in [
        ("", "invalid_json"),
        ("{secret", "invalid_json"),
        ("NaN", "invalid_json"),
        ("1 2", "invalid_json"),
        ("\"secret\"", "invalid_payload"),
        ("-1", "invalid_payload"),
    ] {
        let request = caller().post(app.url("/invocations")).header("content-type", "application/json");
        let answer = request.body(body).send().await?;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{body}");
        let text = answer.text().await?;
        assert!(!text.contains("secret"), "{text}");
        let body: Value = serde_json::from_str(&text)?;
        let (_, error_type, its) = error(&body)?;
        assert_eq!((error_type, its), ("GreenNodeRequestError", code));
        assert!(body["details"]["line"].is_u64() && body["details"]["column"].is_u64(), "{body}");
    }
    // Not even text.
    let request = caller().post(app.url("/invocations")).header("content-type", "application/json");
    assert_eq!(request.body(vec![0xff, 0xfe]).send().await?.status(), StatusCode::BAD_REQUEST);
    Ok(())
}

#[tokio::test]
async fn a_body_of_another_type_is_415() -> Result<(), Anything> {
    let app = serve(echo()).await?;
    for media_type in ["text/plain", "application/x-www-form-urlencoded", "text/json"] {
        let request = caller().post(app.url("/invocations")).header("content-type", media_type);
        let answer = request.body("{}").send().await?;
        assert_eq!(answer.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE, "{media_type}");
        assert_eq!(error(&answer.json().await?)?.2, "unsupported_media_type");
    }
    let without = caller().post(app.url("/invocations")).body("{}").send().await?;
    assert_eq!(without.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    Ok(())
}

#[tokio::test]
async fn other_paths_and_methods_are_refused_in_the_same_form() -> Result<(), Anything> {
    let app = serve(echo()).await?;
    let missing = caller().get(app.url("/nowhere")).send().await?;
    assert_eq!((missing.status(), &missing.headers()["x-accel-buffering"]), (StatusCode::NOT_FOUND, &"no".parse()?));
    assert_eq!(error(&missing.json().await?)?.2, "not_found");
    let methods = [("/invocations", http::Method::GET, "POST"), ("/health", http::Method::POST, "GET,HEAD")];
    for (path, method, allowed) in methods {
        let answer = caller().request(method, app.url(path)).send().await?;
        assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
        assert_eq!(answer.headers()["allow"], allowed);
        assert_eq!(error(&answer.json().await?)?.2, "method_not_allowed");
    }
    Ok(())
}

#[tokio::test]
async fn health_and_ping_say_how_the_agent_is() -> Result<(), Anything> {
    let app = serve(echo()).await?;
    let now = SystemClock.now().wall.duration_since(UNIX_EPOCH)?.as_secs();
    for path in ["/health", "/ping"] {
        let answer = caller().get(app.url(path)).send().await?;
        assert_eq!((answer.status(), &answer.headers()["x-accel-buffering"]), (StatusCode::OK, &"no".parse()?));
        assert_eq!(answer.headers()["content-type"], "application/json");
        let body: Value = answer.json().await?;
        let since = body["time_of_last_update"].as_u64().ok_or("no time")?;
        assert_eq!((&body["status"], body.as_object().map(serde_json::Map::len)), (&json!("Healthy"), Some(2)));
        assert!(since.abs_diff(now) < 60, "{since} is not seconds since 1970");
    }
    let head = caller().head(app.url("/health")).send().await?;
    assert_eq!(head.status(), StatusCode::OK);
    assert_eq!(head.text().await?, "");
    Ok(())
}

#[tokio::test]
async fn a_ping_handler_decides_be_it_sync_or_async() -> Result<(), Anything> {
    let sync = serve(echo().with_ping(|| HealthStatus::HealthyBusy)).await?;
    let later = serve(echo().with_ping(async || HealthStatus::HealthyBusy)).await?;
    for app in [sync, later] {
        assert_eq!(app.health().await?["status"], "HealthyBusy");
    }
    Ok(())
}

#[tokio::test]
async fn a_ping_handler_that_fails_is_not_healthy() -> Result<(), Anything> {
    fn panics() -> HealthStatus {
        panic!("secret")
    }
    let app = serve(echo().with_ping(panics)).await?;
    let answer = caller().get(app.url("/health")).send().await?;
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let body: Value = answer.json().await?;
    assert_eq!(error(&body)?.2, "ping_failed");
    assert!(!body.to_string().contains("Healthy"));
    Ok(())
}
