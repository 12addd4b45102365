//! OAuth 2.0 scope tokens, RFC 6749 section 3.3.

use crate::Violation;

/// The longest scope any supported platform takes (AgentBase: 1 to 1000 characters each).
const MAX_SCOPE: usize = 1000;

/// Checks one scope token: `%x21 / %x23-5B / %x5D-7E`, at least one character, at most 1000.
///
/// # Errors
/// A [`Violation`]; a value with spaces is told to be split into items.
pub fn check_scope(scope: &str) -> Result<(), Violation> {
    if scope.is_empty() {
        return Err(Violation::new("the scope is empty; leave it out or name one"));
    }
    if scope.len() > MAX_SCOPE {
        return Err(Violation::new(format!("the scope has {} bytes; at most {MAX_SCOPE} are allowed", scope.len())));
    }
    if scope.contains(' ') {
        return Err(Violation::new("the scope has a space; write each scope as an item of its own: [\"a\", \"b\"]"));
    }
    if let Some(bad) = scope.chars().find(|c| !matches!(c, '\x21' | '\x23'..='\x5B' | '\x5D'..='\x7E')) {
        return Err(Violation::new(format!(
            "the scope has the character {bad:?}; a scope is printable ASCII without space, `\"` and `\\` (RFC 6749 section 3.3)"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn std_6749_05_refuses_what_the_grammar_refuses() {
        for bad in ["", " ", "a b", " a", "a ", "a  b", "a\"b", "a\\b", "a\tb", "a\nb", "a\u{7f}", "é"] {
            assert!(check_scope(bad).is_err(), "{bad:?}");
        }
        for good in ["read", "!", "#[]~", "https://www.googleapis.com/auth/drive", "user:email", &"s".repeat(1000)] {
            assert_eq!(check_scope(good), Ok(()), "{good:?}");
        }
        assert!(check_scope(&"s".repeat(1001)).is_err());
    }
}
