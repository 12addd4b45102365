//! The management API from creating to deleting, so that each of its operations has met another reading of the contract.

use std::collections::BTreeSet;

use futures_util::{Stream, TryStreamExt as _};
use identity_client::{
    Error, ErrorKind, Flow,
    agent_identity::{
        IdentityProviderUpdate, ListOptions, Management, NewIdentityProvider, NewOAuth2Provider, NewTokenVault,
        NewWorkloadIdentity, OAuth2Config, OAuth2ProviderUpdate, Ram, WorkloadIdentityUpdate,
    },
};
use identity_emulator::Emulator;
use identity_tests::Anything;
use serde_json::json;

use crate::{outside, people, reached};

const RETURN_URL: &str = "https://app.example.com/bound";

pub(crate) async fn management() -> Result<(Emulator, Management), Anything> {
    let emulator = Emulator::builder().start().await?;
    let management = reached(&emulator).build_management()?;
    Ok((emulator, management))
}

pub(crate) fn is(error: Option<Error>, kind: ErrorKind, code: &str) -> Result<(), Anything> {
    let error = error.ok_or_else(|| format!("it should be {code}"))?;
    assert_eq!((error.kind(), error.code()), (kind, Some(code)), "{error}");
    Ok(())
}

/// The names of all, page after page.
async fn names<T>(
    items: impl Stream<Item = Result<T, Error>>,
    name: impl Fn(T) -> Option<String>,
) -> Result<BTreeSet<String>, Anything> {
    let items: Vec<T> = items.try_collect().await?;
    let count = items.len();
    let names: BTreeSet<_> = items.into_iter().filter_map(name).collect();
    assert_eq!(names.len(), count, "each once");
    Ok(names)
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[tokio::test]
async fn identity_providers() -> Result<(), Anything> {
    let (_emulator, management) = management().await?;
    let providers = management.identity_providers();
    let discovery = |name: &str| format!("https://{name}.example.com/.well-known/openid-configuration");
    let new = |name| NewIdentityProvider::new(name, discovery(name), ["app-1", "app-2"]);
    let made = providers.create(new("corp")?.with_description("our own")).await?;
    assert_eq!((made.name.as_deref(), made.discovery_url), (Some("corp"), Some(discovery("corp"))));
    assert_eq!((made.allowed_audience.len(), made.description.as_deref()), (2, Some("our own")));
    assert!(made.arn.is_some() && made.create_time.is_some() && made.update_time.is_some());
    is(providers.create(new("corp")?).await.err(), ErrorKind::Conflict, "EntityAlreadyExists.IdentityProvider")?;
    let mut update = IdentityProviderUpdate::default();
    update.allowed_audience = Some(vec!["app-3".into()]);
    providers.update("corp", update).await?;
    let got = providers.get("corp").await?;
    assert_eq!(got.allowed_audience, ["app-3"]);
    assert_eq!(got.discovery_url, Some(discovery("corp")), "what is not given stays");
    providers.create(new("partner")?).await?;
    let page = providers.list(ListOptions::new().with_size(1)).await?;
    assert_eq!((page.items.len(), page.total), (1, Some(2)));
    let next = page.next.ok_or("there is a second page")?;
    let page = providers.list(ListOptions::new().with_size(1).after(next)).await?;
    assert_eq!((page.items.len(), page.next), (1, None));
    assert_eq!(names(providers.list_all(), |one| one.name).await?, set(&["corp", "partner"]));
    providers.delete("corp").await?;
    for gone in [providers.get("corp").await.err(), providers.delete("corp").await.err()] {
        is(gone, ErrorKind::NotFound, "EntityNotExists.IdentityProvider")?;
    }
    Ok(())
}

#[tokio::test]
async fn workload_identities() -> Result<(), Anything> {
    let (emulator, management) = management().await?;
    let identities = management.workload_identities();
    let role = emulator.agent_identity().role_arn("r");
    let new = NewWorkloadIdentity::new("agent")?.with_role(&role).with_return_urls([RETURN_URL]);
    let made = identities.create(new.with_session_binding(true).with_description("reads mail")).await?;
    assert_eq!(
        made.arn.as_deref(),
        Some("acs:agentidentity:cn-beijing:1000000000000001:workloadidentitydirectory/default/workloadidentity/agent")
    );
    assert_eq!((made.role_arn, made.session_binding_enabled), (Some(role.clone()), Some(true)));
    let again = identities.create(NewWorkloadIdentity::new("agent")?).await;
    is(again.err(), ErrorKind::Conflict, "EntityAlreadyExists.WorkloadIdentity")?;
    let of_nobody = NewWorkloadIdentity::new("other")?.with_identity_provider("nobody");
    is(identities.create(of_nobody).await.err(), ErrorKind::NotFound, "EntityNotExists.IdentityProvider")?;
    let mut update = WorkloadIdentityUpdate::default();
    update.session_binding_enabled = Some(false);
    update.allowed_return_urls = Some(Vec::new());
    update.allowed_consent_urls = Some(vec!["https://app.example.com/offline".into()]);
    identities.update("agent", update).await?;
    let got = identities.get("agent").await?;
    assert_eq!((got.session_binding_enabled, got.role_arn), (Some(false), Some(role)));
    assert!(got.allowed_return_urls.is_empty(), "an empty list wipes it");
    assert_eq!(got.allowed_consent_urls, ["https://app.example.com/offline"]);
    assert_eq!(got.description.as_deref(), Some("reads mail"));
    for number in 0..24 {
        identities.create(NewWorkloadIdentity::new(format!("more-{number}"))?).await?;
    }
    let all = names(identities.list_all(), |one| one.name).await?;
    assert!(all.len() == 25 && all.contains("agent") && all.contains("more-23"), "{all:?}");
    let with_role = identities.create(NewWorkloadIdentity::new("with-role")?.with_new_role()).await?;
    assert_eq!(with_role.role_arn, Some(management.ram().role_arn("with-role").await?), "made with it");
    identities.delete("agent").await?;
    for gone in [identities.get("agent").await.err(), identities.delete("agent").await.err()] {
        is(gone, ErrorKind::NotFound, "EntityNotExists.WorkloadIdentity")?;
    }
    Ok(())
}

#[tokio::test]
async fn oauth2_credential_providers_of_each_kind() -> Result<(), Anything> {
    let emulator = people::with_pool()?.start().await?;
    let management = reached(&emulator).build_management()?;
    let providers = management.oauth2_credential_providers();
    management.token_vaults().create(NewTokenVault::new("team")?).await?;
    let config = outside(&emulator.provider())?.with_pkce(true);
    let custom = || NewOAuth2Provider::new("calendar", "CustomOAuth2", config.clone());
    let made = providers.create(custom()?.with_flow(Flow::UserFederation).with_description("calendars")).await?;
    let origin = emulator.agent_identity().endpoint().to_owned();
    assert!(made.callback_url.is_some_and(|url| url.starts_with(&format!("{origin}/oauth2/callback/"))));
    assert_eq!(
        (made.oauth_type.as_deref(), made.token_vault_name.as_deref()),
        (Some("USER_FEDERATION"), Some("default"))
    );
    is(providers.create(custom()?).await.err(), ErrorKind::Conflict, "EntityAlreadyExists.OAuth2CredentialProvider")?;
    providers.create(custom()?.with_token_vault("team")).await?;
    let document = format!("{}/.well-known/openid-configuration", people::issuer(&emulator)?);
    let discovered = OAuth2Config::discovered("id", document)?;
    providers.create(NewOAuth2Provider::new("found", "CustomOAuth2", discovered.with_client_secret("s"))?).await?;
    let feishu = emulator.feishu();
    let known = OAuth2Config::known(feishu.client_id()).with_client_secret(feishu.client_secret().clone());
    providers.create(NewOAuth2Provider::new("feishu", "FeiShuOAuth2", known)?).await?;

    let mut update = OAuth2ProviderUpdate::default();
    update.description = Some("other calendars".into());
    update.config = Some(outside(&emulator.provider())?);
    providers.update("calendar", None, update).await?;
    let got = providers.get("calendar", None).await?;
    assert_eq!(
        (got.description.as_deref(), got.oauth_type.as_deref()),
        (Some("other calendars"), Some("USER_FEDERATION"))
    );
    assert!(!format!("{got:?}").contains(secrecy::ExposeSecret::expose_secret(emulator.provider().client_secret())));
    let page = providers.list(None, ListOptions::new().with_size(2)).await?;
    assert!(page.items.len() == 2 && page.next.is_some() && page.total == Some(3), "{page:?}");
    assert_eq!(names(providers.list_all(None), |one| one.name).await?, set(&["calendar", "feishu", "found"]));
    assert_eq!(names(providers.list_all(Some("team")), |one| one.name).await?, set(&["calendar"]));
    providers.delete("calendar", None).await?;
    assert!(providers.get("calendar", Some("team")).await.is_ok(), "each vault has its own");
    for gone in [providers.get("calendar", None).await.err(), providers.delete("calendar", None).await.err()] {
        is(gone, ErrorKind::NotFound, "EntityNotExists.OAuth2CredentialProvider")?;
    }
    Ok(())
}

#[tokio::test]
async fn api_key_credential_providers() -> Result<(), Anything> {
    let (_emulator, management) = management().await?;
    let keys = management.api_key_credential_providers();
    management.token_vaults().create(NewTokenVault::new("team")?).await?;
    let made = keys.create("weather", "sk-1", None, Some("forecasts")).await?;
    assert_eq!((made.name.as_deref(), made.token_vault_name.as_deref()), (Some("weather"), Some("default")));
    let again = keys.create("weather", "sk-1", None, None).await;
    is(again.err(), ErrorKind::Conflict, "EntityAlreadyExists.APIKeyCredentialProvider")?;
    keys.create("weather", "sk-2", Some("team"), None).await?;
    keys.create("maps", "sk-3", None, None).await?;
    keys.update("weather", "sk-4", None, Some("better forecasts")).await?;
    let got = keys.get("weather", None).await?;
    assert_eq!(got.description.as_deref(), Some("better forecasts"));
    assert!(got.arn.is_some() && !format!("{got:?}").contains("sk-"));
    let page = keys.list(None, ListOptions::new().with_size(1)).await?;
    assert!(page.items.len() == 1 && page.next.is_some(), "{page:?}");
    assert_eq!(names(keys.list_all(None), |one| one.name).await?, set(&["maps", "weather"]));
    assert_eq!(names(keys.list_all(Some("team")), |one| one.name).await?, set(&["weather"]));
    let nowhere = keys.create("weather", "sk-5", Some("nowhere"), None).await;
    is(nowhere.err(), ErrorKind::NotFound, "EntityNotExists.TokenVault")?;
    keys.delete("weather", None).await?;
    for gone in [keys.get("weather", None).await.err(), keys.update("weather", "sk-6", None, None).await.err()] {
        is(gone, ErrorKind::NotFound, "EntityNotExists.APIKeyCredentialProvider")?;
    }
    Ok(())
}

#[tokio::test]
async fn token_vaults() -> Result<(), Anything> {
    let (emulator, management) = management().await?;
    let vaults = management.token_vaults();
    let role = emulator.agent_identity().role_arn("kms");
    let new = || NewTokenVault::new("team");
    let key = "acs:kms:cn-beijing:1000000000000001:key/key-1";
    let made = vaults.create(new()?.with_kms_key(key, &role).with_description("of the team")).await?;
    assert_eq!((made.name.as_deref(), made.role_arn), (Some("team"), Some(role)));
    is(vaults.create(new()?).await.err(), ErrorKind::Conflict, "EntityAlreadyExists.TokenVault")?;
    vaults.update("team", None, Some("of two teams")).await?;
    assert_eq!(vaults.get("team").await?.description.as_deref(), Some("of two teams"));
    let page = vaults.list(ListOptions::new().with_size(1)).await?;
    assert!(page.items.len() == 1 && page.next.is_some(), "{page:?}");
    assert_eq!(names(vaults.list_all(), |one| one.name).await?, set(&["default", "team"]));
    management.api_key_credential_providers().create("weather", "sk-1", Some("team"), None).await?;
    is(vaults.delete("team").await.err(), ErrorKind::Conflict, "DeleteConflict.TokenVault")?;
    management.api_key_credential_providers().delete("weather", Some("team")).await?;
    vaults.delete("team").await?;
    for gone in [vaults.get("team").await.err(), vaults.update("team", None, Some("x")).await.err()] {
        is(gone, ErrorKind::NotFound, "EntityNotExists.TokenVault")?;
    }
    Ok(())
}

#[tokio::test]
async fn roles_and_policies() -> Result<(), Anything> {
    let (_emulator, management) = management().await?;
    let ram = management.ram();
    let arn = ram.create_role("agents", &Ram::trust_of_workloads(), Some("of agents")).await?;
    assert_eq!(ram.role_arn("agents").await?, arn);
    let taken = ram.create_role("agents", &Ram::trust_of_workload("acs:x"), None).await;
    is(taken.err(), ErrorKind::Conflict, "EntityAlreadyExists.Role")?;
    let document =
        json!({ "Version": "1", "Statement": [{ "Effect": "Allow", "Action": "oss:GetObject", "Resource": "*" }] });
    ram.create_policy("read", &document, None).await?;
    is(ram.create_policy("read", &document, None).await.err(), ErrorKind::Conflict, "EntityAlreadyExists.Policy")?;
    ram.attach_policy("read", "agents").await?;
    is(ram.attach_policy("read", "agents").await.err(), ErrorKind::Conflict, "EntityAlreadyExists.Role.Policy")?;
    ram.attach_system_policy("AliyunAgentIdentityDataGetCredentialAccess", "agents").await?;
    is(ram.delete_policy("read").await.err(), ErrorKind::Conflict, "DeleteConflict.Policy.Role")?;
    is(ram.delete_role("agents").await.err(), ErrorKind::Conflict, "DeleteConflict.Role.Policy")?;
    ram.detach_policy("read", false, "agents").await?;
    ram.detach_policy("AliyunAgentIdentityDataGetCredentialAccess", true, "agents").await?;
    is(ram.detach_policy("read", false, "agents").await.err(), ErrorKind::NotFound, "EntityNotExist.Role.Policy")?;
    ram.delete_policy("read").await?;
    ram.delete_role("agents").await?;
    is(ram.role_arn("agents").await.err(), ErrorKind::NotFound, "EntityNotExist.Role")?;
    is(ram.attach_policy("read", "agents").await.err(), ErrorKind::NotFound, "EntityNotExist.Policy")?;
    Ok(())
}

#[tokio::test]
async fn any_other_operation_is_signed_and_sent() -> Result<(), Anything> {
    let (_emulator, management) = management().await?;
    let parameters = json!({
        "WorkloadIdentityName": "agent", "Description": "Grüße, a+b & c=d ~*", "SessionBindingEnabled": true,
        "AllowedResourceOAuth2ReturnURLs": [RETURN_URL], "RoleArn": null,
    });
    let answer = management.call("CreateWorkloadIdentity", &parameters).await?;
    let made = &answer["WorkloadIdentity"];
    assert_eq!((&made["Description"], &made["SessionBindingEnabled"]), (&parameters["Description"], &json!(true)));
    assert!(answer["RequestId"].is_string());
    let page = management.call("ListWorkloadIdentities", &json!({ "MaxResults": 1 })).await?;
    assert_eq!(page["WorkloadIdentities"][0]["WorkloadIdentityName"], "agent");
    // The one operation with parameters in the query: they are signed, or the emulator would say so first.
    let preference = json!({
        "UserPoolName": "pool", "LoginPreference": { "EnablePasswordLogin": true },
        "AllowedPostLogoutRedirectUris": ["https://app.example.com/a b~*"],
    });
    let answer = management.call("UpdateLoginPreference", &preference).await;
    is(answer.err(), ErrorKind::InvalidRequest, "UnsupportedOperation.NotEmulated")?;
    let missing = management.call("GetWorkloadIdentity", &json!({ "WorkloadIdentityName": "nobody" })).await;
    is(missing.err(), ErrorKind::NotFound, "EntityNotExists.WorkloadIdentity")?;
    Ok(())
}
