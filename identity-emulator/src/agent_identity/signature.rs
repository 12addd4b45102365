//! Who sent a request: ACS3-HMAC-SHA256 over exactly what was received (contract section 4).

use aws_lc_rs::hmac;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, StatusCode};
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret as _;

use super::error::ApiError;
use super::{Platform, StsSession};
use crate::access::Unknown;
use crate::canonical::{Plus, Received, canonical_request, hex, host, only, sha256};
use crate::clock;
use crate::random;

const ALGORITHM: &str = "ACS3-HMAC-SHA256";
/// How far the time of a request may be from ours, either way.
const WINDOW: SignedDuration = SignedDuration::from_mins(15);
/// What a signature covers besides the security token.
const MINIMUM: [&str; 6] =
    ["host", "x-acs-action", "x-acs-content-sha256", "x-acs-date", "x-acs-signature-nonce", "x-acs-version"];

const X_ACS_DATE: HeaderName = HeaderName::from_static("x-acs-date");
const X_ACS_NONCE: HeaderName = HeaderName::from_static("x-acs-signature-nonce");
const X_ACS_HASH: HeaderName = HeaderName::from_static("x-acs-content-sha256");
const X_ACS_TOKEN: HeaderName = HeaderName::from_static("x-acs-security-token");
const X_ACS_KEY: HeaderName = HeaderName::from_static("x-acs-accesskey-id");

/// Who signed a request.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// The session that signed; `None` for the account itself.
    pub(super) session: Option<StsSession>,
}

/// The `Authorization` header, taken apart.
struct Credential<'a> {
    access_key: &'a str,
    signed: Vec<&'a str>,
    signature: &'a str,
}

impl<'a> Credential<'a> {
    fn read(headers: &'a HeaderMap) -> Result<Self, ApiError> {
        let incomplete = |message| ApiError::bad("IncompleteSignature", message);
        let value = only(headers, &AUTHORIZATION);
        let value = value.ok_or_else(|| incomplete("Send one Authorization header, in ASCII."))?;
        let (algorithm, rest) = value.split_once(' ').unwrap_or((value, ""));
        if algorithm != ALGORITHM {
            return Err(incomplete("The Authorization header must begin with ACS3-HMAC-SHA256."));
        }
        let part = |name: &str| {
            let mut parts = rest.split(',').filter_map(|part| part.trim().split_once('='));
            parts.find(|(known, value)| *known == name && !value.is_empty()).map(|(_, value)| value)
        };
        let (Some(access_key), Some(signed), Some(signature)) =
            (part("Credential"), part("SignedHeaders"), part("Signature"))
        else {
            return Err(incomplete("The Authorization header needs Credential, SignedHeaders and Signature."));
        };
        let signed: Vec<&str> = signed.split(';').collect();
        if !signed.is_sorted_by(|left, right| left < right) {
            return Err(incomplete("SignedHeaders must be sorted names in lower case, each once."));
        }
        Ok(Self { access_key, signed, signature })
    }
}

/// Whose the request is; every other one is refused. A nonce is used up only by a signature that holds.
pub(super) fn verify(platform: &Platform, received: Received<'_>, now: Timestamp) -> Result<Caller, ApiError> {
    let credential = Credential::read(received.headers)?;
    let header = |name: &HeaderName| {
        let missing = || ApiError::bad("IncompleteSignature", format!("The header {name} is missing or repeated."));
        only(received.headers, name).filter(|value| !value.is_empty()).ok_or_else(missing)
    };
    let nonce = header(&X_ACS_NONCE)?;
    check_time(header(&X_ACS_DATE)?, now)?;
    let token = only(received.headers, &X_ACS_TOKEN);
    let sent = received.headers.keys().map(HeaderName::as_str);
    let sent = sent.filter(|name| name.starts_with("x-acs-") || *name == "content-type");
    let covered = |name: &str| credential.signed.contains(&name);
    if !MINIMUM.into_iter().chain(sent).all(covered) {
        let message = "SignedHeaders must name host, and content-type and every x-acs-* header that is sent.";
        return Err(ApiError::bad("IncompleteSignature", message));
    }
    if only(received.headers, &X_ACS_KEY).is_some_and(|key| key != credential.access_key) {
        return Err(ApiError::bad("SignatureDoesNotMatch", "x-acs-accesskey-id is not the key of the Credential."));
    }
    let known = platform.access.caller(credential.access_key, token, now);
    let (session, secret) = known.map_err(|unknown| refusal(unknown, token))?;
    let mismatch =
        || ApiError::bad("SignatureDoesNotMatch", "The signature does not match what was received and this key.");
    let body_hash = sha256(received.body);
    if header(&X_ACS_HASH)? != body_hash {
        return Err(mismatch());
    }
    // Section 4, step 5.
    let canonical = canonical_request(received, Plus::Space, &credential.signed, host(received), &body_hash);
    let canonical = canonical.ok_or_else(mismatch)?;
    let to_sign = format!("{ALGORITHM}\n{}", sha256(canonical.as_bytes()));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
    let expected = hex(hmac::sign(&key, to_sign.as_bytes()).as_ref());
    if !random::same_secret(&expected, credential.signature) {
        return Err(mismatch());
    }
    use_up(platform, credential.access_key, nonce, now)?;
    Ok(Caller { session })
}

fn refusal(unknown: Unknown, token: Option<&str>) -> ApiError {
    match (unknown, token) {
        (Unknown::Key, _) => {
            let message = "The access key is not known here; export what the emulator prints.";
            ApiError::new(StatusCode::NOT_FOUND, "InvalidAccessKeyId.NotFound", message)
        }
        (Unknown::Expired, _) => {
            let message = "The security token has expired; assume the role again.";
            ApiError::bad("InvalidSecurityToken.Expired", message)
        }
        (Unknown::Session, None) => {
            ApiError::bad("MissingSecurityToken", "A temporary key needs its x-acs-security-token.")
        }
        (Unknown::Session, Some(_)) => {
            let message = "The security token is not that of the access key.";
            ApiError::bad("InvalidSecurityToken.MismatchWithAccessKey", message)
        }
    }
}

/// The time of a request, `YYYY-MM-DDTHH:MM:SSZ`.
pub(super) fn check_time(date: &str, now: Timestamp) -> Result<(), ApiError> {
    let at: Option<Timestamp> = date.parse().ok().filter(|_| date.len() == 20 && date.ends_with('Z'));
    let wrong = || ApiError::bad("InvalidTimeStamp.Format", "The time must be UTC as YYYY-MM-DDTHH:MM:SSZ.");
    if at.ok_or_else(wrong)?.duration_since(now).abs() > WINDOW {
        let message = "The time is more than 15 minutes from that of the service; set the clock.";
        return Err(ApiError::bad("InvalidTimeStamp.Expired", message));
    }
    Ok(())
}

/// A nonce counts once within the window in which its time could.
pub(super) fn use_up(platform: &Platform, whose: &str, nonce: &str, now: Timestamp) -> Result<(), ApiError> {
    let keep = clock::add(now, (WINDOW * 2).unsigned_abs());
    if platform.nonces.is_fresh(&format!("{whose}\n{nonce}"), keep, now) {
        return Ok(());
    }
    Err(ApiError::bad("SignatureNonceUsed", "The nonce was used before; draw a new one for each request."))
}
