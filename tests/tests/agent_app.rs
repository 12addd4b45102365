//! `AgentApp` and consents over the wire: real attributes, the emulator, real connections.

use std::{future::Future, io, net::SocketAddr, time::Duration};

use futures_util::{StreamExt as _, stream};
use http::StatusCode;
use identity_client::{
    AccessToken, ApiKey, Error, IdentityClient, RequestContext, SessionBinding, User, agentbase::IdentityUpdate,
    requires_access_token, requires_api_key,
};
use identity_emulator::{Emulator, Human};
use identity_runtime::{AgentApp, AgentAppBuilder, OnConsent, Reply, ReturnUrlRouter, Shutdown, TrustedHeadersLayer};
use identity_tests::{Anything, RETURN_URL, Stage};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle, time::Instant};

const USER_TOKEN: &str = "get_3lo_token";
const PATIENCE: Duration = Duration::from_secs(30);

/// What the handlers answer of a credential, so that no test handles one.
fn seen(credential: &str) -> String {
    format!("{} bytes", credential.len())
}

#[requires_access_token(
    provider_name = "crm-oauth",
    auth_flow = "USER_FEDERATION",
    scopes = ["calendar"],
    callback_url = RETURN_URL,
)]
async fn agenda(day: String, context: RequestContext, access_token: AccessToken) -> Result<String, Error> {
    let user = context.user().map(User::id).unwrap_or_default();
    Ok(format!("{day} of {user}: {}", seen(access_token.expose_secret())))
}

#[requires_api_key(provider_name = "personal-key", auth_flow = "USER_FEDERATION", callback_url = RETURN_URL)]
async fn with_key(_: Value, context: RequestContext, api_key: ApiKey) -> Result<String, Error> {
    drop(context);
    Ok(seen(api_key.expose_secret()))
}

/// Without a return URL of its own: the app's.
#[requires_access_token(provider_name = "crm-oauth", auth_flow = "USER_FEDERATION", scopes = ["calendar"])]
async fn bound(_: Value, context: RequestContext, access_token: AccessToken) -> Result<String, Error> {
    drop(context);
    Ok(seen(access_token.expose_secret()))
}

struct Served {
    address: SocketAddr,
    shutdown: Shutdown,
    server: JoinHandle<io::Result<()>>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.shutdown.finish();
        self.server.abort();
    }
}

async fn serve(app: AgentAppBuilder) -> Result<Served, Anything> {
    serve_at(TcpListener::bind(("127.0.0.1", 0)).await?, app)
}

fn serve_at(listener: TcpListener, app: AgentAppBuilder) -> Result<Served, Anything> {
    let callers = TrustedHeadersLayer::dangerously_trust_the_user_id_header("the test is the gateway");
    let app = app.with_inbound(callers).build()?;
    let (address, shutdown) = (listener.local_addr()?, app.shutdown());
    let server = tokio::spawn(app.serve(listener, std::future::pending()));
    Ok(Served { address, shutdown, server })
}

#[expect(clippy::disallowed_methods, reason = "a caller of the agent, which is not the platform's client")]
fn caller() -> reqwest::Client {
    let builder = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    builder.timeout(PATIENCE).build().unwrap_or_default()
}

impl Served {
    fn call(&self, user: &str) -> reqwest::RequestBuilder {
        let request = caller().post(format!("http://{}/invocations", self.address)).json(&"today");
        request.header("X-GreenNode-AgentBase-User-Id", user)
    }

    fn stream(&self, user: &str) -> impl Future<Output = Result<Events, Anything>> + use<> {
        let request = self.call(user).header("accept", "text/event-stream").send();
        async move { Ok(Events { answer: request.await?, seen: String::new() }) }
    }
}

/// The events of one answer, as they come.
struct Events {
    answer: reqwest::Response,
    seen: String,
}

