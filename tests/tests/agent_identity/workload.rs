//! Workload access tokens: of the agent, of a user by id, of a user by what they showed.

use identity_client::{ErrorKind, IdentityClient};
use identity_tests::{AGENT, Anything, KEY, KEY_PROVIDER};

use crate::{Account, client, credentials::trust, people, reached, user};

const OPERATIONS: [&str; 3] =
    ["get_workload_access_token", "get_workload_access_token_for_user_id", "get_workload_access_token_for_jwt"];

#[tokio::test]
async fn each_identity_has_a_token_of_its_own() -> Result<(), Anything> {
    let account = Account::with(people::with_pool()?).await?;
    let issuer = people::issuer(&account.emulator)?;
    trust(&account, &issuer).await?;
    let (named, shown) = (user("alice")?, people::signed_in(&issuer, "alice").await?);
    let own = account.client.workload_token().for_agent().await?;
    let by_id = account.client.workload_token().for_user(&named).await?;
    let by_token = account.client.workload_token().for_user(&shown).await?;
    assert_eq!(OPERATIONS.map(|operation| account.count(operation)), [1, 1, 1]);
    assert!(own.expose_secret() != by_id.expose_secret() && by_id.expose_secret() != by_token.expose_secret());
    for (again, first) in [
        (account.client.workload_token().for_agent().await?, &own),
        (account.client.workload_token().for_user(&named).await?, &by_id),
        (account.client.workload_token().for_user(&shown).await?, &by_token),
    ] {
        assert_eq!(again.expose_secret(), first.expose_secret());
    }
    assert_eq!(OPERATIONS.map(|operation| account.count(operation)), [1, 1, 1], "they are kept");
    account.advance(121);
    account.client.workload_token().for_agent().await?;
    assert_eq!(account.count(OPERATIONS[0]), 2, "for two minutes");
    Ok(())
}

#[tokio::test]
async fn a_broken_token_of_a_user_is_refused_before_anything_is_sent() -> Result<(), Anything> {
    let account = Account::open().await?;
    account.emulator.counters().reset();
    for broken in ["opaque", "a.b", "a..c", "a.b.c.d", "a.b.c="] {
        let alice = user("alice")?.with_token(broken)?;
        for error in [
            account.client.workload_token().for_user(&alice).await.err(),
            account.client.sts_credentials().for_user(&alice).await.err(),
            account.client.access_token("calendar").for_user(&alice).await.err(),
        ] {
            let error = error.ok_or("a downgrade")?;
            assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{error}");
            assert!(!error.to_string().contains(broken));
        }
    }
    assert_eq!(account.emulator.counters().total(), 0);
    Ok(())
}

/// One of the right shape that nobody signed is for the service to refuse, and no reason to go on as somebody else.
#[tokio::test]
async fn a_forged_token_of_a_user_is_no_users() -> Result<(), Anything> {
    let account = Account::with(people::with_pool()?).await?;
    let issuer = people::issuer(&account.emulator)?;
    trust(&account, &issuer).await?;
    let forged = user("alice")?.with_token("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.AAAA")?;
    let error = account.client.workload_token().for_user(&forged).await.err().ok_or("it is forged")?;
    assert_eq!((error.kind(), error.code()), (ErrorKind::Unauthenticated, Some("InvalidParameter.JsonWebToken")));
    assert_eq!(OPERATIONS.map(|operation| account.count(operation)), [0, 0, 1]);
    Ok(())
}

#[tokio::test]
async fn a_token_of_the_runtime_serves_the_agent_and_no_user() -> Result<(), Anything> {
    let account = Account::open().await?;
    account.management().api_key_credential_providers().create(KEY_PROVIDER, KEY, None, None).await?;
    let given = account.client.workload_token().for_agent().await?;
    let access = account.emulator.agent_identity();
    // No AccessKey at all: the token, and the role that it opens.
    let runtime = identity_client::agent_identity::AgentIdentity::builder()
        .with_workload_token(given.expose_secret())
        .with_data_endpoint(access.endpoint())
        .with_control_endpoint(access.endpoint());
    let runtime = client(runtime.build()?, &account.clock)?;
    account.emulator.counters().reset();
    assert_eq!(runtime.api_key(KEY_PROVIDER).await?.expose_secret(), KEY);
    assert!(!runtime.sts_credentials().for_agent().await?.access_key_id().is_empty());
    assert_eq!(OPERATIONS.map(|operation| account.count(operation)), [0, 0, 0]);
    let error = runtime.workload_token().for_user(&user("alice")?).await.err().ok_or("whose is it?")?;
    assert_eq!(error.kind(), ErrorKind::ConfigurationMissing, "{error}");
    Ok(())
}

#[tokio::test]
async fn an_agent_that_does_not_exist_is_not_made() -> Result<(), Anything> {
    let account = Account::open().await?;
    let nobody = reached(&account.emulator).with_workload_identity("nobody").build()?;
    let client = IdentityClient::builder().with_platform(nobody).build()?;
    let error = client.workload_token().for_agent().await.err().ok_or("there is none")?;
    assert_eq!((error.kind(), error.code()), (ErrorKind::NotFound, Some("EntityNotExists.WorkloadIdentity")));
    assert_eq!(account.count("create_workload_identity"), 1, "{AGENT} alone");
    Ok(())
}
