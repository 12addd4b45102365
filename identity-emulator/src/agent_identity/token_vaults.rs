//! Token vaults: contract section 8. What is said about their encryption is kept and shown: the emulator has one key for all.

use serde_json::{Value, json};

use super::actions::{Answer, Call, nothing};
use super::error::ApiError;
use super::form::{moment, without_nulls};
use crate::vault::{Refusal, Thing, TokenVault};

const ENTITY: &str = "TokenVault";
const NAME: &str = "TokenVaultName";
const KEY_TYPES: [&str; 2] = ["SERVICE_MANAGED_KEY", "CUSTOMER_MANAGED_KEY"];

fn about(refusal: Refusal) -> ApiError {
    ApiError::about(ENTITY, refusal)
}

/// The vault that was named, else the one that everybody has.
pub(super) fn named(call: &Call<'_>) -> String {
    call.form.text(NAME).unwrap_or(super::DEFAULT_VAULT).to_owned()
}

pub(super) async fn create(call: &Call<'_>) -> Answer {
    let form = &call.form;
    let encryption: Option<Value> = form.json("EncryptionConfig")?;
    let kind = encryption.as_ref().map(|config| config["KeyType"].as_str().unwrap_or_default());
    if kind.is_some_and(|kind| !KEY_TYPES.contains(&kind)) {
        let rule = "must have the KeyType SERVICE_MANAGED_KEY or CUSTOMER_MANAGED_KEY";
        return Err(ApiError::invalid("EncryptionConfig", rule));
    }
    let mut vault = super::new_vault(form.name(NAME)?, call.core.clock.now());
    (vault.description, vault.role, vault.encryption) = (form.owned("Description"), form.owned("RoleArn"), encryption);
    let created = call.core.vault.change(move |state| state.create_token_vault(vault).map_err(about)).await?;
    Ok(json!({ ENTITY: shown(&created) }))
}

fn shown(vault: &TokenVault) -> Value {
    without_nulls(json!({
        NAME: vault.name,
        "TokenVaultArn": super::arn(format_args!("tokenvault/{}", vault.name)),
        "RoleArn": vault.role,
        "EncryptionConfig": vault.encryption,
        "Description": vault.description.as_deref().unwrap_or_default(),
        "CreateTime": moment(vault.created_at),
        "UpdateTime": moment(vault.updated_at),
    }))
}

pub(super) fn get(call: &Call<'_>) -> Answer {
    let state = call.core.vault.read();
    Ok(json!({ ENTITY: shown(state.token_vault(call.form.required(NAME)?).map_err(about)?) }))
}

/// What is left out stays.
pub(super) async fn update(call: &Call<'_>) -> Answer {
    let (form, now) = (&call.form, call.core.clock.now());
    let (name, role) = (form.required(NAME)?.to_owned(), form.owned("RoleArn"));
    let description = form.owned("Description");
    let change = call.core.vault.change(move |state| {
        let vault = state.token_vault_mut(&name).map_err(about)?;
        vault.role = role.or_else(|| vault.role.take());
        vault.description = description.or_else(|| vault.description.take());
        vault.updated_at = now;
        Ok::<_, ApiError>(nothing())
    });
    change.await
}

pub(super) async fn delete(call: &Call<'_>) -> Answer {
    let name = call.form.required(NAME)?.to_owned();
    let change = call.core.vault.change(move |state| {
        state.delete_token_vault(&name).map_err(|refusal| match refusal {
            Refusal::Exists(Thing::Provider) => {
                let message = "There are credential providers in this vault; delete them first.";
                ApiError::new(http::StatusCode::CONFLICT, "DeleteConflict.TokenVault", message)
            }
            other => about(other),
        })
    });
    change.await.map(|()| nothing())
}

pub(super) fn list(call: &Call<'_>) -> Answer {
    let state = call.core.vault.read();
    call.form.page("TokenVaults", state.vaulted.vaults.iter(), |item| shown(item))
}
