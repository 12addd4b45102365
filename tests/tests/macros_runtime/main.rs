//! The attributes at run time, on a platform in this process.
//!
//! The file is a user of the macros as well: it must stay free of warnings under the strictest lints.
#![deny(warnings, clippy::pedantic)]
#![expect(clippy::unwrap_used, reason = "the helpers of a test fail as loudly as the test")]

#[expect(dead_code, reason = "shared with tests that need more of it")]
#[path = "../../../identity-client/tests/common/captured.rs"]
mod captured;
mod platform;
mod secrecy;
mod workload;

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use identity_client::{
    AccessToken, ApiKey, Error, ErrorKind, FromApiKey, FromCredentialError, IdentityClient, PendingAuthorization,
    RequestContext, requires_access_token, requires_api_key,
};
use platform::{Vault, secret};

#[requires_api_key(provider_name = "openai-key")]
async fn length_of_the_key(times: usize, context: &RequestContext, api_key: ApiKey) -> Result<usize, Error> {
    Ok(api_key.expose_secret().len() * times)
}

#[tokio::test]
async fn the_credential_is_injected() {
    let vault = Vault::new();
    let context = vault.context();
    let expected = secret("openai-key").len();
    assert_eq!(length_of_the_key(1, &context).await.unwrap(), expected);
    assert_eq!(length_of_the_key(2, &context).await.unwrap(), expected * 2);
    assert_eq!(vault.asked().len(), 1, "the second call is served from the cache");
}

#[requires_access_token(
    provider_name = "calendar",
    auth_flow = "USER_FEDERATION",
    scopes = ["read", extra_scope],
    callback_url = format!("https://{host}/back"),
    force_authentication = host.len() == 17,
    custom_state = "state-1",
    custom_parameters = [("access_type", "offline"), ("login_hint", extra_scope)],
    user_id = "user-of-argument",
    context = the_context,
)]
async fn with_everything(
    host: &str,
    extra_scope: String,
    the_context: RequestContext,
    access_token: &AccessToken,
) -> Result<String, Error> {
    Ok(access_token.expose_secret().to_owned())
}

#[tokio::test]
async fn every_argument_reaches_the_platform() {
    let vault = Vault::new();
    let token = with_everything("agent.example.com", "write".to_owned(), vault.context()).await.unwrap();
    assert_eq!(token, secret("calendar"));
    assert_eq!(
        vault.asked(),
        [concat!(
            "access_token of calendar for user-of-argument, scopes [\"read\", \"write\"], ",
            "return Some(\"https://agent.example.com/back\"), force true, state Some(\"state-1\"), ",
            "extra [(\"access_type\", \"offline\"), (\"login_hint\", \"write\")]"
        )]
    );
}

#[requires_api_key(provider_name = "mail-key", auth_flow = "USER_FEDERATION")]
async fn mail(request: &mut RequestContext, api_key: ApiKey) -> Result<(), Error> {
    drop(api_key);
    *request = RequestContext::new();
    Ok(())
}

#[tokio::test]
async fn the_handlers_own_context_names_the_user() {
    let vault = Vault::new();
    mail(&mut vault.context()).await.unwrap();
    assert!(vault.asked()[0].starts_with("api_key of mail-key for user-of-context,"), "{:?}", vault.asked());
}

#[requires_api_key(provider_name = "mail-key", auth_flow = "USER_FEDERATION", client = client)]
async fn mail_without_context(client: IdentityClient, api_key: ApiKey) -> Result<(), Error> {
    drop(api_key);
    Ok(())
}

#[tokio::test]
async fn without_a_user_nothing_is_asked() {
    let vault = Vault::new();
    let error = mail_without_context(vault.client()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UserMissing);
    assert!(vault.asked().is_empty());

    let in_a_task = vault.context().scope(mail_without_context(vault.client())).await;
    in_a_task.unwrap();
    assert!(vault.asked()[0].contains("for user-of-context"));
}

#[derive(Debug, PartialEq)]
enum Failure {
    Credential(ErrorKind),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Credential(error.kind())
    }
}

