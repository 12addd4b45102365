//! Faults of the reference SDK's server that could be ours, by their ids.

use http::StatusCode;
use identity_client::{Error, ErrorKind};
use identity_runtime::{AgentApp, HandlerError};
use serde_json::Value;

use crate::{
    captured::Captured,
    support::{Anything, caller, error, nothing, serve},
};

#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("identity: {0}")]
    Wrapped(#[from] Error),
    #[error("foreign: secret")]
    Foreign,
    #[error("refused")]
    Refused(#[source] HandlerError),
}

fn of(name: &str) -> Failed {
    let kind = match name {
        "transport" => ErrorKind::Transport,
        "protocol" => ErrorKind::Protocol,
        "timeout" => ErrorKind::Timeout,
        "unavailable" => ErrorKind::Unavailable,
        "rate limited" => ErrorKind::RateLimited,
        "unauthenticated" => ErrorKind::Unauthenticated,
        "permission denied" => ErrorKind::PermissionDenied,
        "not found" => ErrorKind::NotFound,
        "user missing" => ErrorKind::UserMissing,
        "denied" => ErrorKind::AuthorizationDenied,
        "refused" => {
            return Failed::Refused(HandlerError::new(StatusCode::CONFLICT, "already_booked", "That hour is taken"));
        }
        _ => return Failed::Foreign,
    };
    Failed::Wrapped(Error::from_platform(kind, "secret"))
}

/// W14: a network error has no status and crashed the responder. W33: text of errors went to the caller. And the platform's
/// 401, 403 and 404 became the agent's own.
#[tokio::test]
async fn w14_w33_errors_say_who_has_to_act_and_nothing_else() -> Result<(), Anything> {
    let app = serve(AgentApp::builder(async |name: String, _| Err::<(), _>(of(&name)))).await?;
    for (name, status, code) in [
        ("transport", 502, "credentials_unreachable"),
        ("protocol", 502, "credentials_unreachable"),
        ("timeout", 504, "credentials_timeout"),
        ("unavailable", 503, "credentials_unavailable"),
        ("rate limited", 503, "credentials_unavailable"),
        ("unauthenticated", 500, "credentials_failed"),
        ("permission denied", 500, "credentials_failed"),
        ("not found", 500, "credentials_failed"),
        ("user missing", 401, "user_missing"),
        ("denied", 403, "authorization_denied"),
        ("refused", 409, "already_booked"),
        ("foreign", 500, "handler_failed"),
    ] {
        let answer = app.post(&name.into()).send().await?;
        assert_eq!(answer.status().as_u16(), status, "{name}");
        assert_eq!(answer.headers().contains_key("retry-after"), status == 503, "{name}");
        assert_eq!(answer.headers().contains_key("www-authenticate"), status == 401, "{name}");
        let id = answer.headers()["x-greennode-agentbase-request-id"].clone();
        let body: Value = answer.json().await?;
        assert_eq!((error(&body)?.2, body["details"]["request_id"].as_str()), (code, id.to_str().ok()));
        assert!(!body.to_string().contains("secret"), "{body}");
    }
    Ok(())
}

/// W1 and W7: a loop of its own for each call broke every second one.
#[tokio::test]
async fn w1_w7_the_same_connection_serves_call_after_call() -> Result<(), Anything> {
    let app = serve(AgentApp::builder(async |count: u64, _| Ok::<_, std::io::Error>(count))).await?;
    let caller = caller();
    for count in 0..50_u64 {
        let answer = caller.post(app.url("/invocations")).json(&count).send().await?;
        assert_eq!((answer.status(), answer.json::<u64>().await?), (StatusCode::OK, count));
    }
    Ok(())
}

/// Section 8.6: a ping function that failed was hidden, or answered with 500 and the word `Healthy`. See also
/// `a_ping_handler_that_fails_is_not_healthy`. Section 8.3: a middleware of the user's own dropped the header.
#[tokio::test]
async fn a_layer_of_the_users_own_takes_no_header_away() -> Result<(), Anything> {
    let app = AgentApp::builder(async |_: Value, _| Ok::<_, std::io::Error>(()))
        .with_inbound(axum::middleware::from_fn(async |request, next: axum::middleware::Next| next.run(request).await));
    let app = serve(app).await?;
    let answer = app.post(&nothing()).send().await?;
    assert_eq!((answer.status(), &answer.headers()["x-accel-buffering"]), (StatusCode::OK, &"no".parse()?));
    Ok(())
}

/// Section 8.5: a body that is not UTF-8 was a 500, and a payload with NaN went through as JSON that nobody else reads.
#[tokio::test]
async fn what_is_no_json_is_the_callers_error_and_never_sent() -> Result<(), Anything> {
    let app = serve(AgentApp::builder(async |_: Value, _| Ok::<_, std::io::Error>([f64::NAN, f64::INFINITY]))).await?;
    let request = caller().post(app.url("/invocations")).header("content-type", "application/json");
    assert_eq!(request.body(b"\"\xff\"".to_vec()).send().await?.status(), StatusCode::BAD_REQUEST);
    assert_eq!(app.post(&nothing()).send().await?.text().await?, "[null,null]");
    Ok(())
}

/// Section 8.7: with `debug` on, a payload could change what the platform is told of the agent's health.
#[tokio::test]
async fn no_payload_is_an_instruction_to_the_server() -> Result<(), Anything> {
    let app = serve(AgentApp::builder(async |payload: Value, _| Ok::<_, std::io::Error>(payload))).await?;
    let payload = serde_json::json!({ "_agent_base_app_action": "force_busy" });
    assert_eq!(app.post(&payload).send().await?.json::<Value>().await?, payload);
    assert_eq!(app.health().await?["status"], "Healthy");
    Ok(())
}

/// W33, W34: the log has what an operator needs, and no text of others, no payload and no header.
#[tokio::test]
async fn w33_w34_a_log_names_errors_by_kind_and_holds_nothing_of_the_request() -> Result<(), Anything> {
    let captured = Captured::default();
    let _listening = captured.listen("trace");
    let app = serve(AgentApp::builder(async |name: String, _| Err::<(), _>(of(&name)))).await?;
    for name in ["foreign", "payload-secret"] {
        let request = app.post(&name.into()).header("x-greennode-agentbase-request-id", "request-7");
        let request = request.header("x-greennode-agentbase-custom-a", "header-secret").bearer_auth("token-secret");
        assert_eq!(request.send().await?.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }
    let text = captured.text();
    let ours: Vec<_> = text.lines().filter(|line| line.contains("identity_runtime")).collect();
    assert!(ours.iter().any(|line| line.contains("faults::Failed") && line.contains("request-7")), "{ours:?}");
    assert!(ours.iter().all(|line| !line.contains("secret")), "{ours:?}");
    Ok(())
}
