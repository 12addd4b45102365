//! AWS Signature Version 4, in headers or in the query of a presigned URL, by temporary credentials of the emulator.

use aws_lc_rs::hmac;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};
use jiff::{SignedDuration, Timestamp, civil::DateTime, tz::TimeZone};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use secrecy::{ExposeSecret as _, SecretString};
use std::collections::BTreeMap;

use super::reply::Refused;
use crate::access::{Access, Unknown};
use crate::agent_identity::StsSession;
use crate::canonical::{Plus, Received, canonical_query, hex, host, only, sha256};
use crate::random;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";
/// How far the time of a request may be from ours, either way.
const WINDOW: SignedDuration = SignedDuration::from_mins(15);
/// The longest life of a presigned URL, in seconds.
const LONGEST: i64 = 7 * 24 * 3600;
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

const X_AMZ_DATE: HeaderName = HeaderName::from_static("x-amz-date");
const X_AMZ_HASH: HeaderName = HeaderName::from_static("x-amz-content-sha256");
const X_AMZ_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

/// What a request says about its signature.
struct Claim {
    /// `KEY/DAY/REGION/s3/aws4_request`.
    credential: String,
    date: String,
    /// Of a presigned URL: how many seconds it counts.
    expires: Option<i64>,
    token: Option<String>,
    signed: String,
    signature: String,
    /// What stands for the body.
    payload: String,
    query: String,
}

impl Claim {
    fn read(received: Received<'_>) -> Result<Self, Refused> {
        let anonymous = Refused::Denied("Sign the request with the temporary credentials of a role.");
        let query = received.uri.query().unwrap_or_default();
        if received.headers.contains_key(AUTHORIZATION) {
            return Self::in_headers(received.headers, query).ok_or(anonymous);
        }
        let parameters: BTreeMap<String, String> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        Self::in_query(&parameters, query).ok_or(anonymous)
    }

    fn in_headers(headers: &HeaderMap, query: &str) -> Option<Self> {
        let rest = only(headers, &AUTHORIZATION)?.strip_prefix(ALGORITHM)?;
        let part = |name: &str| {
            let mut parts = rest.split(',').filter_map(|part| part.trim().split_once('='));
            parts.find(|(known, _)| *known == name).map(|(_, value)| value.to_owned())
        };
        Some(Self {
            credential: part("Credential")?,
            date: only(headers, &X_AMZ_DATE)?.to_owned(),
            expires: None,
            token: only(headers, &X_AMZ_TOKEN).map(str::to_owned),
            signed: part("SignedHeaders")?,
            signature: part("Signature")?,
            payload: only(headers, &X_AMZ_HASH)?.to_owned(),
            query: query.to_owned(),
        })
    }

    fn in_query(parameters: &BTreeMap<String, String>, query: &str) -> Option<Self> {
        let text = |name: &str| parameters.get(name).cloned();
        (text("X-Amz-Algorithm")? == ALGORITHM).then_some(())?;
        let without: Vec<&str> = query.split('&').filter(|pair| !pair.starts_with("X-Amz-Signature=")).collect();
        Some(Self {
            credential: text("X-Amz-Credential")?,
            date: text("X-Amz-Date")?,
            expires: Some(text("X-Amz-Expires")?.parse().ok()?),
            token: text("X-Amz-Security-Token"),
            signed: text("X-Amz-SignedHeaders")?,
            signature: text("X-Amz-Signature")?,
            payload: UNSIGNED.to_owned(),
            query: without.join("&"),
        })
    }

    fn check_time(&self, now: Timestamp) -> Result<(), Refused> {
        let at = DateTime::strptime("%Y%m%dT%H%M%SZ", &self.date).ok().filter(|_| self.date.len() == 16);
        let at = at.and_then(|at| at.to_zoned(TimeZone::UTC).ok()).map(|at| at.timestamp());
        let age = now.duration_since(at.ok_or(Refused::Skewed)?);
        match self.expires {
            None if age.abs() <= WINDOW => Ok(()),
            Some(_) if age < -WINDOW => Err(Refused::Skewed),
            Some(seconds) if (1..=LONGEST).contains(&seconds) && age.as_secs() < seconds => Ok(()),
            Some(_) => Err(Refused::Denied("The presigned URL has expired.")),
            None => Err(Refused::Skewed),
        }
    }
}

/// Whose temporary credentials signed; every other request is refused.
pub(super) fn verify(
    access: &Access<StsSession>,
    received: Received<'_>,
    now: Timestamp,
) -> Result<StsSession, Refused> {
    let claim = Claim::read(received)?;
    claim.check_time(now)?;
    let parts: Vec<&str> = claim.credential.split('/').collect();
    let [access_key, day, region, "s3", "aws4_request"] = parts.as_slice() else { return Err(Refused::Mismatch) };
    if claim.date.get(..8) != Some(*day) {
        return Err(Refused::Mismatch);
    }
    let known = access.caller(access_key, claim.token.as_deref(), now).map_err(|unknown| match unknown {
        Unknown::Key => Refused::UnknownKey,
        Unknown::Session => Refused::WrongToken,
        Unknown::Expired => Refused::ExpiredToken,
    })?;
    let (Some(session), secret) = known else {
        return Err(Refused::Denied("The store takes temporary credentials of a role only."));
    };
    let covers = |name: &str| claim.signed.split(';').any(|signed| signed == name);
    let token_is_sent = received.headers.contains_key(&X_AMZ_TOKEN);
    if !covers("host") || (token_is_sent && !covers(X_AMZ_TOKEN.as_str())) {
        return Err(Refused::Mismatch);
    }
    if claim.payload != UNSIGNED && claim.payload != sha256(received.body) {
        return Err(Refused::Mismatch);
    }
    let expected = signature(&claim, received, &secret, [day, region]).ok_or(Refused::Mismatch)?;
    if random::same_secret(&expected, &claim.signature) { Ok(session) } else { Err(Refused::Mismatch) }
}

