//! Makes the corpus: `cargo test -p identity-client --features inbound --test inbound -- --ignored makes_the_corpus`.
//!
//! The keys are new each time and only their public parts are kept, so nothing in the file can sign.

mod claims;
mod form;
mod header;

use std::{collections::BTreeMap, path::Path};

use serde_json::{Value, json};

use crate::{
    corpus::{AUDIENCE, CLIENT, ISSUER, NOW, SCOPE, SECRET},
    keys::{Pair, base64},
};

struct Forge {
    pairs: BTreeMap<&'static str, Pair>,
    tokens: Vec<Value>,
}

#[test]
#[ignore = "writes a file of the tree"]
fn makes_the_corpus() {
    let pairs = BTreeMap::from([
        ("rs", Pair::rsa()),
        ("rs512", Pair::rsa()),
        ("ps", Pair::rsa()),
        ("p256", Pair::curve("P-256")),
        ("p384", Pair::curve("P-384")),
        ("p521", Pair::curve("P-521")),
        ("ed", Pair::edwards()),
        ("enc", Pair::rsa()),
        ("foreign", Pair::rsa()),
        ("secret", Pair::secret(SECRET)),
        ("published secret", Pair::secret("a secret that the issuer published, by mistake")),
    ]);
    let mut forge = Forge { pairs, tokens: Vec::new() };
    forge.good();
    forge.form();
    forge.algorithms();
    forge.headers();
    forge.choice_of_key();
    forge.signatures();
    forge.issuers_and_subjects();
    forge.audiences_and_clients();
    forge.times();
    forge.kinds();
    forge.scopes();
    forge.write();
}

fn claims() -> Value {
    json!({
        "iss": ISSUER, "sub": "alice", "aud": AUDIENCE, "exp": NOW + 300, "iat": NOW - 10, "client_id": CLIENT,
        "scope": format!("openid {SCOPE}"),
    })
}

/// The claims with one of them changed, or left out.
fn but(name: &str, value: impl Into<Value>) -> Value {
    let mut claims = claims();
    claims[name] = value.into();
    claims
}

fn without(names: &[&str]) -> Value {
    let mut claims = claims();
    let members = claims.as_object_mut().unwrap();
    members.retain(|name, _| !names.contains(&name.as_str()));
    claims
}

fn header() -> Value {
    json!({ "alg": "RS256", "kid": "rs", "typ": "JWT" })
}

fn header_with(name: &str, value: impl Into<Value>) -> Value {
    let mut header = header();
    header[name] = value.into();
    header
}

impl Forge {
    fn pair(&self, name: &str) -> &Pair {
        &self.pairs[name]
    }

    fn put(&mut self, verifier: &str, at: u64, name: &str, expected: &str, token: &str) {
        self.tokens.push(json!({
            "name": name, "verifier": verifier, "at": at, "expected": expected, "token": token,
        }));
    }

    /// For the verifier that accepts all algorithms.
    fn add(&mut self, name: &str, expected: &str, token: impl AsRef<str>) {
        self.put("all algorithms", NOW, name, expected, token.as_ref());
    }

    /// A token that is signed as it should be, with this header.
    fn with_header(&mut self, name: &str, expected: &str, header: &Value) {
        let token = self.pair("rs").token(header, &claims());
        self.add(name, expected, token);
    }

    /// A token that is signed as it should be, with these claims.
    fn with_claims(&mut self, verifier: &str, name: &str, expected: &str, claims: &Value) {
        let token = self.pair("rs").token(&header(), claims);
        self.put(verifier, NOW, name, expected, &token);
    }

