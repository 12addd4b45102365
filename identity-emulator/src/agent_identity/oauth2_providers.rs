//! OAuth2 credential providers: contract section 8.

use std::sync::Arc;

use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::CALLBACK_PATH;
use super::actions::{Answer, Call, nothing};
use super::error::ApiError;
use super::form::{Form, moment};
use super::token_vaults::named;
use crate::core::Core;
use crate::oauth::is_usable;
use crate::random;
use crate::vault::{Endpoints, OAuthProvider, Refusal, Thing, VaultedProvider};

const ENTITY: &str = "OAuth2CredentialProvider";
const NAME: &str = "OAuth2CredentialProviderName";
const CONFIG: &str = "OAuth2ProviderConfig";
/// Flows that a provider can be registered for.
pub(crate) const FLOWS: [&str; 3] = ["USER_FEDERATION", "M2M", "ON_BEHALF_OF"];
/// The vendor that the emulator imitates.
pub(crate) const FEISHU: &str = "FeiShuOAuth2";
/// The vendor for which a configuration names the endpoints.
pub(crate) const CUSTOM: &str = "CustomOAuth2";
/// Vendors whose endpoints the platform knows.
const KNOWN: [(&str, &str, &str); 3] = [
    ("AliyunOAuth2", "https://signin.aliyun.com/oauth2/v1/auth", "https://oauth.aliyun.com/v1/token"),
    ("AlibabaCloudOAuth2", "https://signin.alibabacloud.com/oauth2/v1/auth", "https://oauth.alibabacloud.com/v1/token"),
    (
        "DingTalkOAuth2",
        "https://login.dingtalk.com/oauth2/auth",
        "https://api.dingtalk.com/v1.0/oauth2/userAccessToken",
    ),
];

