//! The client against the emulator's AgentKit: another program's reading of the same contract, signatures verified.

mod management;
mod person;
mod return_url;
mod user_data;
mod user_pool;

use identity_client::{
    AccessToken, Acquired, ErrorKind, Flow, IdentityClient, SecretString, SessionBinding, User,
    agentkit::{AgentKit, KeyPlace, NewIdentity, OAuth2Config, Trouble, Vendor},
};
use identity_emulator::{Emulator, Human, ProviderHandle};
use identity_tests::{AGENT, Anything, KEY, KEY_PROVIDER, OAUTH_PROVIDER, RETURN_URL};
use serde_json::Value;

const SCOPE: &str = "docx:document:readonly";

/// An emulator with a workload and a provider of each kind, and the platform as its account.
async fn vault() -> Result<(Emulator, AgentKit), Anything> {
    let emulator = Emulator::builder().with_human(Human::Approve).start().await?;
    let agentkit = platform(&emulator)?;
    let management = agentkit.management();
    management.identities().create(NewIdentity::new(AGENT)?.with_allowed_return_url(RETURN_URL)).await?;
    let place = [KeyPlace::header("X-Api-Key", "")];
    management.api_key_providers().create(KEY_PROVIDER, &SecretString::from(KEY), &place).await?;
    register_feishu(&emulator, &agentkit).await?;
    Ok((emulator, agentkit))
}

async fn register_feishu(emulator: &Emulator, agentkit: &AgentKit) -> Result<(), Anything> {
    let feishu = emulator.feishu();
    let config = OAuth2Config::new(feishu.client_id(), feishu.client_secret().clone(), Flow::UserFederation)?
        .with_scopes([SCOPE, "offline_access"])
        .with_redirect_url(emulator.agentkit().callback_url());
    agentkit.oauth2_providers().create(OAUTH_PROVIDER, Vendor::Feishu, &config).await?;
    Ok(())
}

fn platform(emulator: &Emulator) -> Result<AgentKit, Anything> {
    let access = emulator.agentkit();
    let builder = AgentKit::builder()
        .with_access_key(access.access_key(), access.secret_key().clone())
        .with_workload_name(AGENT)
        .with_callback_url(access.callback_url())
        .with_endpoint(access.endpoint());
    Ok(builder.build()?)
}

/// Whose token it is, as the outside provider says.
#[expect(clippy::disallowed_methods, reason = "a service on loopback")]
async fn owner(provider: &ProviderHandle, token: &AccessToken) -> Result<Value, Anything> {
    let userinfo = provider.token_url().replace("/token", "/userinfo");
    let answer = reqwest::Client::new().get(userinfo).bearer_auth(token.expose_secret()).send().await?;
    Ok(answer.error_for_status()?.json().await?)
}

#[tokio::test]
async fn a_bound_consent_is_completed_when_its_user_is_back() -> Result<(), Anything> {
    let (_emulator, agentkit) = vault().await?;
    let binding = SessionBinding::new();
    let client = IdentityClient::builder().with_platform(agentkit).with_session_binding(binding.clone()).build()?;
    let alice = User::asserted("alice")?;
    let request =
        || client.access_token(OAUTH_PROVIDER).with_scopes([SCOPE]).for_user(&alice).with_return_url(RETURN_URL);
    let Acquired::NeedsConsent(pending) = request().acquire().await? else { return Err("nobody agreed yet".into()) };
    assert!(matches!(request().acquire().await?, Acquired::NeedsConsent(_)), "nobody has come back");
    let state = pending.parts().custom_state.clone().ok_or("a bound consent has a state")?;
    let confirmed = binding.confirm(&state, &alice)?;
    binding.complete(&confirmed).await?;
    let token = request().on_auth_url(|_| ()).await?;
    assert!(!token.expose_secret().is_empty());
    Ok(())
}

#[tokio::test]
async fn a_wrong_key_and_a_missing_provider_are_told_apart() -> Result<(), Anything> {
    let (emulator, agentkit) = vault().await?;
    let client = IdentityClient::builder().with_platform(agentkit).build()?;
    let error = client.api_key("openai-kee").await.err().ok_or("there is no such provider")?;
    assert!(
        matches!(Trouble::of(&error), Some(Trouble::ProviderNotFound { found, .. }) if found[0] == KEY_PROVIDER),
        "{error}"
    );
    let access = emulator.agentkit();
    let wrong = AgentKit::builder().with_access_key(access.access_key(), "another-secret").with_workload_name(AGENT);
    let wrong = IdentityClient::builder().with_platform(wrong.with_endpoint(access.endpoint()).build()?).build()?;
    let error = wrong.api_key(KEY_PROVIDER).await.err().ok_or("the signature is wrong")?;
    assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{error}");
    // A role that the account may assume signs as well.
    let role = AgentKit::builder()
        .with_access_key(access.access_key(), access.secret_key().clone())
        .with_role(access.role_trn())
        .with_workload_name(AGENT)
        .with_endpoint(access.endpoint())
        .build()?;
    let client = IdentityClient::builder().with_platform(role).build()?;
    assert_eq!(client.api_key(KEY_PROVIDER).await?.expose_secret(), KEY);
    Ok(())
}
