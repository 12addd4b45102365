//! Encryption of the snapshot: XChaCha20-Poly1305, whose nonce is long enough to be drawn at random for every write.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use crate::random;

/// Names the format and its version; authenticated together with the content.
const HEADER: &[u8; 8] = b"IDEMUV\x00\x01";
const NONCE: usize = 24;

/// 256 bits that open a snapshot.
#[derive(Clone)]
pub(super) struct Key(Zeroizing<[u8; 32]>);

/// Why bytes could not be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unopened {
    /// Not a snapshot of this version.
    Foreign,
    /// Another key, or damaged content: authentication cannot tell them apart.
    Refused,
}

impl Key {
    pub(super) fn random() -> Self {
        Self(Zeroizing::new(random::bytes()))
    }

    /// One line of base64, as the key file holds it.
    pub(super) fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{}\n", STANDARD.encode(self.0.as_slice())))
    }

    pub(super) fn from_text(text: &str) -> Option<Self> {
        let raw = Zeroizing::new(STANDARD.decode(text.trim()).ok()?);
        Some(Self(Zeroizing::new(raw.as_slice().try_into().ok()?)))
    }

    pub(super) fn seal(&self, content: &[u8]) -> Option<Vec<u8>> {
        let nonce = XNonce::from(random::bytes::<NONCE>());
        let cipher = XChaCha20Poly1305::new((&*self.0).into());
        let sealed = cipher.encrypt(&nonce, Payload { msg: content, aad: HEADER }).ok()?;
        Some([HEADER.as_slice(), nonce.as_slice(), &sealed].concat())
    }

    pub(super) fn open(&self, bytes: &[u8]) -> Result<Zeroizing<Vec<u8>>, Unopened> {
        let rest = bytes.strip_prefix(HEADER.as_slice()).ok_or(Unopened::Foreign)?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE>().ok_or(Unopened::Foreign)?;
        let cipher = XChaCha20Poly1305::new((&*self.0).into());
        let content = cipher.decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: HEADER });
        content.map(Zeroizing::new).map_err(|_| Unopened::Refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_what_it_sealed_and_never_seals_alike() {
        let key = Key::random();
        let (first, second) = (key.seal(b"content").unwrap(), key.seal(b"content").unwrap());
        assert_ne!(first, second);
        assert_eq!(key.open(&first).unwrap().as_slice(), b"content");
        let copy = Key::from_text(&key.to_text()).unwrap();
        assert_eq!(copy.open(&second).unwrap().as_slice(), b"content");
    }

    #[test]
    fn every_flipped_bit_and_every_other_key_is_refused() {
        let key = Key::random();
        let sealed = key.seal(b"content").unwrap();
        assert_eq!(Key::random().open(&sealed).unwrap_err(), Unopened::Refused);
        for index in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[index] ^= 1;
            let expected = if index < HEADER.len() { Unopened::Foreign } else { Unopened::Refused };
            assert_eq!(key.open(&damaged).unwrap_err(), expected, "byte {index}");
        }
        assert_eq!(key.open(&sealed[..20]).unwrap_err(), Unopened::Foreign);
        assert_eq!(key.open(&sealed[..sealed.len() - 1]).unwrap_err(), Unopened::Refused);
    }

    #[test]
    fn key_files_of_another_shape_are_refused() {
        for text in ["", "AAAA", "not base64 at all", "=====", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="] {
            assert!(Key::from_text(text).is_none(), "{text}");
        }
    }
}
