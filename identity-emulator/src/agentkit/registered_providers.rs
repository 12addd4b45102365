//! OAuth2 credential providers whose client the platform registers at the outside provider: contract section 5.3.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::Url;

use super::actions::{Answer, Call};
use super::body;
use super::error::ApiError;
use super::providers::{Discovery, New, NewClient, effective_redirect, outside, usable};
use crate::core::Core;
use crate::oauth::OAuthFailure;

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct ClientMetadata {
    client_name: Option<String>,
    redirect_uris: Option<Vec<String>>,
    grant_types: Option<Vec<String>>,
    response_types: Option<Vec<String>>,
    scope: Option<String>,
    token_endpoint_auth_method: Option<String>,
    client_uri: Option<String>,
    logo_uri: Option<String>,
}

impl ClientMetadata {
    /// As RFC 7591 section 2 spells it. A documented callback of the platform is the emulator's own.
    fn request(self, core: &Core, redirect: Option<&str>) -> Value {
        let uris = self.redirect_uris.unwrap_or_else(|| vec![effective_redirect(core, redirect)]);
        let uris: Vec<String> = uris.iter().map(|uri| effective_redirect(core, Some(uri))).collect();
        let mut request = json!({ "redirect_uris": uris });
        for (name, value) in [
            ("client_name", json!(self.client_name)),
            ("grant_types", json!(self.grant_types)),
            ("response_types", json!(self.response_types)),
            ("scope", json!(self.scope)),
            ("token_endpoint_auth_method", json!(self.token_endpoint_auth_method)),
            ("client_uri", json!(self.client_uri)),
            ("logo_uri", json!(self.logo_uri)),
        ] {
            if !value.is_null() {
                request[name] = value;
            }
        }
        request
    }
}

/// Where the outside provider sends browsers, gives tokens and registers clients.
struct Server {
    authorization: Url,
    token: Url,
    registration: Url,
}

async fn server(core: &Core, discovery: Option<Discovery>) -> Result<Server, ApiError> {
    let discovery = discovery.ok_or_else(|| ApiError::missing("Config.Oauth2Discovery"))?;
    let missing = || ApiError::invalid("The outside provider names no RegistrationEndpoint");
    if let Some(metadata) = discovery.authorization_server_metadata {
        let endpoint = |url: Option<String>, field: &str| usable(&body::required(url, field)?, field);
        return Ok(Server {
            authorization: endpoint(metadata.authorization_endpoint, "AuthorizationEndpoint")?,
            token: endpoint(metadata.token_endpoint, "TokenEndpoint")?,
            registration: endpoint(metadata.registration_endpoint, "RegistrationEndpoint")?,
        });
    }
    let url = body::required(discovery.discovery_url, "Config.Oauth2Discovery.DiscoveryUrl")?;
    let published = core.engine.discover(&usable(&url, "DiscoveryUrl")?).await?;
    let registration = published.registration.ok_or_else(missing)?;
    Ok(Server { authorization: published.authorization, token: published.token, registration })
}

/// The client is registered before the provider is made: one that is left over there is of no use to anybody else.
pub(super) async fn create(call: &Call<'_>, members: Map<String, Value>) -> Answer {
    let (mut new, mut config) = New::read(call, members)?;
    let metadata: ClientMetadata = body::read(new.client_metadata.take().unwrap_or_default())?;
    let server = server(call.core, config.oauth2_discovery.take()).await?;
    let request = metadata.request(call.core, config.redirect_url.as_deref());
    let registered = call.core.engine.register(&server.registration, &request).await.map_err(refused)?;
    let shown = json!({
        "ClientId": registered.id,
        "RegistrationEndpoint": server.registration.as_str(),
    });
    let client = NewClient {
        id: registered.id,
        secret: registered.secret,
        endpoints: outside(server.authorization, server.token),
        registered: Some(shown),
    };
    new.store(call, config, client).await
}

fn refused(failure: OAuthFailure) -> ApiError {
    match failure {
        OAuthFailure::BadAnswer(why) => {
            ApiError::invalid(format!("The answer of the RegistrationEndpoint cannot be used: {why}"))
        }
        OAuthFailure::RefusedByProvider { .. } => {
            ApiError::invalid(format!("The client was not registered: {failure}"))
        }
        other => other.into(),
    }
}
