//! The way back from the third party, and who may end it: contract section 7.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::Response;
use http::StatusCode;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::Url;

use super::actions::{Answer, Call};
use super::body::{self, required};
use super::error::ApiError;
use super::identity_token::{self, person};
use super::outbound::{session_id, session_uri};
use crate::audit::AuditOutcome;
use crate::core::Core;
use crate::html;
use crate::random;
use crate::returning::{Verdict, dead_link, landing, redirect};
use crate::tokens;
use crate::trouble::Trouble;
use crate::vault::{Asks, Session, SessionStatus, StoredToken, TokenKey};

/// `GET /api/v1/oauth2callback`: the browser comes back. Its `state` works once.
pub(super) async fn callback(State(core): State<Arc<Core>>, Query(query): Query<HashMap<String, String>>) -> Response {
    let state = query.get("state").filter(|state| !state.is_empty()).cloned();
    let (Some(state), Some(verdict)) = (state, Verdict::read(&query)) else {
        let text = "Missing authorization code or state. Go back to the application and start again.";
        return html::message(StatusCode::BAD_REQUEST, "This did not work", text);
    };
    let now = core.clock.now();
    let taken = core.vault.change(move |vault| vault.take_own_state(&state, now).map_err(ApiError::from)).await;
    let session = match taken {
        Ok(session) => session,
        Err(error) if error.status == StatusCode::NOT_FOUND => return dead_link(),
        Err(error) => return html::message(error.status, "This did not work", &error.message),
    };
    let refusal = match land(&core, &session, verdict).await {
        Ok(refusal) => refusal,
        Err(error) => return html::message(error.status, "This did not work", &error.message),
    };
    if session.return_url.is_empty() {
        return closing_page(refusal.as_deref());
    }
    redirect(&back_to_application(&session, refusal.as_deref()))
}

fn closing_page(refusal: Option<&str>) -> Response {
    match refusal {
        None => {
            let text = "The agent may go on. You can close this window.";
            html::message(StatusCode::OK, "You have given your consent", text)
        }
        Some("access_denied") => {
            let text = "The agent gets nothing. You can close this window.";
            html::message(StatusCode::OK, "You have declined", text)
        }
        Some(_) => {
            let text = "The third party did not grant access. Go back to the application and start again.";
            html::message(StatusCode::BAD_GATEWAY, "This did not work", text)
        }
    }
}

/// The return URL with the session, so that the application can say whose browser this is.
fn back_to_application(session: &Session, refusal: Option<&str>) -> String {
    let landing = landing(session, refusal);
    let Ok(mut url) = Url::parse(&landing) else { return landing };
    url.query_pairs_mut().append_pair("session_uri", &session_uri(&session.id));
    url.into()
}

/// Ends the session the one way or the other; the error code if it was the other.
async fn land(core: &Core, session: &Session, verdict: Verdict) -> Result<Option<String>, ApiError> {
    let (refusal, outcome) = match verdict {
        Verdict::Refused(refusal) => (Some(refusal), AuditOutcome::Denied),
        Verdict::Code(grant) => match redeem(core, session, &grant).await {
            Ok(_) => (None, AuditOutcome::Granted),
            Err(error) => {
                tracing::warn!(status = %error.status, "a code could not be redeemed: {}", error.message);
                (Some("server_error".to_owned()), AuditOutcome::Failed)
            }
        },
    };
    core.audit("oauth2_callback", &session.grant, Some(person(&session.grant.user)), outcome);
    if refusal.is_some() {
        fail(core, session).await?;
    }
    Ok(refusal)
}

async fn fail(core: &Core, session: &Session) -> Result<(), ApiError> {
    let (id, now) = (session.id.clone(), core.clock.now());
    core.vault.change(move |vault| Ok::<_, ApiError>(vault.finish_session(&id, SessionStatus::Failed, now)?)).await
}

