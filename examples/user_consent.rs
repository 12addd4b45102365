//! A handler that needs a user's consent, and waits for it: `cargo run --example user_consent`.
//!
//! Open the link and agree on the emulator's page; with `-- --human approve` a scripted person does, with `deny` they refuse.
#![expect(clippy::print_stdout, reason = "an example tells its story")]

use std::time::Duration;

use identity_client::{AccessToken, Error, PendingAuthorization, RequestContext, User, requires_access_token};
use identity_examples::{Failure, Ground, arguments, countdown, human};

/// How long the handler waits for the user.
const PATIENCE: Duration = Duration::from_secs(120);

/// The handler. Whose token it gets is said by the context, where the browser lands by `return_url`.
#[requires_access_token(
    provider_name = "google-oauth",
    auth_flow = "USER_FEDERATION",
    scopes = ["https://www.googleapis.com/auth/calendar.readonly"],
    callback_url = return_url,
    on_auth_url = show,
    timeout = PATIENCE
)]
async fn next_meeting(return_url: &str, context: &RequestContext, access_token: AccessToken) -> Result<String, Error> {
    // Here the agent would ask the calendar with `access_token.apply(&mut request)?`; it never prints the token.
    Ok(format!("looked into the calendar with a token of {} characters", access_token.expose_secret().len()))
}

/// In an agent this is a message in the user's own chat. Whoever opens the link connects an account of theirs with this user.
#[expect(clippy::needless_pass_by_value, reason = "a prompt gets its own")]
fn show(pending: PendingAuthorization) {
    println!("1. {} must agree; please open", pending.user().id());
    println!("   {}", pending.authorization_url());
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    arguments(include_str!("user_consent.rs"), &["--human SCRIPT"])?;
    let ground = Ground::find_with(human()?).await?;
    ground.register_provider("google-oauth").await?;
    let return_url = ground.return_url().await?;
    ground.install()?;

    // The user comes from your own session or a verified token, never from a field of the request.
    let context = RequestContext::new().with_user(User::asserted("alice")?);
    let answer = tokio::select! {
        answer = next_meeting(&return_url, &context) => answer?,
        never = countdown(PATIENCE) => match never {},
    };
    println!("2. alice agreed, and the handler {answer}");
    println!("3. the next call asks nobody: it {}", next_meeting(&return_url, &context).await?);
    Ok(())
}
