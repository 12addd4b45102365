//! Consent on platforms whose sessions know from the start how the browser sets out: the way there, the way back, and who may end it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use axum::response::Response;
use http::StatusCode;
use url::Url;

use crate::audit::AuditOutcome;
use crate::clock;
use crate::core::Core;
use crate::html;
use crate::random;
use crate::returning::{Verdict, dead_link, landing, redirect};
use crate::tokens;
use crate::trouble::Trouble;
use crate::user::person;
use crate::vault::{
    Asks, Grant, OAuthProvider, Refusal, Session, SessionStatus, SettingOut, State, StoredToken, Thing, TokenKey,
};

const SESSION_URI: &str = "urn:ietf:params:oauth:request_uri:";

/// A session as the API of these platforms names it.
pub(crate) fn session_uri(id: &str) -> String {
    format!("{SESSION_URI}{id}")
}

/// The id in the name of a session.
pub(crate) fn session_id(uri: &str) -> Option<String> {
    let id = uri.strip_prefix(SESSION_URI).filter(|id| random::is_uuid(id));
    id.map(str::to_ascii_lowercase)
}

/// What a consent is asked for.
pub(crate) struct Asked {
    pub(crate) scopes: BTreeSet<String>,
    pub(crate) parameters: BTreeMap<String, String>,
    /// The `redirect_uri`: where the third party sends the browser.
    pub(crate) redirect: Url,
    /// Empty when nobody has to confirm the consent.
    pub(crate) return_url: String,
    pub(crate) custom_state: Option<String>,
}

/// Opens a session, in the vault before anybody hears of it. The provider must let the browser back to `asked.redirect`.
pub(crate) async fn open(
    core: &Arc<Core>,
    provider: &OAuthProvider,
    grant: Grant,
    asked: Asked,
) -> Result<Arc<Session>, Trouble> {
    let registration = core.registration(provider).ok_or(Trouble::Unusable)?;
    let scopes: Vec<String> = asked.scopes.iter().cloned().collect();
    let start = core.engine.begin_authorization(&registration, &asked.redirect, &scopes, &asked.parameters)?;
    let now = core.clock.now();
    let setting_out =
        SettingOut { url: String::from(start.url).into(), callback: asked.redirect.into(), followed: false };
    let session = Session {
        id: random::uuid(),
        grant,
        return_url: asked.return_url,
        custom_state: asked.custom_state,
        state: Some(start.state),
        asks: Asks::Consent { scopes: asked.scopes, parameters: asked.parameters, verifier: Some(start.verifier) },
        setting_out: Some(setting_out),
        held: None,
        status: SessionStatus::Open,
        created_at: now,
        expires_at: clock::add(now, core.session_lifetime),
    };
    let session = core.vault.change(move |state| Ok::<_, Trouble>(state.open_session(session))).await?;
    core.human.opened(core, &session);
    Ok(session)
}

/// The browser comes back to a callback of ours. Its `state` works once, and only if the session `concerns` this callback.
pub(crate) async fn returned(
    core: &Core,
    query: &HashMap<String, String>,
    operation: &'static str,
    concerns: impl Fn(&Session) -> bool + Send + 'static,
) -> Response {
    let state = query.get("state").filter(|state| !state.is_empty()).cloned();
    let (Some(state), Some(verdict)) = (state, Verdict::read(query)) else {
        let text = "Missing authorization code or state. Go back to the application and start again.";
        return html::message(StatusCode::BAD_REQUEST, "This did not work", text);
    };
    let now = core.clock.now();
    // In the same change: a state that belongs elsewhere is not used up.
    let taken = core.vault.change(move |vault| {
        let session = vault.take_own_state(&state, now)?;
        if concerns(&session) { Ok(session) } else { Err(Trouble::Refused(Refusal::Missing(Thing::Session))) }
    });
    let landed = match taken.await {
        Err(trouble) => Err(trouble),
        Ok(session) => land(core, &session, operation, verdict).await.map(|refusal| (session, refusal)),
    };
    match landed {
        Ok((session, refusal)) if session.return_url.is_empty() => closing_page(refusal.as_deref()),
        Ok((session, refusal)) => redirect(&back_to_application(&session, refusal.as_deref())),
        Err(Trouble::Refused(_)) => dead_link(),
        Err(trouble) => {
            tracing::error!(?trouble, "a consent was not stored");
            let text = "The change was not stored; the emulator's log says why.";
            html::message(StatusCode::INTERNAL_SERVER_ERROR, "This did not work", text)
        }
    }
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
async fn land(
    core: &Core,
    session: &Session,
    operation: &'static str,
    verdict: Verdict,
) -> Result<Option<String>, Trouble> {
    let (refusal, outcome) = match verdict {
        Verdict::Refused(refusal) => (Some(refusal), AuditOutcome::Denied),
        Verdict::Code(grant) => match redeem(core, session, &grant).await {
            Ok(_) => (None, AuditOutcome::Granted),
            Err(trouble) => {
                tracing::warn!(?trouble, "a code could not be redeemed");
                (Some("server_error".to_owned()), AuditOutcome::Failed)
            }
        },
    };
    core.audit(operation, &session.grant, Some(person(&session.grant.user)), outcome);
    if refusal.is_some() {
        fail(core, session).await?;
    }
    Ok(refusal)
}

/// Ends a session without a token.
pub(crate) async fn fail(core: &Core, session: &Session) -> Result<(), Trouble> {
    let (id, now) = (session.id.clone(), core.clock.now());
    core.vault.change(move |vault| Ok::<_, Trouble>(vault.finish_session(&id, SessionStatus::Failed, now)?)).await
}

/// Exchanges the code. The token counts at once, or, with a return URL, when the application has said for whom.
pub(crate) async fn redeem(core: &Core, session: &Session, grant: &str) -> Result<StoredToken, Trouble> {
    let gone = || Trouble::Refused(Refusal::Missing(Thing::Session));
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
        Ok::<_, Trouble>(())
    });
    change.await.map(|()| token)
}

/// How far the confirmation of a session came.
pub(crate) enum Confirmed {
    /// The token counts from now on, or did already.
    Done,
    /// The person has not consented yet.
    TooEarly,
}

/// The application has vouched for whose browser came back: what was held counts.
pub(crate) fn confirm(vault: &mut State, id: &str, now: jiff::Timestamp) -> Result<Confirmed, Refusal> {
    let missing = Refusal::Missing(Thing::Session);
    let session = Arc::clone(vault.sessions.get(id).ok_or(missing)?);
    match session.status_at(now) {
        // Said before: the answer to it was lost, perhaps.
        SessionStatus::Completed => return Ok(Confirmed::Done),
        SessionStatus::Failed => return Err(missing),
        SessionStatus::Open => {}
    }
    let Some(token) = vault.open_session_mut(id, now)?.held.take() else { return Ok(Confirmed::TooEarly) };
    let Asks::Consent { scopes, .. } = &session.asks else { return Err(missing) };
    vault.finish_session(id, SessionStatus::Completed, now)?;
    vault.store_token(TokenKey { grant: session.grant.clone(), scopes: scopes.clone() }, token)?;
    Ok(Confirmed::Done)
}
