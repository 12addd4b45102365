//! API key credential providers: contract sections 5.3 and 9.

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::actions::{Answer, Call};
use super::body::{self, Named, Page, moment};
use super::error::ApiError;
use super::providers::{secret_trn, trn};
use crate::random;
use crate::vault::{KeyProvider, PooledKey};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request {
    name: Option<String>,
    api_key: Option<SecretString>,
    api_key_metadata: Option<Vec<Placement>>,
    pool_name: Option<String>,
    project_name: Option<String>,
}

/// Where in a request the key belongs.
#[derive(Deserialize, serde::Serialize)]
#[serde(rename_all = "PascalCase")]
struct Placement {
    location: Option<String>,
    parameter_name: Option<String>,
    prefix: Option<String>,
}

fn key_of(key: Option<SecretString>) -> Result<Option<SecretString>, ApiError> {
    let Some(key) = key else { return Ok(None) };
    if (1..=4096).contains(&key.expose_secret().len()) {
        return Ok(Some(key));
    }
    Err(ApiError::invalid("ApiKey must have 1 to 4096 bytes"))
}

pub(super) async fn create(call: &Call<'_>, members: Map<String, Value>) -> Answer {
    let request: Request = body::read(members)?;
    let name = body::name(request.name)?;
    let key = key_of(request.api_key)?.ok_or_else(|| ApiError::missing("ApiKey"))?;
    let now = call.core.clock.now();
    let new = PooledKey {
        provider: KeyProvider { id: random::uuid(), name: name.clone(), key, created_at: now, updated_at: now },
        pool: body::pool(request.pool_name),
        placement: request.api_key_metadata.map(|placement| json!(placement)),
        project: request.project_name.unwrap_or_else(|| "default".to_owned()),
    };
    let change = call
        .core
        .vault
        .change(move |state| state.create_pooled_key(new).map_err(|refusal| ApiError::creating(&name, refusal)));
    let created = change.await?;
    Ok(json!({
        "Name": created.provider.name,
        "CredentialProviderTrn": trn(call, &created.provider.name),
        "SecretTrn": secret_trn(call, &created.provider.id),
    }))
}

pub(super) async fn update(call: &Call<'_>, members: Map<String, Value>) -> Answer {
    let request: Request = body::read(members)?;
    let (pool, name) = (body::pool(request.pool_name), body::required(request.name, "Name")?);
    let (key, placement) = (key_of(request.api_key)?, request.api_key_metadata.map(|placement| json!(placement)));
    let now = call.core.clock.now();
    let change = call.core.vault.change(move |state| {
        let found = state.pooled_key_mut(&pool, &name)?;
        if let Some(key) = key {
            found.provider.key = key;
        }
        found.placement = placement.or_else(|| found.placement.take());
        found.provider.updated_at = now;
        Ok::<_, ApiError>(found.clone())
    });
    let updated = change.await?;
    Ok(summary(call, &updated))
}

pub(super) async fn delete(call: &Call<'_>, members: Map<String, Value>) -> Answer {
    let (pool, name) = Named::read(members)?;
    let change = call.core.vault.change(move |state| state.delete_pooled_key(&pool, &name).map_err(ApiError::from));
    change.await.map(|()| json!({}))
}

/// The key itself is never shown again.
pub(super) fn get(call: &Call<'_>, members: Map<String, Value>) -> Answer {
    let (pool, name) = Named::read(members)?;
    let state = call.core.vault.read();
    let found = state.pooled_key(&pool, &name)?;
    let mut answer = summary(call, found);
    answer["ApiKeyMetadata"] = json!(found.placement);
    answer["SecretTrn"] = secret_trn(call, &found.provider.id).into();
    Ok(answer)
}

pub(super) fn summary(call: &Call<'_>, found: &PooledKey) -> Value {
    json!({
        "Name": found.provider.name,
        "PoolName": found.pool,
        "ProjectName": found.project,
        "CredentialProviderTrn": trn(call, &found.provider.name),
        "CreatedAt": moment(found.provider.created_at),
        "UpdatedAt": moment(found.provider.updated_at),
    })
}

#[derive(Deserialize)]
struct Listing {
    #[serde(flatten)]
    page: Page,
    #[serde(rename = "PoolName")]
    pool_name: Option<String>,
}

pub(super) fn list(call: &Call<'_>, members: Map<String, Value>) -> Answer {
    let request: Listing = body::read(members)?;
    let pool = body::pool(request.pool_name);
    let state = call.core.vault.read();
    let items: Vec<_> = state.pooled.keys.values().filter(|item| item.pool == pool).collect();
    request.page.cut("ApiKeyCredentialProviders", &items, |item| summary(call, item))
}
