//! Credentials for agents: contract sections 5.4 and 5.5.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use http::StatusCode;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::actions::{Answer, Call};
use super::error::ApiError;
use super::oauth2_providers::{FLOWS, redirect};
use super::signature::Caller;
use super::token_vaults::named;
use super::workload_token::{Bearer, bearer};
use crate::audit::AuditOutcome;
use crate::consent::{Asked, open, session_id, session_uri};
use crate::core::Core;
use crate::oauth::is_scope_token;
use crate::tokens;
use crate::trouble::Trouble;
use crate::user::person;
use crate::vault::{Asks, Grant, Session, SessionStatus, VaultedProvider, bound_name};

const PROVIDER: &str = "ResourceCredentialProviderName";
const RETURN_URL: &str = "ResourceOAuth2ReturnURL";
/// The longest state and parameters that are taken, in bytes; the platform's own bounds are not documented.
const LONGEST: usize = 4096;

/// Whom the token of this call stands for; a session of another agent's role may not use it.
fn bearer_of(call: &Call<'_>, caller: &Caller, action: &str) -> Result<Bearer, ApiError> {
    let bearer = bearer(call.core, call.form.required("WorkloadAccessToken")?)?;
    let agent = caller.session.as_ref().and_then(|session| session.agent.as_ref().map(|agent| (agent, &session.role)));
    match agent {
        Some((agent, role)) if *agent != bearer.agent.identity.name => {
            Err(ApiError::no_permission(format!("agentidentitydata:{action}"), role))
        }
        _ => Ok(bearer),
    }
}

fn audited(core: &Core, operation: &'static str, bearer: &Bearer, provider: &str, outcome: AuditOutcome) {
    let identity = bound_name(&bearer.agent.identity.name);
    let grant = Grant { identity, provider_id: provider.to_owned(), user: String::new() };
    core.audit(operation, &grant, bearer.user.as_deref().map(person), outcome);
}

pub(super) fn api_key(call: &Call<'_>, caller: &Caller) -> Answer {
    let bearer = bearer_of(call, caller, "GetResourceAPIKey")?;
    let name = call.form.required(PROVIDER)?;
    let state = call.core.vault.read();
    let found = state.vaulted_key(&named(call), name);
    let outcome = if found.is_ok() { AuditOutcome::Released } else { AuditOutcome::Failed };
    audited(call.core, "get_resource_api_key", &bearer, name, outcome);
    let found = found.map_err(|refusal| ApiError::about("APIKeyCredentialProvider", refusal))?;
    Ok(json!({ "APIKey": found.provider.key.expose_secret() }))
}

pub(super) async fn oauth2_token(call: &Call<'_>, caller: &Caller) -> Answer {
    let bearer = bearer_of(call, caller, "GetResourceOAuth2Token")?;
    let name = call.form.required(PROVIDER)?;
    let provider = call.core.vault.read().vaulted_provider(&named(call), name).cloned();
    let answered = match provider {
        Ok(provider) => answer(call, &bearer, &provider).await,
        Err(refusal) => Err(ApiError::about("OAuth2CredentialProvider", refusal)),
    };
    let outcome = answered.as_ref().map_or(AuditOutcome::Failed, |(outcome, _)| *outcome);
    audited(call.core, "get_resource_oauth2_token", &bearer, name, outcome);
    answered.map(|(_, answer)| answer)
}

type Outcome = Result<(AuditOutcome, Value), ApiError>;

/// The flow that was asked for, if the provider is registered for it; else the provider's own; else what fits the token.
fn flow<'a>(call: &'a Call<'_>, bearer: &Bearer, provider: &'a VaultedProvider) -> Result<&'a str, ApiError> {
    let wanted = call.form.text("OAuth2Flow");
    if wanted.is_some_and(|flow| !FLOWS.contains(&flow)) {
        return Err(ApiError::invalid("OAuth2Flow", "must be USER_FEDERATION, M2M or ON_BEHALF_OF"));
    }
    let registered = provider.flow.as_deref();
    if wanted.zip(registered).is_some_and(|(wanted, registered)| wanted != registered) {
        return Err(ApiError::invalid("OAuth2Flow", "is not the flow for which the credential provider is registered"));
    }
    let fitting = if bearer.user.is_some() { "USER_FEDERATION" } else { "M2M" };
    Ok(wanted.or(registered).unwrap_or(fitting))
}

async fn answer(call: &Call<'_>, bearer: &Bearer, provider: &VaultedProvider) -> Outcome {
    let scopes: Vec<String> = call.form.json("Scopes")?.unwrap_or_default();
    if scopes.len() > 64 || !scopes.iter().all(|scope| is_scope_token(scope)) {
        return Err(ApiError::invalid("Scopes", "must be at most 64 scope tokens"));
    }
    let registration = || call.core.registration(&provider.provider).ok_or(Trouble::Unusable);
    match flow(call, bearer, provider)? {
        "M2M" => {
            let granted = call.core.engine.client_credentials(&registration()?, &scopes).await?;
            Ok((AuditOutcome::Released, tokens::released(call.core, &tokens::stored(call.core, granted))))
        }
        "ON_BEHALF_OF" => {
            let inbound = inbound(bearer)?;
            let audience = call.form.text("Audience");
            let granted = call.core.engine.on_behalf_of(&registration()?, inbound, audience, &scopes).await?;
            Ok((AuditOutcome::Released, tokens::released(call.core, &tokens::stored(call.core, granted))))
        }
        _ => {
            let grant = bearer.grant(&provider.provider.id).ok_or_else(|| {
                let message = "The workload access token names no user; USER_FEDERATION needs one that does.";
                ApiError::bad("InvalidParameter.WorkloadAccessToken", message)
            })?;
            for_user(call, bearer, provider, grant, scopes.into_iter().collect()).await
        }
    }
}

