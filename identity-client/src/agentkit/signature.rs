//! The signature of a request: HMAC-SHA256, version 4 of Volcengine's scheme. Pure: time and keys are given.
//!
//! A request is signed anew for each try, from values of its own: nothing is shared between two requests.

use std::time::SystemTime;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;
use zeroize::Zeroizing;

use crate::{
    error::Error,
    hash::{hex, hmac_sha256, sha256},
};

const ALGORITHM: &str = "HMAC-SHA256";
const X_DATE: HeaderName = HeaderName::from_static("x-date");
const X_CONTENT_SHA256: HeaderName = HeaderName::from_static("x-content-sha256");
const X_SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-security-token");

/// Everything but the unreserved characters of RFC 3986.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// With what is signed.
#[derive(Clone, Copy)]
pub(crate) struct SigningKeys<'a> {
    pub(crate) access_key: &'a str,
    pub(crate) secret_key: &'a SecretString,
    pub(crate) session_token: Option<&'a SecretString>,
}

/// For which service of which region a signature is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SigningScope<'a> {
    pub(crate) region: &'a str,
    pub(crate) service: &'a str,
}

/// What is signed, besides its headers.
#[derive(Clone, Copy)]
pub(crate) struct Signable<'a> {
    pub(crate) method: &'a str,
    pub(crate) url: &'a Url,
    pub(crate) body: &'a [u8],
}

/// Puts the date, the digest of the body, the session token if there is one, and the signature into the headers. Whatever
/// else is to be signed must be there before: `content-type`, `content-md5` and every `x-` header are.
pub(crate) fn sign(
    headers: &mut HeaderMap,
    request: Signable<'_>,
    keys: SigningKeys<'_>,
    scope: SigningScope<'_>,
    at: SystemTime,
) -> Result<(), Error> {
    let date = x_date(at)?;
    headers.insert(header::HOST, value(&host(request.url))?);
    headers.insert(X_DATE, value(&date)?);
    headers.insert(X_CONTENT_SHA256, value(&hex(&sha256(request.body)))?);
    if let Some(token) = keys.session_token {
        let mut token = value(token.expose_secret())?;
        token.set_sensitive(true);
        headers.insert(X_SECURITY_TOKEN, token);
    }
    let (canonical, signed_headers) = canonical_request(headers, request)?;
    let day = date.get(..8).unwrap_or_default();
    let credential_scope = [day, scope.region, scope.service, "request"].join("/");
    let to_sign = string_to_sign(&date, &credential_scope, &canonical);
    let key = signing_key(keys.secret_key, day, scope);
    let signature = hex(&hmac_sha256(&*key, to_sign.as_bytes()));
    let mut authorization = value(&format!(
        "{ALGORITHM} Credential={}/{credential_scope}, SignedHeaders={signed_headers}, Signature={signature}",
        keys.access_key
    ))?;
    authorization.set_sensitive(true);
    headers.insert(header::AUTHORIZATION, authorization);
    Ok(())
}

/// With the names of the headers that are in it. It holds the session token.
fn canonical_request(headers: &HeaderMap, request: Signable<'_>) -> Result<(Zeroizing<String>, String), Error> {
    let (lines, names) = canonical_headers(headers)?;
    let digest = hex(&sha256(request.body));
    let query = canonical_query(request.url);
    let parts = [request.method, request.url.path(), &query, &lines, &names, &digest];
    Ok((Zeroizing::new(parts.join("\n")), names))
}

fn string_to_sign(date: &str, credential_scope: &str, canonical_request: &str) -> String {
    [ALGORITHM, date, credential_scope, &hex(&sha256(canonical_request))].join("\n")
}

