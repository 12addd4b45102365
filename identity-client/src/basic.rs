//! HTTP Basic authentication.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::HeaderValue;
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use crate::error::Error;

/// RFC 7617, neither half percent-encoded: that is how the vendors' own clients send it.
pub(crate) fn basic(id: &str, secret: &SecretString) -> Result<HeaderValue, Error> {
    let pair = Zeroizing::new(format!("{id}:{}", secret.expose_secret()));
    let text = Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())));
    let mut value = HeaderValue::try_from(text.as_str())
        .map_err(|_| Error::invalid("the client credentials cannot stand in a header"))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_one_sensitive_header() {
        let value = basic("Aladdin", &SecretString::from("open sesame")).unwrap();
        // RFC 7617 section 2.
        assert_eq!(value, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert!(value.is_sensitive());
    }
}
