//! Names of providers and agent identities.

use crate::Violation;

/// Checks a name against what every supported platform can carry: 1 to 128 characters of `A-Z a-z 0-9 _ - . :`.
///
/// A platform may be stricter; its own rule is applied before a request is sent.
///
/// # Errors
/// A [`Violation`] that says what is wrong with the name.
pub fn check_name(name: &str) -> Result<(), Violation> {
    check(name, 1, 128, "_-.:")
}

/// Checks a name against the rule of GreenNode AgentBase: 3 to 50 characters of `A-Z a-z 0-9 _ -`.
///
/// # Errors
/// A [`Violation`] that says what is wrong with the name.
pub fn check_agentbase_name(name: &str) -> Result<(), Violation> {
    check(name, 3, 50, "_-")
}

fn check(name: &str, min: usize, max: usize, punctuation: &str) -> Result<(), Violation> {
    if name.is_empty() {
        return Err(Violation::new("the name is empty; write the name as it is registered on the platform"));
    }
    if let Some(bad) = name.chars().find(|c| !c.is_ascii_alphanumeric() && !punctuation.contains(*c)) {
        let allowed = punctuation.chars().map(|c| format!("`{c}`")).collect::<Vec<_>>().join(" ");
        return Err(Violation::new(format!(
            "the name has the character {bad:?}; names are made of ASCII letters, digits and {allowed}"
        )));
    }
    // Only ASCII is left, so bytes are characters.
    if name.len() < min || name.len() > max {
        return Err(Violation::new(format!("the name has {} characters; {min} to {max} are allowed", name.len())));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_platform_rule_is_within_the_general_one() {
        for name in ["abc", "A-b_9", &"x".repeat(50)] {
            assert_eq!(check_agentbase_name(name), Ok(()));
            assert_eq!(check_name(name), Ok(()));
        }
    }

    #[test]
    fn a_refusal_says_what_to_change() {
        assert!(check_name("").unwrap_err().to_string().contains("empty"));
        assert!(check_name("a/b").unwrap_err().to_string().contains("'/'"));
        assert!(check_name("../x").is_err());
        assert!(check_name("schlüssel").is_err());
        assert!(check_agentbase_name("ab").unwrap_err().to_string().contains("3 to 50"));
        assert!(check_agentbase_name(&"x".repeat(51)).is_err());
        assert!(check_agentbase_name("a.b").is_err());
    }
}
