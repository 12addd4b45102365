//! Signatures of others: the examples of RFC 7515, 7520 and 8037, and those of Project Wycheproof. Origin and licences stand in
//! the file.

use serde_json::Value;

use super::{
    algorithm::Algorithm,
    compact::{Compact, decode},
    jwk::{Choice, Key, KeySet},
    refusal::RefusalCode,
};
use crate::clock::{Clock as _, SystemClock};

const VECTORS: &str = include_str!("../../../tests/fixtures/jwt/vectors.json");

/// Valid by the vectors, and refused here.
const STRICTER: [(&str, &str, RefusalCode); 7] = [
    // The key is published for PS256, the token is signed with PS384.
    ("rfc7520", "346 Figure20", RefusalCode::AlgorithmNotAllowed),
    ("rfc7520WithKeyOps", "350 Figure20", RefusalCode::AlgorithmNotAllowed),
    // The key is published for `ES521`, which does not exist.
    ("rfc7520", "347 Figure27", RefusalCode::KeyUnfit),
    ("rfc7520WithKeyOps", "351 Figure27", RefusalCode::KeyUnfit),
    // Some decoders skip what is not base64.
    ("base64", "372 InvalidCharacterInsertedInHeader", RefusalCode::HeaderEncoding),
    ("base64", "373 InvalidCharacterInsertedInPayload", RefusalCode::PayloadEncoding),
    // A secret that stands in a key set is never used.
    ("jws_keyset", "2 acceptsValid", RefusalCode::KeyUnfit),
];

/// Not valid by the vectors, and taken here.
const LAXER: [(&str, &str); 4] = [
    // The same token as number 357, which is valid.
    ("base64", "367 invalidBase64Padding"),
    // That the generator of an issuer's key was broken (CVE-2017-15361) is not looked for.
    ("jws_rsa_roca_key", "7 rejectsKeyWithRocaVulnerability"),
    // A shared secret is given as bytes here, so nothing can say that it is meant for something else.
    ("invalid_aes_gcm_key", "25 rejectsAesKey"),
    ("invalid_aes_kw_key", "26 rejectsAesKey"),
];

fn judge(keys: &Value, token: &str) -> Result<(), RefusalCode> {
    let named: Vec<_> = keys["keys"].as_array().unwrap().iter().collect();
    let algorithm = named[0]["alg"].as_str().and_then(Algorithm::parse);
    // Keys of the RFCs name no algorithm; a verifier has to.
    let header = || {
        let header = serde_json::from_slice::<Value>(&decode(token.split('.').next()?)?).ok()?;
        Algorithm::parse(header["alg"].as_str()?)
    };
    let algorithm = algorithm.or_else(header).unwrap_or(Algorithm::Rs256);
    let set = if let [key] = named[..]
        && key["kty"] == "oct"
    {
        let secret = decode(key["k"].as_str().unwrap()).unwrap();
        KeySet::secret(Key::secret(algorithm, &secret).ok_or(RefusalCode::KeyWeak)?)
    } else {
        KeySet::parse(keys.to_string().as_bytes(), &[algorithm]).unwrap()
    };
    let compact = Compact::parse(token, &[algorithm])?;
    match set.choose(compact.key_id.as_deref(), compact.algorithm, SystemClock.now()) {
        Choice::Key(key) => key.check(compact.algorithm, compact.message, &compact.signature),
        Choice::Unknown => Err(RefusalCode::KeyUnknown),
        Choice::Refused(code) => Err(code),
    }
}

#[test]
fn std_jwt_01_signatures_of_the_rfcs_and_of_wycheproof() {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    let (mut valid, mut invalid, mut wrong) = (0, 0, Vec::new());
    for group in vectors["groups"].as_array().unwrap() {
        let name = group["name"].as_str().unwrap();
        for test in group["tests"].as_array().unwrap() {
            let id = test["id"].as_str().unwrap();
            let judged = judge(&group["keys"], test["token"].as_str().unwrap());
            let stricter = STRICTER.iter().find(|(of, test, _)| (*of, *test) == (name, id));
            let expected = test["valid"] == true && stricter.is_none() || LAXER.contains(&(name, id));
            if expected != judged.is_ok() || stricter.is_some_and(|(_, _, code)| judged != Err(*code)) {
                wrong.push(format!("{} / {name} / {id}: {judged:?}", group["source"]));
            }
            *(if judged.is_ok() { &mut valid } else { &mut invalid }) += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(valid > 40 && invalid > 370, "{valid} valid, {invalid} invalid: are these the vectors?");
}
