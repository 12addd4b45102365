//! What names may look like on platforms that do not document a rule of their own.

pub(crate) const NAME_RULE: &str = "must have 1 to 128 characters, each a letter, a digit, -, _ or .";

pub(crate) fn is_name(name: &str) -> bool {
    (1..=128).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}
