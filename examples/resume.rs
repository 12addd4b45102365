//! A consent that one process begins and another one ends: `cargo run --example resume`.
//!
//! So an agent can answer "please open this link" and be shut down until the user comes back. Open the link and agree on the
//! emulator's page; with `-- --human approve` a scripted person does.
#![expect(clippy::print_stdout, reason = "an example tells its story")]

use std::{fs::File, path::Path, time::Duration};

use identity_client::{
    AccessToken, Error, IdentityClient, PendingAuthorization, RequestContext, User, requires_access_token,
};
use identity_examples::{AGENT, Failure, Ground, argument, arguments, countdown, human};
use secrecy::ExposeSecret as _;
use tokio::process::Command;

/// How long the second process waits for the user.
const PATIENCE: Duration = Duration::from_secs(120);

type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// The handler. It does not wait: without consent its error holds what is pending.
#[requires_access_token(
    provider_name = "google-oauth",
    auth_flow = "USER_FEDERATION",
    scopes = ["https://www.googleapis.com/auth/calendar.readonly"],
    callback_url = return_url,
    wait = "return"
)]
async fn next_meeting(return_url: &str, context: &RequestContext, access_token: AccessToken) -> Result<usize, Error> {
    Ok(access_token.expose_secret().len())
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    arguments(include_str!("resume.rs"), &["--human SCRIPT", "--resume FILE"])?;
    match argument("--resume") {
        Some(file) => resume(Path::new(&file)).await?,
        None => begin().await?,
    }
    Ok(())
}

/// The first process. It stays only because the emulator lives in it.
async fn begin() -> Result<(), AnyError> {
    let ground = Ground::find_with(human()?).await?;
    ground.register_provider("google-oauth").await?;
    let return_url = ground.return_url().await?;
    ground.install()?;

    let context = RequestContext::new().with_user(User::asserted("alice")?);
    let pending = match next_meeting(&return_url, &context).await {
        Ok(length) => {
            println!("alice agreed in an earlier run: a token of {length} characters");
            return Ok(());
        }
        Err(error) => error.pending().cloned().ok_or(error)?,
    };
    println!("1. process {} needs consent of alice; please open", std::process::id());
    println!("   {}", pending.authorization_url());

    // Readable by this user only: no secret is in it, but whoever has the link can answer in alice's place.
    let mut file = tempfile::NamedTempFile::new()?;
    serde_json::to_writer(&mut file, &pending)?;
    println!("2. what is pending is kept as {} bytes of JSON", file.as_file().metadata()?.len());

    let mut second = Command::new(std::env::current_exe()?);
    second.arg("--resume").arg(file.path()).envs(variables(&ground)).kill_on_drop(true);
    let status = second.status().await?;
    if status.success() { Ok(()) } else { Err(format!("the second process: {status}").into()) }
}

/// The second process: it knows the agent's own credentials and the file.
async fn resume(file: &Path) -> Result<(), AnyError> {
    let pending: PendingAuthorization = serde_json::from_reader(File::open(file)?)?;
    let (client, user) = (IdentityClient::from_env()?, pending.user().id().to_owned());
    println!("3. process {} waits for {user}", std::process::id());
    let token: AccessToken = tokio::select! {
        token = client.resume(pending).with_timeout(PATIENCE) => token?,
        never = countdown(PATIENCE) => match never {},
    };
    println!("4. {user} agreed: it has a token of {} characters", token.expose_secret().len());
    Ok(())
}

/// What the platform sets in an agent's container, for the emulator. On the platform itself the second process inherits it.
fn variables(ground: &Ground) -> Vec<(&'static str, String)> {
    let Some(emulator) = &ground.emulator else { return Vec::new() };
    let access = emulator.agentbase();
    vec![
        ("GREENNODE_CLIENT_ID", access.client_id().to_owned()),
        ("GREENNODE_CLIENT_SECRET", access.client_secret().expose_secret().to_owned()),
        ("GREENNODE_AGENT_IDENTITY", AGENT.to_owned()),
        ("GREENNODE_IDENTITY_ENDPOINT", access.identity_url().to_owned()),
        ("GREENNODE_IAM_TOKEN_ENDPOINT", access.token_url().to_owned()),
    ]
}
