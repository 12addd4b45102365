//! An agent summarises a user's Feishu document after one consent, on AgentKit: `cargo run --example feishu_document`.
//!
//! Open the link and agree on the emulator's imitation of Feishu; with `-- --human approve` a scripted person does. With
//! `VOLCENGINE_ACCESS_KEY`, `VOLCENGINE_SECRET_KEY` and `VEIDENTITY_WORKLOAD_NAME` set, the same handler runs against the platform, where the
//! provider `feishu_oauth` must exist, and reads a document of yours at Feishu: `-- --document ID`.
#![expect(clippy::print_stdout, reason = "an example tells its story")]

mod documents;
mod local_api;

use std::time::Duration;

use documents::Documents;
use identity_client::{
    AccessToken, DEFAULT_CONSENT_TIMEOUT, PendingAuthorization, RequestContext, User, requires_access_token,
};
use identity_examples::{AgentKitGround, Failure, argument, arguments, countdown, human, without_redirects};

type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// How long the handler waits for the user.
const PATIENCE: Duration = DEFAULT_CONSENT_TIMEOUT;

/// The handler. No callback is given: the provider's record has it, and it is the platform's own.
#[requires_access_token(
    provider_name = "feishu_oauth",
    auth_flow = "USER_FEDERATION",
    scopes = ["docx:document:readonly", "offline_access"],
    on_auth_url = show,
    timeout = PATIENCE
)]
async fn summarise(
    documents: &Documents,
    id: &str,
    context: &RequestContext,
    access_token: AccessToken,
) -> Result<String, AnyError> {
    let text = documents.raw_content(id, &access_token).await?;
    Ok(summary(&text))
}

/// In an agent this is a message in the user's own chat. Whoever opens the link connects an account of theirs with this user.
#[expect(clippy::needless_pass_by_value, reason = "a prompt gets its own")]
fn show(pending: PendingAuthorization) {
    println!("2. {} must agree; please open", pending.user().id());
    println!("   {}", pending.authorization_url());
}

/// Where an agent would ask its model. What others wrote is shown escaped: it must not steer a terminal.
fn summary(text: &str) -> String {
    let sentences = text.split_inclusive(['.', '!', '?', '。', '！', '？']).take(2);
    let beginning: String = sentences.flat_map(str::chars).take(240).collect();
    format!("{} words, beginning {:?}", text.split_whitespace().count(), beginning.trim())
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    arguments(include_str!("main.rs"), &["--human SCRIPT", "--document ID"])?;
    let ground = AgentKitGround::find_with(human()?).await?;
    ground.register_feishu("feishu_oauth", &["docx:document:readonly", "offline_access"]).await?;
    ground.install()?;

    let given = argument("--document");
    let (documents, id) = match (&ground.emulator, given) {
        (Some(emulator), given) => {
            let documents = Documents::at(&local_api::start(emulator).await?)?;
            let id = given.unwrap_or_else(|| local_api::DOCUMENT.to_owned());
            let stranger = without_redirects()?.get(documents.url(&id)?).send().await?;
            println!("1. no VOLCENGINE_* variables, so an emulator runs in this process");
            println!("   its document API answers {} to a call without a token", stranger.status());
            (documents, id)
        }
        (None, Some(id)) => {
            println!("1. VOLCENGINE_* variables are set, so this runs against the platform and Feishu");
            (Documents::at(documents::FEISHU)?, id)
        }
        (None, None) => return Err("say which document: `-- --document ID`, the end of its address at Feishu".into()),
    };

    // The user comes from your own session or a verified token, never from a field of the request.
    let context = RequestContext::new().with_user(User::asserted("alice")?);
    let summary = tokio::select! {
        summary = summarise(&documents, &id, &context) => summary?,
        never = countdown(PATIENCE) => match never {},
    };
    println!("3. alice agreed, and the document has {summary}");
    println!("4. the next call asks nobody: {}", summarise(&documents, &id, &context).await?);
    if let Some(emulator) = &ground.emulator {
        println!("   Feishu's imitation was asked for {} token", emulator.counters().count("feishu_token"));
    }
    Ok(())
}
