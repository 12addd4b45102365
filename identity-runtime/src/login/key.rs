//! Keys that seal cookies: XChaCha20-Poly1305, whose nonce is long enough to be drawn at random for every cookie.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chacha20poly1305::{
    XChaCha20Poly1305, XNonce,
    aead::{Aead as _, KeyInit as _, Payload},
};
use zeroize::Zeroizing;

const NONCE: usize = 24;

/// 256 bits that seal the cookies of a login. Whoever has them can sign in as anybody.
#[derive(Clone)]
pub struct SessionKey(Zeroizing<[u8; 32]>);

impl SessionKey {
    /// A key of your own, from a secret store: 32 random bytes. Sessions then outlive the process, and several processes can share
    /// them.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// A new key; `None` if the operating system gives no random bytes.
    pub(super) fn random() -> Option<Self> {
        random().map(Self::from_bytes)
    }

    fn seal(&self, purpose: &[u8], content: &[u8]) -> Option<String> {
        let nonce = random::<NONCE>()?;
        let cipher = XChaCha20Poly1305::new((&*self.0).into());
        let sealed = cipher.encrypt(&XNonce::from(nonce), Payload { msg: content, aad: purpose }).ok()?;
        Some(URL_SAFE_NO_PAD.encode([nonce.as_slice(), &sealed].concat()))
    }

    fn open(&self, purpose: &[u8], bytes: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE>()?;
        let cipher = XChaCha20Poly1305::new((&*self.0).into());
        cipher.decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: purpose }).ok().map(Zeroizing::new)
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKey")
    }
}

/// The key that seals, and those that only open.
pub(super) struct KeyRing {
    current: SessionKey,
    previous: Vec<SessionKey>,
}

impl KeyRing {
    pub(super) fn new(current: SessionKey, previous: Vec<SessionKey>) -> Self {
        Self { current, previous }
    }

    /// Text that fits into a cookie. It opens for the same purpose only, so no cookie can stand for another.
    pub(super) fn seal(&self, purpose: &str, content: &[u8]) -> Option<String> {
        self.current.seal(purpose.as_bytes(), content)
    }

    /// The content, and whether it was sealed with the current key.
    pub(super) fn open(&self, purpose: &str, text: &str) -> Option<(Zeroizing<Vec<u8>>, bool)> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let open = |key: &SessionKey| key.open(purpose.as_bytes(), &bytes);
        let current = open(&self.current).map(|content| (content, true));
        current.or_else(|| self.previous.iter().find_map(open).map(|content| (content, false)))
    }
}

pub(super) fn random<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).ok()?;
    Some(bytes)
}

/// 128 random bits as text.
pub(super) fn random_text() -> Option<String> {
    random::<16>().map(|bytes| URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_for_its_purpose_with_the_current_and_the_previous_key() {
        let (old, new) = (SessionKey::from_bytes([1; 32]), SessionKey::from_bytes([2; 32]));
        let before = KeyRing::new(old.clone(), Vec::new());
        let after = KeyRing::new(new.clone(), vec![old]);
        let later = KeyRing::new(new, Vec::new());
        let (first, second) = (before.seal("a", b"content").unwrap(), before.seal("a", b"content").unwrap());
        assert_ne!(first, second);
        let opened = |ring: &KeyRing, purpose: &str, text: &str| {
            ring.open(purpose, text).map(|(content, current)| (content.to_vec(), current))
        };
        assert_eq!(opened(&before, "a", &first), Some((b"content".to_vec(), true)));
        assert_eq!(opened(&after, "a", &first), Some((b"content".to_vec(), false)));
        assert_eq!(opened(&later, "a", &first), None);
        assert_eq!(opened(&before, "b", &first), None);
        let fresh = after.seal("a", b"x").unwrap();
        assert_eq!(opened(&later, "a", &fresh), Some((b"x".to_vec(), true)));
    }

    #[test]
    fn no_changed_text_opens() {
        let ring = KeyRing::new(SessionKey::from_bytes([3; 32]), Vec::new());
        let sealed = ring.seal("a", b"content").unwrap();
        for index in 0..sealed.len() {
            let mut changed = sealed.clone().into_bytes();
            changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(ring.open("a", &changed).is_none(), "{index}");
        }
        for bad in ["", "AAAA", "not base64!", &sealed[..30], &format!("{sealed}="), &format!("{sealed}AAAA")] {
            assert!(ring.open("a", bad).is_none(), "{bad}");
        }
        assert!(!format!("{:?}", SessionKey::from_bytes([7; 32])).contains('7'));
    }
}
