//! Credentials for agents: contract sections 5.2, 7, 8 and 9.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::actions::{Answer, Call};
use super::body::{self, required};
use super::error::ApiError;
use super::identity_token::{self, Bearer};
use super::providers::effective_redirect;
use crate::audit::AuditOutcome;
use crate::consent::{Asked, open, session_id, session_uri};
use crate::core::Core;
use crate::oauth::is_scope_token;
use crate::returning::is_safe;
use crate::tokens;
use crate::trouble::Trouble;
use crate::user::person;
use crate::vault::{Asks, Grant, PooledProvider, Session, SessionStatus};

const M2M: &str = "M2M";

pub(super) fn known_session(uri: &str) -> Result<String, ApiError> {
    session_id(uri).ok_or_else(|| ApiError::not_found("session not found"))
}

pub(super) fn audited(core: &Core, operation: &'static str, bearer: &Bearer, provider: &str, outcome: AuditOutcome) {
    let user = bearer.user.as_ref().map(|user| person(user.key()).to_owned());
    let grant = Grant { identity: bearer.identity(), provider_id: provider.to_owned(), user: String::new() };
    core.audit(operation, &grant, user.as_deref(), outcome);
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct KeyRequest {
    provider_name: Option<String>,
    identity_token: Option<SecretString>,
    pool_name: Option<String>,
}

pub(super) async fn bearer_of(core: &Core, token: Option<&SecretString>) -> Result<Bearer, ApiError> {
    let token = token.filter(|token| !token.expose_secret().is_empty());
    let token = token.ok_or_else(|| ApiError::missing("IdentityToken"))?;
    identity_token::bearer(core, token.expose_secret()).await
}

pub(super) async fn api_key(call: &Call<'_>, members: Map<String, Value>) -> Answer {
    let request: KeyRequest = body::read(members)?;
    let name = required(request.provider_name, "ProviderName")?;
    let bearer = bearer_of(call.core, request.identity_token.as_ref()).await?;
    let pool = request.pool_name.unwrap_or_else(|| bearer.pool.clone());
    let state = call.core.vault.read();
    let found = state.pooled_key(&pool, &name);
    let outcome = if found.is_ok() { AuditOutcome::Released } else { AuditOutcome::Failed };
    audited(call.core, "get_resource_api_key", &bearer, &name, outcome);
    let found = found?;
    let mut answer = json!({ "ApiKey": found.provider.key.expose_secret() });
    if let Some(placement) = &found.placement {
        answer["ApiKeyMetadata"] = placement.clone();
    }
    Ok(answer)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TokenRequest {
    provider_name: Option<String>,
    identity_token: Option<SecretString>,
    flow: Option<String>,
    scopes: Option<Vec<String>>,
    redirect_url: Option<String>,
    #[serde(default)]
    force_authentication: bool,
    custom_parameters: Option<Map<String, Value>>,
    custom_state: Option<String>,
    pool_name: Option<String>,
    resource_oauth2_return_url: Option<String>,
    session_uri: Option<String>,
}

pub(super) async fn oauth2_token(call: &Call<'_>, members: Map<String, Value>) -> Answer {
    let mut request: TokenRequest = body::read(members)?;
    let name = required(request.provider_name.take(), "ProviderName")?;
    let bearer = bearer_of(call.core, request.identity_token.as_ref()).await?;
    let pool = request.pool_name.take().unwrap_or_else(|| bearer.pool.clone());
    let provider = call.core.vault.read().pooled_provider(&pool, &name).cloned();
    let answered = match provider {
        Ok(provider) => answer(call.core, &bearer, &provider, request).await,
        Err(refusal) => Err(refusal.into()),
    };
    let outcome = answered.as_ref().map_or(AuditOutcome::Failed, |(outcome, _)| *outcome);
    audited(call.core, "get_resource_oauth2_token", &bearer, &name, outcome);
    answered.map(|(_, answer)| answer)
}

type Outcome = Result<(AuditOutcome, Value), ApiError>;

async fn answer(core: &Arc<Core>, bearer: &Bearer, provider: &PooledProvider, request: TokenRequest) -> Outcome {
    let scopes = request.scopes.clone().unwrap_or_else(|| provider.scopes.clone());
    if scopes.len() > 64 || !scopes.iter().all(|scope| is_scope_token(scope)) {
        return Err(ApiError::invalid("Scopes must be at most 64 scope tokens"));
    }
    match (request.flow.as_deref(), provider.flow.as_deref()) {
        (None | Some("USER_FEDERATION" | M2M), _) => {}
        _ => return Err(ApiError::invalid("Flow must be USER_FEDERATION or M2M")),
    }
    let machine = match (request.flow.as_deref(), provider.flow.as_deref()) {
        // What the provider was registered for decides: contract section 8.
        (Some("USER_FEDERATION"), Some(M2M)) => {
            return Err(ApiError::invalid(
                "Flow is USER_FEDERATION, but the credential provider is registered for M2M",
            ));
        }
        (_, Some(registered)) => registered == M2M,
        (wanted, None) => wanted == Some(M2M),
    };
    if machine {
        let registration = core.registration(&provider.provider).ok_or(Trouble::Unusable)?;
        let granted = core.engine.client_credentials(&registration, &scopes).await?;
        return Ok((AuditOutcome::Released, tokens::released(core, &tokens::stored(core, granted))));
    }
    let grant = bearer.grant(&provider.provider.id).ok_or_else(|| {
        ApiError::invalid("IdentityToken names no user; USER_FEDERATION needs a workload access token for a user")
    })?;
    for_user(core, bearer, provider, grant, scopes.into_iter().collect(), request).await
}

async fn for_user(
    core: &Arc<Core>,
    bearer: &Bearer,
    provider: &PooledProvider,
    grant: Grant,
    scopes: BTreeSet<String>,
    request: TokenRequest,
) -> Outcome {
    let asked = asked(core, bearer, provider, scopes, &request)?;
    if request.force_authentication {
        let grant = grant.clone();
        let change = core.vault.change(move |state| {
            state.start_over(&grant);
            Ok::<_, ApiError>(())
        });
        change.await?;
    } else if let Some(found) = found(core, provider, &grant, &asked, request.session_uri.as_deref()).await? {
        return Ok(found);
    }
    core.allow_own_callback(&core.registration(&provider.provider).ok_or(Trouble::Unusable)?)?;
    let session = open(core, &provider.provider, grant, asked).await?;
    Ok((AuditOutcome::ConsentAsked, pending(&session)?))
}

fn asked(
    core: &Core,
    bearer: &Bearer,
    provider: &PooledProvider,
    scopes: BTreeSet<String>,
    request: &TokenRequest,
) -> Result<Asked, ApiError> {
    let redirect = request.redirect_url.as_deref().or(provider.redirect_url.as_deref());
    let redirect = effective_redirect(core, redirect).parse();
    let redirect = redirect.map_err(|_| ApiError::invalid("RedirectUrl must be an absolute URL"))?;
    let return_url = request.resource_oauth2_return_url.clone().unwrap_or_default();
    if !return_url.is_empty() {
        let state = core.vault.read();
        let allowed = &state.workload(&bearer.pool, &bearer.workload)?.identity.return_urls;
        if !allowed.contains(&return_url) || !is_safe(&return_url) {
            let message = "ResourceOauth2ReturnUrl is not among the workload's AllowedResourceOauth2ReturnUrls";
            return Err(ApiError::invalid(message));
        }
    }
    let parameters = request.custom_parameters.as_ref().map(entries).unwrap_or_default();
    Ok(Asked { scopes, parameters, redirect, return_url, custom_state: request.custom_state.clone() })
}

/// The pairs of `{"Entries":[{"Key","Value"}]}`. The vendor's client writes the names small and, as it polls, wraps the whole into
/// one more entry: names count in either case, and what is no text is passed over.
fn entries(parameters: &Map<String, Value>) -> BTreeMap<String, String> {
    let member = |object: &Map<String, Value>, name: &str| {
        object.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
    };
    let Some(Value::Array(list)) = member(parameters, "Entries") else { return BTreeMap::new() };
    let pair = |entry: &Value| {
        let entry = entry.as_object()?;
        let text = |name| member(entry, name)?.as_str().map(str::to_owned);
        Some((text("Key")?, text("Value")?))
    };
    list.iter().filter_map(pair).collect()
}

/// The token if there is one, or the consent that is under way. `None` when the person has to be asked (again).
async fn found(
    core: &Arc<Core>,
    provider: &PooledProvider,
    grant: &Grant,
    asked: &Asked,
    named: Option<&str>,
) -> Result<Option<(AuditOutcome, Value)>, ApiError> {
    let begun = if let Some(uri) = named {
        Some(Arc::clone(core.vault.read().session(&known_session(uri)?, grant)?))
    } else {
        core.human.settle(core, grant).await;
        None
    };
    let scopes = match begun.as_deref() {
        Some(Session { asks: Asks::Consent { scopes, .. }, .. }) => scopes.clone(),
        _ => asked.scopes.clone(),
    };
    let current = async || tokens::current(core, &provider.provider, grant, &scopes).await;
    if begun.is_none()
        && let Some(token) = current().await?
    {
        return Ok(Some((AuditOutcome::Released, tokens::released(core, &token))));
    }
    let same = |session: &Session| {
        session.return_url == asked.return_url
            && session.setting_out.as_ref().is_some_and(|start| start.callback == asked.redirect.as_str())
            && matches!(&session.asks, Asks::Consent { scopes: known, .. } if *known == scopes)
    };
    let open = begun.or_else(|| core.vault.read().open_session_of(grant, core.clock.now(), same).cloned());
    let Some(open) = open else { return Ok(None) };
    core.human.polled(core, &open).await;
    let session = core.vault.read().session(&open.id, grant).cloned()?;
    match session.status_at(core.clock.now()) {
        SessionStatus::Open => Ok(Some((AuditOutcome::Pending, pending(&session)?))),
        SessionStatus::Completed => {
            let token = current().await?;
            Ok(token.map(|token| (AuditOutcome::Released, tokens::released(core, &token))))
        }
        SessionStatus::Failed => Ok(None),
    }
}

fn pending(session: &Session) -> Result<Value, ApiError> {
    let start = session.setting_out.as_ref().ok_or_else(|| ApiError::not_found("session not found"))?;
    Ok(json!({ "AuthorizationUrl": start.url.expose_secret(), "SessionUri": session_uri(&session.id) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn custom_parameters_count_in_either_case_and_nested_ones_not_at_all() {
        for (sent, expected) in [
            (json!({ "Entries": [{ "Key": "prompt", "Value": "consent" }] }), 1),
            (json!({ "entries": [{ "key": "prompt", "value": "consent" }] }), 1),
            (json!({ "entries": [{ "key": "entries", "value": [{ "key": "prompt", "value": "consent" }] }] }), 0),
            (json!({}), 0),
        ] {
            let parameters = entries(sent.as_object().unwrap());
            assert_eq!(parameters.len(), expected, "{sent}");
            assert!(parameters.iter().all(|(key, value)| key == "prompt" && value == "consent"));
        }
    }
}
