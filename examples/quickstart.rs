//! An agent gets an API key and a machine token through attributes: `cargo run --example quickstart`.
//!
//! Without configuration it runs on an emulator in this process. With `GREENNODE_CLIENT_ID`, `GREENNODE_CLIENT_SECRET` and
//! `GREENNODE_AGENT_IDENTITY` set, the same handler runs against the platform, where the two providers must exist.
#![expect(clippy::print_stdout, reason = "an example tells its story")]

use std::time::Instant;

use identity_client::{AccessToken, ApiKey, Error, requires_access_token, requires_api_key};
use identity_examples::{Failure, Ground, arguments};

/// The handler: both credentials are fetched together and leave the signature.
#[requires_api_key(provider_name = "openai-key")]
#[requires_access_token(provider_name = "crm-oauth", auth_flow = "M2M", scopes = ["contacts.read"])]
async fn answer(question: &str, api_key: ApiKey, access_token: AccessToken) -> Result<String, Error> {
    // Here the agent would call its model with the key and the CRM with the token; it never prints either.
    let (key, token) = (api_key.expose_secret().len(), access_token.expose_secret().len());
    Ok(format!("answered {question:?} with a key of {key} and a token of {token} characters"))
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    arguments(include_str!("quickstart.rs"), &[])?;
    let ground = Ground::find().await?;
    match &ground.emulator {
        Some(_) => {
            println!("1. GREENNODE_CLIENT_ID is not set, so an emulator runs in this process");
            ground.agentbase.api_key_providers().create("openai-key", "sk-example-of-a-key").await?;
            ground.register_provider("crm-oauth").await?;
            println!("2. registered an agent identity, an API key provider and an OAuth2 provider");
        }
        None => println!("1. GREENNODE_CLIENT_ID is set, so this runs against the platform"),
    }
    ground.install()?;

    for call in ["first", "second"] {
        let before = ground.emulator.as_ref().map(|emulator| emulator.counters().total());
        let begun = now();
        let answer = answer("who are our customers?").await?;
        println!("   {call} call, {:?}: {answer}", begun.elapsed());
        if let (Some(emulator), Some(before)) = (&ground.emulator, before) {
            println!("   it made {} requests", emulator.counters().total() - before);
        }
    }
    println!("3. the second call made none: both credentials are still good, and kept in memory only");
    if let Some(emulator) = ground.emulator {
        emulator.shutdown().await;
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "an example measures itself")]
fn now() -> Instant {
    Instant::now()
}
