//! A chat page for an agent: sign in, ask, see the answer; where the agent needs your consent, see the link appear and the answer go
//! on after you agreed. `cargo run --example login_app`
//!
//! With `OAUTH2_*` and `AGENT_ENDPOINT` (see `agent_server`) it signs in there and talks to that agent; without, it runs an agent of
//! its own. It listens where the redirect URI leads, by default 127.0.0.1:8082; `--any-port` takes a free port.
#![expect(clippy::print_stdout, reason = "an example tells its story")]

use std::future::pending;

use identity_client::{
    Environment,
    login::{AgentTarget, RelyingParty},
};
use identity_examples::{AgentServer, Chat, Failure, arguments, ctrl_c, listen, listen_at};
use identity_runtime::LoginClient;
use tokio::net::TcpListener;

type Anything = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    arguments(include_str!("main.rs"), &["--any-port"])?;
    let (chat, listener) = match RelyingParty::from_environment(&Environment::process()) {
        Ok(party) => {
            let party = party.build()?;
            let place = party.redirect_uri().clone();
            let login = LoginClient::builder(party).dangerously_use_insecure_cookies_on_loopback().build()?;
            let agent = AgentTarget::from_environment(&Environment::process())?;
            let listener = listen_at(place.host_str().unwrap_or("127.0.0.1"), place.port().unwrap_or(80)).await?;
            (Chat::new(login, agent)?, listener)
        }
        Err(error) if error.is_missing() => with_an_agent_of_its_own().await?,
        Err(error) => return Err(error.into()),
    };
    println!("Open http://{} and sign in; any name will do with an emulator.", listener.local_addr()?);
    chat.serve(listener, ctrl_c()).await?;
    Ok(())
}

async fn with_an_agent_of_its_own() -> Result<(Chat, TcpListener), Anything> {
    let listener = listen(8082).await?;
    let origin = format!("http://{}", listener.local_addr()?);
    let agent = AgentServer::prepare(TcpListener::bind("127.0.0.1:0").await?, &origin).await?;
    let chat = Chat::new(agent.people.login(&origin)?, AgentTarget::new(&agent.url)?)?;
    tokio::spawn(agent.serve(pending()));
    Ok((chat, listener))
}
