//! What can go wrong with an outside provider.

/// Why a grant did not come about.
///
/// No variant carries a secret, a body or a URL; what a provider says about its refusal is shortened, stripped of
/// unusual characters and dropped altogether when it repeats something secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OAuthFailure {
    /// The registration cannot be used. Correct the provider's client id, secret or URLs.
    #[error("the provider's registration cannot be used: {0}; update the registration")]
    InvalidRegistration(&'static str),
    /// What the caller asked for cannot be sent. Correct the request.
    #[error("the request cannot be sent to the provider: {0}")]
    InvalidRequest(&'static str),
    /// The provider answered with an error (RFC 6749 section 5.2), whatever its HTTP status.
    #[error("the provider refused (HTTP {status}{}{}); {}", prefixed(", ", code.as_deref()),
            prefixed(": ", description.as_deref()), advice(*status, code.as_deref()))]
    RefusedByProvider {
        /// HTTP status; 200 when the provider wrapped its refusal in a success.
        status: u16,
        /// The `error` member, if the answer had a readable one.
        code: Option<String>,
        /// The `error_description` member, at most 200 characters.
        description: Option<String>,
    },
    /// The provider could not be reached or did not finish its answer. Trying again later may help.
    #[error("the provider {0}; check its token URL and the network, then try again")]
    Unreachable(&'static str),
    /// The provider answered, but not with what RFC 6749 section 5.1 asks for.
    #[error("the provider's answer cannot be used: {0}; check that the token URL is an OAuth2 token endpoint")]
    BadAnswer(&'static str),
    /// The operating system gave no random bytes or no TLS roots: nothing can be done safely.
    #[error("this machine lacks what a safe request needs: {0}")]
    Unequipped(&'static str),
}

impl OAuthFailure {
    /// Whether the same request may succeed later without anybody changing anything.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unreachable(_) => true,
            Self::RefusedByProvider { status, code, .. } => {
                matches!(status, 408 | 429 | 500..=599) || code.as_deref() == Some("temporarily_unavailable")
            }
            _ => false,
        }
    }

    /// The provider's `error` code, such as `invalid_grant`.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::RefusedByProvider { code, .. } => code.as_deref(),
            _ => None,
        }
    }
}

fn prefixed(prefix: &str, text: Option<&str>) -> String {
    text.map(|text| format!("{prefix}{text}")).unwrap_or_default()
}

fn advice(status: u16, code: Option<&str>) -> &'static str {
    match (status, code) {
        (_, Some("invalid_client")) | (401 | 403, None) => "check the client id and secret of the registration",
        (_, Some("invalid_grant")) => "ask the user for consent again",
        (_, Some("unauthorized_client" | "unsupported_grant_type")) => {
            "allow this grant for the client at the provider"
        }
        (_, Some("invalid_scope")) => "ask only for scopes that the provider knows and the client may have",
        (408 | 429 | 500..=599, _) | (_, Some("temporarily_unavailable")) => "try again later",
        _ => "check the registration at the provider",
    }
}

/// The provider's `error`: at most 64 characters of RFC 6749 appendix A.7, otherwise nothing.
pub(super) fn sanitized_code(code: &str) -> Option<String> {
    let plain = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E);
    (!code.is_empty() && code.len() <= 64 && code.bytes().all(plain)).then(|| code.to_owned())
}

/// The provider's `error_description`: one short line of ordinary characters.
pub(super) fn sanitized_description(text: &str) -> Option<String> {
    let ordinary = |c: char| c.is_alphanumeric() || (c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '<' | '>'));
    let line: String = text.chars().take(200).map(|c| if ordinary(c) { c } else { ' ' }).collect();
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    (!line.is_empty()).then_some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_tells_what_to_do_next() {
        let refusal = |status, code: Option<&str>| OAuthFailure::RefusedByProvider {
            status,
            code: code.map(str::to_owned),
            description: None,
        };
        assert_eq!(
            refusal(401, Some("invalid_client")).to_string(),
            "the provider refused (HTTP 401, invalid_client); check the client id and secret of the registration"
        );
        assert_eq!(refusal(503, None).to_string(), "the provider refused (HTTP 503); try again later");
        assert!(refusal(503, None).is_retryable() && refusal(429, None).is_retryable());
        assert!(!refusal(400, Some("invalid_grant")).is_retryable());
        assert_eq!(refusal(400, Some("invalid_grant")).code(), Some("invalid_grant"));
    }

    #[test]
    fn what_a_provider_says_is_cut_and_cleaned() {
        assert_eq!(sanitized_code("invalid_grant").as_deref(), Some("invalid_grant"));
        for odd in ["", "two words", "line\nbreak", "quote\"", &"x".repeat(65)] {
            assert_eq!(sanitized_code(odd), None, "{odd:?}");
        }
        assert_eq!(
            sanitized_description("a\r\n\u{1b}[31mb <script> \u{202e}tiếng").as_deref(),
            Some("a [31mb script tiếng")
        );
        assert_eq!(sanitized_description(" \n "), None);
        assert_eq!(sanitized_description(&"y".repeat(5000)).map(|line| line.len()), Some(200));
    }
}
