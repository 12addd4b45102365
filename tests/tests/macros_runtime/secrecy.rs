//! No credential reaches a log, in whatever order `#[tracing::instrument]` stands.

use identity_client::{AccessToken, ApiKey, Error, RequestContext, requires_access_token, requires_api_key};

use crate::{
    captured::Captured,
    platform::{Vault, secret},
};

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

#[tokio::test]
async fn no_credential_is_logged() {
    let captured = Captured::default();
    {
        let _listening = captured.listen("trace");
        let context = Vault::new().context();
        the_right_order("first-prompt", &context).await.unwrap();
        the_wrong_order("second-prompt", &context).await.unwrap();
        refused(&context).await.unwrap_err();
    }
    let text = captured.text();
    for seen in ["first-prompt", "second-prompt", "asking", "the vault refuses"] {
        assert!(text.contains(seen), "{seen} is missing in\n{text}");
    }
    for hidden in [secret("openai-key"), secret("drive"), "SECRET".to_owned()] {
        assert!(!text.contains(&hidden), "{text}");
    }
    let first = text.lines().find(|line| line.contains("first-prompt")).unwrap();
    assert!(!first.contains("api_key="), "the credential is no field of the span when ours goes first: {first}");
}
