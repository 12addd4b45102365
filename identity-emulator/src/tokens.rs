//! Tokens that users granted: kept, refreshed, forgotten.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::clock;
use crate::core::Core;
use crate::oauth::TokenGrant;
use crate::trouble::Trouble;
use crate::vault::{Grant, OAuthProvider, StoredToken, TokenKey};

/// A token this near its end is refreshed: it would hardly survive the way to the agent.
const MARGIN: SignedDuration = SignedDuration::from_secs(5);

fn is_fresh(token: &StoredToken, now: Timestamp) -> bool {
    token.expires_at.is_none_or(|end| now.saturating_add(MARGIN).unwrap_or(Timestamp::MAX) < end)
}

fn find(core: &Core, grant: &Grant, scopes: &BTreeSet<String>) -> Option<(TokenKey, Arc<StoredToken>)> {
    core.vault.read().token(grant, scopes).map(|(key, token)| (key.clone(), Arc::clone(token)))
}

/// The user's token for these scopes, refreshed if need be. `None` when the user has to be asked (again).
pub(crate) async fn current(
    core: &Core,
    provider: &OAuthProvider,
    grant: &Grant,
    scopes: &BTreeSet<String>,
) -> Result<Option<Arc<StoredToken>>, Trouble> {
    match find(core, grant, scopes) {
        None => return Ok(None),
        Some((_, token)) if is_fresh(&token, core.clock.now()) => return Ok(Some(token)),
        Some(_) => {}
    }
    let _one_at_a_time = core.refreshing.lock().await;
    // Whoever held the lock may have refreshed this one.
    let Some((key, token)) = find(core, grant, scopes) else { return Ok(None) };
    if is_fresh(&token, core.clock.now()) {
        return Ok(Some(token));
    }
    let refreshed = match &token.refresh_token {
        None => None,
        Some(refresh_token) => {
            let registration = core.registration(provider).ok_or(Trouble::Unusable)?;
            match core.engine.refresh(&registration, refresh_token, &[]).await {
                Ok(granted) => Some(granted),
                Err(failure) if failure.code() == Some("invalid_grant") => None,
                Err(failure) => return Err(failure.into()),
            }
        }
    };
    if let Some(granted) = refreshed {
        return store(core, key, granted).await.map(Some);
    }
    let forget = core.vault.change(move |state| {
        state.drop_token(&key, &token);
        Ok::<_, Trouble>(())
    });
    forget.await.map(|()| None)
}

/// Keeps what a provider granted, under the scopes that were asked for: those are what the user decided on.
async fn store(core: &Core, key: TokenKey, granted: TokenGrant) -> Result<Arc<StoredToken>, Trouble> {
    let token = stored(core, granted);
    core.vault.change(move |state| state.store_token(key, token).map_err(Trouble::from)).await
}

pub(crate) fn stored(core: &Core, granted: TokenGrant) -> StoredToken {
    let now = core.clock.now();
    StoredToken {
        access_token: granted.access_token,
        token_type: granted.token_type,
        refresh_token: granted.refresh_token,
        expires_at: granted.expires_in.map(|lifetime| clock::add(now, lifetime)),
    }
}

/// The token as the signed APIs hand it out.
pub(crate) fn released(core: &Core, token: &StoredToken) -> Value {
    let mut answer = json!({ "AccessToken": token.access_token.expose_secret() });
    if let Some(end) = token.expires_at {
        answer["ExpiresIn"] = end.duration_since(core.clock.now()).as_secs().max(0).into();
    }
    answer
}
