//! Temporary credentials of the agent's role: kept, shared, narrowed, used, over.

use std::time::Duration;

use futures_util::future::try_join_all;
use identity_client::agent_identity::WorkloadIdentityUpdate;
use identity_client::{Error, ErrorKind, StsCredentials, StsCredentialsRequest};
use identity_tests::{AGENT, Anything};

use crate::{Account, store::Store, user};

const ASSUME: &str = "assume_role_for_workload_identity";
const READ_ONLY: &str = r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":"oss:GetObject","Resource":"*"}]}"#;

fn quarter(account: &Account) -> StsCredentialsRequest {
    account.client.sts_credentials().with_session_duration(Duration::from_secs(900))
}

fn same(one: &StsCredentials, other: &StsCredentials) -> bool {
    one.access_key_id() == other.access_key_id() && one.expose_security_token() == other.expose_security_token()
}

#[tokio::test]
async fn many_at_once_share_one_session_of_the_role() -> Result<(), Anything> {
    let account = Account::open().await?;
    let alice = user("alice")?;
    let all = try_join_all((0..16).map(|_| account.client.sts_credentials().for_user(&alice).into_future())).await?;
    assert!(all.iter().all(|one| same(one, &all[0])));
    assert_eq!((account.count(ASSUME), account.count("get_workload_access_token_for_user_id")), (1, 1));
    let ends = all[0].expires_at().ok_or("they say when they end")?;
    let left = ends.duration_since(identity_client::Clock::now(&account.clock).wall)?;
    assert!((3_500..=3_600).contains(&left.as_secs()), "{left:?}");
    Ok(())
}

#[tokio::test]
async fn identity_policy_duration_and_name_each_have_their_own() -> Result<(), Anything> {
    let account = Account::open().await?;
    let (alice, bob) = (user("alice")?, user("bob")?);
    let ask = || -> [StsCredentialsRequest; 7] {
        let request = || account.client.sts_credentials();
        [
            request().for_agent(),
            request().for_user(&alice),
            request().for_user(&bob),
            request().for_user(&alice).with_policy(READ_ONLY),
            request().for_user(&alice).with_session_duration(Duration::from_secs(900)),
            request().for_user(&alice).with_session_duration(Duration::from_secs(1_800)),
            request().for_user(&alice).with_session_name("night-shift"),
        ]
    };
    let first = try_join_all(ask().map(IntoFuture::into_future)).await?;
    let again = try_join_all(ask().map(IntoFuture::into_future)).await?;
    assert_eq!(account.count(ASSUME), 7, "each once");
    for (index, one) in first.iter().enumerate() {
        for (other, two) in again.iter().enumerate() {
            assert_eq!(same(one, two), index == other, "{index} and {other}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn they_open_the_object_store_until_they_are_over_and_are_renewed() -> Result<(), Anything> {
    let account = Account::open().await?;
    let store = Store::of(&account)?;
    let first = quarter(&account).await?;
    assert_eq!(store.put(&first, "notes/one.txt", "milk, eggs").await?.status, 200);
    let listed = store.list(&first).await?;
    assert!(listed.status == 200 && listed.body.contains("<Key>notes/one.txt</Key>"), "{listed:?}");
    assert_eq!(store.get(&first, "notes/one.txt").await?.body, "milk, eggs");

    account.advance(901);
    assert_eq!(store.get(&first, "notes/one.txt").await?.refused(), (400, "ExpiredToken"));
    let second = quarter(&account).await?;
    assert!(!same(&first, &second) && account.count(ASSUME) == 2);
    assert_eq!(store.get(&second, "notes/one.txt").await?.body, "milk, eggs");
    Ok(())
}

/// The store says no before the time: the application reports it, and the next call brings others.
#[tokio::test]
async fn credentials_that_the_store_refuses_are_replaced() -> Result<(), Anything> {
    let account = Account::open().await?;
    let store = Store::of(&account)?;
    let first = quarter(&account).await?;
    let wrong = StsCredentials::new(first.access_key_id(), first.expose_access_key_secret(), "CAISanother")?;
    assert_eq!(store.list(&wrong).await?.refused(), (400, "InvalidToken"));
    let error = Error::credential_rejected(&first);
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    let second = quarter(&account).await?;
    assert!(!same(&first, &second) && store.list(&second).await?.status == 200);
    Ok(())
}

#[tokio::test]
async fn a_policy_narrows_what_the_credentials_open() -> Result<(), Anything> {
    let account = Account::open().await?;
    let store = Store::of(&account)?;
    let all = quarter(&account).await?;
    assert_eq!(store.put(&all, "one", "1").await?.status, 200);
    let narrow = quarter(&account).with_policy(READ_ONLY).await?;
    assert_eq!(store.get(&narrow, "one").await?.status, 200);
    assert_eq!(store.put(&narrow, "one", "2").await?.refused(), (403, "AccessDenied"));
    assert_eq!(store.list(&narrow).await?.refused(), (403, "AccessDenied"));
    let nonsense = quarter(&account).with_policy(r#"{"Statement":[{"Effect":"Maybe"}]}"#).await;
    assert_eq!(
        nonsense.err().map(|error| error.kind()),
        Some(ErrorKind::InvalidRequest),
        "no policy of the platform's"
    );
    Ok(())
}

#[tokio::test]
async fn a_workload_token_that_is_over_is_replaced_once() -> Result<(), Anything> {
    let account =
        Account::with(identity_emulator::Emulator::builder().with_workload_token_lifetime(Duration::from_secs(60)))
            .await?;
    quarter(&account).await?;
    // The client would use it for two minutes.
    account.advance(61);
    account.client.sts_credentials().with_policy(READ_ONLY).await?;
    assert_eq!((account.count("get_workload_access_token"), account.count(ASSUME)), (2, 3));
    Ok(())
}

#[tokio::test]
async fn an_agent_may_take_its_own_role_only_for_what_it_is_for() -> Result<(), Anything> {
    let account = Account::open().await?;
    let sts = quarter(&account).await?;
    let as_role = crate::reached(&account.emulator)
        .with_temporary_access_key(sts.access_key_id(), sts.expose_access_key_secret(), sts.expose_security_token())
        .build_management()?;
    let error = as_role.workload_identities().get(AGENT).await.err().ok_or("the role manages nothing")?;
    assert_eq!((error.kind(), error.code()), (ErrorKind::PermissionDenied, Some("NoPermission")), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("agentidentity:GetWorkloadIdentity")), "{error}");

    let mut update = WorkloadIdentityUpdate::default();
    update.role_arn = Some(account.emulator.agent_identity().role_arn("another"));
    account.management().workload_identities().update(AGENT, update).await?;
    assert!(same(&quarter(&account).await?, &sts), "until they end");
    Ok(())
}
