//! The keys of an issuer, as it publishes them (RFC 7517), and which of them may check a token.

use std::{fmt, sync::Arc};

use aws_lc_rs::{hmac, signature::ParsedPublicKey};
use serde_json::{Map, Value};

use super::{
    algorithm::{Algorithm, Family},
    compact, json,
    refusal::RefusalCode,
};
use crate::{clock::Moment, error::Error};

/// No issuer has more keys at a time; those that publish one a customer have some dozens.
const MAX_KEYS: usize = 100;

/// RFC 7518 section 3.3.
const MIN_RSA_BITS: usize = 2048;

/// What only who signs may know, of RSA, EC and OKP keys (RFC 7518 section 6, RFC 8037 section 2).
const PRIVATE: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "oth"];

/// One key, ready to check signatures.
pub(crate) struct Key {
    id: Option<String>,
    state: State,
}

enum State {
    /// With each of the allowed algorithms that the key may be used with.
    Usable(Vec<(Algorithm, Checker)>),
    /// Kept by its id, so that a token of it is refused for the right reason.
    Unusable(RefusalCode),
}

enum Checker {
    Public(ParsedPublicKey),
    Secret(Box<hmac::Key>),
}

impl Checker {
    fn check(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Public(key) => key.verify_sig(message, signature).is_ok(),
            // In constant time.
            Self::Secret(key) => hmac::verify(key, message, signature).is_ok(),
        }
    }
}

impl Key {
    /// A shared secret; `None` if it is shorter than the algorithm's hash.
    pub(crate) fn secret(algorithm: Algorithm, secret: &[u8]) -> Option<Self> {
        let (mac, shortest) = algorithm.mac()?;
        if secret.len() < shortest {
            return None;
        }
        let checker = Checker::Secret(Box::new(hmac::Key::new(mac, secret)));
        Some(Self { id: None, state: State::Usable(vec![(algorithm, checker)]) })
    }

    /// A key of a published set. `None` for one without an id that cannot be used: nothing can name it.
    fn published(members: &Map<String, Value>, allowed: &[Algorithm]) -> Option<Self> {
        let id = match members.get("kid") {
            Some(Value::String(id)) if compact::is_key_id(id) => Some(id.clone()),
            Some(_) => return None,
            None => None,
        };
        let state = match usable(members, allowed) {
            Ok(checkers) => State::Usable(checkers),
            Err(code) => {
                id.as_ref()?;
                State::Unusable(code)
            }
        };
        Some(Self { id, state })
    }

    fn fits(&self, algorithm: Algorithm) -> bool {
        matches!(&self.state, State::Usable(checkers) if checkers.iter().any(|(of, _)| *of == algorithm))
    }

    /// Why it does not fit.
    fn unfit(&self) -> RefusalCode {
        match &self.state {
            State::Unusable(code) => *code,
            State::Usable(_) => RefusalCode::KeyUnfit,
        }
    }

    /// Checks a signature with this key.
    pub(crate) fn check(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> Result<(), RefusalCode> {
        let State::Usable(checkers) = &self.state else { return Err(RefusalCode::KeyUnfit) };
        let (_, checker) = checkers.iter().find(|(of, _)| *of == algorithm).ok_or(RefusalCode::KeyUnfit)?;
        if checker.check(message, signature) { Ok(()) } else { Err(RefusalCode::SignatureInvalid) }
    }
}

/// Reads a key for the algorithms it may be used with.
fn usable(members: &Map<String, Value>, allowed: &[Algorithm]) -> Result<Vec<(Algorithm, Checker)>, RefusalCode> {
    let (unfit, text) = (RefusalCode::KeyUnfit, |name: &str| members.get(name).and_then(Value::as_str));
    if PRIVATE.iter().any(|member| members.contains_key(*member)) {
        // Published with its private part: whoever reads the set can sign.
        return Err(RefusalCode::KeyWeak);
    }
    match members.get("use") {
        None => {}
        Some(Value::String(usage)) if usage == "sig" => {}
        Some(_) => return Err(unfit),
    }
    match members.get("key_ops") {
        None => {}
        Some(Value::Array(operations)) if operations.iter().any(|operation| operation == "verify") => {}
        Some(_) => return Err(unfit),
    }
    let only = match members.get("alg") {
        None => None,
        Some(name) => Some(name.as_str().and_then(Algorithm::parse).ok_or(unfit)?),
    };
    let bytes = |name: &str| text(name).and_then(compact::decode).ok_or(unfit);
    let (family, material) = match (text("kty"), text("crv")) {
        (Some("RSA"), _) => (Family::Rsa, (stripped(&bytes("n")?), stripped(&bytes("e")?))),
        (Some("EC"), Some(curve)) => {
            let (family, length) = match curve {
                "P-256" => (Family::P256, 32),
                "P-384" => (Family::P384, 48),
                "P-521" => (Family::P521, 66),
                _ => return Err(unfit),
            };
            (family, (point(&bytes("x")?, &bytes("y")?, length).ok_or(unfit)?, Vec::new()))
        }
        (Some("OKP"), Some("Ed25519")) => (Family::Ed25519, (bytes("x")?, Vec::new())),
        // A published secret (`oct`) is no secret; X25519 and others do not sign.
        _ => return Err(unfit),
    };
    if family == Family::Rsa && (bits(&material.0) < MIN_RSA_BITS || !is_exponent(&material.1)) {
        return Err(RefusalCode::KeyWeak);
    }
    let fitting = allowed.iter().filter(|algorithm| algorithm.family() == family);
    let fitting = fitting.filter(|algorithm| only.is_none_or(|only| only == **algorithm));
    let mut checkers = Vec::new();
    for algorithm in fitting {
        let key = match family {
            Family::Rsa => algorithm.rsa_key(&material.0, &material.1),
            _ => algorithm.curve_key(&material.0),
        };
        checkers.push((*algorithm, Checker::Public(key.ok_or(unfit)?)));
    }
    if checkers.is_empty() { Err(unfit) } else { Ok(checkers) }
}

/// RFC 7518 wants no zeros in front, and some issuers write them all the same.
fn stripped(number: &[u8]) -> Vec<u8> {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number[zeros..].to_vec()
}

fn bits(number: &[u8]) -> usize {
    number.first().map_or(0, |first| number.len() * 8 - first.leading_zeros() as usize)
}

/// Odd and not 1: with 1 every text is its own signature.
fn is_exponent(number: &[u8]) -> bool {
    number.last().is_some_and(|last| last % 2 == 1) && number != [1]
}

/// The uncompressed form of a point; both coordinates have the full length (RFC 7518 section 6.2.1.2).
fn point(x: &[u8], y: &[u8], length: usize) -> Option<Vec<u8>> {
    (x.len() == length && y.len() == length).then(|| [&[4], x, y].concat())
}

/// Which key a token is checked with.
pub(crate) enum Choice<'a> {
    Key(&'a Key),
    /// A newer set may have it.
    Unknown,
    Refused(RefusalCode),
}

/// The keys of one issuer at one time.
pub(crate) struct KeySet(Keys);

enum Keys {
    /// A shared secret: the id that a token names means nothing.
    Secret(Key),
    Published(Vec<Held>),
}

struct Held {
    key: Arc<Key>,
    /// Set for a key that the issuer no longer publishes: honoured until then.
    retires: Option<Moment>,
}

impl Held {
    fn is_honoured(&self, now: Moment) -> bool {
        self.retires.is_none_or(|at| now.wall < at.wall && now.steady < at.steady)
    }
}

impl KeySet {
    pub(crate) fn secret(key: Key) -> Self {
        Self(Keys::Secret(key))
    }

