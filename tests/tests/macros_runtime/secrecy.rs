//! No credential reaches a log, in whatever order `#[tracing::instrument]` stands.

use std::{
    io,
    sync::{Arc, Mutex},
};

use identity_client::{AccessToken, ApiKey, Error, RequestContext, requires_access_token, requires_api_key};
use tracing::instrument::WithSubscriber as _;
use tracing_subscriber::fmt::{MakeWriter, format::FmtSpan};

use crate::platform::{Vault, secret};

#[requires_api_key(provider_name = "openai-key")]
#[tracing::instrument(skip(context))]
async fn the_right_order(prompt: &str, context: &RequestContext, api_key: ApiKey) -> Result<usize, Error> {
    tracing::info!(?api_key, "asking");
    Ok(api_key.expose_secret().len())
}

#[tracing::instrument(skip(context))]
#[requires_access_token(provider_name = "drive", auth_flow = "M2M", scopes = ["read"])]
async fn the_wrong_order(prompt: &str, context: &RequestContext, access_token: AccessToken) -> Result<usize, Error> {
    tracing::info!(?access_token, "asking");
    Ok(access_token.expose_secret().len())
}

#[requires_api_key(provider_name = "refused-key")]
#[tracing::instrument(skip(context), err(Debug))]
async fn refused(context: &RequestContext, api_key: ApiKey) -> Result<usize, Error> {
    Ok(api_key.expose_secret().len())
}

#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn no_credential_is_logged() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(FmtSpan::FULL)
        .with_writer(log.clone())
        .finish();
    let calls = async {
        let context = Vault::new().context();
        the_right_order("first-prompt", &context).await.unwrap();
        the_wrong_order("second-prompt", &context).await.unwrap();
        refused(&context).await.unwrap_err();
    };
    // With one dispatcher alive, a thread without any that reaches a callsite first switches it off for the whole process
    // (tokio-rs/tracing#3611): the tests beside this one would mute it. A second dispatcher takes that shortcut away.
    let _second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
    calls.with_subscriber(subscriber).await;

    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for seen in ["first-prompt", "second-prompt", "asking", "the vault refuses"] {
        assert!(text.contains(seen), "{seen} is missing in\n{text}");
    }
    for hidden in [secret("openai-key"), secret("drive"), "SECRET".to_owned()] {
        assert!(!text.contains(&hidden), "{text}");
    }
    let first = text.lines().find(|line| line.contains("first-prompt")).unwrap();
    assert!(!first.contains("api_key="), "the credential is no field of the span when ours goes first: {first}");
}
