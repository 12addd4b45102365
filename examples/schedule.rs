//! An agent that keeps each user's schedule, with credentials that open nothing else: `cargo run --example schedule`.
//!
//! With `AGENT_IDENTITY_WORKLOAD_IDENTITY_NAME` and `ALIBABA_CLOUD_ACCESS_KEY_ID` and `_SECRET` set, the same handlers run against the
//! platform and a bucket of yours at OSS that the agent's role may use: `-- --bucket NAME --region cn-beijing`.
#![expect(clippy::print_stdout, reason = "an example tells its story")]

use identity_client::{RequestContext, StsCredentials, User, requires_sts_credentials};
use identity_examples::{AgentIdentityGround, Failure, ObjectStore, arguments};
use serde_json::json;

type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// The role may use the whole bucket. A session for one user may use that user's folder.
#[requires_sts_credentials(session_duration = "15m", policy = policy)]
async fn add(
    store: &ObjectStore<'_>,
    context: &RequestContext,
    policy: &str,
    entry: &str,
    sts_credentials: StsCredentials,
) -> Result<(), AnyError> {
    let key = key(context)?;
    let known = store.get(&sts_credentials, &key).await?.unwrap_or_default();
    let mut entries: Vec<&str> = known.lines().chain([entry]).collect();
    entries.sort_unstable();
    store.put(&sts_credentials, &key, &entries.join("\n")).await
}

#[requires_sts_credentials(session_duration = "15m", policy = policy)]
async fn show(
    store: &ObjectStore<'_>,
    context: &RequestContext,
    policy: &str,
    key: &str,
    sts_credentials: StsCredentials,
) -> Result<String, AnyError> {
    Ok(store.get(&sts_credentials, key).await?.unwrap_or_default())
}

fn key(context: &RequestContext) -> Result<String, AnyError> {
    Ok(format!("schedule/{}/today.txt", context.user().ok_or("whose schedule?")?.id()))
}

/// What a session for this user may do.
fn policy(store: &ObjectStore<'_>, user: &str) -> String {
    let resource = format!("acs:oss:*:*:{}/schedule/{user}/*", store.bucket());
    let actions = ["oss:GetObject", "oss:PutObject"];
    json!({ "Version": "1", "Statement": [{ "Effect": "Allow", "Action": actions, "Resource": [resource] }] })
        .to_string()
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    arguments(include_str!("schedule.rs"), &["--bucket NAME", "--region REGION"])?;
    let ground = AgentIdentityGround::find().await?;
    ground.install()?;
    let store = ObjectStore::of(&ground)?;
    println!("1. {}", store.place());
    // The user comes from your own session or a verified token, never from a field of the request.
    let context = |user: &str| Ok::<_, AnyError>(RequestContext::new().with_user(User::asserted(user)?));
    let (alice, bob) = (context("alice")?, context("bob")?);
    let (of_alice, of_bob) = (policy(&store, "alice"), policy(&store, "bob"));
    add(&store, &alice, &of_alice, "14:00 dentist").await?;
    add(&store, &alice, &of_alice, "09:30 stand-up").await?;
    add(&store, &bob, &of_bob, "11:00 piano lesson").await?;
    for (number, user, context, policy) in [(2, "alice", &alice, &of_alice), (3, "bob", &bob, &of_bob)] {
        println!("{number}. today {user} has");
        for entry in show(&store, context, policy, &key(context)?).await?.lines() {
            println!("   {}", entry.escape_debug());
        }
    }
    match show(&store, &alice, &of_alice, &key(&bob)?).await {
        Ok(_) => println!("unexpected: alice's session opened bob's schedule"),
        Err(error) => println!("4. a session for alice does not open bob's: {error}"),
    }
    if let Some(emulator) = &ground.emulator {
        println!("   the role was assumed {} times", emulator.counters().count("assume_role_for_workload_identity"));
    }
    Ok(())
}
