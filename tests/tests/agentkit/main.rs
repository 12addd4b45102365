//! The client against the emulator's AgentKit: another program's reading of the same contract, signatures verified.

mod agent;
mod management;
mod person;
mod return_url;
mod user_data;
mod user_pool;

use std::{sync::Arc, time::Duration};

use identity_client::{
    AccessToken, Acquired, ErrorKind, Flow, IdentityClient, PendingAuthorization, Platform, RequestContext,
    SecretString, SessionBinding, User,
    agentbase::OAuth2Client,
    agentkit::{AgentKit, KeyPlace, NewIdentity, OAuth2Config, Trouble, Vendor},
};
use identity_emulator::{AuditOutcome, Emulator, Human, ProviderHandle};
use identity_tests::{AGENT, Anything, KEY, KEY_PROVIDER, OAUTH_PROVIDER, RETURN_URL, Stage};
use serde_json::{Value, json};

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

/// The client of an agent on any platform: a consent counts when its user has come back from it.
fn client_on(platform: impl Platform, emulator: Emulator) -> Result<IdentityClient, Anything> {
    let (binding, emulator) = (SessionBinding::new(), Arc::new(emulator));
    let back = binding.clone();
    let tell = move |pending: PendingAuthorization| come_back(pending, back.clone(), Arc::clone(&emulator));
    let client = IdentityClient::builder().with_platform(platform).with_session_binding(binding).on_auth_url(tell);
    Ok(client.build()?)
}

/// The application's return URL, once the scripted person has agreed.
async fn come_back(
    pending: PendingAuthorization,
    binding: SessionBinding,
    emulator: Arc<Emulator>,
) -> Result<(), Anything> {
    let agreed = async {
        while !emulator.audit().iter().any(|entry| entry.outcome == AuditOutcome::Granted) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), agreed).await?;
    let state = pending.parts().custom_state.as_deref().ok_or("a bound consent has a state")?;
    let confirmed = binding.confirm(state, pending.user())?;
    Ok(binding.complete(&confirmed).await?)
}

/// Whose token it is, as the outside provider says.
#[expect(clippy::disallowed_methods, reason = "a service on loopback")]
async fn owner(provider: &ProviderHandle, token: &AccessToken) -> Result<Value, Anything> {
    let userinfo = provider.token_url().replace("/token", "/userinfo");
    let answer = reqwest::Client::new().get(userinfo).bearer_auth(token.expose_secret()).send().await?;
    Ok(answer.error_for_status()?.json().await?)
}

/// What an agent gets for alice, and that the next call asks nobody.
async fn runs(client: IdentityClient, user_tokens: &ProviderHandle, machines: &ProviderHandle) -> Result<(), Anything> {
    let context = RequestContext::new().with_client(client).with_user(User::asserted("alice")?);
    let context = context.with_return_url(RETURN_URL)?;
    let (key, token) = agent::summarise(&context).await?;
    assert_eq!(key.expose_secret(), KEY);
    let owner_of_token = owner(user_tokens, &token).await?;
    assert_eq!((&owner_of_token["sub"], &owner_of_token["scope"]), (&json!("alice"), &json!(SCOPE)));
    let (_, again) = agent::summarise(&context).await?;
    assert_eq!(again.expose_secret(), token.expose_secret());
    let machine = owner(machines, &agent::index(&context).await?).await?;
    assert_eq!((&machine["sub"], &machine["scope"]), (&json!(machines.client_id()), &json!("documents.index")));
    Ok(())
}

/// `agent.rs` is the agent of both; the two lines with `client_on` are all that differs.
#[tokio::test]
async fn the_same_agent_runs_on_both_platforms() -> Result<(), Anything> {
    let Stage { emulator, agentbase, .. } =
        Stage::with(Emulator::builder().with_human(Human::Approve), IdentityClient::builder()).await?;
    let provider = emulator.provider();
    let (id, secret) = (provider.client_id(), provider.client_secret().clone());
    let machines = OAuth2Client::new(id, secret, provider.authorization_url(), provider.token_url())?;
    agentbase.oauth2_providers().create("machine-oauth", machines).await?;
    runs(client_on(agentbase, emulator)?, &provider, &provider).await?;

    let (emulator, agentkit) = vault().await?;
    let (feishu, provider) = (emulator.feishu(), emulator.provider());
    let (id, secret) = (provider.client_id(), provider.client_secret().clone());
    let issuer = provider.token_url().replace("/token", "");
    let machines = OAuth2Config::new(id, secret, Flow::MachineToMachine)?.with_endpoints(
        issuer,
        provider.authorization_url(),
        provider.token_url(),
    );
    agentkit.oauth2_providers().create("machine-oauth", Vendor::Custom, &machines).await?;
    runs(client_on(agentkit, emulator)?, &feishu, &provider).await?;

    let source = include_str!("agent.rs").to_ascii_lowercase();
    for platform in ["agentbase", "greennode", "agentkit", "volc", "emulator", "identity_tests"] {
        assert!(!source.contains(platform), "the agent knows of {platform}");
    }
    Ok(())
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
