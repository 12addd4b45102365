//! A look at an authorization URL before a user is sent to it.

use identity_grammar::is_loopback_host;
use url::Url;

use crate::{error::Error, shown::is_unprintable};

/// Longer than any server takes.
const MAX_LENGTH: usize = 8 * 1024;

/// What stands in a parameter that nobody filled in.
const PLACEHOLDERS: [&str; 6] = ["undefined", "null", "none", "nil", "changeme", "your_client_id"];

/// Refuses a URL that cannot work or must not be opened. The URL itself is only looked at: it is passed on byte for byte, and
/// never fetched.
pub(crate) fn inspect(text: &str) -> Result<(), Error> {
    let refuse =
        |problem: &str, hint: &str| Err(Error::protocol(format!("the authorization URL {problem}")).with_hint(hint));
    let platform = "the user was not sent there; check the endpoint of the platform, and the provider's record on it";
    if text.len() > MAX_LENGTH {
        return refuse("is longer than any server takes", platform);
    }
    if text.chars().any(|c| c == ' ' || is_unprintable(c)) {
        return refuse("has spaces or control characters", platform);
    }
    let Ok(url) = Url::parse(text) else { return refuse("is not an absolute URL", platform) };
    let Some(host) = url.host_str() else { return refuse("has no host", platform) };
    if url.scheme() != "https" && !(url.scheme() == "http" && is_loopback_host(host)) {
        return refuse("is not https", platform);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return refuse("names a user before its host, which hides where it leads", platform);
    }
    let provider =
        "correct the OAuth2 provider's record on the platform: client id, authorization URL and callback URL";
    let parameters: Vec<_> = url.query_pairs().collect();
    for name in ["client_id", "redirect_uri"] {
        let mut values = parameters.iter().filter(|(given, _)| given == name).map(|(_, value)| value.trim());
        if values.any(|value| value.is_empty() || value.contains(['<', '{']) || is_placeholder(value)) {
            return refuse(&format!("has no value for `{name}`"), provider);
        }
    }
    let is_there = |name: &str| parameters.iter().any(|(given, _)| given == name);
    if is_there("response_type") && !is_there("client_id") {
        return refuse("asks for a code without a `client_id`", provider);
    }
    Ok(())
}

fn is_placeholder(value: &str) -> bool {
    PLACEHOLDERS.iter().any(|placeholder| value.eq_ignore_ascii_case(placeholder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn std_9126_03_what_can_work_passes() {
        for good in [
            "https://agentbase.example.com/identity/oauth2/authorize?sessionId=50000000-0000-4000-8000-000000000005",
            "https://idp.example.com/authorize?client_id=a&request_uri=urn%3Aexample%3A1",
            "https://idp.example.com/authorize?response_type=code&client_id=a&redirect_uri=https%3A%2F%2Fx%2Fcb&scope=a+b&state=%2B",
            "http://127.0.0.1:8080/identity/api-key/delegate/1?state=x",
            "HTTPS://IDP.example.com/",
        ] {
            inspect(good).unwrap();
        }
    }

    #[test]
    fn what_cannot_work_or_must_not_be_opened_is_refused_without_being_quoted() {
        for bad in [
            "",
            "/identity/oauth2/authorize?state=secret-state",
            "http://idp.example.com/authorize?state=secret-state",
            "javascript:alert('secret-state')",
            "https://idp.example.com@evil.example.com/?state=secret-state",
            "https://idp.example.com/a b?state=secret-state",
            "https://idp.example.com/\u{9b}2J?state=secret-state",
            "https://idp.example.com/\u{202e}moc.elpmaxe?state=secret-state",
            "https://idp.example.com/a\u{2028}b?state=secret-state",
            "https://idp.example.com/authorize?client_id=&state=secret-state",
            "https://idp.example.com/authorize?client_id=%3Cclient_id%3E&state=secret-state",
            "https://idp.example.com/authorize?client_id=a&redirect_uri=undefined&state=secret-state",
            "https://idp.example.com/authorize?response_type=code&state=secret-state",
            &format!("https://idp.example.com/?state=secret-state{}", "x".repeat(9000)),
        ] {
            let refusal = inspect(bad).unwrap_err();
            assert!(!format!("{refusal} {refusal:?}").contains("secret-state"), "{refusal}");
            assert!(refusal.hint().is_some());
        }
    }
}
