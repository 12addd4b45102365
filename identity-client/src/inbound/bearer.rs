//! The token of a request: exactly one `Authorization` header, of the scheme `Bearer` (RFC 6750 section 2.1).

use http::{HeaderMap, header::AUTHORIZATION};

use super::refusal::RefusalCode;

/// A token in the form or the query is not looked for: RFC 9700 section 4.3.2 forbids the latter.
pub(crate) fn token(headers: &HeaderMap) -> Result<&str, RefusalCode> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(RefusalCode::TokenMissing)?;
    if values.next().is_some() {
        return Err(RefusalCode::AuthorizationRepeated);
    }
    let value = value.to_str().map_err(|_| RefusalCode::AuthorizationMalformed)?;
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    if scheme.is_empty() {
        return Err(RefusalCode::AuthorizationMalformed);
    }
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(RefusalCode::SchemeNotBearer);
    }
    let token = token.trim_start_matches(' ');
    let bare = token.trim_end_matches('=');
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    if bare.is_empty() || !bare.bytes().all(fits) {
        return Err(RefusalCode::AuthorizationMalformed);
    }
    Ok(token)
}
