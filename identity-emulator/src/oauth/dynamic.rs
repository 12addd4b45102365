//! Dynamic client registration (RFC 7591): the platform makes itself known to an outside provider.

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::{OAuthEngine, OAuthFailure, grant, is_usable};

/// A client that an outside provider registered for us.
#[derive(Debug)]
pub(crate) struct RegisteredClient {
    pub(crate) id: String,
    pub(crate) secret: SecretString,
}

/// RFC 7591 section 3.2.1, as far as a vault needs it.
#[derive(Deserialize)]
struct Answer {
    client_id: Option<String>,
    client_secret: Option<SecretString>,
}

impl OAuthEngine {
    /// Registers a client with this metadata (RFC 7591 section 3.1).
    ///
    /// # Errors
    /// Any [`OAuthFailure`]; [`OAuthFailure::BadAnswer`] for a client without a secret, with which no grant here can be asked for.
    pub(crate) async fn register(&self, endpoint: &Url, metadata: &Value) -> Result<RegisteredClient, OAuthFailure> {
        if !is_usable(endpoint) {
            return Err(OAuthFailure::InvalidRegistration(
                "the registration URL must be https (http only on loopback) without user name, password and fragment",
            ));
        }
        let (status, answer) = self.post(endpoint, "application/json", None, metadata.to_string()).await?;
        read(status, &answer)
    }
}

fn read(status: u16, body: &[u8]) -> Result<RegisteredClient, OAuthFailure> {
    let refusal = grant::refusal(status, body, &[]);
    if !(200..300).contains(&status) || refusal.is_some() {
        let empty = OAuthFailure::RefusedByProvider { status, code: None, description: None };
        return Err(refusal.unwrap_or(empty));
    }
    // The error of the parser may quote the body: it is dropped.
    let answer: Answer = grant::object(body).ok_or(OAuthFailure::BadAnswer("it is not a JSON object with a client"))?;
    let id = answer.client_id.filter(|id| !id.is_empty()).ok_or(OAuthFailure::BadAnswer("it has no client_id"))?;
    let secret = answer.client_secret.filter(|secret| !secret.expose_secret().is_empty());
    let secret = secret.ok_or(OAuthFailure::BadAnswer("it has no client_secret, which the vault cannot do without"))?;
    Ok(RegisteredClient { id, secret })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_one_with_id_and_secret() {
        let client = read(201, br#"{"client_id":"c","client_secret":"hush","x":1}"#).unwrap();
        assert_eq!((client.id.as_str(), client.secret.expose_secret()), ("c", "hush"));
        assert!(!format!("{client:?}").contains("hush"));
        for body in ["[]", "{}", r#"{"client_id":"c"}"#, r#"{"client_id":"","client_secret":"s"}"#, "{\"client_id\":1}"]
        {
            assert!(matches!(read(201, body.as_bytes()), Err(OAuthFailure::BadAnswer(_))), "{body}");
        }
        let refused = read(400, br#"{"error":"invalid_redirect_uri","client_id":"c","client_secret":"s"}"#);
        assert_eq!(refused.unwrap_err().code(), Some("invalid_redirect_uri"));
        assert!(matches!(read(500, b""), Err(OAuthFailure::RefusedByProvider { status: 500, .. })));
    }
}
