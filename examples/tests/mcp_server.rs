//! What the example `mcp_server` promises its callers, tried with clients that do not keep to what is expected of them.

#[path = "../mcp_server/consent.rs"]
mod consent;
#[path = "../mcp_server/server.rs"]
mod server;
#[path = "../mcp_server/sign_in.rs"]
mod sign_in;
#[path = "../mcp_server/tools.rs"]
mod tools;
#[path = "../mcp_server/visitor.rs"]
mod visitor;

use std::time::Duration;

use identity_emulator::{Emulator, Human};
use identity_examples::Ground;
use identity_examples::without_redirects;
use rmcp::{
    ServiceError,
    model::{CallToolRequestParams, CallToolResponse, InputRequiredResult, ProtocolVersion},
};
use serde_json::{Value, json};
use server::Server;
use visitor::{Host, Person, Session, agenda};

type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// Short where nobody is going to agree, long where somebody does.
const SHORT: Duration = Duration::from_millis(1_500);
const LONG: Duration = Duration::from_secs(30);

async fn stage(patience: Duration) -> Result<(Ground, Server), AnyError> {
    let ground = Ground::emulated(Emulator::builder()).await.map_err(|error| error.to_string())?;
    let server = server::start(&ground, patience).await?;
    Ok((ground, server))
}

async fn session(server: &Server, user: &str, does: Human, version: ProtocolVersion) -> Result<Session, AnyError> {
    Host::new(Person::new(user, does, server)?, true).connect(server, version).await
}

/// What a call asks its user first.
async fn asked(session: &Session, call: CallToolRequestParams) -> Result<InputRequiredResult, AnyError> {
    match session.call_tool_once(call).await? {
        CallToolResponse::InputRequired(input) => Ok(input),
        other => Err(format!("no input is required: {other:?}").into()),
    }
}

/// The same call again, with this action for each question.
fn again(mut call: CallToolRequestParams, input: &InputRequiredResult, action: &str) -> CallToolRequestParams {
    let questions = input.input_requests.iter().flatten();
    call.input_responses = Some(questions.map(|(name, _)| (name.clone(), json!({ "action": action }))).collect());
    call.request_state.clone_from(&input.request_state);
    call
}

fn links(input: &InputRequiredResult) -> Result<Vec<String>, AnyError> {
    let questions = serde_json::to_value(&input.input_requests)?;
    let questions = questions.as_object().into_iter().flatten();
    let link = |question: &Value| question["params"]["url"].as_str().map(str::to_owned).ok_or("no link");
    Ok(questions.map(|(_, question)| link(question)).collect::<Result<_, _>>()?)
}

fn refused<T: std::fmt::Debug>(answer: Result<T, ServiceError>) -> Result<rmcp::ErrorData, AnyError> {
    match answer {
        Err(ServiceError::McpError(error)) => Ok(error),
        other => Err(format!("not refused: {other:?}").into()),
    }
}

#[tokio::test]
async fn std_mcp_02_a_request_state_is_good_for_its_user_and_its_call_alone() -> Result<(), AnyError> {
    let (_ground, server) = stage(LONG).await?;
    let alice = session(&server, "alice", Human::Approve, ProtocolVersion::V_2026_07_28).await?;
    let mallory = session(&server, "mallory", Human::Approve, ProtocolVersion::V_2026_07_28).await?;
    let input = asked(&alice, agenda()).await?;
    let state = input.request_state.clone().ok_or("no state")?;
    assert!(!state.contains("alice"), "{state}");

    let replayed = refused(mallory.call_tool_once(again(agenda(), &input, "accept")).await)?;
    assert!(replayed.message.contains("not of this call"), "{replayed:?}");
    let mut other_day = again(agenda(), &input, "accept");
    other_day.arguments = Some(serde_json::Map::from_iter([("day".to_owned(), "2027-01-01".into())]));
    refused(alice.call_tool_once(other_day).await)?;
    for (place, _) in state.char_indices().step_by(7) {
        let mut forged = again(agenda(), &input, "accept");
        let replacement = if state[place..].starts_with('A') { "B" } else { "A" };
        forged.request_state = Some(format!("{}{replacement}{}", &state[..place], &state[place + 1..]));
        refused(alice.call_tool_once(forged).await)?;
    }

    alice.service().person.open(links(&input)?.first().ok_or("no link")?).await?;
    let answer = alice.call_tool_once(again(agenda(), &input, "accept")).await?;
    let CallToolResponse::Complete(answer) = answer else { return Err(format!("{answer:?}").into()) };
    assert!(answer.is_error != Some(true) && format!("{answer:?}").contains("the calendar of alice"), "{answer:?}");
    Ok(())
}

