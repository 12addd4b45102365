//! The management API from creating to deleting, so that each of its operations has met another reading of the contract.

use futures_util::{Stream, TryStreamExt as _};
use identity_client::{
    Error, ErrorKind, Flow, SecretString,
    agentkit::{
        ClientType, Entity, KeyPlace, ListOptions, Management, NewIdentity, NewUserPool, OAuth2Config, PermissionCheck,
        ProviderFilter, Vendor,
    },
};
use identity_emulator::Emulator;
use identity_tests::Anything;

use crate::platform;

async fn management() -> Result<(Emulator, Management), Anything> {
    let emulator = Emulator::builder().start().await?;
    let management = platform(&emulator)?.management().clone();
    Ok((emulator, management))
}

async fn all<T>(items: impl Stream<Item = Result<T, Error>>) -> Result<Vec<T>, Error> {
    items.try_collect().await
}

#[tokio::test]
async fn workloads_and_their_pools() -> Result<(), Anything> {
    let (_emulator, management) = management().await?;
    let identities = management.identities();
    let made = identities.create_pool("team", Some("a team's agents")).await?;
    let got = identities.get_pool("team").await?;
    assert_eq!((&got.workload_pool_name, &got.trn), (&Some("team".to_owned()), &made.trn));
    assert!(got.discovery_url.is_some(), "where the keys of its tokens are");
    for name in ["a", "b"] {
        identities.create(NewIdentity::new(name)?.with_allowed_return_url("https://app.example.com/done")).await?;
    }
    let taken = identities.create(NewIdentity::new("a")?).await.err().ok_or("the name is taken")?;
    assert_eq!(taken.kind(), ErrorKind::Conflict);
    assert_eq!(
        identities.get("a").await?.allowed_resource_oauth2_return_urls,
        ["https://app.example.com/done".to_owned()]
    );
    let page = identities.list(ListOptions::new().with_size(1)).await?;
    assert!(page.items.len() == 1 && page.has_next, "{page:?}");
    let names: Vec<_> = all(identities.list_all()).await?.into_iter().filter_map(|identity| identity.name).collect();
    assert!(names.contains(&"a".to_owned()) && names.contains(&"b".to_owned()), "{names:?}");
    Ok(())
}

#[tokio::test]
async fn credential_providers_of_both_kinds() -> Result<(), Anything> {
    let (emulator, management) = management().await?;
    let (oauth, keys) = (management.oauth2_providers(), management.api_key_providers());
    let feishu = emulator.feishu();
    let config = |flow| OAuth2Config::new(feishu.client_id(), feishu.client_secret().clone(), flow);
    let made = oauth.create("feishu", Vendor::Feishu, &config(Flow::UserFederation)?).await?;
    assert_eq!(made.callback_url.as_deref(), management.callback_url());
    oauth.update("feishu", &config(Flow::UserFederation)?.with_scopes(["drive:drive"])).await?;
    let got = oauth.get("feishu").await?;
    assert_eq!((got.flow.as_deref(), got.scopes), (Some("USER_FEDERATION"), vec!["drive:drive".to_owned()]));
    let found = oauth.get_many(&["feishu", "another"]).await?;
    assert_eq!(found.iter().map(|provider| provider.name.as_deref()).collect::<Vec<_>>(), [Some("feishu")]);
    let broken = oauth.get_many(&["feishu", "a/b"]).await.err().ok_or("that is no name")?;
    assert_eq!(broken.kind(), ErrorKind::InvalidRequest);
    keys.create("weather", &SecretString::from("key-1"), &[KeyPlace::header("X-Api-Key", "")]).await?;
    keys.update("weather", &SecretString::from("key-2"), &[KeyPlace::query("key")]).await?;
    assert_eq!(keys.get("weather").await?.name.as_deref(), Some("weather"));
    assert_eq!((all(oauth.list_all()).await?.len(), all(keys.list_all()).await?.len()), (1, 1));
    assert_eq!(all(management.providers().list_all(ProviderFilter::new())).await?.len(), 2);
    assert_eq!(all(management.providers().list_all(ProviderFilter::new().with_kind("api_key"))).await?.len(), 1);
    oauth.delete("feishu").await?;
    keys.delete("weather").await?;
    for gone in [oauth.get("feishu").await.map(drop), keys.get("weather").await.map(drop)] {
        assert_eq!(gone.map_err(|error| error.kind()), Err(ErrorKind::NotFound));
    }
    Ok(())
}

#[tokio::test]
async fn user_pools_their_clients_and_who_is_let_in() -> Result<(), Anything> {
    let (_emulator, management) = management().await?;
    let pools = management.user_pools();
    let made = pools.create(&NewUserPool::new("users")?.with_password_sign_in(false)).await?;
    let uid = made.uid.ok_or("a pool has an id")?;
    let discovery = pools.get(&uid).await?.discovery_url.ok_or("a pool is an issuer")?;
    assert_eq!(pools.find("users").await?.and_then(|pool| pool.uid), Some(uid.clone()));
    assert_eq!(all(pools.list_all()).await?.len(), 1);

    let clients = pools.clients(&uid)?;
    let callback = "https://app.example.com/callback";
    let client =
        clients.create("web", ClientType::WebApplication, &[callback]).await?.uid.ok_or("a client has an id")?;
    assert!(clients.register_callback(&client, "http://127.0.0.1:8082/callback").await?);
    clients.check_redirect(&client, "http://127.0.0.1:8082/callback").await?;
    assert!(clients.get(&client).await?.client_secret.is_some());
    assert_eq!(all(clients.list_all()).await?.len(), 1);

    let configs = management.inbound_configs();
    let made = configs.create("gate", "CustomJWT", &discovery, &[&client]).await?;
    let id = made.inbound_auth_config_id.ok_or("a configuration has an id")?;
    configs.attach(&id, "runtime-1").await?;
    assert_eq!(configs.list(ListOptions::new()).await?.items.len(), 1);
    configs.delete(&id).await?;
    assert!(all(configs.list_all()).await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn what_no_policy_allows_is_denied() -> Result<(), Anything> {
    let (_emulator, management) = management().await?;
    let of = |kind: &str, id: &str| Entity::new(kind, id);
    let question = PermissionCheck::new(of("user", "alice"), of("Action", "invoke"), of("agent", "a"));
    assert!(!management.check_permission(&question).await?.allowed);
    Ok(())
}
