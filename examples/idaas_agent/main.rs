//! An agent of an enterprise, on Alibaba Cloud IDaaS: `cargo run --example idaas_agent -- --access Human`, or `Machine`.
//!
//! It verifies who calls, and gets three things: the model's key, the key of a service outside, and an access token for an internal
//! service, which verifies that by the published keys of the instance. With `Machine` all of it is the agent's own. With `Human` the
//! token by which the user called is exchanged: keys that are the user's own are found, and the internal service knows for whom it is asked.
//!
//! With the SDK's file (`~/.cloud_idaas/client-config.json`, or where `CLOUD_IDAAS_CONFIG_PATH` says) it runs on that instance and
//! serves until Ctrl-C; what is called how there is told by the variables of the vendor's sample, see `idaas_ground.rs`.
#![expect(clippy::print_stdout, reason = "an example tells its story")]

mod agent;
mod caller;
mod services;

use std::sync::Arc;

use agent::{Agent, Places};
use caller::Caller;
use identity_client::inbound::TokenVerifier;
use identity_examples::{Failure, IdaasGround, arguments, ctrl_c, listen};
use identity_runtime::{AgentApp, CustomJwtLayer};
use tokio::net::TcpListener;

type AnyError = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    arguments(include_str!("main.rs"), &["--access WHO", "--any-port"])?;
    let ground = IdaasGround::find().await?;
    let client = ground.install()?;
    let (who, access) = if ground.is_human { ("its callers", "Human") } else { ("itself", "Machine") };
    match &ground.emulator {
        Some(_) => println!("1. no configuration of IDaaS, so an emulator runs in this process"),
        None => println!("1. IDaaS is configured, so this runs against the instance"),
    }
    println!("   {} acts for {who} (ACCESS_IDENTITY {access})", ground.idaas.client_id());

    let services = services::start(&ground.issuer, &ground.names.service_scope).await?;
    let agent = Arc::new(Agent::new(&ground, Places { orders: services.orders, weather: services.weather })?);
    // Signature, `iss`, `exp`, `nbf`, algorithm, audience and scope: what this layer lets through is verified.
    let callers = TokenVerifier::alibaba_idaas(&*ground.issuer).with_required_scope(&ground.names.access).build()?;
    let answer = move |question, context| {
        let agent = Arc::clone(&agent);
        async move { agent.answer(question, context).await }
    };
    let app = AgentApp::builder(answer).with_client(client).with_inbound(CustomJwtLayer::new([callers])?).build()?;
    let listener =
        if ground.emulator.is_some() { TcpListener::bind("127.0.0.1:0").await? } else { listen(9002).await? };
    let url = format!("http://{}/invocations", listener.local_addr()?);
    let Some(emulator) = &ground.emulator else {
        println!("2. ask the agent at {url} with the access token of a sign-in for {}:", ground.names.access);
        println!("   curl -H \"Authorization: Bearer $TOKEN\" --json '{{\"prompt\":\"hello\"}}' {url}");
        return Ok(app.serve(listener, ctrl_c()).await?);
    };
    tokio::spawn(app.serve(listener, ctrl_c()));
    let caller = Caller::new(emulator, url, ground.names.access.clone())?;
    caller.knock().await?;
    caller.converse("3. alice asks").await?;
    Ok(caller.sign_in_again("4. the instance has a new signing key; alice asks again").await?)
}
