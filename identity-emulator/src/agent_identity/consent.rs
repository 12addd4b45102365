//! The way of the user's browser, and who may end it: contract section 5.6.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{OriginalUri, Query, State};
use axum::response::Response;
use http::StatusCode;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::actions::{Answer, Call, nothing};
use super::error::ApiError;
use super::user_token;
use crate::audit::AuditOutcome;
use crate::consent::{Confirmed, confirm, returned, session_id};
use crate::core::Core;
use crate::random;
use crate::returning::{dead_link, redirect};
use crate::user::person;
use crate::vault::{Refusal, Thing, VaultError, bound_name};

/// Why a link leads nowhere.
struct Dead;

impl From<VaultError> for Dead {
    fn from(error: VaultError) -> Self {
        tracing::error!(%error, "a change was not stored");
        Self
    }
}

/// `GET /oauth2/authorize`: the link that the user got. It works once.
pub(super) async fn set_out(State(core): State<Arc<Core>>, Query(query): Query<HashMap<String, String>>) -> Response {
    let Some(id) = query.get("request_uri").and_then(|uri| session_id(uri)) else { return dead_link() };
    let now = core.clock.now();
    let followed = core.vault.change(move |vault| {
        let session = vault.open_session_mut(&id, now).map_err(|_| Dead)?;
        // Not of this dialect, or of a consent that has come back already: nothing to do here.
        let ours = session.grant.identity.starts_with(&bound_name("")) && session.state.is_some();
        let start = session.setting_out.as_mut().filter(|start| ours && !start.followed).ok_or(Dead)?;
        start.followed = true;
        Ok::<_, Dead>(start.url.clone())
    });
    match followed.await {
        Ok(url) => redirect(url.expose_secret()),
        Err(Dead) => dead_link(),
    }
}

/// `GET /oauth2/callback/{id}`: the browser comes back from the third party. Its `state` works once, and at this address only.
pub(super) async fn callback(
    State(core): State<Arc<Core>>,
    OriginalUri(uri): OriginalUri,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let here = format!("{}{}", core.origin, uri.path());
    let concerns =
        move |session: &crate::vault::Session| session.setting_out.as_ref().is_some_and(|start| start.callback == here);
    returned(&core, &query, "oauth2_callback", concerns).await
}

#[derive(Deserialize)]
struct UserIdentifier {
    #[serde(rename = "UserId")]
    id: Option<String>,
    #[serde(rename = "UserJWT")]
    token: Option<SecretString>,
}

/// The application vouches for whose browser came back.
pub(super) async fn complete(call: &Call<'_>) -> Answer {
    let missing = || ApiError::not_found("Session");
    let id = session_id(call.form.required("SessionURI")?).ok_or_else(missing)?;
    let user: UserIdentifier = call.form.json("UserIdentifier")?.ok_or_else(|| ApiError::missing("UserIdentifier"))?;
    let (agent, grant) = {
        let state = call.core.vault.read();
        let session = state.sessions.get(&id).filter(|session| session.setting_out.is_some()).ok_or_else(missing)?;
        let agent = session.grant.identity.strip_prefix(&bound_name("")).and_then(|name| state.agent(name).ok());
        (Arc::clone(agent.ok_or_else(missing)?), session.grant.clone())
    };
    let same = match (user.id, user.token) {
        (Some(id), None) if !id.is_empty() => random::same_secret(&id, &grant.user),
        (None, Some(token)) => {
            let known = user_token::verify(call.core, &agent, token.expose_secret()).await?;
            random::same_secret(known.user.key(), &grant.user)
        }
        _ => return Err(ApiError::invalid("UserIdentifier", "must have either UserId or UserJWT")),
    };
    let outcome = if same { AuditOutcome::Granted } else { AuditOutcome::Failed };
    call.core.audit("complete_resource_token_auth", &grant, Some(person(&grant.user)), outcome);
    if !same {
        let message = "The session was begun for somebody else, or with another kind of identifier.";
        return Err(ApiError::new(StatusCode::FORBIDDEN, "Forbidden.UserIdentifier", message));
    }
    let now = call.core.clock.now();
    let about = |refusal| match refusal {
        Refusal::Missing(Thing::Session) => ApiError::not_found("Session"),
        other => ApiError::about("Session", other),
    };
    let change = call.core.vault.change(move |vault| match confirm(vault, &id, now).map_err(about)? {
        Confirmed::Done => Ok(nothing()),
        Confirmed::TooEarly => {
            Err(ApiError::invalid("SessionURI", "is of a session without the user's consent so far"))
        }
    });
    change.await
}
