//! A handler that needs a user's own API key, and waits until they have entered it: `cargo run --example delegated_api_key`.
//!
//! Open the link and enter any key; with `-- --human approve` a scripted person does, with `deny` they refuse.
#![expect(clippy::print_stdout, reason = "an example tells its story")]

use std::time::Duration;

use identity_client::{ApiKey, Error, PendingAuthorization, RequestContext, User, requires_api_key};
use identity_examples::{Failure, Ground, arguments, countdown, human};

/// How long the handler waits for the user.
const PATIENCE: Duration = Duration::from_secs(120);

/// The handler. The key goes from the user to the platform's vault, and from there to this call: the chat never sees it.
#[requires_api_key(
    provider_name = "personal-openai-key",
    auth_flow = "USER_FEDERATION",
    callback_url = return_url,
    on_auth_url = show,
    timeout = PATIENCE
)]
async fn ask_model(return_url: &str, context: &RequestContext, api_key: ApiKey) -> Result<String, Error> {
    Ok(format!("asked the model with a key of {} characters", api_key.expose_secret().len()))
}

/// In an agent this is a message in the user's own chat.
#[expect(clippy::needless_pass_by_value, reason = "a prompt gets its own")]
fn show(pending: PendingAuthorization) {
    println!("1. {} must enter a key; please open", pending.user().id());
    println!("   {}", pending.authorization_url());
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    arguments(include_str!("delegated_api_key.rs"), &["--human SCRIPT"])?;
    let ground = Ground::find_with(human()?).await?;
    if ground.emulator.is_some() {
        ground.agentbase.delegated_api_key_providers().create("personal-openai-key").await?;
    }
    let return_url = ground.return_url().await?;
    ground.install()?;

    let context = RequestContext::new().with_user(User::asserted("alice")?);
    let answer = tokio::select! {
        answer = ask_model(&return_url, &context) => answer?,
        never = countdown(PATIENCE) => match never {},
    };
    println!("2. alice entered it, and the handler {answer}");
    println!("3. the next call asks nobody: it {}", ask_model(&return_url, &context).await?);
    Ok(())
}
