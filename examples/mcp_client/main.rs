//! An MCP session that outlives its tokens: `cargo run --example mcp_client`.
//!
//! The handler gets a [`TokenSource`]; [`FreshBearer`] puts a valid token of it on each request of rmcp. The tokens of the emulator's
//! provider live four seconds here, and the session six. With `-- --server URL` it talks to a server of yours that has a tool
//! `echo`, for example `@modelcontextprotocol/server-everything` behind a gateway that checks tokens.
#![expect(clippy::print_stdout, reason = "an example tells its story")]

mod fresh_bearer;
mod protected_server;

use std::time::Duration;

use fresh_bearer::FreshBearer;
use identity_client::{IdentityClient, TokenSource, requires_access_token};
use identity_emulator::Emulator;
use identity_examples::{Failure, Ground, arguments, without_redirects};
use rmcp::{
    ServiceExt as _,
    model::CallToolRequestParams,
    transport::{StreamableHttpClientTransport, streamable_http_client::StreamableHttpClientTransportConfig},
};
use tokio::time::{Instant, sleep};

type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// How long a token of the emulator's provider lives.
const TOKEN_LIFETIME: Duration = Duration::from_secs(4);

/// AgentBase does not tell how long a token lives. Who knows that it is short tells the client, so that it asks in time.
const KEPT: Duration = Duration::from_secs(1);

const SESSION: Duration = Duration::from_secs(6);

/// One session, one call after the other, as often as fits into the time.
#[requires_access_token(provider_name = "tools-oauth", auth_flow = "M2M", scopes = ["tools.call"], into = tokens)]
async fn session(server: &str, tokens: TokenSource) -> Result<u32, AnyError> {
    let config = StreamableHttpClientTransportConfig::with_uri(server);
    let transport = StreamableHttpClientTransport::with_client(FreshBearer::new(without_redirects()?, tokens), config);
    let client = ().serve(transport).await?;
    let (begun, mut calls) = (Instant::now(), 0_u32);
    while begun.elapsed() < SESSION {
        let message = format!("call {calls}");
        let arguments = serde_json::Map::from_iter([("message".to_owned(), message.as_str().into())]);
        let answer = client.call_tool(CallToolRequestParams::new("echo").with_arguments(arguments)).await?;
        let text = answer.content.first().and_then(|content| content.as_text()).map(|content| content.text.as_str());
        if text.is_none_or(|text| !text.contains(&message)) {
            return Err(format!("the server does not echo: {text:?}").into());
        }
        calls += 1;
        sleep(Duration::from_millis(25)).await;
    }
    client.cancel().await?;
    Ok(calls)
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    arguments(include_str!("main.rs"), &["--server URL"])?;
    let emulator = Emulator::builder().with_provider_token_lifetime(TOKEN_LIFETIME);
    let ground = Ground::find_on(emulator).await?;
    ground.register_provider("tools-oauth").await?;
    let client = IdentityClient::builder().with_platform(ground.agentbase.clone()).with_unknown_lifetime(KEPT);
    client.build()?.install()?;

    let given = std::env::args().skip_while(|argument| argument != "--server").nth(1);
    let server = match (given, &ground.emulator) {
        (Some(server), _) => server,
        (None, Some(emulator)) => {
            let server = protected_server::start(emulator).await?;
            let stranger = without_redirects()?.post(&server).send().await?;
            println!("1. the MCP server at {server} answers {} to a caller without a token", stranger.status());
            server
        }
        (None, None) => return Err("say where the MCP server is: `-- --server URL`".into()),
    };
    let calls = session(&server).await?;
    println!("2. {calls} calls in one session of {} seconds, and none failed", SESSION.as_secs());
    if let Some(emulator) = &ground.emulator {
        let tokens = emulator.counters().count("provider_token");
        println!("3. {tokens} tokens were used for it, each of {} seconds", TOKEN_LIFETIME.as_secs());
    }
    Ok(())
}
