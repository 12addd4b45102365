//! Users of a Volcengine user pool sign in to a chat page and ask an agent that takes tokens of this pool's client and of no other:
//! `cargo run --example user_pool_login`
//!
//! The pool and its client are made by the management API, on the platform of `VOLCENGINE_*` or in an emulator. What it prints are
//! the settings with which `login_app` does the same from another terminal. `-- --human approve` has a scripted person sign in, ask
//! and agree; `--any-port` takes free ports instead of 8083 and 8084.
//!
//! On the platform the agent needs the providers `openai-key` and `google-oauth`, and `http://127.0.0.1:8084/consent/return` among the
//! allowed return URLs of its workload; the client's secret is in the console and is not printed.
#![expect(clippy::print_stdout, reason = "an example tells its story")]

mod story;

use std::future::pending;

use identity_client::login::AgentTarget;
use identity_emulator::Human;
use identity_examples::{AgentKitGround, AgentServer, Chat, Failure, arguments, ctrl_c, human, listen, return_url};
use tokio::net::TcpListener;

type Anything = Box<dyn std::error::Error + Send + Sync>;

const POOL: &str = "example-users";
/// Where `login_app` listens by default.
const LOGIN_APP: &str = "http://127.0.0.1:8082/callback";

#[tokio::main]
async fn main() -> Result<(), Failure> {
    arguments(include_str!("main.rs"), &["--human SCRIPT", "--any-port"])?;
    let does = human()?;
    let (page, agent) = (listen(8083).await?, listen(8084).await?);
    let (origin, agent_origin) = (origin(&page)?, origin(&agent)?);
    let ground = AgentKitGround::find_returning(Human::Manual, Some(&return_url(&agent_origin))).await?;
    let management = ground.agentkit.management().clone();
    let imitated = ground.emulator.is_some();
    println!(
        "1. {}",
        if imitated {
            "no VOLCENGINE_* variables, so an emulator runs in this process"
        } else {
            "VOLCENGINE_* variables are set, so this runs against the platform"
        }
    );

    let callback = format!("{origin}/callback");
    let server = AgentServer::for_user_pool(agent, ground, POOL, &[LOGIN_APP, &callback]).await?;
    println!("2. the user pool {POOL}; `login_app` signs its users in with these settings:");
    for (name, value) in &server.people.variables {
        println!("export {name}={value}");
    }
    if !imitated {
        println!("# OAUTH2_CLIENT_SECRET is in the console");
    }
    println!("export OAUTH2_REDIRECT_URI={LOGIN_APP}");
    println!("export OAUTH2_SCOPES='openid profile email'");
    println!("export AGENT_NAME='the agent of {POOL}'");
    println!("export AGENT_ENDPOINT={}", server.url);

    let chat = Chat::new(server.people.login(&origin)?, AgentTarget::new(&server.url)?)?;
    let (party, url) = (server.people.login(&origin)?.party().clone(), server.url.clone());
    tokio::spawn(server.serve(pending()));
    println!("3. Open {origin} and sign in; any name will do with an emulator.");
    if does != Human::Approve {
        return Ok(chat.serve(page, ctrl_c()).await?);
    }
    tokio::spawn(chat.serve(page, pending()));
    Ok(story::tell(&management, &party, &origin, &url).await?)
}

fn origin(listener: &TcpListener) -> std::io::Result<String> {
    Ok(format!("http://{}", listener.local_addr()?))
}