impl Events {
    /// The next block: its name, if it has one, and its data.
    async fn next(&mut self) -> Result<Option<(Option<String>, Value)>, Anything> {
        loop {
            if let Some((block, rest)) = self.seen.split_once("\n\n") {
                let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
                let found = (field("event:").map(str::to_owned), field("data:").map(serde_json::from_str).transpose()?);
                let rest = rest.to_owned();
                self.seen = rest;
                if let (name, Some(data)) = found {
                    return Ok(Some((name, data)));
                }
                continue;
            }
            match self.answer.chunk().await? {
                Some(chunk) => self.seen.push_str(std::str::from_utf8(&chunk)?),
                None => return Ok(None),
            }
        }
    }
}

/// The one authorization URL of a pending.
fn url(pending: &Value) -> Result<&str, Anything> {
    assert_eq!(pending["status"], "authorization_required", "{pending}");
    assert_eq!(pending["pending"].as_array().map(Vec::len), Some(1), "{pending}");
    Ok(pending.pointer("/pending/0/authorization_url").and_then(Value::as_str).ok_or("no URL")?)
}

async fn stage(human: Human) -> Result<Stage, Anything> {
    Stage::with(Emulator::builder().with_human(human), IdentityClient::builder()).await
}

#[tokio::test]
async fn a_streaming_caller_gets_the_link_and_then_the_result() -> Result<(), Anything> {
    let stage = stage(Human::ApproveAfter(1)).await?;
    let with_token = serve(AgentApp::builder(agenda).with_client(stage.client.clone())).await?;
    let with_key = serve(AgentApp::builder(with_key).with_client(stage.client.clone())).await?;
    for (app, credential) in [(with_token, "access_token"), (with_key, "api_key")] {
        let mut events = app.stream("alice").await?;
        let headers = events.answer.headers();
        assert_eq!(
            (&headers["content-type"], &headers["cache-control"]),
            (&"text/event-stream".parse()?, &"no-store".parse()?)
        );
        let (name, pending) = events.next().await?.ok_or("no event")?;
        assert_eq!(name.as_deref(), Some("authorization_required"));
        assert!(url(&pending)?.starts_with(stage.emulator.agentbase().identity_url()), "{pending}");
        assert_eq!(pending["pending"][0]["credential"], credential);
        let (name, result) = events.next().await?.ok_or("no result")?;
        assert!(name.is_none() && result.is_string(), "{result}");
        assert!(events.next().await?.is_none());
        // It is there now: nobody is asked, and nothing has to be streamed.
        let again = app.call("alice").header("accept", "text/event-stream").send().await?;
        assert_eq!((again.status(), &again.headers()["content-type"]), (StatusCode::OK, &"application/json".parse()?));
    }
    Ok(())
}

