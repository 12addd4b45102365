//! Callers who leave, handlers that panic, background tasks, and the end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::{StreamExt as _, stream};
use http::StatusCode;
use identity_client::RequestContext;
use identity_runtime::{AgentApp, Reply, TaskRefusal, Tasks};
use serde_json::{Value, json};
use tokio::{
    net::TcpStream,
    sync::{Notify, Semaphore},
    time::Instant,
};

use crate::{
    limits::{Inside, becomes, endless},
    support::{Anything, error, nothing, read_until, serve, within},
};

type Never = std::io::Error;

#[tokio::test]
async fn a_caller_who_leaves_cancels_the_handler() -> Result<(), Anything> {
    let (app, inside) = endless();
    let app = serve(app).await?;
    let connection = app.connect(&nothing(), "*/*").await?;
    becomes(&inside, 1).await?;
    drop(connection);
    becomes(&inside, 0).await
}

#[tokio::test]
async fn a_caller_who_leaves_cancels_the_stream() -> Result<(), Anything> {
    let inside = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&inside);
    let app = AgentApp::builder(move |_: Value, _| {
        let inside = Inside::of(&counter);
        std::future::ready(Ok::<_, Never>(Reply::events(stream::iter([1]).chain(stream::pending()).map(move |item| {
            let _ = &inside;
            item
        }))))
    });
    let app = serve(app).await?;
    let mut connection = app.connect(&nothing(), "*/*").await?;
    read_until(&mut connection, "data: 1\n\n").await?;
    assert_eq!(inside.load(Ordering::SeqCst), 1);
    drop(connection);
    becomes(&inside, 0).await
}

#[tokio::test]
async fn a_panic_is_500_and_the_server_goes_on() -> Result<(), Anything> {
    let app = AgentApp::builder(async |fails: bool, _| {
        assert!(!fails, "secret");
        Ok::<_, Never>("fine")
    });
    let app = serve(app).await?;
    for _ in 0..3 {
        let answer = app.post(&json!(true)).send().await?;
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let body: Value = answer.json().await?;
        assert_eq!(error(&body)?.2, "handler_failed");
        assert!(!body.to_string().contains("secret"));
        assert_eq!(app.post(&json!(false)).send().await?.json::<String>().await?, "fine");
    }
    Ok(())
}

