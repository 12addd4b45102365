//! OAuth2 credential providers: contract section 5.3.

use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::Url;

use super::actions::{Answer, Call};
use super::body::{self, Named, Page, moment};
use super::error::ApiError;
use super::{ACCOUNT, CALLBACK_PATH};
use crate::core::Core;
use crate::oauth::is_usable;
use crate::random;
use crate::vault::{Endpoints, OAuthProvider, PooledKey, PooledProvider};

/// Feishu's number among the vendors.
pub(crate) const FEISHU: i64 = 4;
/// Members of the configuration that are stored by themselves or must not be shown again.
const NOT_ECHOED: [&str; 5] = ["ClientId", "ClientSecret", "Flow", "Scopes", "RedirectUrl"];
const FLOWS: [&str; 2] = ["USER_FEDERATION", "M2M"];

/// The vault's OAuth2 callback as a browser reaches it.
pub(super) fn callback_url(core: &Core) -> String {
    format!("{}{CALLBACK_PATH}", core.origin)
}

/// The URL to which the third party sends the browser: the documented callback of any region is the emulator's own.
pub(super) fn effective_redirect(core: &Core, configured: Option<&str>) -> String {
    let own = || callback_url(core);
    let Some(configured) = configured.filter(|url| !url.is_empty()) else { return own() };
    let documented = configured
        .strip_prefix("https://auth.id.")
        .and_then(|rest| rest.strip_suffix(CALLBACK_PATH))
        .and_then(|host| host.strip_suffix(".volces.com"))
        .is_some_and(|region| !region.is_empty() && !region.contains(['/', '.']));
    if documented { own() } else { configured.to_owned() }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Creation {
    pub(super) name: Option<String>,
    pub(super) vendor: Option<i64>,
    pub(super) config: Option<Map<String, Value>>,
    pub(super) pool_name: Option<String>,
    pub(super) project_name: Option<String>,
    pub(super) client_metadata: Option<Map<String, Value>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Config {
    pub(super) client_id: Option<String>,
    pub(super) client_secret: Option<SecretString>,
    flow: Option<String>,
    scopes: Option<Vec<String>>,
    pub(super) redirect_url: Option<String>,
    pub(super) oauth2_discovery: Option<Discovery>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Discovery {
    pub(super) discovery_url: Option<String>,
    pub(super) authorization_server_metadata: Option<Metadata>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(clippy::struct_field_names, reason = "the names are the platform's")]
pub(super) struct Metadata {
    pub(super) authorization_endpoint: Option<String>,
    pub(super) token_endpoint: Option<String>,
    pub(super) registration_endpoint: Option<String>,
}

pub(super) fn usable(url: &str, field: &str) -> Result<Url, ApiError> {
    let parsed = Url::parse(url).ok().filter(is_usable);
    parsed.ok_or_else(|| {
        ApiError::invalid(format!("{field} must be an absolute https URL (http on loopback only), without a password"))
    })
}

/// Where the client of this configuration is registered; `None` when the configuration does not say.
async fn endpoints(core: &Core, vendor: i64, discovery: Option<Discovery>) -> Result<Option<Endpoints>, ApiError> {
    let Some(discovery) = discovery else {
        return Ok((vendor == FEISHU).then_some(Endpoints::Feishu));
    };
    let metadata = discovery.authorization_server_metadata;
    let named = metadata.and_then(|metadata| metadata.authorization_endpoint.zip(metadata.token_endpoint));
    let (authorization, token) = if let Some((authorization, token)) = named {
        (usable(&authorization, "AuthorizationEndpoint")?, usable(&token, "TokenEndpoint")?)
    } else {
        let url = discovery.discovery_url.ok_or_else(|| ApiError::missing("Config.Oauth2Discovery.DiscoveryUrl"))?;
        let published = core.engine.discover(&usable(&url, "DiscoveryUrl")?).await?;
        (published.authorization, published.token)
    };
    Ok(Some(outside(authorization, token)))
}

pub(super) fn outside(authorization: Url, token: Url) -> Endpoints {
    Endpoints::Outside { authorization_url: authorization.into(), token_url: token.into() }
}

pub(super) fn checked(config: &Config) -> Result<(), ApiError> {
    if config.flow.as_deref().is_some_and(|flow| !FLOWS.contains(&flow)) {
        return Err(ApiError::invalid("Config.Flow must be USER_FEDERATION or M2M"));
    }
    let scopes = config.scopes.as_deref().unwrap_or_default();
    if scopes.len() > 64 || !scopes.iter().all(|scope| crate::oauth::is_scope_token(scope)) {
        return Err(ApiError::invalid("Config.Scopes must be at most 64 scope tokens"));
    }
    match config.redirect_url.as_deref().filter(|url| !url.is_empty()) {
        Some(url) => usable(url, "Config.RedirectUrl").map(drop),
        None => Ok(()),
    }
}

fn echoed(mut config: Map<String, Value>) -> Map<String, Value> {
    config.retain(|name, _| !NOT_ECHOED.contains(&name.as_str()));
    if let Some(storage) = config.get_mut("SecretStorage").and_then(Value::as_object_mut) {
        storage.remove("EncryptionKey");
    }
    config
}

pub(super) async fn create(call: &Call<'_>, members: Map<String, Value>) -> Answer {
    let (new, mut config) = New::read(call, members)?;
    let secret = config.client_secret.take().filter(|secret| !secret.expose_secret().is_empty());
    let endpoints = endpoints(call.core, new.vendor, config.oauth2_discovery.take()).await?;
    let endpoints = endpoints.ok_or_else(|| {
        ApiError::invalid("Config.Oauth2Discovery is needed: of the vendors only Feishu (4) is imitated")
    })?;
    let client = NewClient {
        id: body::required(config.client_id.take(), "Config.ClientId")?,
        secret: secret.ok_or_else(|| ApiError::missing("Config.ClientSecret"))?,
        endpoints,
        registered: None,
    };
    let mut answer = new.store(call, config, client).await?;
    answer["CallbackUrl"] = callback_url(call.core).into();
    Ok(answer)
}

/// A provider that is not there yet.
pub(super) struct New {
    name: String,
    pool: String,
    pub(super) vendor: i64,
    project: String,
    raw: Map<String, Value>,
    pub(super) client_metadata: Option<Map<String, Value>>,
}

/// As whom the vault is to ask its outside provider.
pub(super) struct NewClient {
    pub(super) id: String,
    pub(super) secret: SecretString,
    pub(super) endpoints: Endpoints,
    /// What is shown of a client that the platform registered by itself.
    pub(super) registered: Option<Value>,
}

impl New {
    pub(super) fn read(call: &Call<'_>, members: Map<String, Value>) -> Result<(Self, Config), ApiError> {
        let request: Creation = body::read(members)?;
        let name = body::name(request.name)?;
        let vendor = request.vendor.ok_or_else(|| ApiError::missing("Vendor"))?;
        let pool = body::pool(request.pool_name);
        let project = request.project_name.unwrap_or_else(|| "default".to_owned());
        {
            let state = call.core.vault.read();
            state.workload_pool(&pool)?;
            if state.pooled_provider(&pool, &name).is_ok() {
                return Err(ApiError::duplicate(&name));
            }
        }
        let raw = request.config.ok_or_else(|| ApiError::missing("Config"))?;
        let config: Config = body::read(raw.clone())?;
        checked(&config)?;
        Ok((Self { name, pool, vendor, project, raw, client_metadata: request.client_metadata }, config))
    }

    pub(super) async fn store(self, call: &Call<'_>, config: Config, client: NewClient) -> Answer {
        let (name, now) = (self.name, call.core.clock.now());
        let provider = OAuthProvider {
            id: random::uuid(),
            name: name.clone(),
            client_id: client.id,
            client_secret: client.secret,
            endpoints: client.endpoints,
            created_at: now,
            updated_at: now,
        };
        let new = PooledProvider {
            provider: Arc::new(provider),
            pool: self.pool,
            vendor: self.vendor,
            flow: config.flow,
            scopes: config.scopes.unwrap_or_default(),
            redirect_url: config.redirect_url,
            config: echoed(self.raw),
            registered: client.registered,
            project: self.project,
        };
        let change = call.core.vault.change(move |state| {
            state.create_pooled_provider(new).map_err(|refusal| ApiError::creating(&name, refusal))
        });
        let provider = &change.await?.provider;
        Ok(json!({
            "Name": provider.name,
            "CredentialProviderTrn": trn(call, &provider.name),
            "SecretTrn": secret_trn(call, &provider.id),
        }))
    }
}

/// What is left out stays; a `Config` replaces the members that it names.
pub(super) async fn update(call: &Call<'_>, members: Map<String, Value>) -> Answer {
    let request: Creation = body::read(members)?;
    let (pool, name) = (body::pool(request.pool_name), body::required(request.name, "Name")?);
    let mut next = PooledProvider::clone(call.core.vault.read().pooled_provider(&pool, &name)?);
    let raw = request.config.unwrap_or_default();
    let config: Config = body::read(raw.clone())?;
    checked(&config)?;
    let endpoints = match config.oauth2_discovery {
        None => None,
        discovery => endpoints(call.core, next.vendor, discovery).await?,
    };
    let now = call.core.clock.now();
    let provider = Arc::make_mut(&mut next.provider);
    provider.updated_at = now;
    provider.client_id = config.client_id.filter(|id| !id.is_empty()).unwrap_or_else(|| provider.client_id.clone());
    if let Some(secret) = config.client_secret.filter(|secret| !secret.expose_secret().is_empty()) {
        provider.client_secret = secret;
    }
    if let Some(endpoints) = endpoints {
        provider.endpoints = endpoints;
    }
    next.flow = config.flow.or(next.flow);
    next.scopes = config.scopes.unwrap_or(next.scopes);
    next.redirect_url = config.redirect_url.or(next.redirect_url);
    next.config.extend(echoed(raw));
    let change = call.core.vault.change(move |state| state.replace_pooled_provider(next).map_err(ApiError::from));
    let updated = change.await?;
    Ok(json!({
        "Name": updated.provider.name,
        "CredentialProviderTrn": trn(call, &updated.provider.name),
        "CreatedAt": moment(updated.provider.created_at),
        "UpdatedAt": moment(updated.provider.updated_at),
    }))
}

pub(super) async fn delete(call: &Call<'_>, members: Map<String, Value>) -> Answer {
    let (pool, name) = Named::read(members)?;
    let change =
        call.core.vault.change(move |state| state.delete_pooled_provider(&pool, &name).map_err(ApiError::from));
    change.await.map(|()| json!({}))
}

pub(super) fn get(call: &Call<'_>, members: Map<String, Value>) -> Answer {
    let (pool, name) = Named::read(members)?;
    let state = call.core.vault.read();
    let found = state.pooled_provider(&pool, &name)?;
    let mut config = found.config.clone();
    config.insert("ClientId".to_owned(), found.provider.client_id.clone().into());
    config.insert("Flow".to_owned(), found.flow.clone().into());
    config.insert("Scopes".to_owned(), json!(found.scopes));
    config.insert("RedirectUrl".to_owned(), found.redirect_url.clone().into());
    let mut answer = summary(call, found);
    answer["Config"] = Value::Object(config);
    if let Some(registered) = &found.registered {
        answer["DcrClientInfo"] = registered.clone();
    }
    answer["SecretTrn"] = secret_trn(call, &found.provider.id).into();
    answer["CallbackUrl"] = callback_url(call.core).into();
    Ok(answer)
}

fn summary(call: &Call<'_>, found: &PooledProvider) -> Value {
    json!({
        "Name": found.provider.name,
        "Vendor": found.vendor,
        "PoolName": found.pool,
        "ProjectName": found.project,
        "CredentialProviderTrn": trn(call, &found.provider.name),
        "CreatedAt": moment(found.provider.created_at),
        "UpdatedAt": moment(found.provider.updated_at),
    })
}

pub(super) fn trn(call: &Call<'_>, name: &str) -> String {
    format!("trn:id:{}:{ACCOUNT}:credentialprovider/{name}", call.region)
}

pub(super) fn secret_trn(call: &Call<'_>, id: &str) -> String {
    format!("trn:kms:{}:{ACCOUNT}:secret/{id}", call.region)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listing {
    #[serde(flatten)]
    page: Page,
    pool_name: Option<String>,
    filter: Option<Filter>,
    names: Option<Vec<String>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase")]
struct Filter {
    name: Option<String>,
    #[serde(rename = "Type")]
    kind: Option<String>,
    flow: Option<String>,
    vendor: Option<i64>,
    pool_name: Option<String>,
    project_name: Option<String>,
}

pub(super) fn list(call: &Call<'_>, members: Map<String, Value>) -> Answer {
    let request: Listing = body::read(members)?;
    let pool = body::pool(request.pool_name);
    let state = call.core.vault.read();
    let items: Vec<_> = state.pooled.providers.values().filter(|item| item.pool == pool).collect();
    request.page.cut("Oauth2CredentialProviders", &items, |item| summary(call, item))
}

pub(super) fn batch(call: &Call<'_>, members: Map<String, Value>) -> Answer {
    let request: Listing = body::read(members)?;
    let pool = body::pool(request.pool_name);
    let names = request.names.ok_or_else(|| ApiError::missing("Names"))?;
    let state = call.core.vault.read();
    let found = names.iter().filter_map(|name| state.pooled_provider(&pool, name).ok());
    Ok(json!({ "Oauth2CredentialProviders": found.map(|item| summary(call, item)).collect::<Vec<_>>() }))
}

/// Both kinds, in one list.
pub(super) fn list_all(call: &Call<'_>, members: Map<String, Value>) -> Answer {
    let request: Listing = body::read(members)?;
    let filter = request.filter.unwrap_or_default();
    let pool = body::pool(request.pool_name.or_else(|| filter.pool_name.clone()));
    let state = call.core.vault.read();
    let oauth = state.pooled.providers.values().filter(|item| item.pool == pool && filter.takes_oauth(item));
    let keys = state.pooled.keys.values().filter(|item| item.pool == pool && filter.takes_key(item));
    let items: Vec<Value> = oauth.map(|item| in_both(call, item)).chain(keys.map(|item| key(call, item))).collect();
    request.page.cut("CredentialProviders", &items, Clone::clone)
}

impl Filter {
    fn takes(&self, name: &str, kind: &str, project: &str) -> bool {
        let fits = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
        fits(&self.name, name) && fits(&self.kind, kind) && fits(&self.project_name, project)
    }

    fn takes_oauth(&self, item: &PooledProvider) -> bool {
        self.takes(&item.provider.name, "oauth2", &item.project)
            && self.vendor.is_none_or(|vendor| vendor == item.vendor)
            && self.flow.as_ref().is_none_or(|flow| item.flow.as_ref() == Some(flow))
    }

    fn takes_key(&self, item: &PooledKey) -> bool {
        self.takes(&item.provider.name, "api_key", &item.project) && self.vendor.is_none() && self.flow.is_none()
    }
}

fn in_both(call: &Call<'_>, item: &PooledProvider) -> Value {
    let mut answer = summary(call, item);
    answer["Type"] = "oauth2".into();
    answer["Flow"] = item.flow.clone().into();
    answer
}

fn key(call: &Call<'_>, item: &PooledKey) -> Value {
    let mut answer = super::api_keys::summary(call, item);
    answer["Type"] = "api_key".into();
    answer
}