    /// Reads a set. Keys that cannot be used are no error: an issuer may publish others for others. Neither is an empty set: it
    /// says that nothing signed is valid any more.
    pub(crate) fn parse(document: &[u8], allowed: &[Algorithm]) -> Result<Self, Error> {
        let broken = |what: &str| Error::protocol(format!("the issuer's key set {what}"));
        let document = json::object(document).map_err(|_| broken("is no JSON object, or has a member twice"))?;
        let Some(Value::Array(entries)) = document.get("keys") else { return Err(broken("has no list `keys`")) };
        if entries.len() > MAX_KEYS {
            return Err(broken(&format!("has more than {MAX_KEYS} keys")));
        }
        let keys = entries.iter().filter_map(Value::as_object).filter_map(|members| Key::published(members, allowed));
        Ok(Self(Keys::Published(keys.map(|key| Held { key: Arc::new(key), retires: None }).collect())))
    }

    /// Keeps what the set before had and this one lacks: tokens that it signed are still about. A key with the id of a newer one is
    /// replaced at once.
    #[must_use]
    pub(crate) fn keeping(mut self, earlier: &Self, until: Moment, now: Moment) -> Self {
        if let (Keys::Published(keys), Keys::Published(earlier)) = (&mut self.0, &earlier.0) {
            for held in earlier.iter().filter(|held| held.key.id.is_some() && held.is_honoured(now)) {
                if keys.len() < 2 * MAX_KEYS && keys.iter().all(|newer| newer.key.id != held.key.id) {
                    let retires = Some(held.retires.unwrap_or(until));
                    keys.push(Held { key: Arc::clone(&held.key), retires });
                }
            }
        }
        self
    }

    /// The key for a token: the one of its id, or, without an id, the only one that fits.
    pub(crate) fn choose(&self, id: Option<&str>, algorithm: Algorithm, now: Moment) -> Choice<'_> {
        let keys = match &self.0 {
            Keys::Secret(key) => return Choice::Key(key),
            Keys::Published(keys) => keys,
        };
        let keys = keys.iter().filter(|held| held.is_honoured(now)).map(|held| &*held.key);
        let mut named = keys.filter(|key| id.is_none() || key.id.as_deref() == id).peekable();
        if named.peek().is_none() {
            return Choice::Unknown;
        }
        let mut reason = None;
        let mut fitting = None;
        for key in named {
            if !key.fits(algorithm) {
                reason = reason.or(Some(key.unfit()));
            } else if fitting.replace(key).is_some() {
                return Choice::Refused(RefusalCode::KeyAmbiguous);
            }
        }
        match (fitting, id) {
            (Some(key), _) => Choice::Key(key),
            (None, None) => Choice::Unknown,
            (None, Some(_)) => Choice::Refused(reason.unwrap_or(RefusalCode::KeyUnfit)),
        }
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let len = match &self.0 {
            Keys::Secret(_) => 1,
            Keys::Published(keys) => keys.len(),
        };
        f.debug_struct("KeySet").field("len", &len).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::{Clock as _, SystemClock};

    #[test]
    fn a_retired_key_is_honoured_until_either_clock_says_that_its_time_is_over() {
        let (now, hour) = (SystemClock.now(), Duration::from_secs(3600));
        let key = Arc::new(Key { id: None, state: State::Unusable(RefusalCode::KeyUnfit) });
        let held = Held { key, retires: Some(Moment { wall: now.wall + hour, steady: now.steady + hour }) };
        assert!(held.is_honoured(now));
        assert!(!held.is_honoured(Moment { wall: now.wall + hour, ..now }), "the machine slept");
        assert!(!held.is_honoured(Moment { steady: now.steady + hour, ..now }), "the clock was set back");
    }
}