fn about(refusal: Refusal) -> ApiError {
    match refusal {
        Refusal::Missing(Thing::Pool) => ApiError::not_found("TokenVault"),
        other => ApiError::about(ENTITY, other),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Config {
    #[serde(rename = "IncludedOAuth2ProviderConfig")]
    included: Option<Included>,
    #[serde(rename = "CustomOAuth2ProviderConfig")]
    custom: Option<Custom>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Included {
    client_id: Option<String>,
    client_secret: Option<SecretString>,
    authorization_endpoint: Option<String>,
    token_endpoint: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Custom {
    client_id: Option<String>,
    client_secret: Option<SecretString>,
    #[serde(rename = "OAuth2Discovery")]
    discovery: Option<Discovery>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Discovery {
    #[serde(rename = "DiscoveryURL")]
    discovery_url: Option<String>,
    authorization_server_metadata: Option<Metadata>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata {
    authorization_request: Option<Place>,
    token_request: Option<Place>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Place {
    endpoint: Option<String>,
}

/// What a configuration says about the client.
struct Client {
    id: String,
    secret: SecretString,
    endpoints: Endpoints,
}

fn usable(url: &str) -> Result<Url, ApiError> {
    let rule = "must have absolute https endpoints (http on loopback only), without a password";
    url.parse().ok().filter(is_usable).ok_or_else(|| ApiError::invalid(CONFIG, rule))
}

fn outside(authorization: &Url, token: &Url) -> Endpoints {
    Endpoints::Outside { authorization_url: authorization.to_string(), token_url: token.to_string() }
}

impl Client {
    /// `None` when the call carries no configuration.
    async fn read(call: &Call<'_>, vendor: &str) -> Result<Option<Self>, ApiError> {
        let Some(config): Option<Config> = call.form.json(CONFIG)? else { return Ok(None) };
        let id = |id: Option<String>| {
            id.filter(|id| !id.is_empty()).ok_or_else(|| ApiError::invalid(CONFIG, "must name the ClientId"))
        };
        let secret = |secret: Option<SecretString>| secret.unwrap_or_else(|| String::new().into());
        match (vendor, config.included, config.custom) {
            (CUSTOM, None, Some(custom)) => {
                let rule = "must have an OAuth2Discovery";
                let discovery = custom.discovery.ok_or_else(|| ApiError::invalid(CONFIG, rule))?;
                let endpoints = discovered(call.core, discovery).await?;
                Ok(Some(Self { id: id(custom.client_id)?, secret: secret(custom.client_secret), endpoints }))
            }
            (vendor, Some(included), None) if vendor != CUSTOM => {
                let endpoints = included_endpoints(vendor, &included)?;
                Ok(Some(Self { id: id(included.client_id)?, secret: secret(included.client_secret), endpoints }))
            }
            _ => {
                let rule =
                    "must have CustomOAuth2ProviderConfig for CustomOAuth2, IncludedOAuth2ProviderConfig for others";
                Err(ApiError::invalid(CONFIG, rule))
            }
        }
    }
}

fn included_endpoints(vendor: &str, config: &Included) -> Result<Endpoints, ApiError> {
    let (authorization, token) = (config.authorization_endpoint.as_deref(), config.token_endpoint.as_deref());
    if vendor == FEISHU && (authorization.is_none() || token.is_none()) {
        return Ok(Endpoints::Feishu);
    }
    let known = KNOWN.iter().find(|(known, ..)| *known == vendor);
    // Each may be another than the one that is known.
    let authorization = authorization.or(known.map(|(_, known, _)| *known));
    let token = token.or(known.map(|(_, _, known)| *known));
    let (authorization, token) = authorization.zip(token).ok_or_else(|| {
        ApiError::invalid(
            CONFIG,
            "must name AuthorizationEndpoint and TokenEndpoint: the emulator does not know this vendor's",
        )
    })?;
    Ok(outside(&usable(authorization)?, &usable(token)?))
}

async fn discovered(core: &Core, discovery: Discovery) -> Result<Endpoints, ApiError> {
    let named = discovery.authorization_server_metadata.and_then(|metadata| {
        let endpoint = |place: Option<Place>| place?.endpoint;
        endpoint(metadata.authorization_request).zip(endpoint(metadata.token_request))
    });
    if let Some((authorization, token)) = named {
        return Ok(outside(&usable(&authorization)?, &usable(&token)?));
    }
    let url = discovery.discovery_url.ok_or_else(|| {
        ApiError::invalid(CONFIG, "must have a DiscoveryURL or the endpoints of AuthorizationServerMetadata")
    })?;
    let found = core.engine.discover(&usable(&url)?).await;
    let found = found.map_err(|failure| ApiError::bad("InvalidOAuthDiscoveryURL", failure.to_string()))?;
    Ok(outside(&found.authorization, &found.token))
}

/// The configuration without its secret.
fn echoed(form: &Form) -> Result<Option<Value>, ApiError> {
    let mut config: Option<Value> = form.json(CONFIG)?;
    for part in config.iter_mut().filter_map(Value::as_object_mut).flat_map(|parts| parts.values_mut()) {
        if let Some(members) = part.as_object_mut() {
            members.remove("ClientSecret");
        }
    }
    Ok(config)
}

/// The callback that was chosen, and the last part of its path.
fn callback(form: &Form) -> Result<Option<(String, String)>, ApiError> {
    let Some(url) = form.text("CallbackURL") else { return Ok(None) };
    let id = url.parse().ok().filter(|url: &Url| url.query().is_none() && is_usable(url));
    let id = id.and_then(|url| url.path().strip_prefix(CALLBACK_PATH).map(str::to_owned));
    let rule = "must end in /oauth2/callback/ and a UUID: it is an address of this service";
    let id = id.filter(|id| random::is_uuid(id)).ok_or_else(|| ApiError::invalid("CallbackURL", rule))?;
    Ok(Some((url.to_owned(), id.to_ascii_lowercase())))
}

/// Where the third party sends the browser: whatever host was chosen, the path is ours.
pub(super) fn redirect(core: &Core, provider: &VaultedProvider) -> String {
    format!("{}{CALLBACK_PATH}{}", core.origin, provider.callback_id)
}

pub(super) async fn create(call: &Call<'_>) -> Answer {
    let form = &call.form;
    let name = form.name(NAME)?;
    let vendor = form.required("CredentialProviderVendor")?.to_owned();
    let flow = form.owned("OAuthType");
    if flow.as_deref().is_some_and(|flow| !FLOWS.contains(&flow)) {
        return Err(ApiError::invalid("OAuthType", "must be USER_FEDERATION, M2M or ON_BEHALF_OF"));
    }
    let vault = named(call);
    if call.core.vault.read().vaulted_provider(&vault, &name).is_ok() {
        return Err(about(Refusal::Exists(Thing::Provider)));
    }
    let client = Client::read(call, &vendor).await?.ok_or_else(|| ApiError::missing(CONFIG))?;
    let (callback_url, callback_id) = callback(form)?.unzip();
    let now = call.core.clock.now();
    let provider = OAuthProvider {
        id: random::uuid(),
        name,
        client_id: client.id,
        client_secret: client.secret,
        endpoints: client.endpoints,
        created_at: now,
        updated_at: now,
    };
    let new = VaultedProvider {
        provider: Arc::new(provider),
        vault,
        vendor,
        flow,
        callback_id: callback_id.unwrap_or_else(random::uuid),
        callback_url,
        config: echoed(form)?.unwrap_or_default(),
        description: form.owned("Description"),
    };
    let created = call.core.vault.change(move |state| state.create_vaulted_provider(new).map_err(about)).await?;
    Ok(json!({ ENTITY: shown(call.core, &created) }))
}

fn shown(core: &Core, found: &VaultedProvider) -> Value {
    let name = &found.provider.name;
    json!({
        NAME: name,
        "CredentialProviderArn": super::arn(format_args!("tokenvault/{}/oauth2credentialprovider/{name}", found.vault)),
        "CredentialProviderVendor": found.vendor,
        "OAuthType": found.flow.as_deref().unwrap_or("USER_FEDERATION"),
        CONFIG: found.config,
        "CallbackURL": found.callback_url.clone().unwrap_or_else(|| redirect(core, found)),
        "TokenVaultName": found.vault,
        "SourcePlatform": "Custom",
        "Description": found.description.as_deref().unwrap_or_default(),
        "CreateTime": moment(found.provider.created_at),
        "UpdateTime": moment(found.provider.updated_at),
    })
}

/// As the platform shows one by itself and in lists.
fn shown_whole(core: &Core, found: &VaultedProvider) -> Value {
    let mut answer = shown(core, found);
    answer["OutboundClientId"] = found.provider.client_id.clone().into();
    for absent in ["IDaaSInstanceId", "OutboundApplicationId", "OutboundAudience"] {
        answer[absent] = "".into();
    }
    answer
}

pub(super) fn get(call: &Call<'_>) -> Answer {
    let state = call.core.vault.read();
    let found = state.vaulted_provider(&named(call), call.form.required(NAME)?).map_err(about)?;
    Ok(json!({ ENTITY: shown_whole(call.core, found) }))
}

/// What is left out stays; a configuration replaces the one before.
pub(super) async fn update(call: &Call<'_>) -> Answer {
    let form = &call.form;
    let found = call.core.vault.read().vaulted_provider(&named(call), form.required(NAME)?).cloned();
    let mut next = VaultedProvider::clone(&*found.map_err(about)?);
    next.vendor = form.owned("CredentialProviderVendor").unwrap_or(next.vendor);
    let provider = Arc::make_mut(&mut next.provider);
    if let Some(client) = Client::read(call, &next.vendor).await? {
        (provider.client_id, provider.endpoints) = (client.id, client.endpoints);
        if !secrecy::ExposeSecret::expose_secret(&client.secret).is_empty() {
            provider.client_secret = client.secret;
        }
    }
    provider.updated_at = call.core.clock.now();
    if let Some((url, id)) = callback(form)? {
        (next.callback_url, next.callback_id) = (Some(url), id);
    }
    next.config = echoed(form)?.unwrap_or(next.config);
    next.description = form.owned("Description").or(next.description);
    let change = call.core.vault.change(move |state| state.replace_vaulted_provider(next).map_err(about));
    change.await.map(|()| nothing())
}

pub(super) async fn delete(call: &Call<'_>) -> Answer {
    let (vault, name) = (named(call), call.form.required(NAME)?.to_owned());
    let change = call.core.vault.change(move |state| state.delete_vaulted_provider(&vault, &name).map_err(about));
    let deleted = change.await?;
    call.core.disallow_callback(&redirect(call.core, &deleted));
    Ok(nothing())
}

pub(super) fn list(call: &Call<'_>) -> Answer {
    let (state, vault) = (call.core.vault.read(), named(call));
    state.token_vault(&vault).map_err(about)?;
    let items = state.vaulted.providers.iter().filter(|(_, item)| item.vault == vault);
    call.form.page("OAuth2CredentialProviders", items, |item| shown_whole(call.core, item))
}
