//! What a provider knows us by.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

use super::OAuthFailure;

/// A client that somebody registered at an outside provider.
#[derive(Clone)]
pub struct ProviderRegistration {
    /// Client id as the provider gave it; any characters.
    pub client_id: String,
    /// Client secret as the provider gave it; any characters.
    pub client_secret: SecretString,
    /// Where the user's browser is sent. Its own query is kept (RFC 6749 section 3.1).
    pub authorization_url: Url,
    /// Where tokens are fetched.
    pub token_url: Url,
}

impl ProviderRegistration {
    /// Checks everything that can be checked without asking the provider.
    ///
    /// # Errors
    /// [`OAuthFailure::InvalidRegistration`] for an empty id or secret and for a URL that is neither https nor http on
    /// loopback, has a user name or password in it, or a fragment.
    pub fn validate(&self) -> Result<(), OAuthFailure> {
        self.validate_client()?;
        self.validate_authorization_url()?;
        self.validate_token_url()
    }

    pub(super) fn validate_client(&self) -> Result<(), OAuthFailure> {
        if self.client_id.is_empty() {
            return Err(OAuthFailure::InvalidRegistration("the client id is empty"));
        }
        if self.client_secret.expose_secret().is_empty() {
            return Err(OAuthFailure::InvalidRegistration("the client secret is empty"));
        }
        Ok(())
    }

    pub(super) fn validate_token_url(&self) -> Result<(), OAuthFailure> {
        is_usable(&self.token_url).then_some(()).ok_or(OAuthFailure::InvalidRegistration(
            "the token URL must be https (http only on loopback) without user name, password and fragment",
        ))
    }

    pub(super) fn validate_authorization_url(&self) -> Result<(), OAuthFailure> {
        is_usable(&self.authorization_url).then_some(()).ok_or(OAuthFailure::InvalidRegistration(
            "the authorization URL must be https (http only on loopback) without user name, password and fragment",
        ))
    }
}

impl fmt::Debug for ProviderRegistration {
    // Hosts only: a query of a registered URL may hold a key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderRegistration")
            .field("client_id", &self.client_id)
            .field("authorization_host", &self.authorization_url.host_str())
            .field("token_host", &self.token_url.host_str())
            .finish_non_exhaustive()
    }
}

/// https anywhere or http on loopback, and nothing in the URL that would be a secret or be lost on the way.
pub(crate) fn is_usable(url: &Url) -> bool {
    let transport = match url.scheme() {
        "https" => url.has_host(),
        "http" => is_loopback(url),
        _ => false,
    };
    transport && url.username().is_empty() && url.password().is_none() && url.fragment().is_none()
}

pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_or_http_on_loopback_is_usable() {
        for good in ["https://a.example/t?x=1", "http://127.0.0.1:1/t", "http://[::1]/t", "http://localhost:9/t"] {
            assert!(is_usable(&Url::parse(good).unwrap()), "{good}");
        }
        for bad in [
            "http://a.example/t",
            "http://localhost.a.example/t",
            "http://10.0.0.1/t",
            "http://0.0.0.0/t",
            "ftp://127.0.0.1/t",
            "data:text/plain,x",
            "https://user@a.example/t",
            "https://:pass@a.example/t",
            "https://a.example/t#f",
        ] {
            assert!(!is_usable(&Url::parse(bad).unwrap()), "{bad}");
        }
    }

    #[test]
    fn an_empty_id_or_secret_is_refused_and_debug_keeps_secrets() {
        let mut registration = ProviderRegistration {
            client_id: "id".to_owned(),
            client_secret: SecretString::from("hush-hush"),
            authorization_url: Url::parse("https://a.example/authorize?key=hush-hush").unwrap(),
            token_url: Url::parse("https://a.example/token?key=hush-hush").unwrap(),
        };
        assert_eq!(registration.validate(), Ok(()));
        assert!(!format!("{registration:?}").contains("hush-hush"));
        registration.client_secret = SecretString::from("");
        assert!(matches!(registration.validate(), Err(OAuthFailure::InvalidRegistration(_))));
        registration.client_secret = SecretString::from("x");
        registration.client_id.clear();
        assert!(matches!(registration.validate(), Err(OAuthFailure::InvalidRegistration(_))));
    }
}
