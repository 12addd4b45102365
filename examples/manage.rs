//! The management API: create, list, change, rotate, delete: `cargo run --example manage`.
//!
//! On the platform it only lists what is there; on the emulator it changes things, too.
#![expect(clippy::print_stdout, reason = "an example tells its story")]

use futures_util::{StreamExt as _, TryStreamExt as _};
use identity_client::agentbase::{IdentityUpdate, NewIdentity};
use identity_examples::{AGENT, Failure, Ground, arguments};

#[tokio::main]
async fn main() -> Result<(), Failure> {
    arguments(include_str!("manage.rs"), &[])?;
    let ground = Ground::find().await?;
    let (identities, keys) = (ground.agentbase.identities(), ground.agentbase.api_key_providers());

    if ground.emulator.is_some() {
        for number in 1..=25 {
            identities.create(NewIdentity::new(format!("agent-{number:02}"))?).await?;
        }
        // A partial update: the description changes, the return URLs stay.
        let update = IdentityUpdate::new().with_description("the agent of the examples");
        let identity = identities.update(AGENT, update).await?;
        println!("updated {AGENT}: {}", identity.description.as_deref().unwrap_or("no description"));

        keys.create("openai-key", "sk-first").await?;
        keys.rotate("openai-key", "sk-second").await?;
        println!("rotated the key of openai-key");
        match keys.create("openai-key", "sk-third").await {
            Ok(_) => println!("unexpected: two providers of one name"),
            Err(error) => println!("creating it again: {error}"),
        }
        keys.delete("openai-key").await?;
    }

    let names: Vec<_> = identities.list_all().map_ok(|identity| identity.name).take(1000).try_collect().await?;
    println!(
        "{} agent identities, the first: {}",
        names.len(),
        names.iter().flatten().next().map_or("none", String::as_str)
    );
    Ok(())
}