/// The signature that such a request must have.
fn signature(claim: &Claim, received: Received<'_>, secret: &SecretString, [day, region]: [&str; 2]) -> Option<String> {
    let canonical = canonical(claim, received)?;
    let scope = format!("{day}/{region}/s3/aws4_request");
    let to_sign = format!("{ALGORITHM}\n{}\n{scope}\n{}", claim.date, sha256(canonical.as_bytes()));
    Some(hex(sign(signing_key(secret, &[day, region]).as_ref(), &to_sign).as_ref()))
}

fn canonical(claim: &Claim, received: Received<'_>) -> Option<String> {
    let mut lines = String::new();
    for name in claim.signed.split(';') {
        let value =
            if name == "host" { host(received)? } else { only(received.headers, &HeaderName::try_from(name).ok()?)? };
        lines.push_str(name);
        lines.push(':');
        lines.push_str(value);
        lines.push('\n');
    }
    let path = percent_decode_str(received.uri.path()).decode_utf8().ok()?;
    let path = utf8_percent_encode(&path, KEPT);
    let query = canonical_query(&claim.query, Plus::Itself)?;
    Some(format!("{}\n{path}\n{query}\n{lines}\n{}\n{}", received.method, claim.signed, claim.payload))
}

fn sign(key: &[u8], message: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message.as_bytes())
}

fn signing_key(secret: &SecretString, scope: &[&str]) -> hmac::Tag {
    let (first, rest) = scope.split_first().map_or(("", scope), |(first, rest)| (*first, rest));
    let key = sign(format!("AWS4{}", secret.expose_secret()).as_bytes(), first);
    rest.iter().chain(&["s3", "aws4_request"]).fold(key, |key, part| sign(key.as_ref(), part))
}

#[cfg(test)]
mod tests {
    use http::{Method, Uri};

    use super::*;

    /// Method, URI, headers besides those that all have, body, names of the signed headers, signature.
    type Example<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a [u8], &'a str, &'a str);

    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    /// The examples of a signature in the header that Amazon publishes: "Authenticating Requests: Using the Authorization Header
    /// (AWS Signature Version 4)" in the API reference of S3.
    #[test]
    fn published_examples_of_signed_headers_are_verified() {
        let welcome = b"Welcome to Amazon S3.";
        let hash = sha256(welcome);
        let stored = [("date", "Fri, 24 May 2013 00:00:00 GMT"), ("x-amz-storage-class", "REDUCED_REDUNDANCY")];
        let examples: [Example<'_>; 4] = [
            (
                "GET",
                "/test.txt",
                &[("range", "bytes=0-9")],
                b"",
                "host;range;x-amz-content-sha256;x-amz-date",
                "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
            ),
            (
                "PUT",
                "/test%24file.text",
                &stored,
                welcome,
                "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
                "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
            ),
            (
                "GET",
                "/?lifecycle",
                &[],
                b"",
                "host;x-amz-content-sha256;x-amz-date",
                "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
            ),
            (
                "GET",
                "/?max-keys=2&prefix=J",
                &[],
                b"",
                "host;x-amz-content-sha256;x-amz-date",
                "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
            ),
        ];
        for (method, uri, more, body, signed, expected) in examples {
            let (method, uri): (Method, Uri) = (method.parse().unwrap(), uri.parse().unwrap());
            let payload = if body.is_empty() { EMPTY } else { &hash };
            let scope = "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request";
            let authorization = format!("{ALGORITHM} Credential={scope},SignedHeaders={signed},Signature={expected}");
            let own = [
                ("host", "examplebucket.s3.amazonaws.com"),
                ("x-amz-date", "20130524T000000Z"),
                ("x-amz-content-sha256", payload),
                ("authorization", &authorization),
            ];
            let header = |(name, value): &(&str, &str)| (name.parse().unwrap(), value.parse().unwrap());
            let headers: HeaderMap = own.iter().chain(more).map(header).collect();
            let received = Received { method: &method, uri: &uri, headers: &headers, body };
            let claim = Claim::read(received).ok().unwrap();
            assert_eq!((&*claim.credential, &*claim.signature), (scope, expected));
            let secret = SecretString::from("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
            let computed = signature(&claim, received, &secret, ["20130524", "us-east-1"]);
            assert_eq!(computed.as_deref(), Some(expected), "{uri}");
        }
    }
}