    fn good(&mut self) {
        for (pair, id, algorithm) in [
            ("rs", "rs", "RS256"),
            ("rs512", "rs512", "RS512"),
            ("ps", "ps256", "PS256"),
            ("ps", "ps384", "PS384"),
            ("ps", "ps512", "PS512"),
            ("p256", "p256", "ES256"),
            ("p384", "p384", "ES384"),
            ("p521", "p521", "ES512"),
            ("ed", "ed", "EdDSA"),
            ("ed", "ed", "Ed25519"),
        ] {
            let token = self.pair(pair).token(&json!({ "alg": algorithm, "kid": id, "typ": "JWT" }), &claims());
            self.add(&format!("good, {algorithm}"), "ok", token);
        }
        let token = self.pair("secret").token(&json!({ "alg": "HS256", "kid": "whatever" }), &claims());
        self.put("secret", NOW, "good, HS256 with a shared secret", "ok", &token);
        let token = self
            .pair("rs")
            .seal("\n{ \"typ\":\"jwt\",\r\n\t\"alg\":\"RS256\", \"kid\" : \"rs\" } ", &claims().to_string());
        self.add("good, with white space in the JSON", "ok", token);
        self.with_claims("defaults", "good, with the default algorithms", "ok", &claims());
        self.with_claims("clients", "good, from an allowed client", "ok", &claims());
        self.with_claims("scopes", "good, with the scopes", "ok", &claims());
    }

    /// All keys that the issuer publishes, those among them that must not be used.
    fn published(&self) -> Value {
        let with = |pair: &str, id: &str, changes: Value| {
            let mut key = self.pair(pair).published(id);
            for (name, value) in changes.as_object().unwrap() {
                key[name] = value.clone();
            }
            key
        };
        let point = self.pair("p256").public();
        let mut x = point["x"].as_str().unwrap().to_owned();
        x.replace_range(..4, if x.starts_with("AAAA") { "BBBB" } else { "AAAA" });
        json!({ "keys": [
            with("rs", "rs", json!({ "alg": "RS256" })),
            with("rs512", "rs512", json!({ "alg": "RS512", "key_ops": ["verify"] })),
            with("ps", "ps256", json!({ "alg": "PS256" })),
            with("ps", "ps384", json!({ "alg": "PS384" })),
            with("ps", "ps512", json!({ "alg": "PS512" })),
            with("p256", "p256", json!({ "alg": "ES256" })),
            with("p384", "p384", json!({})),
            with("p521", "p521", json!({ "alg": "ES512" })),
            with("ed", "ed", json!({})),
            with("enc", "for encryption", json!({ "use": "enc" })),
            with("enc", "for wrapping", json!({ "key_ops": ["wrapKey", "encrypt"] })),
            with("enc", "use is no text", json!({ "use": ["sig"] })),
            with("rs", "of an unknown algorithm", json!({ "alg": "RSA1_5" })),
            with("rs", "of the wrong algorithm", json!({ "alg": "ES256" })),
            with("published secret", "oct", json!({ "alg": "HS256" })),
            with("p256", "not on the curve", json!({ "x": x })),
            with("p256", "short coordinate", json!({ "x": &point["x"].as_str().unwrap()[..42] })),
            with("p256", "secp256k1", json!({ "crv": "secp256k1" })),
            with("ed", "x25519", json!({ "crv": "X25519" })),
            with("rs", "no modulus", json!({ "n": null })),
            with("rs", "1024 bits", json!({ "n": base64([0xc5; 128]) })),
            with("rs", "exponent 1", json!({ "e": base64([1]) })),
            with("rs", "exponent 2", json!({ "e": base64([2]) })),
            with("p256", "twin", json!({})),
            with("p256", "twin", json!({ "alg": "ES256" })),
            with("p256", "shared by two types", json!({})),
            with("p384", "shared by two types", json!({})),
            with("rs", "", json!({})),
            "no key",
            {},
        ] })
    }

    fn write(&self) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/jwt/corpus.json");
        let keys = self.published();
        let list = |items: &[Value]| items.iter().map(Value::to_string).collect::<Vec<_>>().join(",\n");
        let text = format!(
            "{{\"origin\": \"identity-client/tests/inbound/generate.rs\",\n\"keys\": {{\"keys\": [\n{}\n]}},\n\"tokens\": [\n{}\n]}}\n",
            list(keys["keys"].as_array().unwrap()),
            list(&self.tokens)
        );
        std::fs::write(path, text).unwrap();
    }
}