#[tokio::test]
async fn another_caller_gets_202_and_goes_on_by_calling_again() -> Result<(), Anything> {
    let stage = stage(Human::Manual).await?;
    let app = serve(AgentApp::builder(agenda).with_client(stage.client.clone())).await?;
    let mut links = Vec::new();
    for _ in 0..3 {
        let answer = app.call("alice").send().await?;
        assert_eq!((answer.status(), &answer.headers()["cache-control"]), (StatusCode::ACCEPTED, &"no-store".parse()?));
        let id = answer.headers()["x-greennode-agentbase-request-id"].to_str()?.to_owned();
        let pending: Value = answer.json().await?;
        assert_eq!(pending["request_id"], json!(id));
        assert!(!pending.to_string().contains("alice"), "{pending}");
        links.push(url(&pending)?.to_owned());
    }
    links.dedup();
    assert_eq!(links.len(), 1, "the consent that is under way is asked about; no second one is begun");
    stage.emulator.set_human(Human::ApproveAfter(0));
    let begun = Instant::now();
    loop {
        let answer = app.call("alice").send().await?;
        if answer.status() == StatusCode::OK {
            assert!(answer.json::<String>().await?.starts_with("today of alice"));
            return Ok(());
        }
        assert!(begun.elapsed() < PATIENCE, "the user has agreed long ago");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_stream_tells_of_a_consent_that_it_needs_on_its_way() -> Result<(), Anything> {
    let stage = stage(Human::ApproveAfter(0)).await?;
    let before = AgentApp::builder(async |day: String, context| {
        let first = agenda(day, context).await?;
        Ok::<_, Error>(Reply::events(stream::iter([first, "and so on".to_owned()])))
    });
    let within = AgentApp::builder(async |day: String, context| {
        let first = stream::once(std::future::ready(Ok("let me see".to_owned())));
        Ok::<_, Error>(Reply::try_events(first.chain(stream::once(agenda(day, context)))))
    });
    // Who is sent events anyway can be told without having asked for them.
    let before = serve(before.with_client(stage.client.clone())).await?;
    let within = serve(within.with_client(stage.client.clone())).await?;
    for (call, names) in [
        (before.stream("alice").await?, ["authorization_required", "-", "-"]),
        (
            Events { answer: within.call("bob").send().await?, seen: String::new() },
            ["-", "authorization_required", "-"],
        ),
    ] {
        let (mut events, mut seen) = (call, Vec::new());
        while let Some((name, _)) = events.next().await? {
            seen.push(name.unwrap_or_else(|| "-".to_owned()));
        }
        assert_eq!(seen, names);
    }
    Ok(())
}

/// An attribute's own way to tell the user comes first.
#[tokio::test]
async fn a_call_that_tells_the_user_itself_is_not_told_over_the_wire() -> Result<(), Anything> {
    let stage = stage(Human::ApproveAfter(0)).await?;
    let client = stage.client.clone();
    let app = AgentApp::builder(move |_: Value, context: RequestContext| {
        let client = client.clone();
        async move {
            let request = client.access_token("crm-oauth").with_scopes(["calendar"]).with_return_url(RETURN_URL);
            let user = context.user().cloned().ok_or_else(|| Error::conversion("no user"))?;
            request.for_user(&user).on_auth_url(drop).await.map(|token| seen(token.expose_secret()))
        }
    });
    let app = serve(app).await?;
    let answer = app.call("alice").send().await?;
    assert_eq!(answer.status(), StatusCode::OK);
    Ok(())
}

#[tokio::test]
async fn every_caller_of_a_consent_is_told_of_it() -> Result<(), Anything> {
    let stage = stage(Human::Manual).await?;
    let app = serve(AgentApp::builder(agenda).with_client(stage.client.clone())).await?;
    let answered: Value = app.call("alice").send().await?.json().await?;
    let (mut first, mut second) = (app.stream("alice").await?, app.stream("alice").await?);
    for events in [&mut first, &mut second] {
        let (_, pending) = events.next().await?.ok_or("no event")?;
        assert_eq!(url(&pending)?, url(&answered)?);
    }
    stage.emulator.set_human(Human::ApproveAfter(0));
    for events in [&mut first, &mut second] {
        let (name, result) = events.next().await?.ok_or("no result")?;
        assert!(name.is_none() && result.is_string(), "{result}");
    }
    Ok(())
}

#[tokio::test]
async fn two_users_get_a_link_each_and_no_result_of_the_other() -> Result<(), Anything> {
    let stage = stage(Human::Manual).await?;
    let app = serve(AgentApp::builder(agenda).with_client(stage.client.clone())).await?;
    let (alice, bob) = tokio::join!(app.call("alice").send(), app.call("bob").send());
    let (alice, bob): (Value, Value) = (alice?.json().await?, bob?.json().await?);
    assert_ne!(url(&alice)?, url(&bob)?);
    stage.emulator.set_human(Human::ApproveAfter(0));
    let (mut alice, mut bob) = tokio::try_join!(app.stream("alice"), app.stream("bob"))?;
    for (events, user) in [(&mut alice, "alice"), (&mut bob, "bob")] {
        let begun = Instant::now();
        let result = loop {
            let all = if events.answer.headers()["content-type"] == "application/json" {
                Some((None, serde_json::from_slice(&events.answer.chunk().await?.ok_or("no body")?)?))
            } else {
                events.next().await?
            };
            match all.ok_or("no result")? {
                (None, result) => break result,
                (Some(_), _) => assert!(begun.elapsed() < PATIENCE),
            }
        };
        assert!(result.as_str().is_some_and(|result| result.starts_with(&format!("today of {user}"))), "{result}");
    }
    Ok(())
}

#[tokio::test]
async fn without_a_user_nothing_is_begun() -> Result<(), Anything> {
    let stage = stage(Human::Manual).await?;
    let app = serve(AgentApp::builder(agenda).with_client(stage.client.clone())).await?;
    let answer = app.call("").send().await?;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(answer.json::<Value>().await?["details"]["code"], "user_missing");
    assert_eq!(stage.count(USER_TOKEN), 0);
    Ok(())
}

#[tokio::test]
async fn a_consent_of_another_user_is_shown_to_nobody() -> Result<(), Anything> {
    let stage = stage(Human::Manual).await?;
    let client = stage.client.clone();
    let app = AgentApp::builder(move |_: Value, _: RequestContext| {
        let client = client.clone();
        async move {
            let victim = User::asserted("victim")?;
            let request = client.access_token("crm-oauth").with_scopes(["calendar"]).for_user(&victim);
            request.with_return_url(RETURN_URL).await.map(|token| seen(token.expose_secret()))
        }
    });
    let app = serve(app.with_client(stage.client.clone())).await?;
    let answer = app.call("mallory").send().await?;
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(!answer.text().await?.contains("http"));
    let events = app.stream("mallory").await?;
    assert!(!events.answer.text().await?.contains("http"));
    Ok(())
}

#[tokio::test]
async fn a_shutdown_ends_the_wait_for_a_consent_at_once() -> Result<(), Anything> {
    let stage = stage(Human::Manual).await?;
    let app = AgentApp::builder(agenda).with_client(stage.client.clone());
    let mut app = serve(app.with_shutdown_grace(Duration::from_secs(25))).await?;
    let mut events = app.stream("alice").await?;
    events.next().await?.ok_or("no event")?;
    let begun = Instant::now();
    app.shutdown.begin();
    let (name, last) = events.next().await?.ok_or("no last word")?;
    assert_eq!((name, &last["details"]["code"]), (None, &json!("authorization_required")));
    assert!(events.next().await?.is_none());
    tokio::time::timeout(PATIENCE, &mut app.server).await???;
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let asked = stage.count(USER_TOKEN);
    tokio::time::sleep(Duration::from_secs(3)).await;
    // A question may have been on its way.
    assert!(stage.count(USER_TOKEN) <= asked + 1, "nobody polls for a caller who is gone");
    Ok(())
}

#[tokio::test]
async fn a_caller_who_leaves_ends_the_wait_for_a_consent() -> Result<(), Anything> {
    let stage = stage(Human::Manual).await?;
    let app = serve(AgentApp::builder(agenda).with_client(stage.client.clone()).with_concurrency(1)).await?;
    let mut events = app.stream("alice").await?;
    events.next().await?.ok_or("no event")?;
    assert_eq!(app.call("bob").send().await?.status(), StatusCode::SERVICE_UNAVAILABLE);
    drop(events);
    let begun = Instant::now();
    while app.call("bob").send().await?.status() != StatusCode::ACCEPTED {
        assert!(begun.elapsed() < PATIENCE, "the one who left is still waited for");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

#[tokio::test]
async fn the_deadline_ends_the_wait_for_a_consent() -> Result<(), Anything> {
    let stage = stage(Human::Manual).await?;
    let app = AgentApp::builder(agenda).with_client(stage.client.clone()).with_deadline(Duration::from_secs(4));
    let app = serve(app).await?;
    let mut events = app.stream("alice").await?;
    events.next().await?.ok_or("no event")?;
    let (_, last) = events.next().await?.ok_or("no last word")?;
    assert_eq!(last["details"]["code"], "deadline_exceeded");
    Ok(())
}

#[tokio::test]
async fn a_caller_may_wait_while_the_clients_prompt_tells_the_user() -> Result<(), Anything> {
    let (told, mut links) = tokio::sync::mpsc::unbounded_channel();
    let builder = IdentityClient::builder()
        .on_auth_url(move |pending: identity_client::PendingAuthorization| drop(told.send(pending)))
        .with_consent_timeout(Duration::from_secs(6));
    let stage = Stage::with(Emulator::builder().with_human(Human::ApproveAfter(0)), builder).await?;
    let app = AgentApp::builder(agenda).with_client(stage.client.clone()).with_on_consent(OnConsent::Wait);
    let app = serve(app).await?;
    assert_eq!(app.call("alice").send().await?.status(), StatusCode::OK);
    assert!(links.recv().await.is_some());
    // Nobody agrees: when the wait is over, the caller learns of it.
    stage.emulator.set_human(Human::Manual);
    let answer = app.call("bob").send().await?;
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    assert_eq!(url(&answer.json().await?)?, links.recv().await.ok_or("bob was not told")?.authorization_url());
    Ok(())
}

/// An error type that does not show its source, as `#[error(transparent)]` of one that has none.
#[derive(Debug)]
struct Opaque;

impl std::fmt::Display for Opaque {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("opaque")
    }
}

impl std::error::Error for Opaque {}

#[tokio::test]
async fn a_missing_consent_is_202_also_through_an_error_that_hides_it() -> Result<(), Anything> {
    let stage = stage(Human::Manual).await?;
    let app = AgentApp::builder(async |day: String, context| agenda(day, context).await.map_err(|_| Opaque));
    let app = serve(app.with_client(stage.client.clone())).await?;
    let answer = app.call("alice").send().await?;
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    url(&answer.json().await?)?;
    Ok(())
}

/// The state that the client gave the consent, which comes back through the user's browser.
fn state_of(stage: &Stage) -> Result<String, Anything> {
    let requests = stage.emulator.requests();
    let states = requests.iter().filter(|request| request.operation == USER_TOKEN).filter_map(|request| {
        let body = request.body.expose_json()?;
        Some(body.get("customState")?.as_str()?.to_owned())
    });
    Ok(states.last().ok_or("no consent has a state")?)
}

#[tokio::test]
async fn with_consent_routes_the_link_is_the_apps_own_and_the_user_comes_back_to_it() -> Result<(), Anything> {
    let binding = SessionBinding::new();
    let builder = IdentityClient::builder().with_session_binding(binding.clone());
    let stage = Stage::with(Emulator::builder().with_human(Human::ApproveAfter(0)), builder).await?;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let public = format!("http://{}/consent", listener.local_addr()?);
    let allowed = IdentityUpdate::new().with_allowed_return_urls([format!("{public}/return")]);
    stage.agentbase.identities().update(identity_tests::AGENT, allowed).await?;
    let signed_in = |parts: &http::request::Parts| {
        let id = parts.headers.get("x-session-of").and_then(|id| id.to_str().ok());
        std::future::ready(id.and_then(|id| User::asserted(id).ok()))
    };
    let router = ReturnUrlRouter::new(binding, signed_in).dangerously_use_insecure_cookies_on_loopback();
    let app = AgentApp::builder(bound).with_client(stage.client.clone());
    let app = serve_at(listener, app.with_consent_routes(router, &public))?;

    let mut events = app.stream("alice").await?;
    let (_, pending) = events.next().await?.ok_or("no event")?;
    let link = url(&pending)?.to_owned();
    assert!(link.starts_with(&format!("{public}/start/")), "{link}");
    assert!(!pending.to_string().contains(stage.emulator.agentbase().identity_url()), "{pending}");
    let visit = |link: String, who: &str, cookie: String| {
        caller().get(link).header("x-session-of", who.to_owned()).header("cookie", cookie).send()
    };
    assert_eq!(visit(link.clone(), "mallory", String::new()).await?.status(), StatusCode::FORBIDDEN);
    let out = visit(link, "alice", String::new()).await?;
    assert_eq!(out.status(), StatusCode::SEE_OTHER);
    assert!(out.headers()["location"].to_str()?.starts_with(stage.emulator.agentbase().identity_url()));
    let cookie = out.headers()["set-cookie"].to_str()?.split(';').next().ok_or("a cookie")?.to_owned();
    // The scripted human has agreed; the browser comes back once the platform knows.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let came_back = state_of(&stage)?;
    assert!(!pending.to_string().contains(&came_back), "{pending}");
    let back = visit(format!("{public}/return?state={came_back}"), "alice", cookie).await?;
    assert_eq!(back.status(), StatusCode::OK);
    let (name, result) = events.next().await?.ok_or("no result")?;
    assert!(name.is_none() && result.is_string(), "{result}");
    Ok(())
}
