//! Handlers as their authors write them.

use identity_client::{
    AccessToken, ApiKey, Error, Flow, FromStsCredentials, PendingAuthorization, RequestContext, StsCredentials,
    WorkloadToken, requires_access_token, requires_api_key, requires_sts_credentials, requires_workload_token,
};
use identity_emulator::{Emulator, Human};
use identity_tests::{Anything, KEY, KEY_PROVIDER};

use crate::{Account, CALENDAR, client, reached, store::Store, user};

#[requires_sts_credentials(session_duration = "15m", role_session_name = "diary")]
async fn write(
    store: &Store,
    text: &str,
    context: &RequestContext,
    sts_credentials: StsCredentials,
) -> Result<u16, Anything> {
    Ok(store.put(&sts_credentials, "diary.txt", text).await?.status)
}

#[requires_sts_credentials(
    session_duration = "15m",
    policy = r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":"oss:GetObject","Resource":"*"}]}"#
)]
async fn read(
    store: &Store,
    context: &RequestContext,
    sts_credentials: &StsCredentials,
) -> Result<(String, u16), Anything> {
    let text = store.get(sts_credentials, "diary.txt").await?.body;
    Ok((text, store.put(sts_credentials, "diary.txt", "").await?.status))
}

struct KeyId(String);

impl FromStsCredentials<'_> for KeyId {
    fn from_sts_credentials(credentials: &StsCredentials) -> Result<Self, Error> {
        Ok(Self(credentials.access_key_id().to_owned()))
    }
}

#[requires_sts_credentials(into = key_id)]
async fn key_id(context: &RequestContext, key_id: KeyId) -> Result<String, Error> {
    Ok(key_id.0)
}

#[requires_workload_token]
async fn workload(context: &RequestContext, workload_token: WorkloadToken) -> Result<WorkloadToken, Error> {
    Ok(workload_token)
}

/// The scripted person needs no link.
fn show(_: PendingAuthorization) {}

#[requires_api_key(provider_name = KEY_PROVIDER)]
#[requires_access_token(provider_name = CALENDAR, auth_flow = "USER_FEDERATION", scopes = ["calendar.readonly"], on_auth_url = show)]
#[requires_sts_credentials]
#[requires_workload_token]
async fn everything(
    context: &RequestContext,
    api_key: ApiKey,
    access_token: AccessToken,
    sts_credentials: StsCredentials,
    workload_token: WorkloadToken,
) -> Result<[String; 4], Error> {
    let secrets = [
        api_key.expose_secret(),
        access_token.expose_secret(),
        sts_credentials.expose_security_token(),
        workload_token.expose_secret(),
    ];
    Ok(secrets.map(str::to_owned))
}

#[tokio::test]
async fn handlers_read_and_write_with_the_credentials_of_the_role() -> Result<(), Anything> {
    let account = Account::open().await?;
    let (store, context) = (Store::of(&account)?, account.context(&user("alice")?));
    assert_eq!(write(&store, "sunny", &context).await?, 200);
    assert_eq!(write(&store, "rainy", &context).await?, 200);
    assert_eq!(account.count("assume_role_for_workload_identity"), 1, "the same session");
    assert_eq!(read(&store, &context).await?, ("rainy".to_owned(), 403));
    assert_ne!(key_id(&context).await?, key_id(&account.context(&user("bob")?)).await?);
    account.advance(901);
    assert_eq!(write(&store, "windy", &context).await?, 200, "renewed");
    Ok(())
}

/// Somebody else's program takes the token for what it is.
#[tokio::test]
async fn a_handler_gets_a_token_that_the_service_takes() -> Result<(), Anything> {
    let account = Account::open().await?;
    account.management().api_key_credential_providers().create(KEY_PROVIDER, KEY, None, None).await?;
    let token = workload(&account.context(&user("alice")?)).await?;
    let given = reached(&account.emulator).with_workload_token(token.expose_secret()).build()?;
    assert_eq!(client(given, &account.clock)?.api_key(KEY_PROVIDER).await?.expose_secret(), KEY);
    assert_eq!(workload(&account.context(&user("alice")?)).await?.expose_secret(), token.expose_secret());
    assert_ne!(workload(&account.context(&user("bob")?)).await?.expose_secret(), token.expose_secret());
    Ok(())
}

#[tokio::test]
async fn a_handler_may_need_all_four() -> Result<(), Anything> {
    let account = Account::with(Emulator::builder().with_human(Human::Approve)).await?;
    account.management().api_key_credential_providers().create(KEY_PROVIDER, KEY, None, None).await?;
    account.calendar(Flow::UserFederation).await?;
    let first = everything(&account.context(&user("alice")?)).await?;
    assert_eq!(first[0], KEY);
    assert_eq!(everything(&account.context(&user("alice")?)).await?, first, "all are kept");
    let other = everything(&account.context(&user("bob")?)).await?;
    assert!(other[0] == KEY && (1..4).all(|index| other[index] != first[index]), "the key alone is shared");
    Ok(())
}