fn signing_key(secret_key: &SecretString, day: &str, scope: SigningScope<'_>) -> Zeroizing<[u8; 32]> {
    let of_day = Zeroizing::new(hmac_sha256(secret_key.expose_secret().as_bytes(), day.as_bytes()));
    let of_region = Zeroizing::new(hmac_sha256(&*of_day, scope.region.as_bytes()));
    let of_service = Zeroizing::new(hmac_sha256(&*of_region, scope.service.as_bytes()));
    Zeroizing::new(hmac_sha256(&*of_service, b"request"))
}

/// `20260102T030405Z`
fn x_date(at: SystemTime) -> Result<String, Error> {
    let at =
        jiff::Timestamp::try_from(at).map_err(|_| Error::invalid("the clock shows a time that cannot be signed"))?;
    Ok(at.strftime("%Y%m%dT%H%M%SZ").to_string())
}

/// The default port of the scheme is not part of it; any other is.
fn host(url: &Url) -> String {
    url[url::Position::BeforeHost..url::Position::AfterPort].to_owned()
}

fn canonical_query(url: &Url) -> String {
    let encode = |text: &str| utf8_percent_encode(text, QUERY).to_string();
    let mut pairs: Vec<_> = url.query_pairs().map(|(name, value)| (encode(&name), encode(&value))).collect();
    pairs.sort_unstable();
    let pairs: Vec<_> = pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

/// Their lines, each with its line end, and their names.
fn canonical_headers(headers: &HeaderMap) -> Result<(Zeroizing<String>, String), Error> {
    let is_signed = |name: &str| matches!(name, "host" | "content-type" | "content-md5") || name.starts_with("x-");
    let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).filter(|name| is_signed(name)).collect();
    names.sort_unstable();
    let mut lines = Zeroizing::new(String::new());
    for name in &names {
        let value = headers.get(*name).and_then(|value| value.to_str().ok());
        let value = value.ok_or_else(|| Error::invalid(format!("the header {name} cannot be signed")))?;
        lines.extend([name, ":", value.trim(), "\n"]);
    }
    Ok((lines, names.join(";")))
}

