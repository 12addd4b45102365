//! What a token endpoint answers (RFC 6749 section 5.1), read with care.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;

use super::{OAuthFailure, failure};

/// No credential is believed to live longer than ten years: adding more to a clock could overflow it.
const LONGEST_LIFETIME: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Tokens that a provider granted. `Debug` shows none of them.
#[derive(Debug, Clone)]
pub struct TokenGrant {
    /// The access token, opaque: visible ASCII, never empty.
    pub access_token: SecretString,
    /// Always `Bearer`, however the provider spelled it; any other type is a failure.
    pub token_type: String,
    /// How long the access token lives from now; `None` when the provider did not tell, which is not "for ever".
    pub expires_in: Option<Duration>,
    /// For [`refresh`](super::OAuthEngine::refresh).
    pub refresh_token: Option<SecretString>,
    /// What was granted, separated by spaces; `None` when neither the provider nor the request named any.
    pub scope: Option<String>,
}

#[derive(Deserialize)]
struct GrantAnswer {
    access_token: Option<SecretString>,
    token_type: Option<String>,
    expires_in: Option<Value>,
    refresh_token: Option<SecretString>,
    scope: Option<ScopeAnswer>,
}

/// RFC 6749 wants one string; some large providers send a list.
#[derive(Deserialize)]
#[serde(untagged)]
enum ScopeAnswer {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize)]
struct ErrorAnswer {
    error: Option<Value>,
    error_description: Option<Value>,
}

/// Reads an answer. `sensitive` are the secrets of the request: a refusal that repeats one loses its text.
pub(super) fn read(
    status: u16,
    body: &[u8],
    requested_scope: Option<String>,
    sensitive: &[&SecretString],
) -> Result<TokenGrant, OAuthFailure> {
    let refusal = refusal(status, body, sensitive);
    if !(200..300).contains(&status) || refusal.is_some() {
        let empty = OAuthFailure::RefusedByProvider { status, code: None, description: None };
        return Err(refusal.unwrap_or(empty));
    }
    // The error of the parser may quote the body: it is dropped.
    let answer: GrantAnswer =
        object(body).ok_or(OAuthFailure::BadAnswer("it is not a JSON object with the members of a token answer"))?;
    grant(answer, requested_scope)
}

fn grant(answer: GrantAnswer, requested_scope: Option<String>) -> Result<TokenGrant, OAuthFailure> {
    let token_type = answer.token_type.ok_or(OAuthFailure::BadAnswer("it has no token_type"))?;
    if !token_type.eq_ignore_ascii_case("bearer") {
        return Err(OAuthFailure::BadAnswer("its token_type is not bearer"));
    }
    let access_token = answer.access_token.ok_or(OAuthFailure::BadAnswer("it has no access_token"))?;
    if !is_token(access_token.expose_secret()) {
        return Err(OAuthFailure::BadAnswer("its access_token is empty or has characters that no header can carry"));
    }
    let refresh_token = answer.refresh_token.filter(|token| !token.expose_secret().trim().is_empty());
    let scope = answer.scope.map(|scope| match scope {
        ScopeAnswer::One(text) => text,
        ScopeAnswer::Many(list) => list.join(" "),
    });
    Ok(TokenGrant {
        access_token,
        token_type: "Bearer".to_owned(),
        expires_in: answer.expires_in.as_ref().and_then(lifetime),
        refresh_token,
        scope: scope.filter(|text| !text.trim().is_empty()).or(requested_scope),
    })
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Seconds as a number or as a number in a string; a negative or senseless value tells nothing, a huge one is capped.
fn lifetime(value: &Value) -> Option<Duration> {
    let seconds = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }?;
    if !seconds.is_finite() || seconds < 0.0 {
        return None;
    }
    Some(Duration::try_from_secs_f64(seconds.trunc()).map_or(LONGEST_LIFETIME, |life| life.min(LONGEST_LIFETIME)))
}

/// The refusal in the body, if it has an `error`.
pub(super) fn refusal(status: u16, body: &[u8], sensitive: &[&SecretString]) -> Option<OAuthFailure> {
    let answer: ErrorAnswer = object(body)?;
    let error = answer.error.filter(|error| !error.is_null())?;
    let harmless = |text: &&str| {
        !sensitive.iter().any(|secret| {
            let secret = secret.expose_secret();
            !secret.is_empty() && text.contains(secret)
        })
    };
    let code = error.as_str().filter(harmless).and_then(failure::sanitized_code);
    let description = answer.error_description.as_ref().and_then(Value::as_str);
    let description = description.filter(harmless).and_then(failure::sanitized_description);
    Some(OAuthFailure::RefusedByProvider { status, code, description })
}

