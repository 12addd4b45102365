//! ID tokens of a login: OpenID Connect Core 3.1.3.7.

use aws_lc_rs::digest;
use identity_client::inbound::{IdTokenCheck, RefusalCode, TokenVerifier};
use serde_json::{Value, json};

use crate::{
    corpus::{CLIENT, ISSUER},
    keys::{Pair, base64},
};

const NONCE: &str = "n-0S6_WzA2Mj-of-this-login";

fn claims() -> Value {
    json!({ "iss": ISSUER, "aud": CLIENT, "sub": "alice", "exp": 9_999_999_999_u64, "iat": 1_700_000_000, "nonce": NONCE })
}

struct Login {
    pair: Pair,
    algorithm: &'static str,
    verifier: TokenVerifier,
}

impl Login {
    fn new(pair: Pair, algorithm: &'static str) -> Self {
        let keys = json!({ "keys": [pair.published("a")] }).to_string();
        let verifier = TokenVerifier::id_tokens(ISSUER, CLIENT).with_fixed_keys(keys).build().unwrap();
        Self { pair, algorithm, verifier }
    }

    async fn check(&self, claims: &Value, check: IdTokenCheck) -> Result<(), RefusalCode> {
        let token = self.pair.token(&json!({ "alg": self.algorithm, "kid": "a" }), claims);
        self.verifier.verify_id_token(&token, &check).await.map(drop).map_err(|refusal| refusal.code())
    }
}

#[tokio::test]
async fn an_id_token_is_bound_to_its_login_by_the_nonce() {
    let login = Login::new(Pair::edwards(), "EdDSA");
    let (good, mut other) = (claims(), claims());
    assert_eq!(login.check(&good, IdTokenCheck::new(NONCE)).await, Ok(()));
    for nonce in ["", "n-0S6_WzA2Mj-of-this-logiN", "n-0S6_WzA2Mj-of-this-login ", "n"] {
        assert_eq!(login.check(&good, IdTokenCheck::new(nonce)).await, Err(RefusalCode::NonceMismatch), "{nonce}");
    }
    for (nonce, code) in [
        (json!(""), RefusalCode::NonceMismatch),
        (json!([NONCE]), RefusalCode::NonceMissing),
        (Value::Null, RefusalCode::NonceMissing),
    ] {
        other["nonce"] = nonce;
        assert_eq!(login.check(&other, IdTokenCheck::new(NONCE)).await, Err(code));
    }
    other["nonce"] = "".into();
    assert_eq!(
        login.check(&other, IdTokenCheck::new("")).await,
        Err(RefusalCode::NonceMismatch),
        "nothing is no nonce"
    );
    other.as_object_mut().unwrap().remove("nonce");
    assert_eq!(login.check(&other, IdTokenCheck::new(NONCE)).await, Err(RefusalCode::NonceMissing));
    assert!(!format!("{:?}", IdTokenCheck::new(NONCE).with_access_token("secret-token")).contains("secret-token"));
}

#[tokio::test]
async fn at_hash_binds_the_access_token() {
    let access = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";
    let half = |algorithm: &'static digest::Algorithm| {
        let hash = digest::digest(algorithm, access.as_bytes());
        base64(&hash.as_ref()[..hash.as_ref().len() / 2])
    };
    // The example of OpenID Connect Core A.4, which is for RS256.
    assert_eq!(half(&digest::SHA256), "77QmUPtjPfzWtF2AnpK9RQ");
    for (login, hash) in [
        (Login::new(Pair::rsa(), "RS256"), &digest::SHA256),
        (Login::new(Pair::curve("P-384"), "ES384"), &digest::SHA384),
        (Login::new(Pair::curve("P-521"), "ES512"), &digest::SHA512),
        (Login::new(Pair::edwards(), "EdDSA"), &digest::SHA512),
    ] {
        let mut claims = claims();
        let check = || IdTokenCheck::new(NONCE).with_access_token(access);
        assert_eq!(login.check(&claims, check()).await, Ok(()), "it may be left out");
        assert_eq!(login.check(&claims, check().with_required_hash()).await, Err(RefusalCode::AccessTokenHashMissing));
        claims["at_hash"] = half(hash).into();
        assert_eq!(login.check(&claims, check().with_required_hash()).await, Ok(()));
        let other = IdTokenCheck::new(NONCE).with_access_token("another");
        assert_eq!(login.check(&claims, other).await, Err(RefusalCode::AccessTokenHashMismatch));
        claims["at_hash"] = json!([half(hash)]);
        assert_eq!(login.check(&claims, check()).await, Err(RefusalCode::AccessTokenHashMissing));
    }
}

#[tokio::test]
async fn std_9068_03_a_verifier_of_access_tokens_takes_no_login() {
    let pair = Pair::edwards();
    let keys = json!({ "keys": [pair.published("a")] }).to_string();
    let verifier = TokenVerifier::fixed_keys(ISSUER, keys).with_audience(CLIENT).build().unwrap();
    let token = pair.token(&json!({ "alg": "EdDSA", "kid": "a" }), &claims());
    assert_eq!(verifier.verify(&token).await.unwrap_err().code(), RefusalCode::IdToken);
    let refusal = verifier.verify_id_token(&token, &IdTokenCheck::new(NONCE)).await.unwrap_err();
    assert_eq!(refusal.code(), RefusalCode::IdToken);
}
