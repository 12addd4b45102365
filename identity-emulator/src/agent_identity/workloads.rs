//! Workload identities: contract section 8.

use serde_json::{Map, Value, json};

use super::actions::{Answer, Call, nothing};
use super::error::ApiError;
use super::form::{Form, moment};
use super::{ram, role_arn, role_name};
use crate::random;
use crate::vault::{BoundAgent, Identity, Refusal};

const ENTITY: &str = "WorkloadIdentity";
const NAME: &str = "WorkloadIdentityName";
const RETURN_URLS: &str = "AllowedResourceOAuth2ReturnURLs";
const CONSENT_URLS: &str = "AllowedConsentCallbackURLs";

fn about(refusal: Refusal) -> ApiError {
    ApiError::about(ENTITY, refusal)
}

pub(super) fn arn(name: &str) -> String {
    super::arn(format_args!("workloadidentitydirectory/default/workloadidentity/{name}"))
}

fn role(form: &Form) -> Result<Option<String>, ApiError> {
    let role = form.owned("RoleArn");
    if role.as_deref().is_none_or(|arn| role_name(arn).is_some()) {
        return Ok(role);
    }
    Err(ApiError::invalid("RoleArn", "must look like acs:ram::ACCOUNT:role/NAME"))
}

/// The identity provider that was named, which must be there.
fn issuer(call: &Call<'_>) -> Result<Option<String>, ApiError> {
    let Some(name) = call.form.text("IdentityProviderName") else { return Ok(None) };
    let found = call.core.vault.read().issuer(name).map(|issuer| issuer.name.clone());
    found.map(Some).map_err(|refusal| ApiError::about("IdentityProvider", refusal))
}

pub(super) async fn create(call: &Call<'_>) -> Answer {
    let (form, now) = (&call.form, call.core.clock.now());
    let name = form.name(NAME)?;
    let mut settings = Map::new();
    settings.insert(CONSENT_URLS.to_owned(), json!(form.urls(CONSENT_URLS)?.unwrap_or_default()));
    for parameter in ["SourceAgentArn", "SourcePlatform"] {
        if let Some(text) = form.owned(parameter) {
            settings.insert(parameter.to_owned(), text.into());
        }
    }
    settings.entry("SourcePlatform").or_insert_with(|| "Custom".into());
    let made = form.flag("CreateRAMRole")?.unwrap_or_default();
    let agent = BoundAgent {
        identity: Identity {
            id: random::uuid(),
            name: name.clone(),
            description: form.owned("Description"),
            return_urls: form.urls(RETURN_URLS)?.unwrap_or_default(),
            created_at: now,
            updated_at: now,
        },
        role: if made { Some(role_arn(&name)) } else { role(form)? },
        issuer: issuer(call)?,
        binds_sessions: form.flag("SessionBindingEnabled")?.unwrap_or_default(),
        settings,
    };
    let change = call.core.vault.change(move |state| {
        let created = state.create_agent(agent).map_err(about)?;
        if made && state.role(&name).is_err() {
            state.create_role(ram::runtime_role(name, now)).map_err(|refusal| ApiError::about("Role", refusal))?;
        }
        Ok::<_, ApiError>(created)
    });
    Ok(json!({ ENTITY: shown(&*change.await?) }))
}

fn shown(agent: &BoundAgent) -> Value {
    let identity = &agent.identity;
    let mut answer = agent.settings.clone();
    let described = json!({
        NAME: identity.name,
        "WorkloadIdentityArn": arn(&identity.name),
        "RoleArn": agent.role.as_deref().unwrap_or_default(),
        "IdentityProviderName": agent.issuer.as_deref().unwrap_or_default(),
        RETURN_URLS: identity.return_urls,
        "SessionBindingEnabled": agent.binds_sessions,
        "Description": identity.description.as_deref().unwrap_or_default(),
        "CreateTime": moment(identity.created_at),
        "UpdateTime": moment(identity.updated_at),
    });
    if let Value::Object(described) = described {
        answer.extend(described);
    }
    answer.entry("SourceAgentArn").or_insert_with(|| "".into());
    Value::Object(answer)
}

pub(super) fn get(call: &Call<'_>) -> Answer {
    let state = call.core.vault.read();
    Ok(json!({ ENTITY: shown(state.agent(call.form.required(NAME)?).map_err(about)?) }))
}

/// What is left out stays; an empty list of URLs wipes it.
pub(super) async fn update(call: &Call<'_>) -> Answer {
    let (form, now) = (&call.form, call.core.clock.now());
    let (name, role, issuer) = (form.required(NAME)?.to_owned(), role(form)?, issuer(call)?);
    let (urls, consent_urls) = (form.urls(RETURN_URLS)?, form.urls(CONSENT_URLS)?);
    let (binds, description) = (form.flag("SessionBindingEnabled")?, form.owned("Description"));
    let change = call.core.vault.change(move |state| {
        let agent = state.agent_mut(&name).map_err(about)?;
        agent.role = role.or_else(|| agent.role.take());
        agent.issuer = issuer.or_else(|| agent.issuer.take());
        agent.binds_sessions = binds.unwrap_or(agent.binds_sessions);
        agent.identity.return_urls = urls.unwrap_or_else(|| std::mem::take(&mut agent.identity.return_urls));
        agent.identity.description = description.or_else(|| agent.identity.description.take());
        agent.identity.updated_at = now;
        if let Some(urls) = consent_urls {
            agent.settings.insert(CONSENT_URLS.to_owned(), json!(urls));
        }
        Ok::<_, ApiError>(nothing())
    });
    change.await
}

/// What users granted to the agent goes, too.
pub(super) async fn delete(call: &Call<'_>) -> Answer {
    let name = call.form.required(NAME)?.to_owned();
    call.core.vault.change(move |state| state.delete_agent(&name).map_err(about)).await.map(|()| nothing())
}

pub(super) fn list(call: &Call<'_>) -> Answer {
    let state = call.core.vault.read();
    call.form.page("WorkloadIdentities", state.vaulted.agents.iter(), |item| shown(item))
}
