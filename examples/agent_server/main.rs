//! An agent on the internet, in small: it verifies who calls (`custom_jwt`), needs a key of the company and a token of the user, and
//! sends whoever has not agreed yet to its consent pages. `cargo run --example agent_server`
//!
//! `--any-port` takes a free port instead of 8080; `--front-end URL` says where the front end is, by default
//! `http://127.0.0.1:8082`.
#![expect(clippy::print_stdout, reason = "an example tells its story")]

use identity_examples::{AgentServer, Failure, argument, arguments, ctrl_c, listen};

#[tokio::main]
async fn main() -> Result<(), Failure> {
    arguments(include_str!("main.rs"), &["--any-port", "--front-end URL"])?;
    let listener = listen(8080).await?;
    let front_end = argument("--front-end").unwrap_or_else(|| "http://127.0.0.1:8082".to_owned());
    let agent = AgentServer::prepare(listener, &front_end).await?;
    println!("The agent takes questions of signed-in users at {}/invocations.", agent.url);
    println!("Next, in another terminal:");
    for (name, value) in &agent.people.variables {
        println!("export {name}={value}");
    }
    println!("export AGENT_ENDPOINT={}", agent.url);
    println!("cargo run --example login_app");
    agent.serve(ctrl_c()).await?;
    Ok(())
}
