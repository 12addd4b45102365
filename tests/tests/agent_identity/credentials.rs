//! API keys, tokens of the agent, and tokens by exchange.

use std::time::Duration;

use futures_util::future::try_join_all;
use identity_client::{
    ErrorKind, Flow, IdentityClient,
    agent_identity::{
        IdentityProviderUpdate, NewIdentityProvider, NewOAuth2Provider, NewTokenVault, OAuth2Config, ResourceSigner,
        WorkloadIdentityUpdate,
    },
};
use identity_tests::{AGENT, Anything, KEY, KEY_PROVIDER};
use serde_json::json;

use crate::{Account, CALENDAR, SCOPE, client, owner, people, reached, user};

#[tokio::test]
async fn an_api_key_is_the_agents_and_comes_from_its_vault() -> Result<(), Anything> {
    let account = Account::open().await?;
    let keys = account.management().api_key_credential_providers();
    keys.create(KEY_PROVIDER, KEY, None, None).await?;
    assert_eq!(account.client.api_key(KEY_PROVIDER).await?.expose_secret(), KEY);
    assert_eq!(account.client.api_key(KEY_PROVIDER).await?.expose_secret(), KEY);
    assert_eq!(account.count("get_resource_api_key"), 1, "it is kept");
    assert_eq!(account.count("assume_role_for_workload_identity"), 1, "the role signs");

    account.management().token_vaults().create(NewTokenVault::new("team")?).await?;
    keys.create(KEY_PROVIDER, "sk-of-the-team", Some("team"), None).await?;
    let team = client(account.platform.with_token_vault("team")?, &account.clock)?;
    assert_eq!(team.api_key(KEY_PROVIDER).await?.expose_secret(), "sk-of-the-team");

    let error = account.client.api_key("openai-kee").await.err().ok_or("there is no such provider")?;
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert!(error.code().is_some_and(|code| code.starts_with("EntityNotExists.")), "{error:?}");
    let error = account.client.api_key(KEY_PROVIDER).for_user(&user("alice")?).await.err().ok_or("no user has one")?;
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    Ok(())
}

