//! HTTP Basic of RFC 6749 section 2.3.1: id and secret are form-encoded before base64.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use url::form_urlencoded::byte_serialize;
use zeroize::Zeroizing;

use super::{OAuthFailure, ProviderRegistration};

/// The `Authorization` value, and the texts in it that an error answer must not repeat.
pub(super) struct BasicCredential {
    pub(super) header: HeaderValue,
    pub(super) sensitive: [SecretString; 3],
}

pub(super) fn basic(registration: &ProviderRegistration) -> Result<BasicCredential, OAuthFailure> {
    registration.validate_client()?;
    let id: String = byte_serialize(registration.client_id.as_bytes()).collect();
    let secret: String = byte_serialize(registration.client_secret.expose_secret().as_bytes()).collect();
    let pair = Zeroizing::new(format!("{id}:{secret}"));
    let encoded = STANDARD.encode(pair.as_bytes());
    let value = Zeroizing::new(format!("Basic {encoded}"));
    let mut header = HeaderValue::from_str(&value)
        .map_err(|_| OAuthFailure::InvalidRegistration("the client id and secret do not fit a header"))?;
    header.set_sensitive(true);
    let sensitive = [registration.client_secret.clone(), SecretString::from(secret), SecretString::from(encoded)];
    Ok(BasicCredential { header, sensitive })
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;

    #[test]
    fn std_6749_01_basic_is_form_encoded_before_base64() {
        let registration = ProviderRegistration {
            client_id: "a:b".to_owned(),
            client_secret: SecretString::from("p@s:s %é"),
            authorization_url: Url::parse("https://a.example/authorize").unwrap(),
            token_url: Url::parse("https://a.example/token").unwrap(),
        };
        let credential = basic(&registration).unwrap();
        assert!(credential.header.is_sensitive());
        let value = credential.header.to_str().unwrap().strip_prefix("Basic ").unwrap().to_owned();
        let pair = String::from_utf8(STANDARD.decode(value).unwrap()).unwrap();
        assert_eq!(pair, "a%3Ab:p%40s%3As+%25%C3%A9");
    }
}