/// What a client says about its user opens nothing: the platform and the session binding have to say it.
#[tokio::test]
async fn std_mcp_02_an_accepted_question_is_no_consent() -> Result<(), AnyError> {
    let (_ground, server) = stage(SHORT).await?;
    let alice = session(&server, "alice", Human::Manual, ProtocolVersion::V_2026_07_28).await?;
    let input = asked(&alice, agenda()).await?;
    let more = asked(&alice, again(agenda(), &input, "accept")).await?;
    assert_eq!(links(&more)?, links(&input)?, "the same consent, and no second one");

    // Another user who opens the link does not agree for her, however often the client says that she has.
    let mallory = Person::new("mallory", Human::Approve, &server)?;
    assert!(mallory.open(&links(&input)?[0]).await.is_err());
    asked(&alice, again(agenda(), &more, "accept")).await?;
    for action in ["decline", "cancel"] {
        let answer = alice.call_tool_once(again(agenda(), &more, action)).await?;
        assert!(format!("{answer:?}").contains("The user declined"), "{answer:?}");
    }
    Ok(())
}

#[tokio::test]
async fn std_mcp_03_an_older_client_gets_the_error_that_holds_the_link_when_waiting_was_in_vain() -> Result<(), AnyError>
{
    let (_ground, server) = stage(SHORT).await?;
    let alice = session(&server, "alice", Human::Manual, ProtocolVersion::V_2025_11_25).await?;
    let error = refused(alice.call_tool_once(agenda()).await)?;
    assert_eq!(error.code.0, -32042, "{error:?}");
    let [(_, shown)] = &alice.service().shown()[..] else { return Err("asked once".into()) };
    let data = error.data.ok_or("no data")?;
    let [elicitation] = &data["elicitations"].as_array().ok_or("a list")?[..] else { return Err("one".into()) };
    assert_eq!((&elicitation["mode"], &elicitation["url"]), (&json!("url"), &json!(shown)));
    assert!(elicitation["elicitationId"].is_string() && elicitation["message"].is_string(), "{data}");
    Ok(())
}

#[tokio::test]
async fn std_mcp_03_a_client_without_the_capability_gets_a_tool_error_without_a_secret() -> Result<(), AnyError> {
    let (ground, server) = stage(LONG).await?;
    for version in [ProtocolVersion::V_2025_11_25, ProtocolVersion::V_2026_07_28] {
        let person = Person::new("alice", Human::Manual, &server)?;
        let alice = Host::new(person, false).connect(&server, version).await?;
        let CallToolResponse::Complete(answer) = alice.call_tool_once(agenda()).await? else {
            return Err("input".into());
        };
        assert_eq!(answer.is_error, Some(true));
        let text = serde_json::to_string(&answer.content)?;
        let start = format!("{}/consent/start/", server.site);
        assert!(text.contains(&start) && text.contains("call `agenda` again"), "{text}");
        // Not the authorization URL, nor its state or session, nor whose it is.
        let platform = ground.emulator.as_ref().ok_or("an emulator")?.agentbase().identity_url().to_owned();
        for secret in [platform.as_str(), "state=", "sessionId", "alice", "Bearer", "sk-"] {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_token_is_good_for_its_audience_and_a_session_for_its_user() -> Result<(), AnyError> {
    let (_ground, server) = stage(LONG).await?;
    let http = without_redirects()?;
    let post = |token: String, session: Option<&str>, body: Value| {
        let request = http.post(&server.mcp).bearer_auth(token).header("content-type", "application/json");
        let request = request.header("accept", "application/json, text/event-stream").body(body.to_string());
        match session {
            Some(id) => request.header("mcp-session-id", id),
            None => request,
        }
    };
    let capable =
        json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "x", "version": "1" } });
    let initialize = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": capable });

    // A browser's session is no token for the tools, and a token for the tools is no browser's session.
    let browsers = post(server.sign_in.token("alice", &server.site)?, None, initialize.clone()).send().await?;
    assert_eq!(browsers.status(), 401);
    let challenge = browsers.headers()["www-authenticate"].to_str()?.to_owned();
    let metadata = challenge.split("resource_metadata=\"").nth(1).and_then(|rest| rest.split('"').next());
    let metadata: Value = http.get(metadata.ok_or("no metadata")?).send().await?.json().await?;
    assert_eq!(metadata, json!({ "resource": server.mcp, "authorization_servers": [server.sign_in.issuer()] }));
    let cookie = format!("session={}", server.sign_in.token("alice", &server.mcp)?);
    let page = http.get(format!("{}/consent/start/00", server.site)).header("cookie", cookie).send().await?;
    assert_eq!(page.headers()["location"].to_str()?, "/sign-in");

    let (alice, mallory) = (server.sign_in.token("alice", &server.mcp)?, server.sign_in.token("mallory", &server.mcp)?);
    let begun = post(alice.clone(), None, initialize).send().await?;
    assert_eq!(begun.status(), 200);
    let id = begun.headers()["mcp-session-id"].to_str()?.to_owned();
    let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    assert_eq!(post(alice.clone(), Some(&id), ready).send().await?.status(), 202);
    let call = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": { "name": "ask_model", "arguments": { "prompt": "x" } } });
    let answer = post(mallory, Some(&id), call.clone()).send().await?.text().await?;
    assert!(answer.contains("the session is another user's") && !answer.contains("asked 1 bytes"), "{answer}");
    let answer = post(alice, Some(&id), call).send().await?.text().await?;
    assert!(answer.contains("asked 1 bytes"), "{answer}");
    Ok(())
}
