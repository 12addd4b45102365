//! Pools, workload identities and their tokens: contract section 5.1.

use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::actions::{Answer, Call};
use super::body::{self, Named, Page, moment, required};
use super::error::ApiError;
use super::identity_token::{self, Bearer};
use super::{ACCOUNT, is_name, issuer};
use crate::core::Core;
use crate::random;
use crate::returning::is_safe;
use crate::user::User;
use crate::vault::{Identity, Workload, WorkloadPool};

/// The pool that everybody has.
pub(crate) const DEFAULT_POOL: &str = "default";
/// How long a token lives when the request does not say, in seconds; the platform's own number is not documented.
const LIFETIME: i64 = 3_600;
/// The longest life that can be asked for, in seconds.
const LONGEST: i64 = 43_200;
/// How many return URLs a workload identity may have.
const RETURN_URLS: usize = 100;

pub(crate) fn pool(name: String, now: jiff::Timestamp) -> WorkloadPool {
    WorkloadPool { id: random::uuid(), name, description: None, project: None, created_at: now, updated_at: now }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TokenRequest {
    name: Option<String>,
    workload_pool_name: Option<String>,
    #[serde(default)]
    audience: Vec<String>,
    duration_seconds: Option<i64>,
    user_id: Option<String>,
    user_token: Option<SecretString>,
}

pub(super) async fn token(call: &Call<'_>, members: Map<String, Value>) -> Answer {
    issue(call, &body::read(members)?, None, LONGEST).await
}

pub(super) async fn token_for_user(call: &Call<'_>, members: Map<String, Value>) -> Answer {
    let mut request: TokenRequest = body::read(members)?;
    let user = User::named(required(request.user_id.take(), "UserId")?);
    let user = user.ok_or_else(|| ApiError::invalid(format!("UserId {}", User::RULE)))?;
    issue(call, &request, Some(user), LONGEST).await
}

/// The user's token is verified, and the new one does not outlive it.
pub(super) async fn token_for_jwt(call: &Call<'_>, members: Map<String, Value>) -> Answer {
    let request: TokenRequest = body::read(members)?;
    let token = request.user_token.as_ref().filter(|token| !token.expose_secret().is_empty());
    let token = token.ok_or_else(|| ApiError::missing("UserToken"))?;
    let (user, end) = identity_token::user(call.core, token.expose_secret()).await?;
    let left = end.saturating_sub(call.core.clock.now().as_second());
    issue(call, &request, Some(user), left).await
}

async fn issue(call: &Call<'_>, request: &TokenRequest, user: Option<User>, most: i64) -> Answer {
    let wanted = request.duration_seconds.unwrap_or(LIFETIME);
    if !(1..=LONGEST).contains(&wanted) {
        return Err(ApiError::invalid("DurationSeconds must be a number from 1 to 43200"));
    }
    let pool = body::pool(request.workload_pool_name.clone());
    let workload = workload_of(call, &pool, request.name.as_deref()).await?;
    let bearer = Bearer { pool, workload, user };
    let (token, end) = identity_token::issue(call.core, &bearer, &request.audience, wanted.min(most)).await?;
    Ok(json!({ "WorkloadAccessToken": token.expose_secret(), "ExpiresAt": moment(end) }))
}

/// The workload that was named; else that of the caller's role, which comes into being with its first token.
async fn workload_of(call: &Call<'_>, pool: &str, name: Option<&str>) -> Result<String, ApiError> {
    let unresolved = || ApiError::invalid("Name is missing or invalid");
    if let Some(name) = name.filter(|name| !name.is_empty()) {
        let state = call.core.vault.read();
        return state.workload(pool, name).map(|known| known.identity.name.clone()).map_err(|_| unresolved());
    }
    let role = call.caller.role.clone().ok_or_else(unresolved)?;
    if call.core.vault.read().workload(pool, &role).is_ok() {
        return Ok(role);
    }
    let workload = workload(call.core, pool.to_owned(), role.clone());
    let change = call.core.vault.change(move |state| {
        match state.create_workload(Workload { source: Some("Role".to_owned()), ..workload }) {
            // Somebody else's first token was faster.
            Ok(_) | Err(crate::vault::Refusal::Exists(_)) => Ok(()),
            Err(refusal) => Err(ApiError::from(refusal)),
        }
    });
    change.await?;
    Ok(role)
}

fn workload(core: &Core, pool: String, name: String) -> Workload {
    let now = core.clock.now();
    let identity = Identity {
        id: random::uuid(),
        name,
        description: None,
        return_urls: Vec::new(),
        created_at: now,
        updated_at: now,
    };
    Workload { identity, pool, category: None, source: None, metadata: None }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Creation {
    name: Option<String>,
    workload_pool_name: Option<String>,
    category: Option<String>,
    description: Option<String>,
    allowed_resource_oauth2_return_urls: Option<Vec<String>>,
    meta_data: Option<Value>,
}

impl Creation {
    fn return_urls(&mut self) -> Result<Option<Vec<String>>, ApiError> {
        let urls = self.allowed_resource_oauth2_return_urls.take();
        let fit = |urls: &Vec<String>| urls.len() <= RETURN_URLS && urls.iter().all(|url| is_safe(url));
        if urls.as_ref().is_none_or(fit) {
            return Ok(urls);
        }
        let message = "AllowedResourceOauth2ReturnUrls must be at most 100 absolute URLs that a browser can be sent to";
        Err(ApiError::invalid(message))
    }
}

pub(super) async fn create(call: &Call<'_>, members: Map<String, Value>) -> Answer {
    let mut request: Creation = body::read(members)?;
    let urls = request.return_urls()?.unwrap_or_default();
    let name = body::name(request.name)?;
    let mut new = workload(call.core, body::pool(request.workload_pool_name), name.clone());
    new.identity.description = request.description;
    new.identity.return_urls = urls;
    (new.category, new.metadata) = (request.category, request.meta_data);
    let change = call
        .core
        .vault
        .change(move |state| state.create_workload(new).map_err(|refusal| ApiError::creating(&name, refusal)));
    let created = change.await?;
    Ok(shown(call, &created))
}

/// What is left out stays; an empty list of return URLs wipes it. Not in the contract, but in the vendor's packages, as deletion is.
pub(super) async fn update(call: &Call<'_>, members: Map<String, Value>) -> Answer {
    let mut request: Creation = body::read(members)?;
    let urls = request.return_urls()?;
    let (pool, name) = (body::pool(request.workload_pool_name), required(request.name, "Name")?);
    let now = call.core.clock.now();
    let change = call.core.vault.change(move |state| {
        let found = state.workload_mut(&pool, &name)?;
        found.identity.description = request.description.or_else(|| found.identity.description.take());
        found.identity.return_urls = urls.unwrap_or_else(|| std::mem::take(&mut found.identity.return_urls));
        found.metadata = request.meta_data.or_else(|| found.metadata.take());
        found.identity.updated_at = now;
        Ok::<_, ApiError>(found.clone())
    });
    let updated = change.await?;
    Ok(shown(call, &updated))
}

pub(super) async fn delete(call: &Call<'_>, members: Map<String, Value>) -> Answer {
    let (pool, name) = Named::read(members)?;
    let change = call.core.vault.change(move |state| state.delete_workload(&pool, &name).map_err(ApiError::from));
    change.await.map(|()| json!({}))
}

fn shown(call: &Call<'_>, workload: &Workload) -> Value {
    let identity = &workload.identity;
    json!({
        "Name": identity.name,
        "Trn": trn(call.region, &identity.name),
        "WorkloadPoolName": workload.pool,
        "Category": workload.category,
        "Source": workload.source,
        "Description": identity.description,
        "AllowedResourceOauth2ReturnUrls": identity.return_urls,
        "MetaData": workload.metadata,
        "CreatedAt": moment(identity.created_at),
        "UpdatedAt": moment(identity.updated_at),
    })
}

fn trn(region: &str, name: &str) -> String {
    format!("trn:id:{region}:{ACCOUNT}:workloadidentity/{name}")
}

pub(super) fn get(call: &Call<'_>, members: Map<String, Value>) -> Answer {
    let (pool, name) = Named::read(members)?;
    let state = call.core.vault.read();
    Ok(shown(call, state.workload(&pool, &name)?))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listing {
    #[serde(flatten)]
    page: Page,
    name: Option<String>,
    category: Option<String>,
    source: Option<String>,
    trn: Option<String>,
    workload_pool_name: Option<String>,
}

pub(super) fn list(call: &Call<'_>, members: Map<String, Value>) -> Answer {
    let filter: Listing = body::read(members)?;
    let pool = body::pool(filter.workload_pool_name);
    let state = call.core.vault.read();
    let fits = |wanted: &Option<String>, found: Option<&str>| wanted.as_deref().is_none_or(|text| found == Some(text));
    let items: Vec<&Arc<Workload>> = state
        .pooled
        .workloads
        .values()
        .filter(|item| item.pool == pool && fits(&filter.name, Some(&item.identity.name)))
        .filter(|item| fits(&filter.category, item.category.as_deref()) && fits(&filter.source, item.source.as_deref()))
        .filter(|item| fits(&filter.trn, Some(&trn(call.region, &item.identity.name))))
        .collect();
    filter.page.cut("WorkloadIdentities", &items, |item| shown(call, item))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PoolRequest {
    workload_pool_id: Option<String>,
    workload_pool_name: Option<String>,
    description: Option<String>,
    project_name: Option<String>,
}

pub(super) async fn create_pool(call: &Call<'_>, members: Map<String, Value>) -> Answer {
    let request: PoolRequest = body::read(members)?;
    let name = required(request.workload_pool_name, "WorkloadPoolName")?;
    if !is_name(&name) {
        return Err(ApiError::invalid(format!("WorkloadPoolName {}", super::NAME_RULE)));
    }
    let mut new = pool(name.clone(), call.core.clock.now());
    (new.description, new.project) = (request.description, request.project_name);
    let change = call
        .core
        .vault
        .change(move |state| state.create_workload_pool(new).map_err(|refusal| ApiError::creating(&name, refusal)));
    let created = change.await?;
    Ok(shown_pool(call, &created))
}

pub(super) fn get_pool(call: &Call<'_>, members: Map<String, Value>) -> Answer {
    let request: PoolRequest = body::read(members)?;
    let state = call.core.vault.read();
    let found = match (&request.workload_pool_id, &request.workload_pool_name) {
        (Some(id), _) => state.pooled.workload_pools.values().find(|pool| pool.id == *id),
        (None, Some(name)) => state.workload_pool(name).ok(),
        (None, None) => return Err(ApiError::missing("WorkloadPoolName")),
    };
    found.map(|pool| shown_pool(call, pool)).ok_or_else(|| ApiError::not_found("pool not found"))
}

fn shown_pool(call: &Call<'_>, pool: &WorkloadPool) -> Value {
    let state = call.core.vault.read();
    let issuer = issuer::of_workload_pool(call.core, &pool.id);
    json!({
        "WorkloadPoolId": pool.id,
        "WorkloadPoolName": pool.name,
        "Description": pool.description,
        "ProjectName": pool.project,
        "DiscoveryUrl": format!("{issuer}{}", issuer::DISCOVERY),
        "Url": issuer,
        "AllowAutoCreateIdentity": true,
        "TrustAnchors": [],
        "TotalWorkloads": state.pooled.workloads.values().filter(|item| item.pool == pool.name).count(),
        "TotalCredentials": state.pooled.providers.values().filter(|item| item.pool == pool.name).count()
            + state.pooled.keys.values().filter(|item| item.pool == pool.name).count(),
        "Trn": format!("trn:id:{}:{ACCOUNT}:workloadpool/{}", call.region, pool.name),
        "CreatedAt": moment(pool.created_at),
        "UpdatedAt": moment(pool.updated_at),
    })
}
