//! Codes and refresh tokens to access tokens: the token endpoint (RFC 6749 sections 4.1.3, 5 and 6).

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value};
use url::{Url, form_urlencoded};
use zeroize::{Zeroize as _, Zeroizing};

use super::metadata::{Metadata, SecretIn};
use crate::{
    basic::basic,
    clock::Clock,
    credential::AccessToken,
    error::{Error, ErrorKind},
    inbound::object,
    transport::{Answer, Outgoing, Repeat, Transport},
};

/// Nobody issues access tokens for longer; a number beyond it is a mistake.
const LONGEST_LIFE: Duration = Duration::from_secs(366 * 24 * 60 * 60);
/// No header carries a longer one.
const LONGEST_TOKEN: usize = 16 * 1024;

/// What the issuer gave for a code or a refresh token.
#[derive(Clone)]
#[non_exhaustive]
pub struct LoginTokens {
    /// For the agent, on the user's behalf.
    pub access_token: AccessToken,
    /// From when on the access token is over; `None` if the issuer does not say.
    pub expires_at: Option<SystemTime>,
    /// Good for one renewal, if the issuer rotates them.
    pub refresh_token: Option<SecretString>,
}

impl fmt::Debug for LoginTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginTokens")
            .field("expires_at", &self.expires_at)
            .field("refresh_token", &self.refresh_token.is_some())
            .finish_non_exhaustive()
    }
}

/// How the client shows who it is.
pub(super) struct Client {
    pub(super) id: String,
    pub(super) secret: Option<SecretString>,
}

/// A form on its way to the token endpoint.
pub(super) struct Form(Zeroizing<String>);

impl Form {
    pub(super) fn code() -> Self {
        Self(Zeroizing::new("grant_type=authorization_code".to_owned()))
    }

    pub(super) fn refresh() -> Self {
        Self(Zeroizing::new("grant_type=refresh_token".to_owned()))
    }

    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.0.push('&');
        self.0.push_str(name);
        self.0.push('=');
        self.0.extend(form_urlencoded::byte_serialize(value.as_bytes()));
        self
    }
}

/// Tokens, and the ID token beside them.
pub(super) struct Exchanged {
    pub(super) tokens: LoginTokens,
    pub(super) id_token: Option<SecretString>,
}

pub(super) async fn exchange(
    transport: &Transport,
    clock: &dyn Clock,
    metadata: &Metadata,
    client: &Client,
    form: Form,
) -> Result<Exchanged, Error> {
    let begun = clock.now();
    let (authorization, form) = authenticated(client, metadata, form)?;
    let prepare = || {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        if let Some(value) = &authorization {
            headers.insert(header::AUTHORIZATION, value.clone());
        }
        let body = Some(Bytes::copy_from_slice(form.0.as_bytes()));
        Ok(Outgoing { method: Method::POST, url: metadata.token.clone(), headers, body })
    };
    // A code is good for one use, and so is a refresh token that is rotated.
    let answer = transport.send("get_login_tokens", Repeat::OnlyIfUnsent, begun, prepare).await?;
    if !answer.is_success() {
        return Err(refused(&answer, &metadata.token));
    }
    read(&answer.body, begun.wall)
}

/// One method and never two. RFC 6749 section 2.3.1: both halves are form-encoded before they are joined.
fn authenticated(client: &Client, metadata: &Metadata, form: Form) -> Result<(Option<HeaderValue>, Form), Error> {
    let Some(secret) = &client.secret else { return Ok((None, form.with("client_id", &client.id))) };
    match metadata.takes_secrets {
        Some(SecretIn::Header) => {
            let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            let value = basic(&encoded(&client.id), &SecretString::from(encoded(secret.expose_secret())))?;
            Ok((Some(value), form))
        }
        Some(SecretIn::Form) => {
            Ok((None, form.with("client_id", &client.id).with("client_secret", secret.expose_secret())))
        }
        None => {
            Err(Error::new(ErrorKind::Unsupported, "the issuer takes client secrets neither in a header nor in a form")
                .with_hint("register the client with `client_secret_basic`"))
        }
    }
}

/// RFC 6749 section 5.2. The description is not passed on: it may quote what was sent.
fn refused(answer: &Answer, endpoint: &Url) -> Error {
    let code = object(&answer.body).ok().and_then(|body| body.get("error")?.as_str().map(str::to_owned));
    let code =
        code.filter(|code| code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'));
    let (kind, hint) = match (code.as_deref(), answer.status) {
        (Some("invalid_grant"), 400 | 401) => (ErrorKind::AuthorizationExpired, "have the user sign in again"),
        (Some("invalid_client" | "unauthorized_client"), _) | (_, 401) => {
            (ErrorKind::Unauthenticated, "check the client id and the client secret at the issuer")
        }
        (_, 429) => (ErrorKind::RateLimited, "the issuer asks for fewer requests; wait"),
        (_, 500..) => (ErrorKind::Unavailable, "the issuer cannot serve now; try again later"),
        (_, 300..=399) => (ErrorKind::Protocol, "redirects are not followed; check the issuer's discovery document"),
        _ => (ErrorKind::Protocol, "check how the client is registered at the issuer: redirect URI, scopes, grants"),
    };
    let host = endpoint.host_str().unwrap_or_default();
    Error::new(kind, format!("{host} gave no tokens"))
        .with_status(answer.status)
        .with_code(code)
        .with_retry_after(answer.retry_after())
        .with_hint(hint)
}

fn read(body: &[u8], asked_at: SystemTime) -> Result<Exchanged, Error> {
    let broken = |what: &str| Error::protocol(format!("the issuer's answer with tokens {what}"));
    let mut answer = object(body).map_err(|_| broken("is no JSON object, or has a member twice"))?;
    let is_bearer = |kind: &str| kind.eq_ignore_ascii_case("bearer");
    if !answer.get("token_type").and_then(Value::as_str).is_some_and(is_bearer) {
        wipe(&mut answer);
        return Err(broken("has tokens that are not of type Bearer"));
    }
    let mut secret = |name: &str| match answer.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if is_token(&text) => Ok(Some(SecretString::from(text))),
        Some(_) => Err(broken(&format!("has a `{name}` that is none"))),
    };
    let (access_token, refresh_token, id_token) =
        (secret("access_token")?, secret("refresh_token")?, secret("id_token")?);
    let access_token = AccessToken::new(access_token.ok_or_else(|| broken("has no access token"))?)?;
    let expires_at = answer.get("expires_in").and_then(seconds).and_then(|life| asked_at.checked_add(life));
    Ok(Exchanged { tokens: LoginTokens { access_token, expires_at, refresh_token }, id_token })
}

