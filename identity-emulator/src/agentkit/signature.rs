//! Who sent a request: contract section 2, over exactly what was received.

use aws_lc_rs::hmac;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, StatusCode};
use jiff::{SignedDuration, Timestamp, civil::DateTime, tz::TimeZone};
use secrecy::ExposeSecret as _;

use super::error::ApiError;
use crate::access::{Access, Unknown};
use crate::canonical::{Plus, Received, canonical_request, hex, host, only, sha256};
use crate::random;

const ALGORITHM: &str = "HMAC-SHA256";
/// How far the time of a request may be from ours, either way. The platform's own window is not documented.
const WINDOW: SignedDuration = SignedDuration::from_mins(15);
/// What every signature covers: the documented minimum.
const MINIMUM: [&str; 3] = ["host", "x-content-sha256", "x-date"];

const X_DATE: HeaderName = HeaderName::from_static("x-date");
const X_CONTENT_SHA256: HeaderName = HeaderName::from_static("x-content-sha256");
const X_SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-security-token");

/// Who signed a request.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// The name of the role whose session signed; `None` for the account itself.
    pub(super) role: Option<String>,
}

/// The `Authorization` header, taken apart.
pub(super) struct Credential<'a> {
    access_key: &'a str,
    date: &'a str,
    pub(super) region: &'a str,
    pub(super) service: &'a str,
    signed: Vec<&'a str>,
    signature: &'a str,
}

fn unauthorized(code: &'static str, message: &'static str) -> ApiError {
    ApiError::new(StatusCode::UNAUTHORIZED, code, message)
}

fn malformed(code: &'static str, message: &'static str) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, code, message)
}

impl<'a> Credential<'a> {
    pub(super) fn read(headers: &'a HeaderMap) -> Result<Self, ApiError> {
        if !headers.contains_key(AUTHORIZATION) {
            return Err(unauthorized("MissingAuthenticationToken", "The request carries no Authorization header"));
        }
        let wrong = |message| malformed("InvalidAuthorization", message);
        let value = only(headers, &AUTHORIZATION).ok_or_else(|| wrong("Send one Authorization header, in ASCII"))?;
        let (algorithm, rest) = value.split_once(' ').unwrap_or((value, ""));
        if algorithm != ALGORITHM {
            return Err(wrong("The Authorization header must begin with HMAC-SHA256"));
        }
        let part = |name: &str| {
            rest.split(',').filter_map(|part| part.trim().split_once('=')).find(|(known, _)| *known == name)
        };
        let (_, scope) = part("Credential").ok_or_else(|| wrong("The Authorization header names no Credential"))?;
        let (_, signed) =
            part("SignedHeaders").ok_or_else(|| wrong("The Authorization header has no SignedHeaders"))?;
        let (_, signature) = part("Signature")
            .filter(|(_, signature)| !signature.is_empty())
            .ok_or_else(|| unauthorized("MissingSignature", "The Authorization header has no Signature"))?;
        let parts: Vec<&str> = scope.split('/').collect();
        let [access_key, date, region, service, "request"] = parts.as_slice() else {
            let message = "The Credential must be ACCESS_KEY/DATE/REGION/SERVICE/request";
            return Err(malformed("InvalidCredential", message));
        };
        let signed: Vec<&str> = signed.split(';').collect();
        if !signed.is_sorted_by(|left, right| left < right) {
            return Err(wrong("SignedHeaders must be sorted names, each once"));
        }
        Ok(Self { access_key, date, region, service, signed, signature })
    }
}

/// Whose the request is; every other one is refused.
pub(super) fn verify(
    access: &Access<String>,
    credential: &Credential<'_>,
    received: Received<'_>,
    now: Timestamp,
) -> Result<Caller, ApiError> {
    let date = only(received.headers, &X_DATE)
        .ok_or_else(|| malformed("MissingRequestInfo", "The X-Date header is missing"))?;
    check_time(date, credential.date, now)?;
    let token = only(received.headers, &X_SECURITY_TOKEN);
    let covers = |name: &str| credential.signed.contains(&name);
    let must_be_signed = received.headers.contains_key(&X_SECURITY_TOKEN);
    if !MINIMUM.into_iter().all(covers) || (must_be_signed && !covers(X_SECURITY_TOKEN.as_str())) {
        let message = "Sign host, x-content-sha256, x-date and, if it is sent, x-security-token";
        return Err(unauthorized("SignatureDoesNotMatch", message));
    }
    let (role, secret) = access.caller(credential.access_key, token, now).map_err(|unknown| match unknown {
        Unknown::Key => unauthorized("InvalidAccessKey", "The access key does not exist"),
        Unknown::Session | Unknown::Expired => {
            unauthorized("InvalidSecretToken", "The session token is missing, wrong or has expired")
        }
    })?;
    let mismatch = || unauthorized("SignatureDoesNotMatch", "The signature does not match what was received");
    let body_hash = sha256(received.body);
    if only(received.headers, &X_CONTENT_SHA256) != Some(body_hash.as_str()) {
        return Err(mismatch());
    }
    // Section 2, steps 5 and 6: the usual ports are left out.
    let host =
        host(received).map(|host| host.strip_suffix(":80").or_else(|| host.strip_suffix(":443")).unwrap_or(host));
    let canonical = canonical_request(received, Plus::Itself, &credential.signed, host, &body_hash);
    let canonical = canonical.ok_or_else(mismatch)?;
    let scope = format!("{}/{}/{}/request", credential.date, credential.region, credential.service);
    let canonical_hash = sha256(canonical.as_bytes());
    let to_sign = format!("{ALGORITHM}\n{date}\n{scope}\n{canonical_hash}");
    let key = signing_key(secret.expose_secret(), credential);
    let expected = hex(sign(key.as_ref(), to_sign.as_bytes()).as_ref());
    if random::same_secret(&expected, credential.signature) { Ok(Caller { role }) } else { Err(mismatch()) }
}