#[tokio::test]
async fn a_background_task_outlives_its_invocation_and_makes_the_agent_busy() -> Result<(), Anything> {
    let (tasks, gate) = (Tasks::new(), Arc::new(Notify::new()));
    let handler = {
        let (tasks, gate) = (tasks.clone(), Arc::clone(&gate));
        move |_: Value, _: RequestContext| {
            let (tasks, gate) = (tasks.clone(), Arc::clone(&gate));
            async move {
                tasks.spawn("index", async move { gate.notified().await })?;
                Ok::<_, TaskRefusal>("begun")
            }
        }
    };
    let app = serve(AgentApp::builder(handler).with_tasks(tasks.clone())).await?;
    assert_eq!(app.health().await?["status"], "Healthy");
    assert_eq!(app.post(&nothing()).send().await?.status(), StatusCode::OK);
    assert_eq!(app.health().await?["status"], "HealthyBusy");
    let running = tasks.running_tasks();
    assert_eq!((running.len(), running[0].name.as_str()), (1, "index"));
    gate.notify_one();
    within(async {
        while tasks.is_busy() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await?;
    assert_eq!(app.health().await?["status"], "Healthy");
    Ok(())
}

#[tokio::test]
async fn an_invocation_alone_does_not_make_the_agent_busy() -> Result<(), Anything> {
    let inside = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&inside);
    let app = AgentApp::builder(move |_: Value, _| {
        let _inside = counter.fetch_add(1, Ordering::SeqCst);
        std::future::pending::<Result<(), Never>>()
    });
    let app = serve(app).await?;
    let _connection = app.connect(&nothing(), "*/*").await?;
    becomes(&inside, 1).await?;
    assert_eq!(app.health().await?["status"], "Healthy");
    Ok(())
}

#[tokio::test]
async fn a_task_that_panics_or_is_dropped_counts_no_longer() -> Result<(), Anything> {
    let tasks = Tasks::with_limit(2);
    let tracked = tasks.track("elsewhere")?;
    tasks.spawn("panics", async { panic!("on purpose") })?;
    assert_eq!(tasks.spawn("one too many", async {}).err(), Some(TaskRefusal::TooMany));
    drop(tracked);
    within(async {
        while tasks.is_busy() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await?;
    tasks.spawn("there is room again", async {})?;
    Ok(())
}

#[tokio::test]
async fn a_shutdown_lets_what_is_under_way_end_and_begins_nothing() -> Result<(), Anything> {
    let (tasks, gate, inside) = (Tasks::new(), Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
    let handler = {
        let (gate, inside) = (Arc::clone(&gate), Arc::clone(&inside));
        move |_: Value, _| {
            let (gate, inside) = (Arc::clone(&gate), Inside::of(&inside));
            async move {
                let _open = gate.acquire().await;
                drop(inside);
                Ok::<_, Never>("done")
            }
        }
    };
    let mut app = serve(AgentApp::builder(handler).with_tasks(tasks.clone())).await?;
    // A connection that is open already: a new one is refused by the machine.
    let mut idle = app.connect(&nothing(), "*/*").await?;
    let call = tokio::spawn(app.post(&nothing()).send());
    becomes(&inside, 2).await?;
    let done = Arc::new(AtomicBool::new(false));
    let task = {
        let done = Arc::clone(&done);
        async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            done.store(true, Ordering::SeqCst);
        }
    };
    tasks.spawn("the last one", task)?;
    app.shutdown.begin();
    assert_eq!(tasks.spawn("too late", async {}).err(), Some(TaskRefusal::ShuttingDown));
    gate.add_permits(2);
    assert_eq!(call.await??.json::<String>().await?, "done");
    read_until(&mut idle, "done").await?;
    within(&mut app.server).await???;
    assert!(done.load(Ordering::SeqCst) && TcpStream::connect(app.address).await.is_err());
    Ok(())
}

#[tokio::test]
async fn what_outlives_the_grace_is_dropped() -> Result<(), Anything> {
    let (tasks, inside) = (Tasks::new(), Arc::new(AtomicUsize::new(0)));
    let counter = Arc::clone(&inside);
    let app = AgentApp::builder(move |streams: bool, _| {
        let inside = Inside::of(&counter);
        async move {
            if streams {
                let events = stream::pending::<()>().map(move |()| inside.0.load(Ordering::SeqCst));
                return Ok(Reply::events(events));
            }
            std::future::pending::<()>().await;
            drop(inside);
            Ok::<_, Never>(Reply::json(&()))
        }
    });
    let grace = Duration::from_millis(100);
    let app = app.with_tasks(tasks.clone()).with_shutdown_grace(grace).with_heartbeat(Duration::from_millis(10));
    let mut app = serve(app).await?;
    tasks.spawn("for ever", std::future::pending::<()>())?;
    let call = tokio::spawn(app.post(&json!(false)).send());
    let mut streaming = app.connect(&json!(true), "*/*").await?;
    read_until(&mut streaming, ":\n\n").await?;
    becomes(&inside, 2).await?;
    let begun = Instant::now();
    app.shutdown.begin();
    within(&mut app.server).await???;
    assert!(begun.elapsed() >= grace && !tasks.is_busy());
    becomes(&inside, 0).await?;
    let answer = call.await??;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(error(&answer.json().await?)?.2, "shutting_down");
    read_until(&mut streaming, "shutting_down").await?;
    Ok(())
}

#[tokio::test]
async fn an_app_in_a_router_of_ones_own_refuses_after_its_end() -> Result<(), Anything> {
    use tower::ServiceExt as _;

    let app = AgentApp::builder(async |_: Value, _| Ok::<_, Never>("fine")).build()?;
    let shutdown = app.shutdown();
    let router = axum::Router::new().nest("/agent", app.into_router());
    let request = || {
        let request = http::Request::post("/agent/invocations").header("content-type", "application/json");
        request.body(axum::body::Body::from("{}"))
    };
    assert_eq!(router.clone().oneshot(request()?).await?.status(), StatusCode::OK);
    shutdown.begin();
    let refused = router.oneshot(request()?).await?;
    assert_eq!((refused.status(), &refused.headers()["retry-after"]), (StatusCode::SERVICE_UNAVAILABLE, &"1".parse()?));
    Ok(())
}
