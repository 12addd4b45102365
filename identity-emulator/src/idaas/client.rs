//! Which application asks: contract section 5, every method but the plugin's.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use secrecy::ExposeSecret as _;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::error::IdaasError;
use super::jws::{Compact, public_key};
use super::{assertion, federation};
use crate::bounded::digest;
use crate::core::Core;
use crate::provider::Parameters;
use crate::vault::Application;

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
pub(super) const ID_TOKEN_BEARER: &str = "urn:cloud:idaas:params:oauth:client-assertion-type:id-token-bearer";
pub(super) const X509_BEARER: &str = "urn:cloud:idaas:params:oauth:client-assertion-type:x509-jwt-bearer";
pub(super) const PKCS7_BEARER: &str = "urn:cloud:idaas:params:oauth:client-assertion-type:pkcs7-bearer";

/// One message for an unknown application and a wrong secret: telling them apart would help only a guesser.
const UNKNOWN: &str = "client authentication failed";

/// The application that proved itself, by exactly one method.
pub(super) async fn authenticate(
    core: &Core,
    headers: &HeaderMap,
    form: &Parameters,
) -> Result<Arc<Application>, IdaasError> {
    let basic = basic(headers)?;
    let (body_id, secret) = (form.get("client_id")?, form.get("client_secret")?);
    let assertion = match (form.get("client_assertion_type")?, form.get("client_assertion")?) {
        (Some(kind), Some(assertion)) => Some((kind, assertion)),
        (None, None) => None,
        _ => return Err(IdaasError::invalid("client_assertion and client_assertion_type go together")),
    };
    let methods = usize::from(basic.is_some()) + usize::from(secret.is_some()) + usize::from(assertion.is_some());
    if methods > 1 {
        return Err(IdaasError::invalid("the client authenticates in more than one way"));
    }
    let basic_id = basic.as_ref().map(|(id, _)| id.as_str());
    if let (Some(one), Some(other)) = (basic_id, body_id)
        && one != other
    {
        return Err(IdaasError::invalid("client_id differs from the authenticated client"));
    }
    let id = basic_id.or(body_id).ok_or_else(|| IdaasError::missing("client_id"))?;
    let application = core.vault.read().idaas.applications.get(id).cloned();
    let application = application.ok_or_else(|| IdaasError::client(UNKNOWN))?;
    match (&basic, secret, assertion) {
        (Some((_, secret)), ..) => by_secret(&application, secret)?,
        (_, Some(secret), _) => by_secret(&application, secret)?,
        (_, _, Some((JWT_BEARER, token))) => by_assertion(core, &application, token)?,
        (_, _, Some((kind, token))) => federation::check(core, &application, form, (kind, token)).await?,
        _ => return Err(IdaasError::client("the client does not authenticate")),
    }
    Ok(application)
}

type Pair = (Zeroizing<String>, Zeroizing<String>);

/// Id and secret of the header. The platform's packages do not form-encode them first, other than RFC 6749 section 2.3.1 says
/// (contract section 5): they count as they are.
fn basic(headers: &HeaderMap) -> Result<Option<Pair>, IdaasError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let read = || {
        let (scheme, encoded) = value.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("basic").then_some(())?;
        let pair = Zeroizing::new(String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?);
        let (id, secret) = pair.split_once(':')?;
        Some((Zeroizing::new(id.to_owned()), Zeroizing::new(secret.to_owned())))
    };
    match (read(), values.next()) {
        (Some(pair), None) => Ok(Some(pair)),
        _ => Err(IdaasError::client("the Authorization header is no Basic one")),
    }
}

fn by_secret(application: &Application, secret: &str) -> Result<(), IdaasError> {
    let given = digest(secret);
    let same = |known: &crate::vault::Secret| u8::from(bool::from(given.ct_eq(&digest(known.0.expose_secret()))));
    let hits: u8 = application.secrets.iter().map(same).sum();
    if hits > 0 { Ok(()) } else { Err(IdaasError::client(UNKNOWN)) }
}

/// Signed by one of the application's keys, or with one of its secrets. The kind of key decides what is compared, never the
/// token's header alone: a public key is no secret.
fn by_assertion(core: &Core, application: &Application, token: &str) -> Result<(), IdaasError> {
    let refused = || IdaasError::client("no key of the client made this assertion");
    let token = Compact::parse(token).ok_or_else(refused)?;
    let secrets = application.secrets.iter().map(|secret| secret.0.expose_secret());
    let keys: Vec<_> = application.public_keys.iter().filter_map(|pem| public_key(pem)).collect();
    let claims = token.by_secret(secrets).or_else(|| keys.iter().find_map(|key| token.by_key(key.as_ref())));
    assertion::check(core, claims.ok_or_else(refused)?, &application.id)
}