#[tokio::test]
async fn the_callers_own_keys_sign_where_the_agent_has_no_role() -> Result<(), Anything> {
    let account = Account::open().await?;
    account.management().api_key_credential_providers().create(KEY_PROVIDER, KEY, None, None).await?;
    let new = identity_client::agent_identity::NewWorkloadIdentity::new("bare")?;
    account.management().workload_identities().create(new).await?;
    let bare = || reached(&account.emulator).with_workload_identity("bare");
    let error = client(bare().build()?, &account.clock)?.api_key(KEY_PROVIDER).await.err().ok_or("it has no role")?;
    assert_eq!((error.kind(), error.code()), (ErrorKind::PermissionDenied, Some("MissingRoleArn")), "{error}");
    let caller = client(bare().with_resource_signer(ResourceSigner::Caller).build()?, &account.clock)?;
    assert_eq!(caller.api_key(KEY_PROVIDER).await?.expose_secret(), KEY);

    let wrong =
        reached(&account.emulator).with_access_key(account.emulator.agent_identity().access_key_id(), "another");
    let wrong = client(wrong.with_workload_identity(AGENT).build()?, &account.clock)?;
    let error = wrong.api_key(KEY_PROVIDER).await.err().ok_or("the signature is wrong")?;
    assert_eq!((error.kind(), error.code()), (ErrorKind::Unauthenticated, Some("SignatureDoesNotMatch")), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_token_of_the_agent_needs_nobody() -> Result<(), Anything> {
    let account = Account::open().await?;
    account.calendar(Flow::MachineToMachine).await?;
    let token = account.client.access_token(CALENDAR).with_scopes(["index"]).await?;
    assert!(token.expires_at().is_some());
    let provider = account.emulator.provider();
    let known = owner(provider.token_url(), &token).await?;
    assert_eq!((&known["sub"], &known["scope"]), (&json!(provider.client_id()), &json!("index")));
    let again = account.client.access_token(CALENDAR).with_scopes(["index"]).await?;
    assert_eq!((again.expose_secret(), account.count("get_resource_oauth2_token")), (token.expose_secret(), 1));
    account.advance(3_601);
    let fresh = account.client.access_token(CALENDAR).with_scopes(["index"]).await?;
    assert_ne!(fresh.expose_secret(), token.expose_secret(), "the old one is over");
    Ok(())
}

/// A sign-in at a pool, an agent that takes its tokens, and the pool's own service behind the exchange.
#[tokio::test]
async fn a_token_on_behalf_of_a_user_is_exchanged_for_the_one_they_showed() -> Result<(), Anything> {
    let account = Account::with(people::with_pool()?).await?;
    let issuer = people::issuer(&account.emulator)?;
    trust(&account, &issuer).await?;
    let [id, secret, authorize, token_url] = people::pool_client(&issuer);
    let config = OAuth2Config::written(id, &issuer, authorize, &token_url)?.with_client_secret(secret);
    let new = NewOAuth2Provider::new("downstream", "CustomOAuth2", config)?.with_flow(Flow::OnBehalfOf);
    account.management().oauth2_credential_providers().create(new).await?;

    let (alice, bob) = (people::signed_in(&issuer, "alice").await?, people::signed_in(&issuer, "bob").await?);
    let ask = |user| {
        account.client.access_token("downstream").on_behalf_of(user).with_scopes(["read"]).with_audience("agent-client")
    };
    for (user, name) in [(&alice, "alice"), (&bob, "bob")] {
        let token = ask(user).await?;
        assert_eq!(owner(&token_url, &token).await?["sub"], name);
        assert_eq!(ask(user).await?.expose_secret(), token.expose_secret());
    }
    let other = account.client.access_token("downstream").on_behalf_of(&alice).with_scopes(["read"]).await?;
    assert_ne!(other.expose_secret(), ask(&alice).await?.expose_secret(), "another audience");
    assert_eq!(account.count("get_resource_oauth2_token"), 3);

    // Whose id alone was told has shown nothing that could be exchanged.
    let error = ask(&user("alice")?).await.err().ok_or("nothing was shown")?;
    assert_eq!(error.code(), Some("Forbidden.InboundCredentialMissing"), "{error}");
    // A token for another application is none for this agent.
    let mut update = IdentityProviderUpdate::default();
    update.allowed_audience = Some(vec!["another-app".into()]);
    account.management().identity_providers().update("users", update).await?;
    let fresh =
        IdentityClient::builder().with_platform(reached(&account.emulator).with_workload_identity(AGENT).build()?);
    let error = fresh.build()?.workload_token().for_user(&alice).await.err().ok_or("another audience")?;
    assert_eq!((error.kind(), error.code()), (ErrorKind::Unauthenticated, Some("InvalidParameter.JsonWebToken")));
    Ok(())
}

/// Has the agent take the tokens of this pool, and bind its consents to the session of the user.
pub(crate) async fn trust(account: &Account, issuer: &str) -> Result<(), Anything> {
    let discovery = format!("{issuer}/.well-known/openid-configuration");
    let management = account.management();
    management.identity_providers().create(NewIdentityProvider::new("users", discovery, [people::CLIENT])?).await?;
    let mut update = WorkloadIdentityUpdate::default();
    update.identity_provider_name = Some("users".into());
    update.session_binding_enabled = Some(true);
    management.workload_identities().update(AGENT, update).await?;
    Ok(())
}

#[tokio::test]
async fn users_who_come_at_the_same_time_never_share() -> Result<(), Anything> {
    let account =
        Account::with(identity_emulator::Emulator::builder().with_human(identity_emulator::Human::Approve)).await?;
    account.calendar(Flow::UserFederation).await?;
    let token_url = account.emulator.provider().token_url().to_owned();
    let one = async |name: String| {
        let user = user(&name)?;
        let token = account.client.access_token(CALENDAR).with_scopes([SCOPE]).for_user(&user).on_auth_url(|_| ());
        let token = token.with_timeout(Duration::from_secs(30)).await?;
        assert_eq!(owner(&token_url, &token).await?["sub"], name);
        let sts = account.client.sts_credentials().for_user(&user).await?;
        let workload = account.client.workload_token().for_user(&user).await?;
        Ok::<_, Anything>([
            token.expose_secret().to_owned(),
            sts.access_key_id().to_owned(),
            workload.expose_secret().to_owned(),
        ])
    };
    let all = try_join_all((0..6).map(|n| one(format!("user-{n}")))).await?;
    let mut secrets: Vec<_> = all.into_iter().flatten().collect();
    secrets.sort_unstable();
    secrets.dedup();
    assert_eq!(secrets.len(), 18);
    Ok(())
}
