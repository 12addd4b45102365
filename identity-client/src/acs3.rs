//! ACS3-HMAC-SHA256, with which Alibaba Cloud has the requests of its OpenAPI signed.
//!
//! Signed are the host, the content type and every `x-acs-*` header, and nothing that a proxy may rewrite.
//! Source: `https://www.alibabacloud.com/help/en/sdk/product-overview/v3-request-structure-and-signature`.

use std::{fmt, time::SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret as _, SecretString};
use url::{Position, Url};
use zeroize::Zeroizing;

use crate::{
    error::Error,
    hash::{hex, hmac_sha256, sha256},
    transport::Outgoing,
};

const ALGORITHM: &str = "ACS3-HMAC-SHA256";

/// RFC 3986: everything that is not unreserved is encoded.
pub(crate) const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// An AccessKey, long-term or temporary.
#[derive(Clone)]
pub(crate) struct AccessKey {
    pub(crate) id: String,
    pub(crate) secret: SecretString,
    /// Of a temporary one (STS).
    pub(crate) security_token: Option<SecretString>,
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessKey").field("is_temporary", &self.security_token.is_some()).finish_non_exhaustive()
    }
}

/// Which operation of which API, for example `GetResourceAPIKey` of `2025-11-27`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Operation<'a> {
    pub(crate) action: &'a str,
    pub(crate) version: &'a str,
}

/// Signs a request at a moment of the wall clock, with a nonce of its own: sets the `x-acs-*` headers and `Authorization`.
/// Everything else that is to be signed, the content type above all, must be there already.
///
/// # Errors
/// If a part of the key cannot stand in a header, or if the machine has no randomness.
pub(crate) fn sign(
    outgoing: &mut Outgoing,
    key: &AccessKey,
    operation: Operation<'_>,
    at: SystemTime,
) -> Result<(), Error> {
    sign_with(outgoing, key, operation, &date(at), &nonce()?)
}

/// A number that no other request has: 32 hexadecimal digits.
pub(crate) fn nonce() -> Result<String, Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| Error::invalid("this machine has no randomness to sign a request with"))?;
    Ok(hex(&bytes))
}

