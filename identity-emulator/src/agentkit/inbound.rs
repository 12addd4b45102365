//! How deployed agents check their callers: contract section 5.4. Kept and shown; the emulator deploys nothing.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::ACCOUNT;
use super::actions::{Answer, Call};
use super::body::{self, Page, moment, required};
use super::error::ApiError;
use crate::random;
use crate::vault::InboundConfig;

/// Clients of one configuration: the gateway's bound.
const CLIENTS: usize = 5;
/// API keys are not among them: nothing here asks for one.
const KEPT: [&str; 3] = ["AuthType", "ConfigName", "JwtAuthConfig"];
/// Instances of one configuration.
const INSTANCES: usize = 100;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request {
    auth_type: Option<String>,
    instance_id: Option<String>,
    jwt_auth_config: Option<JwtAuthConfig>,
    inbound_auth_config_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct JwtAuthConfig {
    #[serde(default)]
    allowed_clients: Vec<String>,
}

pub(super) async fn create(call: &Call<'_>, mut members: Map<String, Value>) -> Answer {
    let request: Request = body::read(members.clone())?;
    required(request.auth_type, "AuthType")?;
    if request.jwt_auth_config.is_some_and(|config| config.allowed_clients.len() > CLIENTS) {
        return Err(ApiError::invalid("JwtAuthConfig.AllowedClients has more than 5 clients"));
    }
    members.retain(|name, _| KEPT.contains(&name.as_str()));
    let new = InboundConfig {
        id: format!("iac-{}", random::uuid()),
        config: members,
        instances: request.instance_id.into_iter().collect(),
        created_at: call.core.clock.now(),
    };
    let created = call.core.vault.change(move |state| state.create_inbound(new).map_err(ApiError::from)).await?;
    Ok(shown(call, &created))
}

fn shown(call: &Call<'_>, config: &InboundConfig) -> Value {
    let mut answer = config.config.clone();
    answer.insert("InboundAuthConfigId".to_owned(), config.id.clone().into());
    let trn = format!("trn:id:{}:{ACCOUNT}:inboundauthconfig/{}", call.region, config.id);
    answer.insert("Trn".to_owned(), trn.into());
    answer.insert("CreatedAt".to_owned(), moment(config.created_at).into());
    Value::Object(answer)
}

pub(super) async fn attach(call: &Call<'_>, members: Map<String, Value>) -> Answer {
    let request: Request = body::read(members)?;
    let id = required(request.inbound_auth_config_id, "InboundAuthConfigId")?;
    let instance = required(request.instance_id, "InstanceId")?;
    let change = call.core.vault.change(move |state| {
        let config = state.inbound_mut(&id)?;
        if config.instances.len() < INSTANCES && !config.instances.contains(&instance) {
            config.instances.push(instance);
        }
        Ok::<_, ApiError>(())
    });
    change.await.map(|()| json!({}))
}

pub(super) fn list(call: &Call<'_>, members: Map<String, Value>) -> Answer {
    let page: Page = body::read(members)?;
    let state = call.core.vault.read();
    let items: Vec<_> = state.pooled.inbound.values().collect();
    page.cut("InboundAuthConfigs", &items, |item| shown(call, item))
}

pub(super) async fn delete(call: &Call<'_>, members: Map<String, Value>) -> Answer {
    let request: Request = body::read(members)?;
    let id = required(request.inbound_auth_config_id, "InboundAuthConfigId")?;
    let change = call.core.vault.change(move |state| state.delete_inbound(&id).map_err(ApiError::from));
    change.await.map(|()| json!({}))
}
