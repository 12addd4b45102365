//! std_http_03, W34: nothing that is recorded or printed holds a secret. Alone in its program: what another test logs first, on a
//! thread without a subscriber, is recorded nowhere afterwards.

use std::{
    fmt::{self, Write as _},
    sync::{Arc, Mutex, PoisonError},
};

use identity_client::{
    AccessToken, ApiKey, Error, IdentityClient, PendingAuthorization, SecretString, User, Wait, agentbase::AgentBase,
};
use identity_emulator::{Emulator, Fault, Human};
use identity_tests::{AGENT, Anything, DELEGATED_PROVIDER, KEY, KEY_PROVIDER, OAUTH_PROVIDER, RETURN_URL, Stage};
use secrecy::ExposeSecret as _;
use serde_json::json;
use tracing::{Event, Subscriber, field::Field, span};
use tracing_subscriber::{
    layer::{Context, Layer, SubscriberExt as _},
    registry::LookupSpan,
};

const STATIC_KEY: &str = "get_api_key_for_agent_identity";
const USER_TOKEN: &str = "get_3lo_token";

fn user_token(stage: &Stage, user: &User) -> identity_client::AccessTokenRequest {
    stage.client.access_token(OAUTH_PROVIDER).with_scopes(["calendar"]).for_user(user).with_return_url(RETURN_URL)
}

/// Everything that is printed or recorded: spans, their fields, events, whoever made them.
#[derive(Clone, Default)]
struct Recorded(Arc<Mutex<String>>);

impl Recorded {
    fn line(&self, line: fmt::Arguments<'_>) {
        let _ = self.0.lock().unwrap_or_else(PoisonError::into_inner).write_fmt(format_args!("{line}\n"));
    }

    /// An error in every way in which it can be printed.
    fn error(&self, error: &Error) {
        self.line(format_args!("{error:?} {error:#?}"));
        let mut cause: Option<&dyn std::error::Error> = Some(error);
        while let Some(error) = cause {
            self.line(format_args!("{error} {error:?}"));
            cause = error.source();
        }
    }

