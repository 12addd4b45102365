//! `GenerateOauthToken`: no secret of IDaaS, but the AccessKey of an account or of a role's session.

use std::time::Duration;

use identity_client::{
    ErrorKind, IdentityClient, SecretString,
    idaas::{AccessKeySource, ClientAuthentication, CloudKey},
};
use identity_emulator::{Fault, RoleSession};
use identity_tests::Anything;
use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::{APP, READ, Stage, WRITE, own};

fn account(stage: &Stage) -> CloudKey {
    let handle = stage.emulator.agent_identity();
    CloudKey::long_term(handle.access_key_id(), handle.access_key_secret().clone())
}

fn session(session: &RoleSession) -> CloudKey {
    CloudKey::temporary(session.access_key(), session.secret_key().clone(), session.session_token().clone())
}

fn client(stage: &Stage, key: CloudKey) -> Result<IdentityClient, Anything> {
    stage.client_by(ClientAuthentication::open_api(AccessKeySource::fixed(key)))
}

#[tokio::test]
async fn an_account_and_a_session_of_a_role_get_tokens_and_exchange_them() -> Result<(), Anything> {
    let rest = json!({ "api_keys": [{ "identifier": "llm", "apikey": "sk-llm" }] });
    let stage = Stage::with(&json!({}), &rest).await?;
    let role = stage.emulator.open_sts_session("AgentRun", Duration::from_secs(3600));
    for key in [account(&stage), session(&role)] {
        let client = client(&stage, key)?;
        let both = client.access_token("iauths_system").with_scopes([READ, WRITE]).await?;
        let claims = stage.claims(&both, READ).await?;
        assert_eq!((claims.subject(), claims.has_scope("write")), (Some(APP), true));
        let exchanged = own(&client, READ).for_user(&stage.user("alice").await?).await?;
        assert_eq!(stage.claims(&exchanged, READ).await?.subject(), Some("alice"));
        // The developer API is asked with such a token, too.
        assert_eq!(client.api_key("llm").for_agent().await?.expose_secret(), "sk-llm");
    }
    assert_eq!((stage.count("idaas_token"), stage.count("generate_oauth_token")), (0, 6));
    Ok(())
}

#[tokio::test]
async fn the_variables_of_a_function_are_read_for_each_request() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    let role = stage.emulator.open_sts_session("AgentRun", Duration::from_secs(3600));
    let variables = [
        ("ALIBABA_CLOUD_ACCESS_KEY_ID", role.access_key()),
        ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", role.secret_key().expose_secret()),
        ("ALIBABA_CLOUD_SECURITY_TOKEN", role.session_token().expose_secret()),
    ];
    let environment = identity_client::Environment::of(variables);
    let key = ClientAuthentication::open_api(AccessKeySource::environment());
    let idaas = stage.unproven().with_environment(&environment).with_authentication(key).build()?;
    let token = own(&stage.client_of(idaas)?, READ).await?;
    assert_eq!(stage.claims(&token, READ).await?.subject(), Some(APP));
    Ok(())
}

#[tokio::test]
async fn a_wrong_key_and_a_session_that_is_over_are_the_clients_matter() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    let role = stage.emulator.open_sts_session("AgentRun", Duration::from_secs(900));
    let (handle, wrong) = (stage.emulator.agent_identity(), SecretString::from("another-secret"));
    let keys = [
        (CloudKey::long_term(handle.access_key_id(), wrong.clone()), "SignatureDoesNotMatch"),
        (CloudKey::long_term("LTAInobody", wrong.clone()), "InvalidAccessKeyId.NotFound"),
        (CloudKey::long_term(role.access_key(), role.secret_key().clone()), "MissingSecurityToken"),
        (session(&role), "InvalidSecurityToken.Expired"),
    ];
    stage.pass(901);
    for (key, code) in keys {
        let error = own(&client(&stage, key)?, READ).await.err().ok_or("nobody signed")?;
        assert_eq!((error.kind(), error.code()), (ErrorKind::Unauthenticated, Some(code)), "{error}");
        assert!(error.hint().is_some_and(|hint| hint.contains("eiam:GenerateOauthToken")), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("another-secret"));
    }
    Ok(())
}

#[tokio::test]
async fn what_is_not_granted_or_not_there_is_told_apart() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    let refused = async |client: IdentityClient, scope: &str| {
        let error = own(&client, scope).await.err().ok_or("nothing is there")?;
        assert!(error.hint().is_some(), "{error:?}");
        Ok::<_, Anything>((error.kind(), error.code().map(str::to_owned)))
    };
    let kind = refused(client(&stage, account(&stage))?, "https://orders.example.com|delete").await?;
    assert_eq!(kind, (ErrorKind::InvalidRequest, Some("InvalidParameter.ScopeValues".to_owned())));
    let key = || ClientAuthentication::open_api(AccessKeySource::fixed(account(&stage)));
    let other = stage.unproven().with_client_id("app_nobody").with_authentication(key()).build()?;
    let kind = refused(stage.client_of(other)?, READ).await?;
    assert_eq!(kind, (ErrorKind::NotFound, Some("EntityNotExists.Application".to_owned())));
    let other = stage.unproven().with_instance_id("idaas_other").with_authentication(key()).build()?;
    assert_eq!(refused(stage.client_of(other)?, READ).await?.1.as_deref(), Some("EntityNotExists.Instance"));
    // The user's token is over: the user's matter, and nobody else is kept from asking.
    let (client, alice) = (client(&stage, account(&stage))?, stage.user("alice").await?);
    stage.pass(3601);
    let error = own(&client, READ).for_user(&alice).await.err().ok_or("the user's token is over")?;
    assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("sign in again")), "{error:?}");
    own(&client, READ).await?;
    Ok(())
}

#[tokio::test]
async fn a_throttled_gateway_is_asked_again() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    let slow = Fault::on_operation("generate_oauth_token").times(2).throttled(Duration::from_millis(5));
    stage.emulator.faults().add(slow);
    own(&client(&stage, account(&stage))?, READ).await?;
    assert_eq!(stage.count("generate_oauth_token"), 3);
    Ok(())
}
