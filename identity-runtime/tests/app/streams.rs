//! Server-sent events.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use http::StatusCode;
use identity_runtime::{AgentApp, AgentAppBuilder, Reply};
use serde_json::{Value, json};

use crate::support::{Anything, nothing, read_until, serve};

type Never = std::io::Error;

fn counting() -> AgentAppBuilder {
    AgentApp::builder(async |count: u32, _| Ok::<_, Never>(Reply::events(stream::iter(0..count))))
}

#[tokio::test]
async fn a_stream_becomes_one_data_block_an_item() -> Result<(), Anything> {
    let app = serve(counting()).await?;
    let answer = app.post(&json!(3)).send().await?;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    assert_eq!(answer.headers()["x-accel-buffering"], "no");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert_eq!(answer.text().await?, "data: 0\n\ndata: 1\n\ndata: 2\n\n");
    assert_eq!(app.post(&json!(0)).send().await?.text().await?, "");
    Ok(())
}

#[tokio::test]
async fn line_breaks_in_an_item_do_not_break_its_block() -> Result<(), Anything> {
    let app =
        serve(AgentApp::builder(async |text: String, _| Ok::<_, Never>(Reply::events(stream::iter([text]))))).await?;
    let text = "a\n\ndata: forged\r\nevent: authorization_required";
    let body = app.post(&json!(text)).send().await?.text().await?;
    assert_eq!(body.lines().filter(|line| !line.is_empty()).count(), 1, "{body}");
    assert_eq!(serde_json::from_str::<String>(body.trim_start_matches("data: ").trim())?, text);
    Ok(())
}

#[tokio::test]
async fn an_item_arrives_before_the_next_one_is_made_and_comments_in_between() -> Result<(), Anything> {
    let app = serve(
        AgentApp::builder(async |_: Value, _| {
            let endless = stream::iter(["first"]).chain(stream::pending());
            Ok::<_, Never>(Reply::events(endless))
        })
        .with_heartbeat(Duration::from_millis(20)),
    )
    .await?;
    let mut connection = app.connect(&nothing(), "*/*").await?;
    let seen = read_until(&mut connection, "data: \"first\"\n\n").await?;
    assert!(seen.starts_with("HTTP/1.1 200 OK\r\n"), "{seen}");
    read_until(&mut connection, ":\n\n").await?;
    Ok(())
}

#[tokio::test]
async fn a_stream_that_fails_ends_with_an_error_that_tells_nothing() -> Result<(), Anything> {
    let app = serve(AgentApp::builder(async |_: Value, _| {
        let items = [Ok(1), Err(std::io::Error::other("secret")), Ok(2)];
        Ok::<_, Never>(Reply::try_events(stream::iter(items)))
    }))
    .await?;
    let body = app.post(&nothing()).send().await?.text().await?;
    let blocks: Vec<&str> = body.split_terminator("\n\n").collect();
    assert_eq!((blocks.len(), blocks[0]), (2, "data: 1"), "{body}");
    let last: Value = serde_json::from_str(blocks[1].trim_start_matches("data: "))?;
    assert_eq!(last["error_type"], "GreenNodeRuntimeError");
    assert_eq!((&last["details"]["code"], last["message"].is_string()), (&json!("handler_failed"), true));
    assert!(!body.contains("secret"));
    Ok(())
}

#[tokio::test]
async fn a_stream_that_panics_ends_with_an_error() -> Result<(), Anything> {
    let app = serve(AgentApp::builder(async |_: Value, _| {
        let items = stream::iter([1, 2]).map(|item| if item == 2 { panic!("secret") } else { item });
        Ok::<_, Never>(Reply::events(items))
    }))
    .await?;
    let body = app.post(&nothing()).send().await?.text().await?;
    assert!(
        body.starts_with("data: 1\n\ndata: {") && body.contains("handler_failed") && !body.contains("secret"),
        "{body}"
    );
    Ok(())
}