/// The token with which the user came: the platform acts on behalf of nobody else, and only where sessions are bound.
fn inbound(bearer: &Bearer) -> Result<&SecretString, ApiError> {
    if !bearer.agent.binds_sessions {
        let message = "ON_BEHALF_OF needs a workload identity with SessionBindingEnabled.";
        return Err(ApiError::invalid("OAuth2Flow", message));
    }
    bearer.inbound.as_ref().ok_or_else(|| {
        let message = "The workload access token was not made from a user's JSON Web Token.";
        ApiError::new(StatusCode::FORBIDDEN, "Forbidden.InboundCredentialMissing", message)
    })
}

async fn for_user(
    call: &Call<'_>,
    bearer: &Bearer,
    provider: &VaultedProvider,
    grant: Grant,
    scopes: BTreeSet<String>,
) -> Outcome {
    let core = call.core;
    let asked = asked(call, bearer, provider, scopes)?;
    if call.form.flag("ForceAuthentication")?.unwrap_or_default() {
        let grant = grant.clone();
        let change = core.vault.change(move |state| {
            state.start_over(&grant);
            Ok::<_, ApiError>(())
        });
        change.await?;
    } else if let Some(uri) = call.form.text("SessionURI") {
        return poll(core, provider, &grant, uri).await;
    } else {
        core.human.settle(core, &grant).await;
        if let Some(token) = tokens::current(core, &provider.provider, &grant, &asked.scopes).await? {
            return Ok((AuditOutcome::Released, tokens::released(core, &token)));
        }
    }
    core.allow_callback(&provider.provider, &asked.redirect)?;
    let session = open(core, &provider.provider, grant, asked).await?;
    let uri = session_uri(&session.id);
    let query: String = url::form_urlencoded::Serializer::new(String::new()).append_pair("request_uri", &uri).finish();
    let answer = json!({
        "AuthorizationURL": format!("{}/oauth2/authorize?{query}", core.origin),
        "SessionURI": uri,
        "SessionStatus": "IN_PROGRESS",
    });
    Ok((AuditOutcome::ConsentAsked, answer))
}

fn asked(
    call: &Call<'_>,
    bearer: &Bearer,
    provider: &VaultedProvider,
    scopes: BTreeSet<String>,
) -> Result<Asked, ApiError> {
    let form = &call.form;
    let redirect = redirect(call.core, provider).parse();
    let custom_state = form.owned("CustomState").filter(|state| !state.is_empty());
    if custom_state.as_ref().is_some_and(|state| state.len() > LONGEST) {
        return Err(ApiError::invalid("CustomState", "must have at most 4096 bytes"));
    }
    let parameters: Option<BTreeMap<String, String>> = form.json("CustomParameters")?;
    Ok(Asked {
        scopes,
        parameters: parameters.unwrap_or_default(),
        redirect: redirect.map_err(|_| ApiError::internal("The emulator's own address is no URL."))?,
        return_url: return_url(call, bearer)?,
        custom_state,
    })
}

/// Empty when nobody has to confirm the consent: no binding, and no list of URLs (contract section 5.4).
fn return_url(call: &Call<'_>, bearer: &Bearer) -> Result<String, ApiError> {
    let allowed = &bearer.agent.identity.return_urls;
    match call.form.text(RETURN_URL) {
        Some(url) if allowed.iter().any(|known| known == url) => Ok(url.to_owned()),
        Some(_) => {
            let message = "The URL is not among the workload identity's AllowedResourceOAuth2ReturnURLs.";
            Err(ApiError::bad("Missmatch.ResourceOAuth2ReturnURL", message))
        }
        None if bearer.agent.binds_sessions || !allowed.is_empty() => Err(ApiError::missing(RETURN_URL)),
        None => Ok(String::new()),
    }
}

async fn poll(core: &Arc<Core>, provider: &VaultedProvider, grant: &Grant, uri: &str) -> Outcome {
    let missing = || ApiError::not_found("Session");
    let id = session_id(uri).ok_or_else(missing)?;
    let known = |id: &str| core.vault.read().session(id, grant).cloned().map_err(|_| missing());
    let session: Arc<Session> = known(&id)?;
    let Asks::Consent { scopes, .. } = &session.asks else { return Err(missing()) };
    core.human.polled(core, &session).await;
    let status = known(&id)?.status_at(core.clock.now());
    if status == SessionStatus::Completed
        && let Some(token) = tokens::current(core, &provider.provider, grant, scopes).await?
    {
        return Ok((AuditOutcome::Released, tokens::released(core, &token)));
    }
    let (outcome, status) = match status {
        SessionStatus::Open => (AuditOutcome::Pending, "IN_PROGRESS"),
        // Also a session that was completed but whose token has ended since: there is nothing more to wait for.
        SessionStatus::Completed | SessionStatus::Failed => (AuditOutcome::Denied, "FAILED"),
    };
    Ok((outcome, json!({ "SessionURI": uri, "SessionStatus": status })))
}
