//! Workload access tokens and the user tokens that they are made from: contract section 6.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::error::ApiError;
use super::{issuer, signer};
use crate::core::Core;
use crate::random;
use crate::user::{User, person};
use crate::vault::{Grant, pooled_name};

/// Whom a workload access token stands for.
#[derive(Clone, Debug)]
pub(super) struct Bearer {
    pub(super) pool: String,
    pub(super) workload: String,
    pub(super) user: Option<User>,
}

impl Bearer {
    pub(super) fn identity(&self) -> String {
        pooled_name(&self.pool, &self.workload)
    }

    pub(super) fn grant(&self, provider_id: &str) -> Option<Grant> {
        let user = self.user.as_ref()?.key().to_owned();
        Some(Grant { identity: self.identity(), provider_id: provider_id.to_owned(), user })
    }
}

/// A new token that lives this many seconds, and its claims' end.
pub(super) async fn issue(
    core: &Core,
    bearer: &Bearer,
    audience: &[String],
    seconds: i64,
) -> Result<(secrecy::SecretString, jiff::Timestamp), ApiError> {
    let pool = Arc::clone(core.vault.read().workload_pool(&bearer.pool)?);
    let issuer = issuer::of_workload_pool(core, &pool.id);
    let now = core.clock.now();
    let end = now.as_second().saturating_add(seconds);
    let audience = match audience {
        [] => Value::String(issuer.clone()),
        [one] => Value::String(one.clone()),
        many => json!(many),
    };
    let mut claims = json!({
        "iss": issuer, "aud": audience, "iat": now.as_second(), "exp": end, "jti": random::uuid(),
    });
    match &bearer.user {
        None => claims["sub"] = bearer.workload.clone().into(),
        Some(user) => {
            claims["sub"] = person(user.key()).into();
            claims["act"] = json!({ "sub": bearer.workload });
            if let Some(pool) = user.voucher() {
                claims["user_pool"] = pool.into();
            }
        }
    }
    let failed =
        || ApiError::new(http::StatusCode::INTERNAL_SERVER_ERROR, "ServiceFailure", "the token was not signed");
    let token = signer(core).await?.sign(&claims).ok_or_else(failed)?;
    Ok((token, jiff::Timestamp::from_second(end).unwrap_or(jiff::Timestamp::MAX)))
}

fn text<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// The claims of a token that we signed and that has not expired, with its end.
async fn live(core: &Core, token: &str) -> Result<Option<(Map<String, Value>, i64)>, ApiError> {
    let signer = signer(core).await?;
    let now = core.clock.now().as_second();
    let claims = signer.claims(token).and_then(|claims| {
        let end = claims.get("exp").and_then(Value::as_i64).filter(|end| now < *end)?;
        Some((claims, end))
    });
    Ok(claims)
}

/// Whom this workload access token stands for.
pub(super) async fn bearer(core: &Core, token: &str) -> Result<Bearer, ApiError> {
    let invalid = || ApiError::invalid("IdentityToken is invalid or has expired; get a new workload access token");
    let (claims, _) = live(core, token).await?.ok_or_else(invalid)?;
    let read = || {
        let id = issuer::workload_pool_of(core, text(&claims, "iss")?)?;
        let state = core.vault.read();
        let pool = state.pooled.workload_pools.values().find(|pool| pool.id == id)?.name.clone();
        let sub = text(&claims, "sub")?;
        let actor = claims.get("act").map(|act| act.get("sub").and_then(Value::as_str));
        let (workload, user) = match actor {
            None => (sub.to_owned(), None),
            Some(actor) => {
                let user = match text(&claims, "user_pool") {
                    Some(pool) => User::vouched(sub, pool),
                    None => User::named(sub.to_owned())?,
                };
                (actor?.to_owned(), Some(user))
            }
        };
        state.workload(&pool, &workload).ok()?;
        Some(Bearer { pool, workload, user })
    };
    read().ok_or_else(invalid)
}

/// The user of a token that one of our user pools issued, and the second at which it ends.
pub(super) async fn user(core: &Core, token: &str) -> Result<(User, i64), ApiError> {
    let invalid =
        || ApiError::invalid("UserToken is invalid or has expired, or no user pool of the emulator issued it");
    let (claims, end) = live(core, token).await?.ok_or_else(invalid)?;
    let read = || {
        let pool = issuer::user_pool_of(core, text(&claims, "iss")?)?;
        let state = core.vault.read();
        state.user_pool(pool).ok()?;
        let sub = text(&claims, "sub").filter(|sub| !sub.chars().any(char::is_control))?;
        // The token of a client itself names nobody.
        (text(&claims, "client_id").or_else(|| text(&claims, "aud")) != Some(sub)).then_some(())?;
        Some((User::vouched(sub, pool), end))
    };
    read().ok_or_else(invalid)
}
