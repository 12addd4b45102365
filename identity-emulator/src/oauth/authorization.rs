//! The first half of the authorization code grant: the URL that the user's browser is sent to.

use std::{collections::BTreeMap, fmt};

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::{OAuthFailure, ProviderRegistration, challenge_of, pkce::random_token, registration::is_usable, scope};

/// Names that only the engine may set: a second value would let a caller redirect, downgrade or leak the flow.
/// Besides those of RFC 6749 and 7636: request objects (RFC 9101), which replace all the others, and secrets.
const OWN_PARAMETERS: [&str; 13] = [
    "response_type",
    "response_mode",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "code_challenge",
    "code_challenge_method",
    "code_verifier",
    "client_secret",
    "client_assertion",
    "request",
    "request_uri",
];

/// A begun authorization. Keep `state` and `verifier` on the server until the browser comes back.
#[derive(Clone)]
pub struct AuthorizationStart {
    /// Send the user's browser here.
    pub url: Url,
    /// 256 random bits that come back with the browser; compare in constant time.
    pub state: SecretString,
    /// The PKCE verifier; give it to [`exchange_code`](super::OAuthEngine::exchange_code) and forget it.
    pub verifier: SecretString,
}

impl fmt::Debug for AuthorizationStart {
    // The URL holds the state.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizationStart").field("host", &self.url.host_str()).finish_non_exhaustive()
    }
}

pub(super) fn begin(
    registration: &ProviderRegistration,
    callback_url: &Url,
    scopes: &[String],
    custom_parameters: &BTreeMap<String, String>,
) -> Result<AuthorizationStart, OAuthFailure> {
    registration.validate()?;
    if !is_usable(callback_url) {
        return Err(OAuthFailure::InvalidRequest(
            "the callback URL must be https (http only on loopback) without user name, password and fragment",
        ));
    }
    let scope = scope::joined(scopes)?;
    check_parameters(&registration.authorization_url, custom_parameters)?;
    let (state, verifier) = (random_token()?, random_token()?);
    let mut url = registration.authorization_url.clone();
    {
        let mut query = url.query_pairs_mut();
        query
            .append_pair("response_type", "code")
            .append_pair("client_id", &registration.client_id)
            .append_pair("redirect_uri", callback_url.as_str())
            .append_pair("state", state.expose_secret())
            .append_pair("code_challenge", &challenge_of(verifier.expose_secret()))
            .append_pair("code_challenge_method", "S256");
        if let Some(scope) = &scope {
            query.append_pair("scope", scope);
        }
        query.extend_pairs(custom_parameters);
    }
    Ok(AuthorizationStart { url, state, verifier })
}

/// No parameter may appear twice (RFC 6749 section 3.1), and none of ours may come from elsewhere.
fn check_parameters(authorization_url: &Url, custom: &BTreeMap<String, String>) -> Result<(), OAuthFailure> {
    let is_own = |name: &str| OWN_PARAMETERS.iter().any(|own| own.eq_ignore_ascii_case(name.trim()));
    if authorization_url.query_pairs().any(|(name, _)| is_own(&name)) {
        return Err(OAuthFailure::InvalidRegistration(
            "the authorization URL's own query sets a parameter of the OAuth2 protocol",
        ));
    }
    if custom.keys().any(|name| is_own(name)) {
        return Err(OAuthFailure::InvalidRequest(
            "a custom parameter has the name of a parameter of the OAuth2 protocol; leave it out",
        ));
    }
    if custom.keys().any(String::is_empty) {
        return Err(OAuthFailure::InvalidRequest("a custom parameter has an empty name"));
    }
    if authorization_url.query_pairs().any(|(name, _)| custom.contains_key(name.as_ref())) {
        return Err(OAuthFailure::InvalidRequest(
            "a custom parameter is already set by the registered authorization URL; leave it out",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn registration(authorization_url: &str) -> ProviderRegistration {
        ProviderRegistration {
            client_id: "client & co".to_owned(),
            client_secret: SecretString::from("very-secret-value"),
            authorization_url: Url::parse(authorization_url).unwrap(),
            token_url: Url::parse("https://a.example/token").unwrap(),
        }
    }

    fn callback() -> Url {
        Url::parse("http://127.0.0.1:8080/oauth2/callback/p?x=1").unwrap()
    }

    #[test]
    fn std_7636_02_url_has_challenge_and_state_but_neither_verifier_nor_secret() {
        let custom = BTreeMap::from([("access_type".to_owned(), "offline".to_owned())]);
        let scopes = ["openid".to_owned(), "calendar".to_owned()];
        let registration = registration("https://a.example/authorize?tenant=t");
        let start = begin(&registration, &callback(), &scopes, &custom).unwrap();
        let query: HashMap<_, _> = start.url.query_pairs().into_owned().collect();
        let expected_challenge = challenge_of(start.verifier.expose_secret());
        for (name, value) in [
            ("tenant", "t"),
            ("response_type", "code"),
            ("client_id", "client & co"),
            ("redirect_uri", callback().as_str()),
            ("scope", "openid calendar"),
            ("state", start.state.expose_secret()),
            ("code_challenge", expected_challenge.as_str()),
            ("code_challenge_method", "S256"),
            ("access_type", "offline"),
        ] {
            assert_eq!(query.get(name).map(String::as_str), Some(value), "{name}");
        }
        assert_eq!(start.url.query_pairs().count(), 9);
        assert!(!start.url.as_str().contains(start.verifier.expose_secret()));
        assert!(!start.url.as_str().contains("very-secret-value"));
        let debug = format!("{start:?}");
        assert!(!debug.contains(start.state.expose_secret()) && !debug.contains(start.verifier.expose_secret()));
        let other = begin(&registration, &callback(), &scopes, &custom).unwrap();
        assert_ne!(other.state.expose_secret(), start.state.expose_secret());
        assert_ne!(other.verifier.expose_secret(), start.verifier.expose_secret());
    }

    #[test]
    fn custom_parameters_cannot_override_the_protocol() {
        for name in OWN_PARAMETERS.into_iter().chain(["State", " state", ""]) {
            let custom = BTreeMap::from([(name.to_owned(), "x".to_owned())]);
            let failure = begin(&registration("https://a.example/authorize"), &callback(), &[], &custom).unwrap_err();
            assert!(matches!(failure, OAuthFailure::InvalidRequest(_)), "{name:?}");
        }
        let custom = BTreeMap::from([("tenant".to_owned(), "x".to_owned())]);
        let failure = begin(&registration("https://a.example/authorize?tenant=t"), &callback(), &[], &custom);
        assert!(matches!(failure, Err(OAuthFailure::InvalidRequest(_))));
        let failure = begin(&registration("https://a.example/authorize?state=t"), &callback(), &[], &BTreeMap::new());
        assert!(matches!(failure, Err(OAuthFailure::InvalidRegistration(_))));
    }

    #[test]
    fn an_unsafe_callback_is_refused_and_no_scope_means_no_parameter() {
        let registration = registration("https://a.example/authorize");
        for bad in ["http://a.example/cb", "https://a.example/cb#f", "myapp://cb"] {
            let failure = begin(&registration, &Url::parse(bad).unwrap(), &[], &BTreeMap::new());
            assert!(matches!(failure, Err(OAuthFailure::InvalidRequest(_))), "{bad}");
        }
        let start = begin(&registration, &callback(), &[], &BTreeMap::new()).unwrap();
        assert!(start.url.query_pairs().all(|(name, _)| name != "scope"));
    }
}