fn is_token(text: &str) -> bool {
    (1..=LONGEST_TOKEN).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A number, or digits in a text; nothing for anything that is no lifetime.
fn seconds(value: &Value) -> Option<Duration> {
    let seconds = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())?;
    let life = Duration::try_from_secs_f64(seconds).ok().filter(|life| !life.is_zero())?;
    Some(life.min(LONGEST_LIFE))
}

fn wipe(answer: &mut Map<String, Value>) {
    for value in answer.values_mut() {
        if let Value::String(text) = value {
            text.zeroize();
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use serde_json::json;

    use super::*;

    fn metadata(takes_secrets: Option<SecretIn>) -> Metadata {
        let url = || Url::parse("https://id.example.com/x").unwrap();
        Metadata {
            authorization: url(),
            token: url(),
            end_session: None,
            names_itself: false,
            binds_codes: true,
            takes_secrets,
        }
    }

    #[test]
    fn std_6749_01_and_02_a_client_shows_who_it_is_in_one_way() {
        let client = Client { id: "a:b".into(), secret: Some("p@s:s %é".into()) };
        let shown = |place, client: &Client| {
            let (header, form) = authenticated(client, &metadata(place), Form::code()).unwrap();
            (header.map(|value| value.to_str().unwrap().to_owned()), form.0.as_str().to_owned())
        };
        let (header, form) = shown(Some(SecretIn::Header), &client);
        let encoded = header.unwrap();
        let pair = STANDARD.decode(encoded.strip_prefix("Basic ").unwrap()).unwrap();
        assert_eq!(String::from_utf8(pair).unwrap(), "a%3Ab:p%40s%3As+%25%C3%A9");
        assert_eq!(form, "grant_type=authorization_code");
        let (header, form) = shown(Some(SecretIn::Form), &client);
        assert!(header.is_none() && form.contains("client_secret=p%40s") && form.contains("client_id=a%3Ab"));
        assert!(authenticated(&client, &metadata(None), Form::code()).is_err());
        let public = Client { id: "a".into(), secret: None };
        assert_eq!(shown(Some(SecretIn::Header), &public), (None, "grant_type=authorization_code&client_id=a".into()));
    }

    fn answer(change: Value) -> Result<Exchanged, Error> {
        let mut body = json!({ "access_token": "secret-a", "token_type": "bEaReR", "refresh_token": "secret-r", "id_token": "secret-i" });
        let (Value::Object(body), Value::Object(change)) = (&mut body, change) else { unreachable!() };
        body.extend(change);
        read(json!(body).to_string().as_bytes(), SystemTime::UNIX_EPOCH)
    }

    #[test]
    fn std_6749_03_only_bearer_tokens_are_taken() {
        assert_eq!(answer(json!({})).unwrap().tokens.access_token.expose_secret(), "secret-a");
        for change in [
            json!({ "token_type": "mac" }),
            json!({ "token_type": null }),
            json!({ "access_token": "" }),
            json!({ "access_token": null }),
            json!({ "access_token": "a b" }),
            json!({ "access_token": 1 }),
            json!({ "refresh_token": ["x"] }),
            json!({ "id_token": "x".repeat(20_000) }),
        ] {
            let error = answer(change.clone()).err().unwrap();
            assert_eq!(error.kind(), ErrorKind::Protocol, "{change}");
            assert!(!format!("{error}{error:?}").contains("secret-"), "{error}");
        }
    }

    #[test]
    fn std_6749_04_an_unknown_lifetime_is_neither_for_ever_nor_nothing() {
        let life = |value: Value| {
            let at = answer(json!({ "expires_in": value })).unwrap().tokens.expires_at;
            at.map(|at| at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs())
        };
        assert_eq!(life(json!(3600)), Some(3600));
        assert_eq!(life(json!("3600")), Some(3600));
        assert_eq!(life(json!(1.5)), Some(1));
        assert_eq!(life(json!(1e18)), Some(LONGEST_LIFE.as_secs()));
        for unknown in [json!(0), json!(-1), json!("soon"), json!(null), json!([1]), json!("NaN"), json!(1e300)] {
            assert_eq!(life(unknown.clone()), None, "{unknown}");
        }
    }
}
