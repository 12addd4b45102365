//! The way back from the third party, and who may end it: contract section 7.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::Response;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::actions::{Answer, Call};
use super::body::{self, required};
use super::error::ApiError;
use super::identity_token;
use super::outbound::known_session;
use crate::audit::AuditOutcome;
use crate::consent::{Confirmed, confirm, fail, redeem, returned};
use crate::core::Core;
use crate::random;
use crate::user::person;
use crate::vault::Session;

/// `GET /api/v1/oauth2callback`: the browser comes back. Its `state` works once.
pub(super) async fn callback(State(core): State<Arc<Core>>, Query(query): Query<HashMap<String, String>>) -> Response {
    returned(&core, &query, "oauth2_callback", |_| true).await
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
    let id = known_session(&required(request.session_uri, "SessionUri")?)?;
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
    let change = call.core.vault.change(move |vault| match confirm(vault, &id, now)? {
        Confirmed::Done => Ok(()),
        Confirmed::TooEarly => Err(ApiError::invalid("The user has not given their consent yet")),
    });
    change.await.map(|()| json!({}))
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
        Err(trouble) => {
            fail(call.core, &session).await?;
            Err(trouble.into())
        }
    }
}