#[derive(Debug, PartialEq)]
struct Response(u16);

impl FromCredentialError for Response {
    fn from_credential_error(error: Error) -> Self {
        Self(if error.kind() == ErrorKind::PermissionDenied { 403 } else { 500 })
    }
}

static BODIES: AtomicUsize = AtomicUsize::new(0);

#[requires_api_key(provider_name = "refused-key")]
async fn into_own_error(context: &RequestContext, api_key: ApiKey) -> Result<(), Failure> {
    BODIES.fetch_add(1, Ordering::SeqCst);
    drop(api_key);
    Ok(())
}

#[requires_api_key(provider_name = "refused-key")]
async fn into_a_response(context: &RequestContext, api_key: ApiKey) -> Response {
    BODIES.fetch_add(1, Ordering::SeqCst);
    drop(api_key);
    Response(200)
}

#[requires_api_key(provider_name = "refused-key", on_error = hint)]
async fn into_what_a_function_makes(context: &RequestContext, api_key: ApiKey) -> impl AsRef<str> {
    BODIES.fetch_add(1, Ordering::SeqCst);
    drop(api_key);
    String::new()
}

#[expect(clippy::needless_pass_by_value, reason = "`on_error` gives the error away")]
fn hint(error: Error) -> String {
    error.to_string()
}

#[tokio::test]
async fn a_failure_becomes_the_return_value_and_the_body_does_not_run() {
    let context = Vault::new().context();
    assert_eq!(into_own_error(&context).await, Err(Failure::Credential(ErrorKind::PermissionDenied)));
    assert_eq!(into_a_response(&context).await, Response(403));
    assert!(into_what_a_function_makes(&context).await.as_ref().contains("the vault refuses"));
    assert_eq!(BODIES.load(Ordering::SeqCst), 0);
}

struct Unconvertible;

impl FromApiKey<'_> for Unconvertible {
    fn from_api_key(_: &ApiKey) -> Result<Self, Error> {
        Err(Error::conversion("the key does not have the form that the model wants"))
    }
}

#[requires_api_key(provider_name = "openai-key")]
async fn with_an_unconvertible_key(context: &RequestContext, #[inject] _: Unconvertible) -> Result<(), Error> {
    unreachable!("the conversion fails");
}

#[tokio::test]
async fn a_failed_conversion_becomes_the_return_value() {
    let error = with_an_unconvertible_key(&Vault::new().context()).await.unwrap_err();
    assert!(error.to_string().contains("the form that the model wants"), "{error}");
}

static STEPS: Mutex<Vec<&str>> = Mutex::new(Vec::new());

fn step<T>(name: &'static str, value: T) -> T {
    STEPS.lock().unwrap().push(name);
    value
}

struct First(ApiKey);
struct Second(ApiKey);

impl FromApiKey<'_> for First {
    fn from_api_key(key: &ApiKey) -> Result<Self, Error> {
        Ok(step("bind first", Self(key.clone())))
    }
}

impl FromApiKey<'_> for Second {
    fn from_api_key(key: &ApiKey) -> Result<Self, Error> {
        Ok(step("bind second", Self(key.clone())))
    }
}

#[requires_api_key(
    user_id = step("user", "u"),
    into = first,
    provider_name = step("provider", "together-1"),
    custom_state = step("state", "s".to_owned()),
)]
#[requires_api_key(timeout = step("timeout", Duration::from_secs(1)), provider_name = "together-2", into = second)]
async fn two_keys(second: Second, context: RequestContext, first: First) -> Result<String, Error> {
    step("body", ());
    Ok(format!("{} {}", first.0.expose_secret(), second.0.expose_secret()))
}

#[tokio::test]
async fn stacked_credentials_are_asked_for_together_and_everything_runs_in_source_order() {
    let vault = Vault::new();
    let keys = two_keys(vault.context()).await.unwrap();
    assert_eq!(keys, format!("{} {}", secret("together-1"), secret("together-2")));
    assert_eq!(*STEPS.lock().unwrap(), ["user", "provider", "state", "timeout", "bind first", "bind second", "body"]);
}

