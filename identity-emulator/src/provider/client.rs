//! Client authentication (RFC 6749 section 2.3): Basic or body, never both.

use axum::http::{HeaderMap, header};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use percent_encoding::percent_decode_str;
use secrecy::ExposeSecret;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::BuiltInProvider;
use super::parameters::{Parameters, Repeated};
use crate::bounded::digest;

/// Why the client is not known to be ours.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ClientRefusal {
    /// `invalid_request`: two methods at once, or something repeated.
    Confused(&'static str),
    /// `invalid_client`.
    Unknown,
}

impl From<Repeated> for ClientRefusal {
    fn from(_: Repeated) -> Self {
        Self::Confused("a parameter is repeated")
    }
}

pub(super) fn authenticate(
    provider: &BuiltInProvider,
    headers: &HeaderMap,
    form: &Parameters,
) -> Result<(), ClientRefusal> {
    let (body_id, body_secret) = (form.get("client_id")?, form.get("client_secret")?);
    let mut authorization = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = authorization.next() else {
        let (Some(id), Some(secret)) = (body_id, body_secret) else { return Err(ClientRefusal::Unknown) };
        return compare(provider, id, secret);
    };
    if authorization.next().is_some() || body_secret.is_some() {
        return Err(ClientRefusal::Confused("the client authenticates in more than one way"));
    }
    let (id, secret) = value.to_str().ok().and_then(decode_basic).ok_or(ClientRefusal::Unknown)?;
    if body_id.is_some_and(|body_id| body_id != *id) {
        return Err(ClientRefusal::Confused("client_id differs from the authenticated client"));
    }
    compare(provider, &id, &secret)
}

type Pair = (Zeroizing<String>, Zeroizing<String>);

fn decode_basic(value: &str) -> Option<Pair> {
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = Zeroizing::new(String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?);
    let (id, secret) = pair.split_once(':')?;
    Some((form_decoded(id)?, form_decoded(secret)?))
}

fn form_decoded(text: &str) -> Option<Zeroizing<String>> {
    let spaced = Zeroizing::new(text.replace('+', " "));
    percent_decode_str(&spaced).decode_utf8().ok().map(|text| Zeroizing::new(text.into_owned()))
}

/// Both halves are always compared, as digests, so that neither length nor order shows in the time taken.
fn compare(provider: &BuiltInProvider, id: &str, secret: &str) -> Result<(), ClientRefusal> {
    let same_id = digest(id).ct_eq(&digest(&provider.client_id));
    let same_secret = digest(secret).ct_eq(&digest(provider.client_secret.expose_secret()));
    if bool::from(same_id & same_secret) { Ok(()) } else { Err(ClientRefusal::Unknown) }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use secrecy::SecretString;
    use url::Url;

    use super::*;

    fn provider() -> BuiltInProvider {
        let base = Url::parse("http://127.0.0.1:1/provider").unwrap();
        BuiltInProvider::new(base).unwrap().with_client("a:b", SecretString::from("p@s:s %é"))
    }

    fn try_with(basic: &[&str], body: &str) -> Result<(), ClientRefusal> {
        let mut headers = HeaderMap::new();
        for value in basic {
            headers.append(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        authenticate(&provider(), &headers, &Parameters::parse(body.as_bytes()))
    }

    fn basic(pair: &str) -> String {
        format!("Basic {}", STANDARD.encode(pair))
    }

    const GOOD: &str = "a%3Ab:p%40s%3As+%25%C3%A9";
    const BODY: &str = "client_id=a%3Ab&client_secret=p%40s%3As+%25%C3%A9";

    #[test]
    fn std_6749_01_basic_is_form_decoded_after_base64() {
        assert_eq!(try_with(&[&basic(GOOD)], ""), Ok(()));
        assert_eq!(try_with(&[&basic(GOOD).replace("Basic", "bAsIc")], ""), Ok(()));
        for wrong in ["a:b:p@s:s %é", "a%3Ab:p%40s%3As+%25%C3%A8", "a%3Ac:p%40s%3As+%25%C3%A9", "a%3Ab:", ":", ""] {
            assert_eq!(try_with(&[&basic(wrong)], ""), Err(ClientRefusal::Unknown), "{wrong}");
        }
        for wrong in ["Basic", "Basic !!!", "Bearer abc", "Basic /////w=="] {
            assert_eq!(try_with(&[wrong], ""), Err(ClientRefusal::Unknown), "{wrong}");
        }
    }

    #[test]
    fn std_6749_02_one_method_and_never_two() {
        assert_eq!(try_with(&[], BODY), Ok(()));
        assert_eq!(try_with(&[&basic(GOOD)], "client_id=a%3Ab"), Ok(()));
        for (headers, body) in [
            (&[basic(GOOD)][..], BODY),
            (&[basic(GOOD), basic(GOOD)][..], ""),
            (&[basic(GOOD)][..], "client_id=other"),
            (&[][..], "client_id=x&client_id=y&client_secret=z"),
        ] {
            let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
            assert!(matches!(try_with(&headers, body), Err(ClientRefusal::Confused(_))), "{body}");
        }
        for body in ["", "client_id=a%3Ab", "client_id=a%3Ab&client_secret=", "client_id=a%3Ab&client_secret=x"] {
            assert_eq!(try_with(&[], body), Err(ClientRefusal::Unknown), "{body}");
        }
    }
}
