//! SHA-256, its HMAC, and their hexadecimal form.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// In lower case.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub(crate) fn sha256(bytes: impl AsRef<[u8]>) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// HMAC-SHA-256 (RFC 2104), with which platforms have their requests signed.
#[cfg(any(feature = "agentkit", feature = "acs3"))]
pub(crate) fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    use hmac::{Hmac, KeyInit as _, Mac as _};
    use zeroize::Zeroizing;

    // Padded here, as RFC 2104 section 2 says, because a key of the block's length cannot be refused.
    let mut block = Zeroizing::new([0; 64]);
    match block.get_mut(..key.len()) {
        Some(start) => start.copy_from_slice(key),
        None => block[..32].copy_from_slice(&sha256(key)),
    }
    Hmac::<Sha256>::new((&*block).into()).chain_update(message).finalize().into_bytes().into()
}

#[cfg(all(test, any(feature = "agentkit", feature = "acs3")))]
mod tests {
    use super::*;

    #[test]
    fn rfc_4231_keys_of_every_length() {
        // Test cases 2 and 6.
        assert_eq!(
            hex(&hmac_sha256(b"Jefe", b"what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(
            hex(&hmac_sha256(&[0xaa; 131], b"Test Using Larger Than Block-Size Key - Hash Key First")),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }
}
