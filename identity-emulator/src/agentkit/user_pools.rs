//! Pools of people: contract section 5.4.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::actions::{Answer, Call};
use super::body::{self, Page, moment, required};
use super::error::ApiError;
use super::{ACCOUNT, issuer};
use crate::random;
use crate::vault::UserPool;

/// Members of a creation that are not switches.
const NOT_SETTINGS: [&str; 4] = ["Name", "ProjectName", "Tags", "ClientToken"];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request {
    name: Option<String>,
    user_pool_uid: Option<String>,
}

/// The scalar members of a request: switches and texts, to be shown again.
pub(super) fn settings(members: Map<String, Value>, not: &[&str]) -> Map<String, Value> {
    let keep = |name: &str, value: &Value| !not.contains(&name) && (value.is_boolean() || value.is_string());
    members.into_iter().filter(|(name, value)| keep(name, value)).collect()
}

pub(super) async fn create(call: &Call<'_>, members: Map<String, Value>) -> Answer {
    let request: Request = body::read(members.clone())?;
    let name = body::name(request.name)?;
    let now = call.core.clock.now();
    let new = UserPool {
        id: random::uuid(),
        name: name.clone(),
        settings: settings(members, &NOT_SETTINGS),
        created_at: now,
        updated_at: now,
    };
    let change = call
        .core
        .vault
        .change(move |state| state.create_user_pool(new).map_err(|refusal| ApiError::creating(&name, refusal)));
    let created = change.await?;
    Ok(shown(call, &created))
}

pub(super) fn get(call: &Call<'_>, members: Map<String, Value>) -> Answer {
    let request: Request = body::read(members)?;
    let id = required(request.user_pool_uid, "UserPoolUid")?;
    let state = call.core.vault.read();
    let found = state.user_pool(&id).map_err(|_| ApiError::not_found("user pool not found"))?;
    Ok(shown(call, found))
}

/// What is left out stays. Not in the contract, but the vendor's client drives it.
pub(super) async fn update(call: &Call<'_>, members: Map<String, Value>) -> Answer {
    let request: Request = body::read(members.clone())?;
    let id = required(request.user_pool_uid, "UserPoolUid")?;
    let name = request.name.map(|name| body::name(Some(name))).transpose()?;
    let mut settings = settings(members, &NOT_SETTINGS);
    settings.remove("UserPoolUid");
    let now = call.core.clock.now();
    let change = call.core.vault.change(move |state| {
        let pool = state.user_pool_mut(&id).map_err(|_| ApiError::not_found("user pool not found"))?;
        pool.settings.extend(settings);
        pool.name = name.unwrap_or_else(|| std::mem::take(&mut pool.name));
        pool.updated_at = now;
        Ok::<_, ApiError>(pool.clone())
    });
    let updated = change.await?;
    Ok(shown(call, &updated))
}

fn shown(call: &Call<'_>, pool: &UserPool) -> Value {
    let base = issuer::of_user_pool(call.core, &pool.id);
    let mut answer = pool.settings.clone();
    for (name, value) in [
        ("Uid", pool.id.clone()),
        ("Name", pool.name.clone()),
        ("Trn", format!("trn:id:{}:{ACCOUNT}:userpool/{}", call.region, pool.id)),
        ("Domain", base.trim_start_matches("http://").to_owned()),
        ("DiscoveryUrl", format!("{base}{}", issuer::DISCOVERY)),
        ("TokenUrl", format!("{base}/oauth/token")),
        ("TokenSigningKeyUrl", format!("{base}/keys")),
        ("OauthLoginCallbackUrl", format!("{base}/login/oauth/callback")),
        ("OidcLoginCallbackUrl", format!("{base}/login/oidc/callback")),
        ("CreatedAt", moment(pool.created_at)),
        ("UpdatedAt", moment(pool.updated_at)),
        ("IssuerUrl", base.clone()),
    ] {
        answer.insert(name.to_owned(), value.into());
    }
    Value::Object(answer)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listing {
    #[serde(flatten)]
    page: Page,
    filter: Option<Filter>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase")]
struct Filter {
    name: Option<String>,
    uid: Option<String>,
}

pub(super) fn list(call: &Call<'_>, members: Map<String, Value>) -> Answer {
    let request: Listing = body::read(members)?;
    let filter = request.filter.unwrap_or_default();
    let state = call.core.vault.read();
    let fits = |pool: &&Arc<UserPool>| {
        filter.name.as_ref().is_none_or(|name| *name == pool.name)
            && filter.uid.as_ref().is_none_or(|uid| *uid == pool.id)
    };
    let items: Vec<_> = state.pooled.user_pools.values().filter(fits).collect();
    request.page.cut("Data", &items, |item| shown(call, item))
}
