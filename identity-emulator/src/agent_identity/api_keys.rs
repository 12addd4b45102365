//! API key credential providers: contract section 8.

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::actions::{Answer, Call, nothing};
use super::error::ApiError;
use super::form::moment;
use super::token_vaults::named;
use crate::random;
use crate::vault::{KeyProvider, Refusal, Thing, VaultedKey};

const ENTITY: &str = "APIKeyCredentialProvider";
const NAME: &str = "APIKeyCredentialProviderName";

fn about(refusal: Refusal) -> ApiError {
    match refusal {
        Refusal::Missing(Thing::Pool) => ApiError::not_found("TokenVault"),
        other => ApiError::about(ENTITY, other),
    }
}

fn key(call: &Call<'_>) -> Result<SecretString, ApiError> {
    let key = call.form.secret("APIKey")?;
    if key.expose_secret().len() <= 4096 {
        Ok(key)
    } else {
        Err(ApiError::invalid("APIKey", "must have 1 to 4096 bytes"))
    }
}

pub(super) async fn create(call: &Call<'_>) -> Answer {
    let (form, now) = (&call.form, call.core.clock.now());
    let (name, key) = (form.name(NAME)?, key(call)?);
    let new = VaultedKey {
        provider: KeyProvider { id: random::uuid(), name, key, created_at: now, updated_at: now },
        vault: named(call),
        description: form.owned("Description"),
    };
    let created = call.core.vault.change(move |state| state.create_vaulted_key(new).map_err(about)).await?;
    Ok(json!({ ENTITY: shown(&created) }))
}

/// The key itself is never shown again.
fn shown(found: &VaultedKey) -> Value {
    let name = &found.provider.name;
    json!({
        NAME: name,
        "CredentialProviderArn": super::arn(format_args!("tokenvault/{}/apikeycredentialprovider/{name}", found.vault)),
        "TokenVaultName": found.vault,
        "SourcePlatform": "Custom",
        "Description": found.description.as_deref().unwrap_or_default(),
        "CreateTime": moment(found.provider.created_at),
        "UpdateTime": moment(found.provider.updated_at),
    })
}

pub(super) fn get(call: &Call<'_>) -> Answer {
    let state = call.core.vault.read();
    Ok(json!({ ENTITY: shown(state.vaulted_key(&named(call), call.form.required(NAME)?).map_err(about)?) }))
}

/// What is left out stays.
pub(super) async fn update(call: &Call<'_>) -> Answer {
    let (form, now) = (&call.form, call.core.clock.now());
    let (vault, name) = (named(call), form.required(NAME)?.to_owned());
    let key = form.text("APIKey").map(|_| key(call)).transpose()?;
    let description = form.owned("Description");
    let change = call.core.vault.change(move |state| {
        let found = state.vaulted_key_mut(&vault, &name).map_err(about)?;
        if let Some(key) = key {
            found.provider.key = key;
        }
        found.description = description.or_else(|| found.description.take());
        found.provider.updated_at = now;
        Ok::<_, ApiError>(nothing())
    });
    change.await
}

pub(super) async fn delete(call: &Call<'_>) -> Answer {
    let (vault, name) = (named(call), call.form.required(NAME)?.to_owned());
    let change = call.core.vault.change(move |state| state.delete_vaulted_key(&vault, &name).map_err(about));
    change.await.map(|()| nothing())
}

pub(super) fn list(call: &Call<'_>) -> Answer {
    let (state, vault) = (call.core.vault.read(), named(call));
    state.token_vault(&vault).map_err(about)?;
    let items = state.vaulted.keys.iter().filter(|(_, item)| item.vault == vault);
    call.form.page("APIKeyCredentialProviders", items, |item| shown(item))
}