#[requires_api_key(provider_name = "together-1")]
#[requires_access_token(provider_name = "together-2", auth_flow = "M2M", scopes = ["read"])]
async fn both_kinds(context: RequestContext, api_key: ApiKey, access_token: AccessToken) -> Result<String, Error> {
    tokio::task::yield_now().await;
    Ok(format!("{} {}", api_key.expose_secret(), access_token.expose_secret()))
}

#[tokio::test]
async fn the_future_can_be_spawned() {
    let task = tokio::spawn(both_kinds(Vault::new().context()));
    assert_eq!(task.await.unwrap().unwrap(), format!("{} {}", secret("together-1"), secret("together-2")));
}

static TOLD: Mutex<Vec<String>> = Mutex::new(Vec::new());

async fn tell(pending: PendingAuthorization) {
    tokio::task::yield_now().await;
    TOLD.lock().unwrap().push(pending.authorization_url().to_owned());
}

#[requires_api_key(
    provider_name = "consent-key",
    auth_flow = "USER_FEDERATION",
    callback_url = "https://agent.example.com/back",
    on_auth_url = tell,
    timeout = "30s",
)]
async fn waiting(context: RequestContext, api_key: ApiKey) -> Result<String, Error> {
    Ok(api_key.expose_secret().to_owned())
}

#[requires_api_key(
    provider_name = "consent-key",
    auth_flow = "USER_FEDERATION",
    callback_url = "https://agent.example.com/back",
    wait = "return"
)]
async fn not_waiting(context: RequestContext, api_key: ApiKey) -> Result<String, Error> {
    Ok(api_key.expose_secret().to_owned())
}

#[tokio::test(start_paused = true)]
async fn the_user_is_told_and_waited_for() {
    assert_eq!(waiting(Vault::new().context()).await.unwrap(), secret("consent-key"));
    assert_eq!(*TOLD.lock().unwrap(), ["https://vault.example.com/consent?of=consent-key"]);
}

#[tokio::test]
async fn the_pending_authorization_is_returned_at_once() {
    let error = not_waiting(Vault::new().context()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AuthorizationRequired);
    assert_eq!(error.pending().unwrap().authorization_url(), "https://vault.example.com/consent?of=consent-key");
}

#[async_trait]
trait Answer {
    async fn boxed(&self, prompt: &str) -> Result<String, Failure>;
}

trait AnswerNatively {
    async fn native(&self, prompt: &str) -> Result<String, Failure>;
}

struct Agent {
    context: RequestContext,
    provider: String,
}

#[async_trait]
impl Answer for Agent {
    #[requires_api_key(provider_name = self.provider, context = self.context)]
    async fn boxed(&self, prompt: &str, api_key: &ApiKey) -> Result<String, Failure> {
        Ok(format!("{prompt} {}", api_key.expose_secret()))
    }
}

impl AnswerNatively for Agent {
    #[requires_api_key(provider_name = self.provider, context = self.context)]
    async fn native(&self, prompt: &str, api_key: &ApiKey) -> Result<String, Failure> {
        Ok(format!("{prompt} {}", api_key.expose_secret()))
    }
}

#[tokio::test]
async fn trait_methods_are_called_without_the_credential() {
    let mut agent = Agent { context: Vault::new().context(), provider: "openai-key".to_owned() };
    let expected = format!("hello {}", secret("openai-key"));
    assert_eq!(agent.boxed("hello").await, Ok(expected.clone()));
    assert_eq!(agent.native("hello").await, Ok(expected));
    agent.provider = "refused-key".to_owned();
    assert_eq!(agent.boxed("hello").await, Err(Failure::Credential(ErrorKind::PermissionDenied)));
    assert_eq!(agent.native("hello").await, Err(Failure::Credential(ErrorKind::PermissionDenied)));
}

/// The work of asking is boxed, so it does not add to the state of every handler.
#[tokio::test]
async fn a_handlers_future_stays_small() {
    let context = Vault::new().context();
    let size = size_of_val(&length_of_the_key(1, &context));
    assert!(size <= 256, "{size} bytes");
}