/// `YYYY-MM-DDTHH:MM:SSZ`
pub(crate) fn date(at: SystemTime) -> String {
    let at = jiff::Timestamp::try_from(at).unwrap_or_default();
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn sign_with(
    outgoing: &mut Outgoing,
    key: &AccessKey,
    operation: Operation<'_>,
    date: &str,
    nonce: &str,
) -> Result<(), Error> {
    let payload = hex(&sha256(outgoing.body.as_deref().unwrap_or_default()));
    let mut headers = vec![
        ("x-acs-action", operation.action),
        ("x-acs-version", operation.version),
        ("x-acs-date", date),
        ("x-acs-signature-nonce", nonce),
        ("x-acs-content-sha256", &payload),
    ];
    if let Some(token) = &key.security_token {
        headers.extend([("x-acs-accesskey-id", key.id.as_str()), ("x-acs-security-token", token.expose_secret())]);
    }
    for (name, value) in headers {
        let mut value = value_of(value)?;
        value.set_sensitive(name == "x-acs-security-token");
        outgoing.headers.insert(HeaderName::from_static(name), value);
    }
    let names: Vec<&str> = outgoing.headers.keys().map(HeaderName::as_str).filter(|name| is_signed(name)).collect();
    let (canonical, names) = canonical_request(outgoing, &names, &payload);
    let authorization = Zeroizing::new(authorization(key, &names, &canonical));
    let mut authorization = value_of(&authorization)?;
    authorization.set_sensitive(true);
    outgoing.headers.insert(header::AUTHORIZATION, authorization);
    Ok(())
}

fn value_of(text: &str) -> Result<HeaderValue, Error> {
    HeaderValue::try_from(text).map_err(|_| {
        Error::invalid("the AccessKey, or what it signs, cannot stand in a header")
            .with_hint("copy the AccessKey again, without anything around it")
    })
}

fn is_signed(name: &str) -> bool {
    name == "content-type" || name.starts_with("x-acs-")
}

/// The canonical request, and the names of its headers. The host is always among them: it is that of the URL, which is what the
/// HTTP client sends.
fn canonical_request(outgoing: &Outgoing, names: &[&str], payload: &str) -> (Zeroizing<String>, String) {
    let url = &outgoing.url;
    let host = &url[Position::BeforeHost..Position::AfterPort];
    let mut headers: Vec<(&str, &str)> = names.iter().map(|&name| (name, text(&outgoing.headers, name))).collect();
    headers.push(("host", host));
    headers.sort_unstable();
    let lines: Zeroizing<String> =
        Zeroizing::new(headers.iter().flat_map(|(name, value)| [name, ":", value, "\n"]).collect());
    let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let (method, path, query) = (&outgoing.method, url.path(), canonical_query(url));
    let canonical = format!("{method}\n{path}\n{query}\n{}\n{names}\n{payload}", *lines);
    (Zeroizing::new(canonical), names)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().trim()
}

fn canonical_query(url: &Url) -> String {
    let encoded = |text: &str| utf8_percent_encode(text, RESERVED).to_string();
    let mut pairs: Vec<_> = url.query_pairs().map(|(name, value)| (encoded(&name), encoded(&value))).collect();
    pairs.sort_unstable();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

fn string_to_sign(canonical: &str) -> String {
    format!("{ALGORITHM}\n{}", hex(&sha256(canonical)))
}

fn authorization(key: &AccessKey, names: &str, canonical: &str) -> String {
    let signature = hex(&hmac_sha256(key.secret.expose_secret().as_bytes(), string_to_sign(canonical).as_bytes()));
    format!("{ALGORITHM} Credential={},SignedHeaders={names},Signature={signature}", key.id)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use http::Method;
    use serde_json::Value;

    use super::*;

    const DATE: &str = "2025-12-01T08:00:00Z";
    const NONCE: &str = "0123456789abcdef0123456789abcdef";
    const FORM: &str = "application/x-www-form-urlencoded";
    const DATA: Operation<'_> = Operation { action: "GetWorkloadAccessTokenForUserId", version: "2025-11-27" };
    const BODY: &str = "UserId=user-0001&WorkloadIdentityName=workload-demo";
    const DATA_URL: &str = "https://agentidentitydata.cn-beijing.aliyuncs.com/";

    fn key(id: &str, secret: &str, token: Option<&str>) -> AccessKey {
        AccessKey { id: id.to_owned(), secret: secret.into(), security_token: token.map(Into::into) }
    }

    fn long_term() -> AccessKey {
        key("testAccessKeyId0001", "testAccessKeySecret0001", None)
    }

    fn outgoing(url: &str, headers: &[(&'static str, &str)], body: &str) -> Outgoing {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
            .collect();
        let body = Some(Bytes::from(body.to_owned()));
        Outgoing { method: Method::POST, url: url.parse().unwrap(), headers, body }
    }

    /// The hash of the canonical request and the signature that the header carries.
    fn signed(
        mut outgoing: Outgoing,
        key: &AccessKey,
        operation: Operation<'_>,
        date: &str,
        nonce: &str,
    ) -> [String; 2] {
        sign_with(&mut outgoing, key, operation, date, nonce).unwrap();
        let names: Vec<&str> = outgoing.headers.keys().map(HeaderName::as_str).filter(|name| is_signed(name)).collect();
        let (canonical, _) = canonical_request(&outgoing, &names, text(&outgoing.headers, "x-acs-content-sha256"));
        let signature = text(&outgoing.headers, "authorization").rsplit_once("Signature=").unwrap().1.to_owned();
        [hex(&sha256(&*canonical)), signature]
    }

    #[test]
    fn example_a_a_long_term_key() {
        let mut asked = outgoing(DATA_URL, &[("content-type", FORM), ("accept", "application/json")], BODY);
        sign_with(&mut asked, &long_term(), DATA, DATE, NONCE).unwrap();
        assert_eq!(
            text(&asked.headers, "authorization"),
            "ACS3-HMAC-SHA256 Credential=testAccessKeyId0001,SignedHeaders=content-type;host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version,Signature=95f30dafa2dad2b18c8a62ea27a9d869515b500684429dd3e393f33ea12719ef"
        );
        assert!(asked.headers[header::AUTHORIZATION].is_sensitive());
        let hash = &signed(asked, &long_term(), DATA, DATE, NONCE)[0];
        assert_eq!(hash, "093b60f98b4fd9991a5a5f5536816f0d33fe7029a43b10cc71d60204005071be");
    }

    #[test]
    fn example_c_a_temporary_key() {
        let key = key("STS.testAccessKeyId0002", "testStsSecret0002", Some("CAISsyntheticSecurityToken0002/abc+def=="));
        let asked = outgoing(DATA_URL, &[("content-type", FORM)], BODY);
        assert_eq!(
            signed(asked, &key, DATA, DATE, NONCE),
            [
                "ac4d71ff60e809a415682009a97ab1ee28f839c8325519b9a88329bd9e9f13db",
                "5381beabb056b63f9251ed23853c736c3648a0d9711554d4447c12073aa1fd1c"
            ]
        );
    }

    #[test]
    fn a_port_is_signed_and_no_secret_shows_among_the_headers() {
        let key = key("STS.id", "hunter2", Some("hunter2"));
        let mut asked = outgoing("http://127.0.0.1:8080/", &[], "");
        sign_with(&mut asked, &key, DATA, DATE, NONCE).unwrap();
        assert!(canonical_request(&asked, &[], "").0.contains("\nhost:127.0.0.1:8080\n"));
        assert!(!format!("{:?}", asked.headers).contains("hunter2"));
    }

    #[test]
    fn example_d_a_query() {
        let mut url: Url = "https://agentidentity.cn-beijing.aliyuncs.com/".parse().unwrap();
        url.query_pairs_mut()
            .append_pair("LoginPreference", r#"{"EnablePasswordLogin":true}"#)
            .append_pair("AllowedPostLogoutRedirectUris", r#"["https://app.example.com/a b~*"]"#);
        let operation = Operation { action: "UpdateLoginPreference", version: "2025-09-01" };
        let asked = outgoing(url.as_str(), &[("content-type", FORM)], "UserPoolName=pool-demo");
        assert_eq!(
            signed(asked, &long_term(), operation, DATE, NONCE),
            [
                "66e0999d2f1a881ae4d30ab02c86d94be0ba58d435788b460709a16e9c87bb63",
                "e1380bbc1e201895311c15c891143c3b6395b4a98fa90bc9e2e4813d051dfaee"
            ]
        );
    }

    #[test]
    fn example_e_the_two_signatures_that_the_vendor_publishes() {
        let key = key("YourAccessKeyId", "YourAccessKeySecret", None);
        let url = "https://ecs.cn-shanghai.aliyuncs.com/?ImageId=win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd&RegionId=cn-shanghai";
        let operation = Operation { action: "RunInstances", version: "2014-05-26" };
        for (date, nonce, signature) in [
            (
                "2023-10-26T10:22:32Z",
                "3156853299f313e23d1673dc12e1703d",
                "06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0",
            ),
            (
                "2023-10-26T09:01:01Z",
                "d410180a5abf7fe235dd9b74aca91fc0",
                "e521358f7776c97df52e6b2891a8bc73026794a071b50c3323388c4e0df64804",
            ),
        ] {
            assert_eq!(signed(outgoing(url, &[], ""), &key, operation, date, nonce)[1], signature);
        }
    }

    /// The vendor's SDK signs `accept` and `user-agent` too; given its headers, the same bytes come out.
    #[test]
    fn example_b_and_every_signed_line_of_the_recorded_traffic() {
        let recorded = include_str!("../../tests/fixtures/wire/alibaba-agent-identity.jsonl");
        let mut lines = 0;
        for line in recorded.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            let (request, signing) = (&line["request"], &line["signing"]);
            if signing.is_null() {
                continue;
            }
            lines += 1;
            let string = |value: &Value| value.as_str().unwrap().to_owned();
            let query = string(&request["query"]);
            let query = if query.is_empty() { query } else { format!("?{query}") };
            let host = string(&request["headers"]["host"]);
            let mut asked = outgoing(&format!("https://{host}/{query}"), &[], &string(&request["body"]));
            for (name, value) in request["headers"].as_object().unwrap() {
                let name = HeaderName::try_from(name).unwrap();
                asked.headers.insert(name, HeaderValue::try_from(string(value)).unwrap());
            }
            let names: Vec<String> = signing["signed_headers"].as_array().unwrap().iter().map(string).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).filter(|name| *name != "host").collect();
            let payload = hex(&sha256(asked.body.as_deref().unwrap_or_default()));
            let (canonical, names) = canonical_request(&asked, &names, &payload);
            assert_eq!(*canonical, string(&signing["canonical_request"]), "{}", line["id"]);
            assert_eq!(string_to_sign(&canonical), string(&signing["string_to_sign"]), "{}", line["id"]);
            let token = signing["security_token"].as_str();
            let key = key(&string(&signing["access_key_id"]), &string(&signing["access_key_secret"]), token);
            let authorization = authorization(&key, &names, &canonical);
            assert_eq!(authorization, string(&request["headers"]["authorization"]), "{}", line["id"]);

            // With what we sign, the rest of the headers is what the recorded request had.
            let recorded = asked.headers.clone();
            let operation = Operation { action: &string(&line["op"]), version: text(&recorded, "x-acs-version") };
            let (date, nonce) = (string(&signing["date"]), string(&signing["nonce"]));
            sign_with(&mut asked, &key, operation, &date, &nonce).unwrap();
            for (name, value) in request["headers"].as_object().unwrap() {
                if name != "authorization" {
                    assert_eq!(asked.headers[name.as_str()].to_str().unwrap(), string(value), "{} {name}", line["id"]);
                }
            }
            let ours = text(&asked.headers, "authorization");
            assert!(!ours.contains("user-agent") && !ours.contains("accept;"), "{ours}");
        }
        assert_eq!(lines, 99);
    }

    #[test]
    fn dates_and_nonces() {
        let at = SystemTime::UNIX_EPOCH + Duration::new(1_764_576_000, 999_000_000);
        assert_eq!(date(at), DATE);
        let (one, two) = (nonce().unwrap(), nonce().unwrap());
        assert!(one != two && one.len() == 32 && one.bytes().all(|b| b.is_ascii_hexdigit()));
    }

    #[test]
    fn a_key_that_cannot_stand_in_a_header_is_refused_without_quoting_it() {
        let error =
            sign(&mut outgoing(DATA_URL, &[], ""), &key("id", "s", Some("hunter2\n")), DATA, SystemTime::UNIX_EPOCH)
                .unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        assert!(!format!("{:?}", key("hunter2", "hunter2", Some("hunter2"))).contains("hunter2"));
    }
}
