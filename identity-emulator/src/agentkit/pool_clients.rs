//! Applications at which people of a user pool log in: contract section 5.4.

use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::actions::{Answer, Call};
use super::body::{self, Page, moment, required};
use super::error::ApiError;
use super::user_pools::settings;
use crate::random;
use crate::vault::PoolClient;

const KINDS: [&str; 3] = ["WEB_APPLICATION", "MOBILE_APPLICATION", "SINGLE_PAGE_APPLICATION"];
/// How long tokens live when nobody says, in seconds.
const LIFETIME: u64 = 36_000;
const CALLBACKS: usize = 100;
const NOT_SETTINGS: [&str; 4] = ["Name", "UserPoolUid", "ClientUid", "ClientType"];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request {
    user_pool_uid: Option<String>,
    client_uid: Option<String>,
    name: Option<String>,
    client_type: Option<String>,
    allowed_callback_urls: Option<Vec<String>>,
    allowed_web_origins: Option<Vec<String>>,
    id_token: Option<IdToken>,
    refresh_token: Option<Map<String, Value>>,
}

#[derive(Deserialize)]
struct IdToken {
    /// What the update API documents; every answer, and the vendor's client, spells it the other way.
    #[serde(rename = "LifeTimeSeconds", alias = "LifetimeSeconds")]
    lifetime_seconds: Option<u64>,
}

impl Request {
    /// Without repetitions, which the vendor's client sends.
    fn callbacks(&mut self) -> Result<Option<Vec<String>>, ApiError> {
        let Some(urls) = self.allowed_callback_urls.take() else { return Ok(None) };
        let mut kept: Vec<String> = Vec::new();
        for url in urls {
            if !crate::returning::is_safe(&url) {
                return Err(ApiError::invalid(
                    "AllowedCallbackUrls must be absolute URLs that a browser can be sent to",
                ));
            }
            if !kept.contains(&url) {
                kept.push(url);
            }
        }
        if kept.len() > CALLBACKS {
            return Err(ApiError::invalid("AllowedCallbackUrls has more than 100 items"));
        }
        Ok(Some(kept))
    }

    fn lifetime(&self) -> Result<Option<u64>, ApiError> {
        let Some(seconds) = self.id_token.as_ref().and_then(|token| token.lifetime_seconds) else { return Ok(None) };
        if (60..=86_400 * 30).contains(&seconds) {
            return Ok(Some(seconds));
        }
        Err(ApiError::invalid("IdToken.LifeTimeSeconds must be a number from 60 to 2592000"))
    }

    /// What is shown again as it was given.
    fn settings(&mut self, members: Map<String, Value>) -> Map<String, Value> {
        let mut kept = settings(members, &NOT_SETTINGS);
        if let Some(origins) = self.allowed_web_origins.take() {
            kept.insert("AllowedWebOrigins".to_owned(), json!(origins));
        }
        if let Some(refresh) = self.refresh_token.take() {
            kept.insert("RefreshToken".to_owned(), Value::Object(refresh));
        }
        kept
    }
}

pub(super) async fn create(call: &Call<'_>, members: Map<String, Value>) -> Answer {
    let mut request: Request = body::read(members.clone())?;
    let pool = required(request.user_pool_uid.take(), "UserPoolUid")?;
    let name = body::name(request.name.take())?;
    let kind = required(request.client_type.take(), "ClientType")?;
    if !KINDS.contains(&kind.as_str()) {
        let message = "ClientType must be WEB_APPLICATION, MOBILE_APPLICATION or SINGLE_PAGE_APPLICATION";
        return Err(ApiError::invalid(message));
    }
    let now = call.core.clock.now();
    let new = PoolClient {
        id: random::uuid(),
        pool,
        name: name.clone(),
        kind,
        secret: random::secret(),
        callback_urls: request.callbacks()?.unwrap_or_default(),
        token_seconds: request.lifetime()?.unwrap_or(LIFETIME),
        settings: request.settings(members),
        created_at: now,
        updated_at: now,
    };
    let change = call
        .core
        .vault
        .change(move |state| state.create_pool_client(new).map_err(|refusal| ApiError::creating(&name, refusal)));
    let created = change.await?;
    Ok(shown(&created))
}

pub(super) async fn update(call: &Call<'_>, members: Map<String, Value>) -> Answer {
    let mut request: Request = body::read(members.clone())?;
    let (pool, id) = place(&mut request)?;
    let (callbacks, lifetime) = (request.callbacks()?, request.lifetime()?);
    let settings = request.settings(members);
    let now = call.core.clock.now();
    let change = call.core.vault.change(move |state| {
        let client = state.pool_client_mut(&pool, &id)?;
        client.callback_urls = callbacks.unwrap_or_else(|| std::mem::take(&mut client.callback_urls));
        client.token_seconds = lifetime.unwrap_or(client.token_seconds);
        client.settings.extend(settings);
        client.name = request.name.unwrap_or_else(|| std::mem::take(&mut client.name));
        client.updated_at = now;
        Ok::<_, ApiError>(client.clone())
    });
    let updated = change.await?;
    Ok(shown(&updated))
}

fn place(request: &mut Request) -> Result<(String, String), ApiError> {
    let pool = required(request.user_pool_uid.take(), "UserPoolUid")?;
    Ok((pool, required(request.client_uid.take(), "ClientUid")?))
}

pub(super) fn get(call: &Call<'_>, members: Map<String, Value>) -> Answer {
    let (pool, id) = place(&mut body::read(members)?)?;
    let state = call.core.vault.read();
    Ok(shown(state.pool_client(&pool, &id)?))
}

fn shown(client: &PoolClient) -> Value {
    let mut answer = listed(client);
    answer["ClientSecret"] = client.secret.expose_secret().into();
    answer["AllowedCallbackUrls"] = json!(client.callback_urls);
    answer["IdToken"] = json!({ "LifetimeSeconds": client.token_seconds });
    if answer["AllowedWebOrigins"].is_null() {
        answer["AllowedWebOrigins"] = json!([]);
    }
    if answer["RefreshToken"].is_null() {
        answer["RefreshToken"] = json!({
            "Rotation": true,
            "HasCombinedLifetime": true,
            "CombinedLifetimeSeconds": 2_592_000,
            "HasIdleLifetime": true,
            "IdleLifetimeSeconds": 1_296_000,
        });
    }
    answer
}

/// Without its secret.
fn listed(client: &PoolClient) -> Value {
    let mut answer = client.settings.clone();
    for (name, value) in [
        ("Uid", client.id.clone()),
        ("UserPoolUid", client.pool.clone()),
        ("Name", client.name.clone()),
        ("ClientType", client.kind.clone()),
        ("CreatedAt", moment(client.created_at)),
        ("UpdatedAt", moment(client.updated_at)),
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
    user_pool_uid: Option<String>,
    filter: Option<Filter>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase")]
struct Filter {
    name: Option<String>,
    client_types: Option<Vec<String>>,
}

pub(super) fn list(call: &Call<'_>, members: Map<String, Value>) -> Answer {
    let request: Listing = body::read(members)?;
    let pool = required(request.user_pool_uid, "UserPoolUid")?;
    let filter = request.filter.unwrap_or_default();
    let state = call.core.vault.read();
    state.user_pool(&pool)?;
    let fits = |client: &PoolClient| {
        filter.name.as_ref().is_none_or(|name| *name == client.name)
            && filter.client_types.as_ref().is_none_or(|kinds| kinds.contains(&client.kind))
    };
    let items: Vec<_> = state.pooled.clients.values().filter(|item| item.pool == pool && fits(item)).collect();
    request.page.cut("Data", &items, |item| listed(item))
}
