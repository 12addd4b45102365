//! An MCP server whose tools need credentials: `cargo run --example mcp_server`.
//!
//! Three kinds of clients call for three users, and each user is asked in the way that the client allows. Sign in at the page that
//! is named, then open the links and agree; with `-- --human approve` a scripted person does, with `deny` they refuse.
#![expect(clippy::print_stdout, reason = "an example tells its story")]

mod consent;
mod server;
mod sign_in;
mod tools;
mod visitor;

use std::time::Duration;

use identity_emulator::Human;
use identity_examples::{Failure, Ground, arguments, human, without_redirects};
use rmcp::model::{CallToolRequestParams, CallToolResult, ProtocolVersion};
use server::Server;
use tokio::time::sleep;
use visitor::{Host, Person, Session, agenda};

type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// How long a call waits for its user.
const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::main]
async fn main() -> Result<(), Failure> {
    arguments(include_str!("main.rs"), &["--human SCRIPT"])?;
    let does = human()?;
    let ground = Ground::find().await?;
    let server = server::start(&ground, PATIENCE).await?;
    let stranger = without_redirects()?.post(&server.mcp).send().await?;
    println!("1. the MCP server at {} answers {} to a caller without a token", server.mcp, stranger.status());
    if does == Human::Manual {
        println!("   sign in at {}/sign-in before you open a link", server.site);
    }

    println!("2. alice's client can show links (protocol 2025-11-25)");
    let alice = connect(&server, "alice", does, true, ProtocolVersion::V_2025_11_25).await?;
    let prompt = serde_json::Map::from_iter([("prompt".to_owned(), "hello".into())]);
    tell(&alice.call_tool(CallToolRequestParams::new("ask_model").with_arguments(prompt)).await?);
    tell(&watch(&alice).await?);

    println!("3. bob's client can, too, and must not be called back (protocol 2026-07-28)");
    let bob = connect(&server, "bob", does, true, ProtocolVersion::V_2026_07_28).await?;
    tell(&watch(&bob).await?);

    println!("4. carol's client can show text only");
    let carol = connect(&server, "carol", does, false, ProtocolVersion::V_2025_11_25).await?;
    let mut answer = carol.call_tool(agenda()).await?;
    tell(&answer);
    if let Some(link) = text(&answer).split(' ').find(|word| word.starts_with("http")) {
        carol.service().person.open(link).await?;
    }
    for _ in 0..PATIENCE.as_secs() {
        if does == Human::Deny || answer.is_error != Some(true) {
            break;
        }
        sleep(Duration::from_secs(1)).await;
        answer = carol.call_tool(agenda()).await?;
    }
    tell(&answer);
    Ok(())
}

async fn connect(
    server: &Server,
    user: &str,
    does: Human,
    shows_links: bool,
    version: ProtocolVersion,
) -> Result<Session, AnyError> {
    Host::new(Person::new(user, does, server)?, shows_links).connect(server, version).await
}

/// Calls, and shows what the client is asked to show meanwhile.
async fn watch(session: &Session) -> Result<CallToolResult, AnyError> {
    let mut call = std::pin::pin!(session.call_tool(agenda()));
    let mut seen = 0;
    loop {
        let answer = tokio::select! {
            answer = &mut call => Some(answer?),
            () = sleep(Duration::from_millis(100)) => None,
        };
        let shown = session.service().shown();
        for (message, link) in shown.iter().skip(seen) {
            println!("   the user sees: {message}\n   {link}");
        }
        seen = shown.len();
        if let Some(answer) = answer {
            return Ok(answer);
        }
    }
}

fn text(answer: &CallToolResult) -> String {
    answer.content.iter().filter_map(|content| content.as_text()).map(|content| content.text.as_str()).collect()
}

fn tell(answer: &CallToolResult) {
    let kind = if answer.is_error == Some(true) { "the tool fails" } else { "the tool answers" };
    println!("   {kind}: {}", text(answer));
}
