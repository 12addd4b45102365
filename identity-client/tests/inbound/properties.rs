//! Nothing that a caller can send makes a verifier panic, and no error shows what was sent.

use identity_client::inbound::TokenVerifier;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{
    corpus::{AUDIENCE, ISSUER, NOW, verifier},
    keys::{Pair, base64},
};

fn judge(verifier: &TokenVerifier, token: &str) -> bool {
    // Keys are at hand, so it never waits.
    let judged = futures_util::FutureExt::now_or_never(verifier.verify(token)).unwrap();
    if let Err(refusal) = &judged {
        let shown = format!("{refusal} {refusal:?}");
        assert!(shown.len() < 200, "{shown}");
        assert!(token.len() < 24 || !shown.contains(token));
    }
    judged.is_ok()
}

fn fixed(pair: &Pair) -> TokenVerifier {
    verifier("defaults", &json!({ "keys": [pair.published("a")] }).to_string(), NOW)
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("[a-z]{1,4}", inner, 0..4).prop_map(|map| json!(map)),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn std_jwt_03_no_text_makes_it_panic(token in any::<String>()) {
        prop_assert!(!judge(&fixed(&Pair::secret("x")), &token));
    }

    #[test]
    fn std_jwt_03_no_bytes_in_three_parts_make_it_panic(
        header in proptest::collection::vec(any::<u8>(), 0..80),
        payload in proptest::collection::vec(any::<u8>(), 0..80),
        signature in proptest::collection::vec(any::<u8>(), 0..80),
    ) {
        let token = format!("{}.{}.{}", base64(header), base64(payload), base64(signature));
        prop_assert!(!judge(&fixed(&Pair::secret("x")), &token));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Signed as it should be, with members of any type.
    #[test]
    fn std_jwt_03_no_member_of_any_type_makes_it_panic(
        name in "iss|sub|aud|exp|nbf|iat|client_id|azp|scope|scp|nonce|alg|kid|typ|crit|cty|jku",
        value in any_json(),
        in_header in any::<bool>(),
    ) {
        let pair = Pair::edwards();
        let mut header = json!({ "alg": "EdDSA", "kid": "a" });
        let mut claims = json!({ "iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "exp": NOW + 100 });
        (if in_header { &mut header } else { &mut claims })[&name] = value;
        let message = format!("{}.{}", base64(header.to_string()), base64(claims.to_string()));
        let signature = base64(pair.sign("EdDSA", message.as_bytes()));
        judge(&fixed(&pair), &format!("{message}.{signature}"));
    }

    /// Of a good token no byte can be changed.
    #[test]
    fn std_jwt_01_no_byte_of_a_good_token_can_be_changed(at in any::<proptest::sample::Index>(), to in "[!-~]") {
        let pair = Pair::edwards();
        let claims = json!({ "iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "exp": NOW + 100 });
        let good = pair.token(&json!({ "alg": "EdDSA", "kid": "a" }), &claims);
        let verifier = fixed(&pair);
        prop_assert!(judge(&verifier, &good));
        let at = at.index(good.len());
        let mut changed = good.clone();
        changed.replace_range(at..=at, &to);
        prop_assert_eq!(judge(&verifier, &changed), changed == good);
    }

    #[test]
    fn no_key_set_makes_it_panic(keys in any_json(), key in any_json(), name in "kty|crv|x|y|n|e|kid|use|alg|key_ops") {
        let mut entry = Pair::curve("P-256").published("a");
        entry[&name] = key;
        for keys in [json!({ "keys": [entry, keys] }), json!({ "keys": keys }), keys] {
            drop(TokenVerifier::fixed_keys(ISSUER, keys.to_string()).with_audience(AUDIENCE).build());
        }
    }
}

#[test]
fn std_jwt_03_a_mebibyte_is_refused_at_once() {
    let verifier = fixed(&Pair::edwards());
    for token in ["a".repeat(1 << 20), "e30.".repeat(1 << 18), format!("e30.{}.", "A".repeat(1 << 20))] {
        let refusal = futures_util::FutureExt::now_or_never(verifier.verify(&token)).unwrap().unwrap_err();
        assert_eq!(refusal.code().as_str(), "token_too_long");
    }
}
