//! Assertions: the recorded ones, and ours, checked as a server does.

use std::{collections::HashSet, time::SystemTime};

use aws_lc_rs::{
    hmac,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
        RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, UnparsedPublicKey, VerificationAlgorithm,
    },
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use identity_client::{
    Clock as _,
    idaas::{AUTHORIZATION_SERVER, ClientAuthentication, SecretSource},
};
use serde_json::Value;

use crate::{
    support::{CLIENT, ManualClock, Reply, SCOPE, SECRET, Server, TOKEN_PATH, client, issue},
    wire::rows,
};

const KEYS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/keys");

fn algorithm(name: &str) -> &'static dyn VerificationAlgorithm {
    match name {
        "RS256" => &RSA_PKCS1_2048_8192_SHA256,
        "RS384" => &RSA_PKCS1_2048_8192_SHA384,
        "RS512" => &RSA_PKCS1_2048_8192_SHA512,
        "ES256" => &ECDSA_P256_SHA256_FIXED,
        "ES384" => &ECDSA_P384_SHA384_FIXED,
        "ES512" => &ECDSA_P521_SHA512_FIXED,
        "EdDSA" => &ED25519,
        other => panic!("{other}"),
    }
}

/// The header and the claims, if the signature is right.
fn verify(assertion: &str, key: &[u8]) -> Option<(Value, Value)> {
    let (message, signature) = assertion.rsplit_once('.').unwrap();
    let (header, claims) = message.split_once('.').unwrap();
    let read = |part: &str| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    let (header, claims) = (read(header), read(claims));
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let right = match header["alg"].as_str().unwrap() {
        "HS256" => hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, key), message.as_bytes(), &signature).is_ok(),
        name => UnparsedPublicKey::new(algorithm(name), key).verify(message.as_bytes(), &signature).is_ok(),
    };
    right.then_some((header, claims))
}

fn der(pem: &str) -> Vec<u8> {
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    STANDARD.decode(body).unwrap()
}

#[test]
fn every_recorded_assertion_is_right_and_is_what_ours_are_like() {
    let mut seen = 0;
    for row in rows() {
        let recorded = &row["assertion"];
        if recorded.is_null() {
            continue;
        }
        let assertion = row["form"]["client_assertion"].as_str().unwrap();
        let key = match recorded["hmac_secret"].as_str() {
            Some(secret) => secret.as_bytes().to_vec(),
            None => der(recorded["public_key_pem"].as_str().unwrap()),
        };
        let (header, claims) = verify(assertion, &key).unwrap_or_else(|| panic!("{}", row["op"]));
        assert_eq!((&header, &claims), (&recorded["header"], &recorded["claims"]), "{}", row["op"]);
        let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<HashSet<_>>();
        assert_eq!(names(&claims), ["aud", "exp", "iat", "iss", "jti", "sub"].map(str::to_owned).into());
        assert_eq!(names(&header), ["alg", "typ"].map(str::to_owned).into());
        let mut broken = assertion.to_owned().into_bytes();
        let middle = broken.len() / 2;
        broken[middle] = if broken[middle] == b'A' { b'B' } else { b'A' };
        let broken = String::from_utf8(broken).unwrap();
        assert!(std::panic::catch_unwind(|| verify(&broken, &key)).ok().flatten().is_none(), "{}", row["op"]);
        seen += 1;
    }
    assert_eq!(seen, 12);
}

fn public(name: &str) -> Vec<u8> {
    der(&std::fs::read_to_string(format!("{KEYS}/{name}.public.pem")).unwrap())
}

#[tokio::test]
async fn w11_w13_what_we_send_is_signed_with_the_key_and_names_client_and_endpoint() {
    for (file, key, alg, length) in [
        ("rsa2048.pkcs1.pem", "rsa2048", "RS256", 256),
        ("rsa2048.pkcs8.pem", "rsa2048", "RS256", 256),
        ("rsa3072.pkcs1.pem", "rsa3072", "RS384", 384),
        ("rsa4096.pkcs1.pem", "rsa4096", "RS512", 512),
        ("ec256.sec1.pem", "ec256", "ES256", 64),
        ("ec256.pkcs8.pem", "ec256", "ES256", 64),
        ("ec384.pkcs8.pem", "ec384", "ES384", 96),
        ("ec521.sec1.pem", "ec521", "ES512", 132),
        ("ec521.pkcs8.pem", "ec521", "ES512", 132),
        ("ed25519.pkcs8.pem", "ed25519", "EdDSA", 64),
    ] {
        let clock = ManualClock::new();
        let server = Server::tokens(|_| Reply::json(200, &issue("t", 60))).await;
        let authentication =
            ClientAuthentication::private_key_jwt(SecretSource::file(format!("{KEYS}/{file}"))).with_key_id("key-1");
        let idaas = server.builder().with_authentication(authentication).with_clock(clock.clone()).build().unwrap();
        let client = client(idaas);
        let mut ids = HashSet::new();
        for _ in 0..3 {
            client.forget_all();
            client.access_token(AUTHORIZATION_SERVER).with_scopes([SCOPE]).await.unwrap();
        }
        for call in server.token_calls() {
            let form = call.form();
            assert_eq!(form["client_assertion_type"], "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
            assert!(!form.contains_key("client_secret") && !call.headers.contains_key("authorization"));
            let (header, claims) = verify(&form["client_assertion"], &public(key)).unwrap_or_else(|| panic!("{file}"));
            let signature = form["client_assertion"].rsplit_once('.').unwrap().1;
            assert_eq!(URL_SAFE_NO_PAD.decode(signature).unwrap().len(), length, "{file}");
            assert_eq!((&header["alg"], &header["kid"]), (&alg.into(), &"key-1".into()), "{file}");
            assert_eq!((&claims["iss"], &claims["sub"]), (&CLIENT.into(), &CLIENT.into()));
            assert_eq!(claims["aud"], format!("{}{TOKEN_PATH}", server.origin()), "one audience, as a text");
            let now = clock.now().wall.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
            assert_eq!((claims["iat"].as_u64(), claims["exp"].as_u64()), (Some(now), Some(now + 300)));
            assert!(ids.insert(claims["jti"].as_str().unwrap().to_owned()), "each is used once");
        }
        assert_eq!(ids.len(), 3);
    }
}

#[tokio::test]
async fn a_secret_signs_and_is_not_sent() {
    let server = Server::tokens(|_| Reply::json(200, &issue("t", 60))).await;
    let authentication = ClientAuthentication::client_secret_jwt(SecretSource::given(SECRET));
    let client = client(server.builder().with_authentication(authentication).build().unwrap());
    client.access_token(AUTHORIZATION_SERVER).with_scopes([SCOPE]).await.unwrap();
    let call = &server.token_calls()[0];
    assert!(!call.body.contains("CSsynthetic"));
    let (header, _) = verify(&call.form()["client_assertion"], SECRET.as_bytes()).unwrap();
    assert_eq!(header, serde_json::json!({ "alg": "HS256", "typ": "JWT" }));
}
