//! The user's browser on its way through an OAuth2 consent: contract section 5.5.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use http::StatusCode;

use super::error::ApiError;
use super::oauth2;
use crate::audit::AuditOutcome;
use crate::core::Core;
use crate::html::message;
use crate::random;
use crate::returning::{Verdict, dead_link, landing, redirect};
use crate::tokens;
use crate::vault::{Asks, Session, SessionStatus, TokenKey};

/// A page for what went wrong on the way.
pub(super) fn failed(error: &ApiError) -> Response {
    message(error.status, "This did not work", &error.message)
}

/// `GET /oauth2/authorize?sessionId=…`: sends the browser to the provider. A second visit starts afresh and ends the first.
pub(super) async fn authorize(State(core): State<Arc<Core>>, Query(query): Query<HashMap<String, String>>) -> Response {
    let id = query.get("sessionId").map(String::as_str).unwrap_or_default();
    match set_out(&core, id).await {
        Ok(location) => redirect(&location),
        Err(error) if error.status == StatusCode::NOT_FOUND => dead_link(),
        Err(error) => failed(&error),
    }
}

async fn set_out(core: &Core, id: &str) -> Result<String, ApiError> {
    let missing = || ApiError::new(StatusCode::NOT_FOUND, "session not found");
    let now = core.clock.now();
    let id = random::is_uuid(id).then(|| id.to_ascii_lowercase()).ok_or_else(missing)?;
    let vault = core.vault.read();
    let session = vault.sessions.get(&id).ok_or_else(missing)?;
    let Asks::Consent { scopes, parameters, .. } = &session.asks else { return Err(missing()) };
    let provider = vault.oauth_provider_by_id(&session.grant.provider_id)?;
    let start = oauth2::begin(core, provider, scopes, parameters)?;
    let change = core.vault.change(move |vault| {
        let session = vault.open_session_mut(&id, now)?;
        session.state = Some(start.state);
        if let Asks::Consent { verifier, .. } = &mut session.asks {
            *verifier = Some(start.verifier);
        }
        Ok::<_, ApiError>(())
    });
    change.await?;
    Ok(start.url.into())
}

/// `GET /oauth2/callback/{provider_id}`: the browser comes back. Its `state` works once.
pub(super) async fn callback(
    State(core): State<Arc<Core>>,
    Path(provider_id): Path<String>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let (Some(state), Some(verdict)) = (query.get("state").cloned(), Verdict::read(&query)) else { return dead_link() };
    let now = core.clock.now();
    let taken = core.vault.change(move |vault| vault.take_state(&provider_id, &state, now).map_err(ApiError::from));
    let landed = match taken.await {
        Ok(session) => land(&core, &session, verdict).await,
        Err(error) => Err(error),
    };
    match landed {
        Ok(location) => redirect(&location),
        Err(error) if error.status == StatusCode::NOT_FOUND => dead_link(),
        Err(error) => failed(&error),
    }
}

/// Ends the session the one way or the other, and says where the browser goes.
async fn land(core: &Core, session: &Session, verdict: Verdict) -> Result<String, ApiError> {
    let (refusal, outcome) = match verdict {
        Verdict::Refused(refusal) => (Some(refusal), AuditOutcome::Denied),
        Verdict::Code(grant) => match redeem(core, session, &grant).await {
            Ok(()) => (None, AuditOutcome::Granted),
            Err(error) => {
                tracing::warn!(status = %error.status, "a code could not be redeemed: {}", error.message);
                (Some("server_error".to_owned()), AuditOutcome::Failed)
            }
        },
    };
    core.audit("handle_oauth2_callback", &session.grant, Some(&session.grant.user), outcome);
    if refusal.is_some() {
        let (id, now) = (session.id.clone(), core.clock.now());
        let change =
            core.vault.change(move |vault| Ok::<_, ApiError>(vault.finish_session(&id, SessionStatus::Failed, now)?));
        change.await?;
    }
    Ok(landing(session, refusal.as_deref()))
}

/// Exchanges the code and completes the session, both in one change of the vault.
async fn redeem(core: &Core, session: &Session, grant: &str) -> Result<(), ApiError> {
    let Asks::Consent { scopes, verifier: Some(verifier), .. } = &session.asks else {
        return Err(ApiError::new(StatusCode::NOT_FOUND, "session not found"));
    };
    let provider = Arc::clone(core.vault.read().oauth_provider_by_id(&session.grant.provider_id)?);
    let (registration, callback) = (oauth2::registration(core, &provider)?, oauth2::callback(core, &provider)?);
    let granted = core.engine.exchange_code(&registration, &callback, grant, verifier).await?;
    let token = tokens::stored(core, granted);
    let key = TokenKey { grant: session.grant.clone(), scopes: scopes.clone() };
    let (id, now) = (session.id.clone(), core.clock.now());
    let change = core.vault.change(move |vault| {
        vault.finish_session(&id, SessionStatus::Completed, now)?;
        vault.store_token(key, token)?;
        Ok::<_, ApiError>(())
    });
    change.await
}
