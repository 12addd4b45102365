//! Workload access tokens: sealed, so that nobody but the emulator reads or makes one. Compact JWE (RFC 7516), `dir` and `A256GCM`.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::Zeroizing;

const HEADER: &str = r#"{"alg":"dir","enc":"A256GCM"}"#;
const TAG: usize = 16;
/// No token of ours is longer: one holds the user's own token, too.
const LONGEST: usize = 64 * 1024;

/// What a token says.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Sealed {
    pub(super) agent: String,
    /// The agent's id, so that a later agent of the same name inherits no token.
    pub(super) agent_id: String,
    /// As the vault tells users apart.
    pub(super) user: Option<String>,
    /// What the API says about the user.
    pub(super) context: Option<Value>,
    /// The token with which the user came, for what is done on their behalf.
    pub(super) inbound: Option<String>,
    /// In seconds since the epoch.
    pub(super) end: i64,
}

fn key(kept: &SecretString) -> Option<RandomizedNonceKey> {
    let raw = Zeroizing::new(URL_SAFE_NO_PAD.decode(kept.expose_secret()).ok()?);
    RandomizedNonceKey::new(&AES_256_GCM, &raw).ok()
}

pub(super) fn seal(kept: &SecretString, content: &Sealed) -> Option<SecretString> {
    let header = URL_SAFE_NO_PAD.encode(HEADER);
    let mut sealed = serde_json::to_vec(content).ok()?;
    let nonce = key(kept)?.seal_in_place_append_tag(Aad::from(header.as_bytes()), &mut sealed).ok()?;
    let (text, tag) = sealed.split_at_checked(sealed.len().checked_sub(TAG)?)?;
    let [nonce, text, tag] = [nonce.as_ref().as_slice(), text, tag].map(|part| URL_SAFE_NO_PAD.encode(part));
    Some(format!("{header}..{nonce}.{text}.{tag}").into())
}

/// What the token says if we sealed it; whether it still holds is the caller's to see.
pub(super) fn open(kept: &SecretString, token: &str) -> Option<Sealed> {
    let parts: Vec<&str> = token.split('.').filter(|_| token.len() <= LONGEST).collect();
    let [header, "", nonce, text, tag] = parts.as_slice() else { return None };
    let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
    let nonce: [u8; NONCE_LEN] = decoded(nonce)?.try_into().ok()?;
    let mut sealed = Zeroizing::new(decoded(text)?);
    sealed.extend(decoded(tag).filter(|tag| tag.len() == TAG)?);
    let nonce = Nonce::assume_unique_for_key(nonce);
    let content = key(kept)?.open_in_place(nonce, Aad::from(header.as_bytes()), &mut sealed).ok()?;
    serde_json::from_slice(content).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random;

    #[test]
    fn only_what_was_sealed_with_the_key_opens() {
        let (kept, other) = (random::secret(), random::secret());
        let content = Sealed {
            agent: "agent".to_owned(),
            agent_id: random::uuid(),
            user: Some("alice".to_owned()),
            context: None,
            inbound: None,
            end: 7,
        };
        let token = seal(&kept, &content).unwrap();
        let token = token.expose_secret();
        assert_eq!(open(&kept, token).unwrap().user.as_deref(), Some("alice"));
        assert_ne!(seal(&kept, &content).unwrap().expose_secret(), token);
        assert!(!token.contains("alice") && open(&other, token).is_none());
        let parts: Vec<&str> = token.split('.').collect();
        assert_eq!(parts.len(), 5);
        for index in 0..5 {
            let mut changed = parts.clone();
            let first = if changed[index].starts_with('A') { "B" } else { "A" };
            let part = format!("{first}{}", changed[index].get(1..).unwrap_or_default());
            changed[index] = &part;
            assert!(open(&kept, &changed.join(".")).is_none(), "part {index}");
        }
        assert!(open(&kept, "").is_none() && open(&kept, "a.b.c").is_none());
    }
}
