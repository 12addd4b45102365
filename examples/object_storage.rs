//! Files in an object store, with temporary credentials of the agent's role: `cargo run --example object_storage`.
//!
//! With `AGENT_IDENTITY_WORKLOAD_IDENTITY_NAME` and `ALIBABA_CLOUD_ACCESS_KEY_ID` and `_SECRET` set, the same handlers run against the
//! platform and a bucket of yours at OSS that the agent's role may use: `-- --bucket NAME --region cn-beijing`.
#![expect(clippy::print_stdout, reason = "an example tells its story")]

use std::time::Duration;

use identity_client::{StsCredentials, requires_sts_credentials};
use identity_examples::{AgentIdentityGround, Failure, ObjectStore, arguments};

type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// One handler as good as another: sessions of the same length are one session.
#[requires_sts_credentials(session_duration = "15m")]
async fn save(
    store: &ObjectStore<'_>,
    key: &str,
    text: &str,
    sts_credentials: StsCredentials,
) -> Result<StsCredentials, AnyError> {
    store.put(&sts_credentials, key, text).await?;
    Ok(sts_credentials)
}

#[requires_sts_credentials(session_duration = "15m")]
async fn read(store: &ObjectStore<'_>, key: &str, sts_credentials: StsCredentials) -> Result<String, AnyError> {
    Ok(store.get(&sts_credentials, key).await?.ok_or("there is no such object")?)
}

#[requires_sts_credentials(session_duration = "15m")]
async fn list(store: &ObjectStore<'_>, prefix: &str, sts_credentials: StsCredentials) -> Result<Vec<String>, AnyError> {
    store.list(&sts_credentials, prefix).await
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    arguments(include_str!("object_storage.rs"), &["--bucket NAME", "--region REGION"])?;
    let ground = AgentIdentityGround::find().await?;
    ground.install()?;
    let store = ObjectStore::of(&ground)?;
    println!("1. {}", store.place());
    save(&store, "reports/monday.txt", "12 tickets, 3 of them new").await?;
    let first = save(&store, "reports/tuesday.txt", "9 tickets, none new").await?;
    println!("2. the agent has put {}", list(&store, "reports/").await?.join(" and "));
    println!("3. and reads on Monday's: {}", read(&store, "reports/monday.txt").await?);
    let Some(emulator) = &ground.emulator else { return Ok(()) };
    let assumed = || emulator.counters().count("assume_role_for_workload_identity");
    println!("   for all of it the role was assumed {} time", assumed());

    ground.advance(Duration::from_secs(16 * 60));
    match store.get(&first, "reports/monday.txt").await {
        Ok(_) => println!("unexpected: they should be over"),
        Err(error) => println!("4. sixteen minutes later, whoever kept the credentials is told: {error}"),
    }
    println!("5. a handler gets others, and reads on Tuesday's: {}", read(&store, "reports/tuesday.txt").await?);
    println!("   the role was assumed {} times", assumed());
    Ok(())
}
