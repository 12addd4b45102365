//! Everything is bounded: bodies, invocations and connections at once, their time.

use std::{
    io::ErrorKind,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::stream;
use http::StatusCode;
use identity_runtime::{AgentApp, AgentAppBuilder, AppBuildError, Reply, ReturnUrlRouter};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::Semaphore,
    time::Instant,
};

use crate::support::{Anything, error, nothing, read_until, serve, within};

type Never = std::io::Error;

/// Counts who is inside; a dropped handler is not.
pub(crate) struct Inside(pub(crate) Arc<AtomicUsize>);

impl Inside {
    pub(crate) fn of(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

pub(crate) async fn becomes(count: &AtomicUsize, wanted: usize) -> Result<(), Anything> {
    within(async {
        while count.load(Ordering::SeqCst) != wanted {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
}

/// A handler that never ends, and how many are inside.
pub(crate) fn endless() -> (AgentAppBuilder, Arc<AtomicUsize>) {
    let inside = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&inside);
    let app = AgentApp::builder(move |_: Value, _| {
        let inside = Inside::of(&counter);
        async move {
            std::future::pending::<()>().await;
            drop(inside);
            Ok::<_, Never>(())
        }
    });
    (app, inside)
}

#[tokio::test]
async fn a_body_over_the_limit_is_413_and_one_at_it_is_taken() -> Result<(), Anything> {
    let app = AgentApp::builder(async |text: String, _| Ok::<_, Never>(text.len())).with_body_limit(100);
    let app = serve(app).await?;
    assert_eq!(app.post(&json!("x".repeat(98))).send().await?.status(), StatusCode::OK);
    let over = app.post(&json!("x".repeat(99))).send().await?;
    assert_eq!(over.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(error(&over.json().await?)?.2, "payload_too_large");
    // Without a length that says so beforehand.
    let mut connection = TcpStream::connect(app.address).await?;
    let head =
        "POST /invocations HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    connection.write_all(format!("{head}80\r\n{}\r\n", "x".repeat(128)).as_bytes()).await?;
    assert!(read_until(&mut connection, "payload_too_large").await?.starts_with("HTTP/1.1 413 "));
    Ok(())
}

#[tokio::test]
async fn one_invocation_too_many_is_503_with_retry_after() -> Result<(), Anything> {
    let (inside, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let handler = {
        let (inside, gate) = (Arc::clone(&inside), Arc::clone(&gate));
        move |_: Value, _| {
            let (inside, gate) = (Inside::of(&inside), Arc::clone(&gate));
            async move {
                let _open = gate.acquire().await;
                drop(inside);
                Ok::<_, Never>(())
            }
        }
    };
    let app = AgentApp::builder(handler).with_concurrency(2).with_retry_after(Duration::from_millis(1_500));
    let app = serve(app).await?;
    let first = tokio::spawn(app.post(&nothing()).send());
    let second = tokio::spawn(app.post(&nothing()).send());
    becomes(&inside, 2).await?;
    let third = app.post(&nothing()).send().await?;
    assert_eq!((third.status(), &third.headers()["retry-after"]), (StatusCode::SERVICE_UNAVAILABLE, &"2".parse()?));
    assert_eq!(error(&third.json().await?)?.2, "too_many_invocations");
    assert_eq!(app.health().await?["status"], "Healthy", "health is not behind the limit");
    gate.add_permits(1);
    for call in [first, second] {
        assert_eq!(call.await??.status(), StatusCode::OK);
    }
    assert_eq!(app.post(&nothing()).send().await?.status(), StatusCode::OK);
    Ok(())
}

#[tokio::test]
async fn a_rest_of_more_seconds_than_can_be_counted_is_told_all_the_same() -> Result<(), Anything> {
    let app = AgentApp::builder(async |_: Value, _| Ok::<_, Never>(Reply::events(stream::pending::<()>())));
    let app = serve(app.with_concurrency(1).with_heartbeat(Duration::from_millis(10)).with_retry_after(Duration::MAX));
    let app = app.await?;
    let mut streaming = app.connect(&nothing(), "*/*").await?;
    read_until(&mut streaming, ":\n\n").await?;
    let refused = app.post(&nothing()).send().await?;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers()["retry-after"], u64::MAX.to_string());
    Ok(())
}

#[tokio::test]
async fn a_stream_counts_until_it_has_ended() -> Result<(), Anything> {
    let app = AgentApp::builder(async |_: Value, _| Ok::<_, Never>(Reply::events(stream::pending::<()>())));
    let app = serve(app.with_concurrency(1).with_heartbeat(Duration::from_millis(10))).await?;
    let mut streaming = app.connect(&nothing(), "*/*").await?;
    read_until(&mut streaming, ":\n\n").await?;
    assert_eq!(app.post(&nothing()).send().await?.status(), StatusCode::SERVICE_UNAVAILABLE);
    drop(streaming);
    within(async {
        loop {
            let answer = app.connect(&nothing(), "*/*").await?;
            let mut answer = answer;
            if read_until(&mut answer, "\r\n").await?.starts_with("HTTP/1.1 200") {
                return Ok::<_, Anything>(());
            }
        }
    })
    .await?
}

#[tokio::test]
async fn the_deadline_ends_a_handler_with_504() -> Result<(), Anything> {
    let (app, inside) = endless();
    let app = serve(app.with_deadline(Duration::from_millis(100))).await?;
    let answer = app.post(&nothing()).send().await?;
    assert_eq!(answer.status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(error(&answer.json().await?)?.2, "deadline_exceeded");
    becomes(&inside, 0).await
}

#[tokio::test]
async fn the_deadline_ends_a_stream_with_an_event_that_says_so() -> Result<(), Anything> {
    let app = AgentApp::builder(async |_: Value, _| Ok::<_, Never>(Reply::events(stream::pending::<()>())));
    let app = serve(app.with_deadline(Duration::from_millis(100))).await?;
    let begun = Instant::now();
    let body = app.post(&nothing()).send().await?.text().await?;
    assert!(body.contains("deadline_exceeded"), "{body}");
    assert!(begun.elapsed() >= Duration::from_millis(100));
    Ok(())
}

#[tokio::test]
async fn the_deadline_ends_the_wait_for_a_body() -> Result<(), Anything> {
    let app = AgentApp::builder(async |_: Value, _| Ok::<_, Never>(()));
    let app = serve(app.with_deadline(Duration::from_millis(100))).await?;
    let mut connection = TcpStream::connect(app.address).await?;
    let head = "POST /invocations HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{";
    connection.write_all(head.as_bytes()).await?;
    assert!(read_until(&mut connection, "body_timeout").await?.starts_with("HTTP/1.1 408 "));
    Ok(())
}

/// Ends once the other side has closed it.
async fn closed(connection: &mut (impl AsyncRead + Unpin)) -> Result<(), Anything> {
    let mut rest = Vec::new();
    match within(connection.read_to_end(&mut rest)).await? {
        Ok(_) => Ok(()),
        // What was written meanwhile finds nobody.
        Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[tokio::test]
async fn a_connection_without_a_whole_request_is_closed_and_one_at_work_is_not() -> Result<(), Anything> {
    const BOUND: Duration = Duration::from_secs(1);
    let app = AgentApp::builder(async |_: Value, _| {
        tokio::time::sleep(BOUND * 3 / 2).await;
        Ok::<_, Never>("long")
    });
    let app = serve(app.with_header_timeout(BOUND)).await?;
    let (mut silent, slow) = (TcpStream::connect(app.address).await?, TcpStream::connect(app.address).await?);
    let mut idle = TcpStream::connect(app.address).await?;
    idle.write_all(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n").await?;
    assert!(read_until(&mut idle, "Healthy").await?.starts_with("HTTP/1.1 200 "));
    let (mut read, mut write) = slow.into_split();
    let byte_by_byte = async {
        write.write_all(b"GET /health HTTP/1.1\r\nHost: a\r\nX: ").await?;
        while write.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok::<_, Anything>(())
    };
    let dropped = async { tokio::try_join!(closed(&mut silent), closed(&mut idle), closed(&mut read), byte_by_byte) };
    let (dropped, answer) = tokio::join!(within(dropped), app.post(&nothing()).send());
    dropped??;
    assert_eq!(answer?.json::<Value>().await?, "long");
    Ok(())
}

#[tokio::test]
async fn one_connection_too_many_waits_until_another_has_gone() -> Result<(), Anything> {
    let app = AgentApp::builder(async |_: Value, _| Ok::<_, Never>(()));
    let app = serve(app.with_connections(1)).await?;
    let mut first = TcpStream::connect(app.address).await?;
    let health = b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n";
    first.write_all(health).await?;
    read_until(&mut first, "Healthy").await?;
    let mut second = TcpStream::connect(app.address).await?;
    second.write_all(health).await?;
    let mut byte = [0];
    assert!(tokio::time::timeout(Duration::from_millis(200), second.read(&mut byte)).await.is_err());
    drop(first);
    assert!(read_until(&mut second, "Healthy").await?.starts_with("HTTP/1.1 200 "));
    Ok(())
}

#[tokio::test]
async fn a_caller_who_takes_nothing_of_a_stream_does_not_keep_its_place() -> Result<(), Anything> {
    let app = AgentApp::builder(async |endless: bool, _| {
        let block = "x".repeat(64 * 1024);
        Ok::<_, Never>(if endless { Reply::events(stream::repeat(block)) } else { Reply::json("short") })
    });
    let app = app.with_concurrency(1).with_header_timeout(Duration::from_millis(300));
    let app = serve(app.with_deadline(Duration::from_millis(100))).await?;
    let mut stalled = app.connect(&json!(true), "text/event-stream").await?;
    read_until(&mut stalled, "data: ").await?;
    assert_eq!(app.post(&json!(false)).send().await?.status(), StatusCode::SERVICE_UNAVAILABLE);
    let freed = async {
        while app.post(&json!(false)).send().await?.status() != StatusCode::OK {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok::<_, Anything>(())
    };
    within(freed).await??;
    drop(stalled);
    Ok(())
}

#[test]
fn settings_that_let_nothing_through_are_refused() {
    let app = || AgentApp::builder(async |_: Value, _| Ok::<_, Never>(()));
    for bad in [
        app().with_body_limit(0),
        app().with_deadline(Duration::ZERO),
        app().with_deadline(Duration::MAX),
        app().with_concurrency(0),
        app().with_concurrency(usize::MAX),
        app().with_heartbeat(Duration::ZERO),
        app().with_header_timeout(Duration::ZERO),
        app().with_header_timeout(Duration::MAX),
        app().with_connections(0),
        app().with_connections(usize::MAX),
    ] {
        assert!(matches!(bad.build(), Err(AppBuildError::Setting { .. })));
    }
    let router = || ReturnUrlRouter::new(identity_client::SessionBinding::new(), |_| std::future::ready(None));
    let refused = app().with_consent_routes(router(), "http://agent.example.com").build();
    assert!(matches!(refused, Err(AppBuildError::ConsentUrl { .. })));
    assert!(app().with_consent_routes(router(), "https://agent.example.com/consent").build().is_ok());
}
