//! Scope tokens of RFC 6749 section 3.3.

use super::OAuthFailure;

/// Whether the text is one `scope-token`: visible ASCII without space, `"` and `\`.
pub(crate) fn is_scope_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E))
}

/// The scopes as one parameter, or `None` when there are none to ask for.
pub(super) fn joined(scopes: &[String]) -> Result<Option<String>, OAuthFailure> {
    if !scopes.iter().all(|scope| is_scope_token(scope)) {
        return Err(OAuthFailure::InvalidRequest(
            "a scope is empty or has a space, a quote, a backslash or a character outside ASCII; give each scope by itself",
        ));
    }
    Ok((!scopes.is_empty()).then(|| scopes.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn std_6749_05_scope_tokens_follow_the_grammar() {
        assert!(is_scope_token("https://www.googleapis.com/auth/calendar.readonly") && is_scope_token("!~[]"));
        for odd in ["", " ", "a b", "a\"", "a\\", "a\n", "é", "a\u{7f}"] {
            assert!(!is_scope_token(odd), "{odd:?}");
            assert!(joined(&["ok".to_owned(), odd.to_owned()]).is_err(), "{odd:?}");
        }
        assert_eq!(joined(&["b".to_owned(), "a".to_owned()]).unwrap().as_deref(), Some("b a"));
        assert_eq!(joined(&[]).unwrap(), None);
    }
}