/// Exchanges the code. The token counts at once, or, with a return URL, when the application has said for whom.
async fn redeem(core: &Core, session: &Session, grant: &str) -> Result<StoredToken, ApiError> {
    let gone = || ApiError::not_found("session not found");
    let (Asks::Consent { scopes, verifier: Some(verifier), .. }, Some(start)) = (&session.asks, &session.setting_out)
    else {
        return Err(gone());
    };
    let provider = Arc::clone(core.vault.read().oauth_provider_by_id(&session.grant.provider_id)?);
    let registration = core.registration(&provider).ok_or(Trouble::Unusable)?;
    let callback = start.callback.parse().map_err(|_| gone())?;
    let granted = core.engine.exchange_code(&registration, &callback, grant, verifier).await?;
    let token = tokens::stored(core, granted);
    let key = TokenKey { grant: session.grant.clone(), scopes: scopes.clone() };
    let (id, now, held) = (session.id.clone(), core.clock.now(), !session.return_url.is_empty());
    let kept = token.clone();
    let change = core.vault.change(move |vault| {
        if held {
            vault.open_session_mut(&id, now)?.held = Some(kept);
        } else {
            vault.finish_session(&id, SessionStatus::Completed, now)?;
            vault.store_token(key, kept)?;
        }
        Ok::<_, ApiError>(())
    });
    change.await.map(|()| token)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Completion {
    session_uri: Option<String>,
    user_identifier: Option<UserIdentifier>,
}

#[derive(Deserialize)]
struct UserIdentifier {
    #[serde(rename = "UserID", alias = "UserId")]
    user_id: Option<String>,
    #[serde(rename = "UserToken")]
    user_token: Option<SecretString>,
    #[serde(rename = "IdentityToken")]
    identity_token: Option<SecretString>,
}

/// `CompleteResourceTokenAuth`: the application vouches for whose browser came back.
pub(super) async fn complete(call: &Call<'_>, members: Map<String, Value>) -> Answer {
    let request: Completion = body::read(members)?;
    let id = session_id(&required(request.session_uri, "SessionUri")?)?;
    let user = request.user_identifier.ok_or_else(|| ApiError::missing("UserIdentifier"))?;
    let session = call.core.vault.read().sessions.get(&id).cloned();
    let session = session.filter(|session| session.setting_out.is_some());
    let session = session.ok_or_else(|| ApiError::not_found("session not found"))?;
    let matches = is_of(call.core, &session, &user).await?;
    let outcome = if matches { AuditOutcome::Granted } else { AuditOutcome::Failed };
    call.core.audit("complete_resource_token_auth", &session.grant, Some(person(&session.grant.user)), outcome);
    if !matches {
        return Err(ApiError::denied("The session was begun for somebody else"));
    }
    let now = call.core.clock.now();
    let change = call.core.vault.change(move |vault| {
        let session = vault.sessions.get(&id).cloned();
        let status = session.as_ref().map(|session| session.status_at(now));
        match (session, status) {
            // Said before: the answer to it was lost, perhaps.
            (Some(_), Some(SessionStatus::Completed)) => Ok(()),
            (Some(session), Some(SessionStatus::Open)) => confirm(vault, &session, now),
            _ => Err(ApiError::not_found("session not found")),
        }
    });
    change.await.map(|()| json!({}))
}

fn confirm(vault: &mut crate::vault::State, session: &Session, now: jiff::Timestamp) -> Result<(), ApiError> {
    let open = vault.open_session_mut(&session.id, now)?;
    let token = open.held.take().ok_or_else(|| ApiError::invalid("The user has not given their consent yet"))?;
    let Asks::Consent { scopes, .. } = &session.asks else { return Err(ApiError::not_found("session not found")) };
    vault.finish_session(&session.id, SessionStatus::Completed, now)?;
    vault.store_token(TokenKey { grant: session.grant.clone(), scopes: scopes.clone() }, token)?;
    Ok(())
}

/// Whether everything that was said about the user is true of the session; something must be said.
async fn is_of(core: &Core, session: &Session, user: &UserIdentifier) -> Result<bool, ApiError> {
    let grant = &session.grant;
    let same = |left: &str, right: &str| random::same_secret(left, right);
    let mut verdict = None;
    if let Some(id) = user.user_id.as_deref().filter(|id| !id.is_empty()) {
        verdict = Some(same(id, &grant.user));
    }
    if let Some(token) = &user.user_token {
        let (user, _) = identity_token::user(core, token.expose_secret()).await?;
        verdict = Some(verdict.unwrap_or(true) & same(user.key(), &grant.user));
    }
    if let Some(token) = &user.identity_token {
        let bearer = identity_token::bearer(core, token.expose_secret()).await?;
        let same_user = bearer.user.as_ref().is_some_and(|user| same(user.key(), &grant.user));
        verdict = Some(verdict.unwrap_or(true) & same_user & (bearer.identity() == grant.identity));
    }
    verdict.ok_or_else(|| ApiError::missing("UserIdentifier.UserID"))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Handover {
    state: Option<SecretString>,
    identity_token: Option<SecretString>,
    code: Option<SecretString>,
    error: Option<String>,
}

/// `Oauth2Callback`: a front end that received code and state itself hands them over, for the identity that began.
pub(super) async fn handed_over(call: &Call<'_>, members: Map<String, Value>) -> Answer {
    let request: Handover = body::read(members)?;
    let state = request.state.ok_or_else(|| ApiError::missing("State"))?;
    let token = request.identity_token.ok_or_else(|| ApiError::missing("IdentityToken"))?;
    let bearer = identity_token::bearer(call.core, token.expose_secret()).await?;
    let now = call.core.clock.now();
    // Checked in the same change: a state that somebody else holds is not used up.
    let change = call.core.vault.change(move |vault| {
        let session = vault.take_own_state(state.expose_secret(), now)?;
        let own = bearer.grant(&session.grant.provider_id);
        if own.as_ref() == Some(&session.grant) { Ok(session) } else { Err(ApiError::denied("The state is not yours")) }
    });
    let session = change.await?;
    if let Some(error) = request.error.filter(|error| !error.is_empty()) {
        tracing::debug!(length = error.len(), "the person refused");
        fail(call.core, &session).await?;
        return Err(ApiError::denied("The third party refused; the session has ended"));
    }
    let code = request.code.ok_or_else(|| ApiError::missing("Code"))?;
    match redeem(call.core, &session, code.expose_secret()).await {
        // Held back until the application has said for whom.
        Ok(_) if !session.return_url.is_empty() => Ok(json!({})),
        Ok(token) => Ok(json!({ "AccessToken": token.access_token.expose_secret() })),
        Err(error) => {
            fail(call.core, &session).await?;
            Err(error)
        }
    }
}