/// Credentials are checked when they are read, so this refuses what cannot come from there.
fn value(text: &str) -> Result<HeaderValue, Error> {
    HeaderValue::from_str(text).map_err(|_| {
        Error::invalid("the access key or the session token has characters that no header can carry")
            .with_hint("copy it again, without anything around it")
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const ACCESS_KEY: &str = "AKLTSYNTHETICEXAMPLE0000000000";
    const SECRET_KEY: &str = "U1lOVEhFVElDLXNlY3JldC1rZXktZXhhbXBsZQ==";
    const SESSION_TOKEN: &str = "STSSYNTHETICSESSIONTOKENEXAMPLE==";
    const BODY: &[u8] = br#"{"UserId":"user-0001"}"#;
    const SCOPE: SigningScope<'static> = SigningScope { region: "cn-beijing", service: "id" };
    const CANONICAL: &str = "POST
/
Action=GetWorkloadAccessTokenForUserId&Version=2025-10-30
content-type:application/json
host:open.volcengineapi.com
x-content-sha256:1e3817f55b24a2fd3caae7411bac19568b3822ff4d1e026d89f2a64acbd7f30d
x-date:20260102T030405Z

content-type;host;x-content-sha256;x-date
1e3817f55b24a2fd3caae7411bac19568b3822ff4d1e026d89f2a64acbd7f30d";
    const STRING_TO_SIGN: &str = "HMAC-SHA256
20260102T030405Z
20260102/cn-beijing/id/request
b64d26b2125659ac0e801863d3da4fdc63247fa588587f3653e187909fecabef";

    struct Example {
        headers: HeaderMap,
        canonical_request: String,
        string_to_sign: String,
        signed_headers: String,
    }

    impl Example {
        fn hash(&self) -> String {
            hex(&sha256(&self.canonical_request))
        }

        fn signature(&self) -> &str {
            self.headers[header::AUTHORIZATION].to_str().unwrap().split("Signature=").nth(1).unwrap()
        }
    }

    fn example(session_token: Option<&str>, extra: &[(&'static str, &'static str)]) -> Example {
        let url =
            Url::parse("https://open.volcengineapi.com/?Action=GetWorkloadAccessTokenForUserId&Version=2025-10-30");
        let url = url.unwrap();
        let request = Signable { method: "POST", url: &url, body: BODY };
        let (secret_key, session_token) = (SECRET_KEY.into(), session_token.map(SecretString::from));
        let keys =
            SigningKeys { access_key: ACCESS_KEY, secret_key: &secret_key, session_token: session_token.as_ref() };
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        for (name, value) in extra {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        sign(&mut headers, request, keys, SCOPE, at()).unwrap();
        let (canonical_request, signed_headers) = canonical_request(&headers, request).unwrap();
        let string_to_sign = string_to_sign("20260102T030405Z", "20260102/cn-beijing/id/request", &canonical_request);
        Example { headers, canonical_request: canonical_request.to_string(), string_to_sign, signed_headers }
    }

    /// 2026-01-02T03:04:05Z
    fn at() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_323_045)
    }

    #[test]
    fn worked_example_a_every_line_with_long_lived_keys() {
        let example = example(None, &[]);
        let headers = &example.headers;
        assert_eq!(headers["x-content-sha256"], "1e3817f55b24a2fd3caae7411bac19568b3822ff4d1e026d89f2a64acbd7f30d");
        assert_eq!(headers["x-date"], "20260102T030405Z");
        assert_eq!(example.canonical_request, CANONICAL);
        assert_eq!(example.string_to_sign, STRING_TO_SIGN);
        assert_eq!(
            headers[header::AUTHORIZATION],
            "HMAC-SHA256 Credential=AKLTSYNTHETICEXAMPLE0000000000/20260102/cn-beijing/id/request, SignedHeaders=content-type;host;x-content-sha256;x-date, Signature=1ab1087d9f2d2319c549c8c5db459dc79922c09f6da4e2bac2340f91f0c8b0c1"
        );
        assert!(headers[header::AUTHORIZATION].is_sensitive() && !headers.contains_key(X_SECURITY_TOKEN));
    }

    #[test]
    fn worked_example_a_every_key_of_the_chain() {
        let mut key = hmac_sha256(SECRET_KEY.as_bytes(), b"20260102");
        let mut chain = vec![hex(&key)];
        for part in ["cn-beijing", "id", "request"] {
            key = hmac_sha256(&key, part.as_bytes());
            chain.push(hex(&key));
        }
        assert_eq!(
            chain,
            [
                "4cce23647cab41bccf8e449ce6f61ffdb3d1b7791c3d6aef8009ac9760e9d3c0",
                "ec037ab60d2aa7267152315f58e5b4955b76392256079d5844b5cbe2132344d8",
                "0deb16ef3faf8e1d955ac4d2951746b2ab706d27ba213a97ad07d20be9a7d930",
                "17b5bf749bf8f9f45afa7efe0e31f4adf13ab57fff052d48c1d216170804f161",
            ]
        );
        assert_eq!(*signing_key(&SECRET_KEY.into(), "20260102", SCOPE), key);
    }

    #[test]
    fn worked_example_b_a_session_token_is_a_signed_header() {
        let example = example(Some(SESSION_TOKEN), &[]);
        assert_eq!(example.signed_headers, "content-type;host;x-content-sha256;x-date;x-security-token");
        assert_eq!(example.hash(), "1a8445b1d8947bf92c34d7b84240039b71b4290bda64a3832272086f0e90f2e1");
        assert_eq!(example.signature(), "1b20c1a52bbb98b5ff2c92c553706b444753facc4d49df588db11ae3b037d2c2");
        assert!(example.headers[X_SECURITY_TOKEN].is_sensitive());
    }

    #[test]
    fn worked_example_c_every_x_header_is_signed() {
        let extra =
            [("x-sdk-invocation-id", "00000000-0000-4000-8000-000000000001"), ("x-sdk-request", "attempt=1; max=4")];
        assert!(example(None, &[("content-md5", "x")]).signed_headers.starts_with("content-md5;content-type;host;"));
        let example = example(None, &extra);
        assert_eq!(example.hash(), "1012ad4005421a685304f086368379babedc6836f795b13188a21a84cb88da53");
        assert_eq!(example.signature(), "bbe109f1dc04e7aa4870082bd45c90f2c7e34730d8a05f0df5938c98bdead0b8");
    }

    #[test]
    fn the_query_is_encoded_and_sorted_as_in_the_contract() {
        let mut url = Url::parse("https://h.example.com/").unwrap();
        url.query_pairs_mut().extend_pairs([("b c", "x/y+z=~"), ("a", "中"), ("A", "*")]);
        assert_eq!(canonical_query(&url), "A=%2A&a=%E4%B8%AD&b%20c=x%2Fy%2Bz%3D~");
    }

    #[test]
    fn only_another_port_than_the_scheme_s_is_part_of_the_host() {
        for (url, expected) in [
            ("https://h.example.com:443/", "h.example.com"),
            ("http://127.0.0.1:80/", "127.0.0.1"),
            ("http://127.0.0.1:8080/", "127.0.0.1:8080"),
            ("https://[::1]:1/", "[::1]:1"),
        ] {
            assert_eq!(host(&Url::parse(url).unwrap()), expected);
        }
    }

    /// Each recorded request that was signed, with what was signed in it.
    #[test]
    fn every_recorded_signature_is_ours_byte_for_byte() {
        let recorded = include_str!("../../../tests/fixtures/wire/volcengine-agentkit.jsonl");
        let mut reproduced = 0;
        for row in recorded.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()) {
            let sent = &row["request"]["headers"];
            let Some(authorization) = sent["authorization"].as_str().filter(|text| text.starts_with(ALGORITHM)) else {
                continue;
            };
            let op = row["op"].as_str().unwrap();
            let scope = authorization.split(['/', ',']).skip(2).take(2).collect::<Vec<_>>();
            let scope = SigningScope { region: scope[0], service: scope[1] };
            let signed = authorization.split("SignedHeaders=").nth(1).unwrap().split(',').next().unwrap();
            let mut url = Url::parse(&format!("https://{}/", sent["host"].as_str().unwrap())).unwrap();
            for (name, value) in row["request"]["query"].as_object().unwrap() {
                url.query_pairs_mut().append_pair(name, value.as_str().unwrap());
            }
            let mut headers = HeaderMap::new();
            for name in signed.split(';').filter(|name| !matches!(*name, "host" | "x-date" | "x-content-sha256")) {
                let value = HeaderValue::from_str(sent[name].as_str().unwrap()).unwrap();
                headers.insert(HeaderName::try_from(name).unwrap(), value);
            }
            let access_key = authorization.split(['=', '/']).nth(1).unwrap();
            let secret_key = if access_key == ACCESS_KEY { SECRET_KEY } else { "VEVNUC1zZWNyZXQ=" }.into();
            let session_token = sent["x-security-token"].as_str().map(SecretString::from);
            let keys = SigningKeys { access_key, secret_key: &secret_key, session_token: session_token.as_ref() };
            let body = row["request"]["body"].as_str().unwrap();
            let body =
                Signable { method: row["request"]["method"].as_str().unwrap(), url: &url, body: body.as_bytes() };
            sign(&mut headers, body, keys, scope, at()).unwrap();
            assert_eq!(headers["x-date"], sent["x-date"].as_str().unwrap(), "{op}");
            assert_eq!(headers["x-content-sha256"], sent["x-content-sha256"].as_str().unwrap(), "{op}");
            assert_eq!(headers[header::AUTHORIZATION], authorization, "{op}");
            reproduced += 1;
        }
        assert_eq!(reproduced, 54, "the rows from the identity API, from STS and from the other vendor SDK");
    }
}
