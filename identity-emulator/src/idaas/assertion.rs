//! What an assertion must say besides being signed (RFC 7523 section 3, contract section 5.1).

use serde_json::{Map, Value};

use super::error::IdaasError;
use super::jws::{seconds, text};
use crate::core::Core;

/// The longest that an assertion may count, in seconds: what the vendor's packages ask for.
const LONGEST: i64 = 600;
/// By how much clocks may differ, in seconds.
const SKEW: i64 = 60;
const LONGEST_ID: usize = 256;

/// Refuses what is not about this application, for this endpoint, now, and for the first time.
pub(super) fn check(core: &Core, claims: &Map<String, Value>, client: &str) -> Result<(), IdaasError> {
    let refused = |description| Err(IdaasError::client(description));
    if text(claims, "iss") != Some(client) || text(claims, "sub") != Some(client) {
        return refused("iss and sub of the assertion must be the client id");
    }
    if !is_for_endpoint(claims, &core.idaas.token_endpoint()) {
        return refused("aud of the assertion must be the token endpoint and nothing else");
    }
    let now = core.clock.now();
    let at = now.as_second();
    let Some(end) = seconds(claims, "exp") else { return refused("the assertion has no exp") };
    if end <= at {
        return refused("the assertion has expired");
    }
    if end > at.saturating_add(LONGEST + SKEW) {
        return refused("the assertion lives too long: exp may be at most 600 s ahead");
    }
    let later = |name| seconds(claims, name).is_some_and(|from| from > at.saturating_add(SKEW));
    if later("iat") || later("nbf") {
        return refused("the assertion is of the future: check the clock");
    }
    let Some(id) = text(claims, "jti").filter(|id| id.len() <= LONGEST_ID) else {
        return refused("the assertion has no jti of at most 256 bytes");
    };
    let until = jiff::Timestamp::from_second(end).unwrap_or(jiff::Timestamp::MAX);
    if !core.idaas.spend(client, id, until, now) {
        return refused("the assertion was used before: make a new one for each request");
    }
    Ok(())
}

/// One audience: an assertion for two could be used by the one at the other.
fn is_for_endpoint(claims: &Map<String, Value>, endpoint: &str) -> bool {
    match claims.get("aud") {
        Some(Value::String(one)) => one == endpoint,
        Some(Value::Array(many)) => many.len() == 1 && many[0].as_str() == Some(endpoint),
        _ => false,
    }
}