    fn text(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

struct Fields<'a>(&'a Recorded, &'static str);

impl tracing::field::Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.line(format_args!("{}: {}={value:?}", self.1, field.name()));
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Recorded {
    fn on_new_span(&self, attributes: &span::Attributes<'_>, _: &span::Id, _: Context<'_, S>) {
        let metadata = attributes.metadata();
        self.line(format_args!("{}: span {}", metadata.target(), metadata.name()));
        attributes.record(&mut Fields(self, metadata.target()));
    }

    fn on_record(&self, id: &span::Id, values: &span::Record<'_>, context: Context<'_, S>) {
        values.record(&mut Fields(self, context.metadata(id).map_or("", |metadata| metadata.target())));
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        event.record(&mut Fields(self, event.metadata().target()));
    }
}

/// What must not be found in what was recorded.
#[derive(Default)]
struct Hidden(Mutex<Vec<String>>);

impl Hidden {
    fn add(&self, text: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(text.to_owned());
    }

    fn pending(&self, pending: &PendingAuthorization) {
        self.add(pending.authorization_url());
        pending.parts().session.iter().for_each(|session| self.add(session));
    }
}

const IAM_TOKEN: &str = "hush-iam-token";
const NEW_KEY: &str = "sk-hush-new-key";
const WRONG_SECRET: &str = "hush-wrong-secret";
const STATE: &str = "hush-state";
const ALICE: &str = "alice-of-wonderland";

/// What goes well: a token that is refused and renewed, a key, both kinds of token, both kinds of consent.
async fn what_goes_well(stage: &Stage, recorded: &Recorded, hidden: &Arc<Hidden>) -> Result<(), Anything> {
    let token = json!({ "access_token": IAM_TOKEN, "token_type": "Bearer", "expires_in": 300 });
    stage.emulator.faults().add(Fault::on_operation("iam_token").status(200).json(&token));
    let client = IdentityClient::builder().with_platform(Stage::agentbase(&stage.emulator)?).build()?;
    client.api_key(KEY_PROVIDER).for_agent().await?;
    let token = stage.client.access_token(OAUTH_PROVIDER).with_scopes(["contacts.read"]).await?;
    hidden.add(token.expose_secret());
    recorded.error(&Error::credential_rejected(&token));
    let alice = User::asserted(ALICE)?;
    let seen = Arc::clone(hidden);
    let told = move |pending: PendingAuthorization| seen.pending(&pending);
    let token: AccessToken = user_token(stage, &alice).with_custom_state(STATE).on_auth_url(told.clone()).await?;
    hidden.add(token.expose_secret());
    let key = stage.client.api_key(DELEGATED_PROVIDER).for_user(&alice).with_return_url(RETURN_URL);
    let key: ApiKey = key.on_auth_url(told).await?;
    hidden.add(key.expose_secret());
    recorded.line(format_args!("{token:?} {key:?} {:?} {:?} {:?}", stage.client, stage.agentbase, stage.emulator));
    Ok(())
}

/// What goes wrong, with servers that send back what they were sent.
async fn what_goes_wrong(stage: &Stage, recorded: &Recorded, hidden: &Arc<Hidden>) -> Result<(), Anything> {
    let access = stage.emulator.agentbase();
    let echo = |text: &str| json!({ "error": text, "error_description": format!("got {text}"), "code": text });
    let failed = |error: Option<Error>| error.map(|error| recorded.error(&error)).ok_or("this cannot succeed");
    failed(stage.client.api_key("no-such-key").await.err())?;
    for text in [access.client_secret().expose_secret(), &basic(stage)] {
        let client = IdentityClient::builder().with_platform(Stage::agentbase(&stage.emulator)?).build()?;
        stage.emulator.faults().add(Fault::on_operation("iam_token").status(500).json(&echo(text)).times(3));
        failed(client.api_key(KEY_PROVIDER).for_agent().await.err())?;
    }
    let token = json!({ "access_token": IAM_TOKEN, "token_type": "Bearer", "expires_in": 300 });
    stage.emulator.faults().add(Fault::on_operation("iam_token").status(200).json(&token));
    stage.emulator.faults().add(Fault::on_operation(STATIC_KEY).status(500).json(&echo(IAM_TOKEN)).times(3));
    let client = IdentityClient::builder().with_platform(Stage::agentbase(&stage.emulator)?).build()?;
    failed(client.api_key(KEY_PROVIDER).for_agent().await.err())?;
    stage.emulator.faults().add(Fault::on_operation("create_api_key_provider").status(400).json(&echo(NEW_KEY)));
    failed(stage.agentbase.api_key_providers().create("new-key", NEW_KEY).await.err())?;
    let bob = User::asserted("bob")?;
    stage.emulator.faults().add(Fault::on_operation(USER_TOKEN).status(500).json(&echo(STATE)).times(3));
    failed(user_token(stage, &bob).with_custom_state(STATE).with_wait(Wait::Return).await.err())?;
    let error = user_token(stage, &bob).with_wait(Wait::Return).await.err().ok_or("nobody agreed")?;
    hidden.pending(error.pending().ok_or("no pending")?);
    recorded.error(&error);
    let wrong = AgentBase::builder()
        .with_client_credentials(access.client_id(), SecretString::from(WRONG_SECRET))
        .with_agent_identity(AGENT)
        .with_identity_endpoint(access.identity_url())
        .with_iam_token_endpoint(access.token_url())
        .build()?;
    let wrong = IdentityClient::builder().with_platform(wrong).build()?;
    failed(wrong.api_key(KEY_PROVIDER).for_agent().await.err())?;
    Ok(())
}

/// The Basic credential of the service account, as it stands in a header.
fn basic(stage: &Stage) -> String {
    let access = stage.emulator.agentbase();
    let request = reqwest::Client::default()
        .get(access.token_url())
        .basic_auth(access.client_id(), Some(access.client_secret().expose_secret()))
        .build();
    let value =
        request.ok().and_then(|request| request.headers().get("authorization")?.to_str().ok().map(str::to_owned));
    value.unwrap_or_default().trim_start_matches("Basic ").to_owned()
}

/// At the finest level, of every crate in the process: hyper, reqwest and the emulator too.
#[test]
fn std_http_03_w34_no_span_no_event_and_no_error_holds_a_secret_or_an_authorization_url() -> Result<(), Anything> {
    let recorded = Recorded::default();
    let hidden = Arc::new(Hidden::default());
    let subscriber = tracing_subscriber::registry().with(recorded.clone());
    let run = async || {
        let human = Emulator::builder().with_human(Human::ApproveAfter(1));
        let stage = Stage::with(human, IdentityClient::builder()).await?;
        let provider = stage.emulator.provider();
        for secret in [stage.emulator.agentbase().client_secret(), provider.client_secret()] {
            hidden.add(secret.expose_secret());
        }
        hidden.add(&basic(&stage));
        what_goes_well(&stage, &recorded, &hidden).await?;
        what_goes_wrong(&stage, &recorded, &hidden).await
    };
    tracing::subscriber::with_default(subscriber, || {
        tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(run())
    })?;
    for text in [IAM_TOKEN, NEW_KEY, WRONG_SECRET, STATE, KEY] {
        hidden.add(text);
    }
    let text = recorded.text();
    let hidden = hidden.0.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(hidden.len() >= 16 && hidden.iter().all(|secret| secret.len() > 8), "{} are looked for", hidden.len());
    for secret in hidden.iter() {
        let line = text.lines().find(|line| line.contains(secret.as_str()));
        assert_eq!(line, None, "{secret} was recorded");
    }
    // The recorder sees what it should.
    for seen in [
        "span identity_client.acquire",
        "span identity_client.http",
        "status=200",
        "status=500",
        "waiting for a user",
        "hyper_util::",
    ] {
        assert!(text.contains(seen), "{seen} is missing");
    }
    let named = text.lines().find(|line| line.starts_with("identity_client") && line.contains(ALICE));
    assert_eq!(named, None, "users are named in receipts only");
    Ok(())
}
