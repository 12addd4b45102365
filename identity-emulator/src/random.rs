//! Identifiers and unguessable values, all from the operating system's generator.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;
use subtle::ConstantTimeEq as _;

#[expect(
    clippy::expect_used,
    reason = "without randomness every secret would be guessable: stopping is the only safe answer"
)]
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system's random generator answers");
    bytes
}

/// A random (version 4) UUID in its 8-4-4-4-12 form.
pub(crate) fn uuid() -> String {
    let mut raw = bytes::<16>();
    raw[6] = (raw[6] & 0x0f) | 0x40;
    raw[8] = (raw[8] & 0x3f) | 0x80;
    let mut text = String::with_capacity(36);
    for (index, byte) in raw.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// 256 random bits in URL-safe base64: bearer tokens, `state`, CSRF values.
pub(crate) fn token() -> String {
    URL_SAFE_NO_PAD.encode(bytes::<32>())
}

/// As [`token`], already wrapped.
pub(crate) fn secret() -> SecretString {
    token().into()
}

/// Equality whose duration does not tell where two secrets differ (their lengths may show).
pub(crate) fn same_secret(left: &str, right: &str) -> bool {
    left.as_bytes().ct_eq(right.as_bytes()).into()
}

/// Whether `text` has the shape of a UUID, in either case.
pub(crate) fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_are_version_4_and_differ() {
        let id = uuid();
        assert!(is_uuid(&id), "{id}");
        assert_eq!(&id[14..15], "4");
        assert!("89ab".contains(&id[19..20]));
        assert_ne!(id, uuid());
    }

    #[test]
    fn shapes_that_are_no_uuid() {
        for text in [
            "",
            "10000000-0000-4000-8000-00000000000",
            "10000000_0000-4000-8000-000000000001",
            "g0000000-0000-4000-8000-000000000001",
        ] {
            assert!(!is_uuid(text), "{text}");
        }
        assert!(is_uuid("ABCDEF00-0000-4000-8000-00000000000a"));
    }
}
