//! Hosted API keys by their identifier: contract section 9.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use http::HeaderMap;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::developer::{Answer, Caller, required, respond};
use super::error::IdaasError;
use crate::audit::AuditOutcome;
use crate::core::Core;
use crate::vault::HostedKey;

pub(super) async fn obtain(
    State(core): State<Arc<Core>>,
    Path(instance): Path<String>,
    Query(mut query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let identifier = query.remove("credentialIdentifier");
    respond(answer(&core, &instance, &headers, identifier).await)
}

async fn answer(core: &Core, instance: &str, headers: &HeaderMap, identifier: Option<String>) -> Answer {
    let caller = Caller::of(core, instance, headers, "credential:obtain").await?;
    let identifier = required(identifier, "credentialIdentifier")?;
    let found = core.vault.read().hosted_key(&identifier, caller.user.as_deref()).cloned();
    let outcome = if found.is_ok() { AuditOutcome::Released } else { AuditOutcome::Failed };
    caller.audited(core, "obtain_credential", &identifier, outcome);
    // Somebody else's key and none at all are the same answer.
    let missing = |_| IdaasError::not_found("credential_not_found", "there is no such credential for this caller");
    let found = found.map_err(missing)?;
    Ok(shown(core, &found))
}

fn shown(core: &Core, key: &HostedKey) -> Value {
    let known = &key.provider;
    let mut answer = json!({
        "instanceId": core.idaas.instance,
        "credentialId": format!("cred_{}", known.id.replace('-', "")),
        "credentialIdentifier": known.name,
        "credentialName": known.name,
        "credentialType": "api_key",
        "credentialScenarioLabel": "llm",
        "credentialCreationType": "user_custom",
        "status": "enabled",
        "createTime": known.created_at.as_millisecond(),
        "updateTime": known.updated_at.as_millisecond(),
        "credentialContent": { "apiKeyContent": { "apiKey": known.key.expose_secret() } },
    });
    if let Some(user) = &key.exclusive_user {
        answer["exclusiveUserId"] = user.as_str().into();
    }
    answer
}
