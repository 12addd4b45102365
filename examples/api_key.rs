//! An API key without attributes, and what to do when a service refuses it: `cargo run --example api_key`.
#![expect(clippy::print_stdout, reason = "an example tells its story")]

use identity_client::{ApiKey, Error, IdentityClient};
use identity_examples::{Failure, Ground, arguments};

/// Stands for a call of a model; it knows only the new key.
fn ask_model(key: &ApiKey) -> Result<&'static str, Error> {
    match key.expose_secret() {
        "sk-after-rotation" => Ok("the model answered"),
        // A service that answers 401 is reported; the key is forgotten, and the next request fetches a fresh one.
        _ => Err(Error::credential_rejected(key)),
    }
}

async fn answer(client: &IdentityClient) -> Result<&'static str, Error> {
    let key = client.api_key("openai-key").await?;
    ask_model(&key)
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    arguments(include_str!("api_key.rs"), &[])?;
    let ground = Ground::find().await?;
    let client = ground.install()?;
    if ground.emulator.is_none() {
        println!("the platform has a key of {} characters", client.api_key("openai-key").await?.expose_secret().len());
        return Ok(());
    }
    let providers = ground.agentbase.api_key_providers();
    providers.create("openai-key", "sk-before-rotation").await?;
    client.api_key("openai-key").await?;
    providers.rotate("openai-key", "sk-after-rotation").await?;
    println!("the key was rotated on the platform while the client still has the old one");
    match answer(&client).await {
        Ok(answer) => println!("unexpected: {answer}"),
        Err(error) => println!("first try:  {error}"),
    }
    println!("second try: {}", answer(&client).await?);
    Ok(())
}