/// A JSON object and nothing else: serde would also fill a struct from an array.
pub(super) fn object<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Option<T> {
    if body.trim_ascii_start().first() != Some(&b'{') {
        return None;
    }
    serde_json::from_slice(body).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_ok(body: &str) -> Result<TokenGrant, OAuthFailure> {
        read(200, body.as_bytes(), Some("asked".to_owned()), &[])
    }

    #[test]
    fn std_6749_03_only_bearer_in_any_case_is_understood() {
        for good in ["bEaReR", "Bearer", "BEARER"] {
            let grant = read_ok(&format!(r#"{{"access_token":"t","token_type":"{good}"}}"#)).unwrap();
            assert_eq!(grant.token_type, "Bearer");
        }
        for bad in [r#""mac""#, r#""DPoP""#, r#""N_A""#, r#""""#, "null", "1"] {
            let failure = read_ok(&format!(r#"{{"access_token":"tok-1","token_type":{bad}}}"#)).unwrap_err();
            assert!(matches!(failure, OAuthFailure::BadAnswer(_)), "{bad}");
            assert!(!format!("{failure:?} {failure}").contains("tok-1"));
        }
        assert!(matches!(read_ok(r#"{"access_token":"t"}"#), Err(OAuthFailure::BadAnswer(_))));
    }

    #[test]
    fn std_6749_04_lifetimes_of_every_shape() {
        let life = |text: &str| {
            let body = format!(r#"{{"access_token":"t","token_type":"bearer","expires_in":{text}}}"#);
            read_ok(&body).unwrap().expires_in
        };
        assert_eq!(read_ok(r#"{"access_token":"t","token_type":"bearer"}"#).unwrap().expires_in, None);
        for (text, seconds) in [
            ("3600", Some(3600)),
            ("\"3600\"", Some(3600)),
            ("\" 60 \"", Some(60)),
            ("3599.9", Some(3599)),
            ("0", Some(0)),
            ("-1", None),
            ("-0.5", None),
            ("null", None),
            ("true", None),
            ("\"soon\"", None),
            ("\"NaN\"", None),
            ("\"inf\"", None),
            ("[]", None),
            ("18446744073709551615", Some(LONGEST_LIFETIME.as_secs())),
            ("99999999999999999999999", Some(LONGEST_LIFETIME.as_secs())),
            ("1e300", Some(LONGEST_LIFETIME.as_secs())),
        ] {
            assert_eq!(life(text), seconds.map(Duration::from_secs), "{text}");
        }
    }

    #[test]
    fn an_access_token_must_be_one_that_a_header_can_carry() {
        for bad in ["", " ", "a b", "a\\r\\nb", "a\\u0000", "é"] {
            let failure = read_ok(&format!(r#"{{"access_token":"{bad}","token_type":"bearer"}}"#)).unwrap_err();
            assert!(matches!(failure, OAuthFailure::BadAnswer(_)), "{bad:?}");
        }
        for body in
            ["", "null", "[\"t\",\"bearer\"]", "access_token=t&token_type=bearer", "<html>", "{\"access_token\":1}"]
        {
            assert!(matches!(read_ok(body), Err(OAuthFailure::BadAnswer(_))), "{body}");
        }
    }

    #[test]
    fn unknown_members_are_ignored_and_scope_falls_back_to_the_request() {
        let grant = read_ok(r#"{"access_token":"t","token_type":"bearer","refresh_token":"","x":{"y":[1]}}"#).unwrap();
        assert_eq!(grant.scope.as_deref(), Some("asked"));
        assert!(grant.refresh_token.is_none());
        let scope = |text: &str| {
            let body = format!(r#"{{"access_token":"t","token_type":"bearer","scope":{text}}}"#);
            read_ok(&body).unwrap().scope.unwrap()
        };
        assert_eq!(scope("\"a b\""), "a b");
        assert_eq!(scope("[\"a\",\"b\"]"), "a b");
        assert_eq!(scope("\" \""), "asked");
        assert_eq!(scope("null"), "asked");
    }

    #[test]
    fn refusals_with_and_without_a_body() {
        let refused = |status, body: &str| match read(status, body.as_bytes(), None, &[]) {
            Err(OAuthFailure::RefusedByProvider { status, code, description }) => (status, code, description),
            other => panic!("{other:?}"),
        };
        for body in ["", "null", "<html>oops</html>", "[]", "{}"] {
            assert_eq!(refused(401, body), (401, None, None), "{body}");
        }
        let body = r#"{"error":"invalid_grant","error_description":"the code\nis old"}"#;
        let expected = (400, Some("invalid_grant".to_owned()), Some("the code is old".to_owned()));
        assert_eq!(refused(400, body), expected);
        assert_eq!(refused(200, r#"{"error":"bad_verification_code"}"#).1.as_deref(), Some("bad_verification_code"));
        assert_eq!(refused(400, r#"{"error":{"message":"nested"}}"#), (400, None, None));
    }

    #[test]
    fn a_refusal_that_repeats_a_secret_loses_its_text() {
        let secret = SecretString::from("hush-hush");
        let body = r#"{"error":"hush-hush","error_description":"your secret hush-hush is wrong"}"#;
        let failure = read(401, body.as_bytes(), None, &[&secret]).unwrap_err();
        assert_eq!(failure, OAuthFailure::RefusedByProvider { status: 401, code: None, description: None });
    }
}