fn check_time(date: &str, day: &str, now: Timestamp) -> Result<(), ApiError> {
    let wrong = |message| ApiError::new(StatusCode::FORBIDDEN, "InvalidTimestamp", message);
    let at = DateTime::strptime("%Y%m%dT%H%M%SZ", date).ok().filter(|_| date.len() == 16);
    let at = at.and_then(|at| at.to_zoned(TimeZone::UTC).ok()).map(|at| at.timestamp());
    let at = at.ok_or_else(|| wrong("X-Date must be UTC as YYYYMMDDTHHMMSSZ"))?;
    if date.get(..8) != Some(day) {
        return Err(wrong("The date of the Credential is not that of X-Date"));
    }
    if at.duration_since(now).abs() > WINDOW {
        return Err(wrong("X-Date is more than 15 minutes from the time of the service; set the clock"));
    }
    Ok(())
}

fn sign(key: &[u8], message: &[u8]) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message)
}

fn signing_key(secret: &str, credential: &Credential<'_>) -> hmac::Tag {
    let mut key = sign(secret.as_bytes(), credential.date.as_bytes());
    for part in [credential.region, credential.service, "request"] {
        key = sign(key.as_ref(), part.as_bytes());
    }
    key
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, Method, Uri};
    use secrecy::SecretString;

    use super::*;
    use crate::core::ServiceAccount;

    const KEY: &str = "AKLTSYNTHETICEXAMPLE0000000000";
    const TOKEN: &str = "STSSYNTHETICSESSIONTOKENEXAMPLE==";
    const BODY: &[u8] = br#"{"UserId":"user-0001"}"#;

    fn access() -> Access<String> {
        let secret = SecretString::from("U1lOVEhFVElDLXNlY3JldC1rZXktZXhhbXBsZQ==");
        let access = Access::new(ServiceAccount { id: KEY.to_owned(), secret: secret.clone() });
        let end = now().checked_add(SignedDuration::from_hours(1)).unwrap();
        access.admit(KEY, secret, TOKEN, "SyntheticRole".to_owned(), end, now());
        access
    }

    fn now() -> Timestamp {
        "2026-01-02T03:04:05Z".parse().unwrap()
    }

    fn headers(signed: &str, signature: &str) -> HeaderMap {
        let authorization = format!(
            "HMAC-SHA256 Credential={KEY}/20260102/cn-beijing/id/request, SignedHeaders={signed}, Signature={signature}"
        );
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("host", "open.volcengineapi.com"),
            ("content-type", "application/json"),
            ("x-date", "20260102T030405Z"),
            ("x-content-sha256", "1e3817f55b24a2fd3caae7411bac19568b3822ff4d1e026d89f2a64acbd7f30d"),
            ("authorization", &authorization),
        ] {
            headers.insert(HeaderName::try_from(name).unwrap(), HeaderValue::try_from(value).unwrap());
        }
        headers
    }

    fn verdict(headers: &HeaderMap) -> Result<Caller, ApiError> {
        let uri = Uri::from_static("/?Action=GetWorkloadAccessTokenForUserId&Version=2025-10-30");
        let received = Received { method: &Method::POST, uri: &uri, headers, body: BODY };
        verify(&access(), &Credential::read(headers)?, received, now())
    }

    #[test]
    fn the_worked_example_of_the_contract_is_accepted() {
        let signature = "1ab1087d9f2d2319c549c8c5db459dc79922c09f6da4e2bac2340f91f0c8b0c1";
        let caller = verdict(&headers("content-type;host;x-content-sha256;x-date", signature)).unwrap();
        assert_eq!(caller.role, None);
        let signature = "1b20c1a52bbb98b5ff2c92c553706b444753facc4d49df588db11ae3b037d2c2";
        let mut headers = headers("content-type;host;x-content-sha256;x-date;x-security-token", signature);
        headers.insert(X_SECURITY_TOKEN, HeaderValue::from_static(TOKEN));
        assert_eq!(verdict(&headers).unwrap().role.as_deref(), Some("SyntheticRole"));
    }

    #[test]
    fn a_header_that_is_sent_twice_is_not_signed() {
        let signature = "1ab1087d9f2d2319c549c8c5db459dc79922c09f6da4e2bac2340f91f0c8b0c1";
        let mut headers = headers("content-type;host;x-content-sha256;x-date", signature);
        headers.append("content-type", HeaderValue::from_static("text/plain"));
        assert!(verdict(&headers).is_err());
    }
}
