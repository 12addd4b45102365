//! Makes the corpus: `cargo test -p identity-client --features inbound --test inbound -- --ignored makes_the_corpus`.
//!
//! The keys are new each time and only their public parts are kept, so nothing in the file can sign.

use std::{collections::BTreeMap, path::Path};

use identity_client::inbound::MAX_TOKEN_LENGTH;
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

    fn form(&mut self) {
        let good = self.pair("rs").token(&header(), &claims());
        let parts: Vec<String> = good.split('.').map(str::to_owned).collect();
        let [head, body, seal] = &parts[..] else { panic!("three parts") };
        let joined = |parts: [&str; 3]| parts.join(".");
        self.add("nothing", "not_compact", String::new());
        self.add("an opaque token", "not_compact", "AT8csE2seW1lbG9uZw");
        self.add("two parts", "not_compact", format!("{head}.{body}"));
        self.add("four parts", "not_compact", format!("{good}.{seal}"));
        self.add("six parts", "not_compact", format!("{good}.a.b.c"));
        self.add("the JSON serialization", "not_compact", json!({ "payload": body, "signatures": [] }).to_string());
        self.add("only dots", "header_malformed", "..");
        self.add("five parts", "encrypted", format!("{good}.{seal}.{seal}"));
        let jwe = base64(json!({ "alg": "RSA-OAEP", "enc": "A256GCM" }).to_string());
        self.add("a JWE", "encrypted", format!("{jwe}.a.b.c.d"));
        self.add("the header of a JWE", "encrypted", joined([&jwe, body, seal]));

        let long = but("padding", "x".repeat(MAX_TOKEN_LENGTH));
        self.with_claims("all algorithms", "too long by its payload", "token_too_long", &long);
        self.add("too long by its signature", "token_too_long", format!("{good}{}", "A".repeat(MAX_TOKEN_LENGTH)));
        self.add("a byte too long, of dots", "token_too_long", ".".repeat(MAX_TOKEN_LENGTH + 1));

        for (name, part) in [
            ("padded", format!("{head}==")),
            ("with a space", format!("{head} ")),
            ("in front a line end", format!("\n{head}")),
            ("of the other alphabet", "eyJ+/".to_owned()),
            ("of one character", "e".to_owned()),
            ("not ASCII", "ë".to_owned()),
        ] {
            self.add(&format!("header {name}"), "header_encoding", joined([&part, body, seal]));
        }
        for (name, part) in [
            ("padded", format!("{body}=")),
            ("with a tab", format!("\t{body}")),
            ("of one character", "e".to_owned()),
            ("percent-encoded", format!("%65{body}")),
        ] {
            self.add(&format!("payload {name}"), "payload_encoding", joined([head, &part, seal]));
        }
        for (name, part) in [
            ("padded", format!("{seal}==")),
            ("with a line end", format!("{seal}\n")),
            ("with a star", format!("{seal}*")),
            ("cut to one character", seal[..1].to_owned()),
        ] {
            self.add(&format!("signature {name}"), "signature_encoding", joined([head, body, &part]));
        }
        // 256 bytes leave four bits over: another last character would be another spelling of the same signature.
        let last = char::from(seal.as_bytes()[seal.len() - 1] + 1);
        self.add(
            "a second spelling of the signature",
            "signature_encoding",
            joined([head, body, &format!("{}{last}", &seal[..seal.len() - 1])]),
        );
        self.json();
    }

    fn json(&mut self) {
        let body = claims().to_string();
        let inner = &body[1..body.len() - 1];
        for (name, text) in [
            ("empty", ""),
            ("a list", "[]"),
            ("text", "\"alg\""),
            ("two objects", "{\"alg\":\"RS256\"}{}"),
            ("no JSON", "{alg:RS256}"),
            ("with a byte order mark", "\u{feff}{\"alg\":\"RS256\"}"),
        ] {
            let token = self.pair("rs").seal(text, &body);
            self.add(&format!("header is {name}"), "header_malformed", token);
        }
        let deep = format!("{{\"alg\":\"RS256\",\"x\":{}{}}}", "[".repeat(200), "]".repeat(200));
        let token = self.pair("rs").seal(&deep, &body);
        self.add("header is deep", "header_malformed", token);
        for (name, text) in [
            ("empty", ""),
            ("a list", "[1]"),
            ("null", "null"),
            ("a token", "eyJhbGciOiJSUzI1NiJ9.e30.c2ln"),
            ("cut", "{\"iss\":\"x\""),
            ("with a comma too many", "{\"iss\":\"x\",}"),
        ] {
            let token = self.pair("rs").seal(&header().to_string(), text);
            self.add(&format!("payload is {name}"), "payload_malformed", token);
        }
        let token = self
            .pair("rs")
            .seal(&header().to_string(), &format!("{{{inner},\"x\":{}{}}}", "[".repeat(3000), "]".repeat(3000)));
        self.add("payload is deep", "payload_malformed", token);

        for (name, text) in [
            ("alg twice, none last", r#"{"alg":"RS256","kid":"rs","alg":"none"}"#),
            ("alg twice, none first", r#"{"alg":"none","kid":"rs","alg":"RS256"}"#),
            ("alg twice, once escaped", r#"{"alg":"RS256","kid":"rs","\u0061lg":"none"}"#),
            ("kid twice", r#"{"alg":"RS256","kid":"rs","kid":"ps256"}"#),
            ("a member twice, deep inside", r#"{"alg":"RS256","kid":"rs","x":{"a":1,"a":2}}"#),
        ] {
            let token = self.pair("rs").seal(text, &body);
            self.add(&format!("header with {name}"), "header_repeated", token);
        }
        for (name, more) in [
            ("sub", r#""sub":"mallory""#),
            ("aud", r#""aud":"x""#),
            ("exp", r#""exp":9999999999"#),
            ("iss", r#""iss":"https://evil.example.net""#),
            ("sub, once escaped,", r#""\u0073ub":"mallory""#),
        ] {
            let token = self.pair("rs").seal(&header().to_string(), &format!("{{{inner},{more}}}"));
            self.add(&format!("payload with {name} twice"), "payload_repeated", token);
        }
    }

    fn algorithms(&mut self) {
        let body = base64(claims().to_string());
        for (index, name) in ["none", "None", "NONE", "nOnE", "nonE", " none", "none "].into_iter().enumerate() {
            let head = base64(json!({ "alg": name, "typ": "JWT" }).to_string());
            let sealed = self.pair("rs").sign("RS256", format!("{head}.{body}").as_bytes());
            self.add(&format!("alg `{name}` without a signature"), "algorithm_none", format!("{head}.{body}."));
            if index < 2 {
                self.add(
                    &format!("alg `{name}` with a signature"),
                    "algorithm_none",
                    format!("{head}.{body}.{}", base64(sealed)),
                );
            }
        }
        for (name, value) in [("missing", Value::Null), ("a number", json!(256)), ("a list", json!(["RS256"]))] {
            let mut header = header_with("alg", value);
            if name == "missing" {
                header.as_object_mut().unwrap().remove("alg");
            }
            let token = self.pair("rs").token(&header, &claims());
            self.add(&format!("alg {name}"), "algorithm_missing", token);
        }
        for name in [
            "",
            "rs256",
            "RS256 ",
            "RS1",
            "HS1",
            "ES256K",
            "ES224",
            "A128KW",
            "RSA-OAEP",
            "dir",
            "Ed448",
            "ML-DSA-44",
            "../../dev/null",
        ] {
            self.with_header(&format!("alg `{name}`"), "algorithm_unknown", &header_with("alg", name));
        }
        // The public key as the secret of an HMAC, in each of the forms that a verifier might hold it in.
        let key = self.pair("rs").public();
        let forms = [
            ("as JWK", key.to_string()),
            ("as its modulus", key["n"].as_str().unwrap().to_owned()),
            ("as JWK set", json!({ "keys": [key] }).to_string()),
        ];
        for (form, text) in forms {
            for algorithm in ["HS256", "HS384", "HS512"] {
                let token = Pair::secret(&text).token(&json!({ "alg": algorithm, "kid": "rs" }), &claims());
                self.add(&format!("{algorithm} with the public key {form}"), "algorithm_not_allowed", token);
            }
        }
        let token = Pair::secret("").token(&json!({ "alg": "HS256" }), &claims());
        self.add("HS256 with an empty secret", "algorithm_not_allowed", token);
        let token = self.pair("published secret").token(&json!({ "alg": "HS256", "kid": "oct" }), &claims());
        self.add("HS256 with a secret that is published", "algorithm_not_allowed", token);
        let token = self.pair("rs").token(&header_with("alg", "RS384"), &claims());
        self.add("an algorithm that is not among those accepted", "algorithm_not_allowed", token);
        let token = self.pair("ps").token(&json!({ "alg": "PS256", "kid": "ps256" }), &claims());
        self.put("defaults", NOW, "PS256 where it was not chosen", "algorithm_not_allowed", &token);
        let token = self.pair("rs").token(&header(), &claims());
        self.put("secret", NOW, "RS256 where a secret is shared", "algorithm_not_allowed", &token);
        let token = self.pair("secret").token(&json!({ "alg": "HS512" }), &claims());
        self.put("secret", NOW, "HS512 where HS256 was chosen", "algorithm_not_allowed", &token);
    }

    fn headers(&mut self) {
        let jwk = self.pair("foreign").public();
        let url = "https://evil.example.net/keys";
        for (name, expected, value) in [
            ("crit", "critical", json!(["exp"])),
            ("crit", "critical", json!([])),
            ("crit", "critical", json!(["http://example.com/UNDEFINED"])),
            ("crit", "critical", json!("b64")),
            ("crit", "critical", Value::Null),
            ("b64", "unencoded", json!(false)),
            ("b64", "unencoded", json!(true)),
            ("zip", "compressed", json!("DEF")),
            ("jku", "key_by_url", json!(url)),
            ("jku", "key_by_url", json!(format!("{ISSUER}/keys"))),
            ("jku", "key_by_url", json!("file:///dev/zero")),
            ("x5u", "key_by_url", json!(url)),
            ("x5c", "certificate_embedded", json!(["MIIB"])),
            ("cty", "nested", json!("JWT")),
            ("cty", "nested", json!("jwt")),
            ("cty", "nested", json!("application/jwt")),
        ] {
            self.with_header(&format!("{name}: {value}"), expected, &header_with(name, value));
        }
        let mut unencoded = header_with("b64", false);
        unencoded["crit"] = json!(["b64"]);
        self.with_header("b64 as RFC 7797 has it", "unencoded", &unencoded);
        // Signed with the key that the token brings.
        let mut own = header_with("jwk", jwk.clone());
        let token = self.pair("foreign").token(&own, &claims());
        self.add("a key of its own", "key_embedded", token);
        own.as_object_mut().unwrap().remove("kid");
        let token = self.pair("foreign").token(&own, &claims());
        self.add("a key of its own, and no kid", "key_embedded", token);
        let token = self.pair("foreign").token(&header_with("jku", url), &claims());
        self.add("keys elsewhere, signed with them", "key_by_url", token);

        for name in [
            "dpop+jwt",
            "client-authentication+jwt",
            "logout+jwt",
            "secevent+jwt",
            "JOSE",
            "",
            "at+jwt ",
            "text/jwt",
            "application/x/jwt",
        ] {
            self.with_header(&format!("typ `{name}`"), "type_not_allowed", &header_with("typ", name));
        }
        self.with_header("typ is no text", "type_not_allowed", &header_with("typ", json!(["JWT"])));
        for name in ["jwt", "at+jwt", "AT+JWT", "application/at+jwt", "Application/JWT"] {
            self.with_header(&format!("good, typ `{name}`"), "ok", &header_with("typ", name));
        }
        let mut untyped = header();
        untyped.as_object_mut().unwrap().remove("typ");
        self.with_header("good, without typ", "ok", &untyped);
        for (name, expected, header) in [
            ("JWT", "type_not_allowed", header()),
            ("none", "type_not_allowed", untyped),
            ("at+jwt", "ok", header_with("typ", "at+jwt")),
        ] {
            let token = self.pair("rs").token(&header, &claims());
            self.put("typed", NOW, &format!("typ {name} where at+jwt is needed"), expected, &token);
        }
    }

    fn choice_of_key(&mut self) {
        for id in [
            "../../../../dev/null",
            "/etc/passwd",
            "rs' OR '1'='1",
            "rs\"; DROP TABLE keys;--",
            "https://evil.example.net/keys",
            "RS",
            "rs ",
            "key of another issuer",
            "${jndi:ldap://evil.example.net}",
            "| whoami",
        ] {
            self.with_header(&format!("kid `{id}`"), "key_unknown", &header_with("kid", id));
        }
        for (name, id) in [
            ("empty", json!("")),
            ("a number", json!(1)),
            ("null", Value::Null),
            ("a list", json!(["rs"])),
            ("with a line end", json!("rs\n")),
            ("with a zero byte", json!("rs\0")),
            ("long", json!("k".repeat(257))),
        ] {
            self.with_header(&format!("kid is {name}"), "key_id_malformed", &header_with("kid", id));
        }
        let token = self.pair("foreign").token(&header(), &claims());
        self.add("the right kid, and the key of another issuer", "signature_invalid", token);
        let token = self.pair("foreign").token(&header_with("kid", "foreign"), &claims());
        self.add("a key that is not published", "key_unknown", token);
        for (pair, id, algorithm) in [
            ("p256", "p256", "ES384"),
            ("rs", "rs", "RS512"),
            ("rs", "rs", "PS256"),
            ("ps", "ps256", "PS512"),
            ("ps", "ps256", "RS256"),
            ("ed", "ed", "ES256"),
            ("p256", "p256", "EdDSA"),
            ("rs", "p256", "RS256"),
            ("p256", "rs", "ES256"),
            ("enc", "for encryption", "RS256"),
            ("enc", "for wrapping", "RS256"),
            ("enc", "use is no text", "RS256"),
            ("rs", "of an unknown algorithm", "RS256"),
            ("rs", "of the wrong algorithm", "RS256"),
            ("published secret", "oct", "RS256"),
            ("p256", "not on the curve", "ES256"),
            ("p256", "short coordinate", "ES256"),
            ("p256", "secp256k1", "ES256"),
            ("ed", "x25519", "EdDSA"),
            ("rs", "no modulus", "RS256"),
        ] {
            let pair = if id == "oct" { "rs" } else { pair };
            let token = self.pair(pair).token(&json!({ "alg": algorithm, "kid": id }), &claims());
            self.add(&format!("{algorithm} with the key `{id}`, signed by `{pair}`"), "key_unfit", token);
        }
        for id in ["1024 bits", "exponent 1", "exponent 2"] {
            self.with_header(&format!("the key `{id}`"), "key_weak", &header_with("kid", id));
        }
        let token = self.pair("p256").token(&json!({ "alg": "ES256", "kid": "twin" }), &claims());
        self.add("a kid that two keys have", "key_ambiguous", token);
        let token = self.pair("p384").token(&json!({ "alg": "ES384", "kid": "shared by two types" }), &claims());
        self.add("good, a kid that two types of key share", "ok", token);
        let bare = json!({ "alg": "RS256", "typ": "JWT" });
        let token = self.pair("rs").token(&bare, &claims());
        self.put("one key", NOW, "good, no kid and one key", "ok", &token);
        self.add("no kid, and only one key fits", "ok", token);
        let token = self.pair("p256").token(&json!({ "alg": "ES256" }), &claims());
        self.add("no kid, and several keys fit", "key_ambiguous", token);
        let token = self.pair("p256").token(&json!({ "alg": "ES256" }), &claims());
        self.put("one key", NOW, "no kid, and no key fits", "key_unknown", &token);
        let token = self.pair("foreign").token(&bare, &claims());
        self.put("one key", NOW, "no kid, and the key of another issuer", "signature_invalid", &token);
    }

    fn signatures(&mut self) {
        let good = self.pair("rs").token(&header(), &claims());
        let (message, seal) = good.rsplit_once('.').unwrap();
        self.add("no signature", "signature_invalid", format!("{message}."));
        self.add("a signature of zeros", "signature_invalid", format!("{message}.{}", base64([0; 256])));
        self.add("a short signature", "signature_invalid", format!("{message}.{}", &seal[..340]));
        self.add("a long signature", "signature_invalid", format!("{message}.{}", base64([7; 512])));
        let mut bytes = self.pair("rs").sign("RS256", message.as_bytes());
        bytes[100] ^= 1;
        self.add("one bit of the signature changed", "signature_invalid", format!("{message}.{}", base64(bytes)));
        let other = base64(but("sub", "mallory").to_string());
        let head = message.split_once('.').unwrap().0;
        self.add("another payload under the signature", "signature_invalid", format!("{head}.{other}.{seal}"));
        let head = base64(header_with("x", 1).to_string());
        let body = message.split_once('.').unwrap().1;
        self.add("another header over the signature", "signature_invalid", format!("{head}.{body}.{seal}"));
        let token = self.pair("rs").seal(&json!({ "alg": "RS256", "kid": "rs" }).to_string(), &claims().to_string());
        let spaced = token.replacen(&base64(claims().to_string()), &base64(format!("{} ", claims())), 1);
        self.add("a space more in the payload", "signature_invalid", spaced);

        let head = json!({ "alg": "ES256", "kid": "p256" });
        let message = format!("{}.{}", base64(head.to_string()), base64(claims().to_string()));
        let sealed = self.pair("p256").sign("ES256", message.as_bytes());
        for (name, bytes) in [
            ("of zeros (CVE-2022-21449)", vec![0; 64]),
            ("cut", sealed[..63].to_vec()),
            ("with a byte more", [&sealed[..], &[0]].concat()),
            ("with its halves swapped", [&sealed[32..], &sealed[..32]].concat()),
            ("in DER", [&[0x30, 0x44, 0x02, 0x20], &sealed[..32], &[0x02, 0x20], &sealed[32..]].concat()),
            ("of the order", [[0xff; 32], [0xff; 32]].concat()),
        ] {
            self.add(
                &format!("an ES256 signature {name}"),
                "signature_invalid",
                format!("{message}.{}", base64(bytes)),
            );
        }
        let head = json!({ "alg": "EdDSA", "kid": "ed" });
        let message = format!("{}.{}", base64(head.to_string()), base64(claims().to_string()));
        self.add("an EdDSA signature of zeros", "signature_invalid", format!("{message}.{}", base64([0; 64])));
        let token =
            Pair::secret("another secret that nobody has shared here").token(&json!({ "alg": "HS256" }), &claims());
        self.put("secret", NOW, "HS256 with another secret", "signature_invalid", &token);
        let token = self.pair("secret").token(&json!({ "alg": "HS256" }), &claims());
        let (message, _) = token.rsplit_once('.').unwrap();
        self.put("secret", NOW, "HS256 without a signature", "signature_invalid", &format!("{message}."));
    }

    fn issuers_and_subjects(&mut self) {
        for issuer in [
            "https://id.example.com/",
            "https://ID.example.com",
            "HTTPS://id.example.com",
            "http://id.example.com",
            "https://id.example.com:443",
            "https://id.example.com ",
            " https://id.example.com",
            "https://id.example.com.",
            "https://id.example.com/tenant",
            "https://id.example.com?x",
            "https://id.example.com\0",
            "https://id%2Eexample.com",
            "https://evil.example.net",
            "id.example.com",
            "",
        ] {
            self.with_claims(
                "all algorithms",
                &format!("iss `{}`", issuer.replace('\0', "with zero")),
                "issuer_mismatch",
                &but("iss", issuer),
            );
        }
        for (name, issuer) in [("a list", json!([ISSUER])), ("a number", json!(1)), ("null", Value::Null)] {
            self.with_claims("all algorithms", &format!("iss is {name}"), "issuer_missing", &but("iss", issuer));
        }
        self.with_claims("all algorithms", "no iss", "issuer_missing", &without(&["iss"]));
        self.with_claims("all algorithms", "no sub", "subject_missing", &without(&["sub"]));
        self.with_claims("machines", "good, no sub where machines call", "ok", &without(&["sub"]));
        for (name, subject) in [
            ("empty", json!("")),
            ("blank", json!(" ")),
            ("a number", json!(1001)),
            ("null", Value::Null),
            ("a list", json!(["alice"])),
            ("with a line end", json!("alice\n")),
            ("with a space in front", json!(" alice")),
            ("long", json!("a".repeat(513))),
        ] {
            self.with_claims("all algorithms", &format!("sub is {name}"), "subject_malformed", &but("sub", subject));
        }
        self.with_claims("machines", "sub is empty where machines call", "subject_malformed", &but("sub", ""));
    }

    fn audiences_and_clients(&mut self) {
        let many = |count: usize| json!(vec![AUDIENCE; count]);
        for (name, expected, audience) in [
            ("a list with us", "ok", json!(["https://api.example.com", AUDIENCE])),
            ("a list of us", "ok", json!([AUDIENCE])),
            ("a list of 64", "ok", many(64)),
            ("a list of 65", "audience_malformed", many(65)),
            (
                "a list without us",
                "audience_mismatch",
                json!(["https://api.example.com", "https://agent.example.com.evil.example.net"]),
            ),
            ("an empty list", "audience_missing", json!([])),
            ("another", "audience_mismatch", json!("https://api.example.com")),
            ("ours with a slash", "audience_mismatch", json!("https://agent.example.com/")),
            ("ours in capitals", "audience_mismatch", json!("https://AGENT.example.com")),
            (
                "ours and another in one text",
                "audience_mismatch",
                json!("https://agent.example.com https://api.example.com"),
            ),
            ("a part of ours", "audience_mismatch", json!("https://agent.example")),
            ("empty", "audience_mismatch", json!("")),
            ("null", "audience_malformed", Value::Null),
            ("a number", "audience_malformed", json!(1)),
            ("an object", "audience_malformed", json!({ "0": AUDIENCE })),
            ("a list with a number", "audience_malformed", json!([AUDIENCE, 1])),
            ("a list in a list", "audience_malformed", json!([[AUDIENCE]])),
        ] {
            self.with_claims("all algorithms", &format!("aud is {name}"), expected, &but("aud", audience));
        }
        self.with_claims("all algorithms", "no aud", "audience_missing", &without(&["aud"]));
        self.with_claims("any audience", "good, no aud where it is not looked at", "ok", &without(&["aud"]));
        self.with_claims(
            "any audience",
            "aud is a number where it is not looked at",
            "audience_malformed",
            &but("aud", 1),
        );

        self.with_claims("clients", "no client", "client_missing", &without(&["client_id"]));
        self.with_claims("clients", "another client", "client_not_allowed", &but("client_id", "evil-client"));
        self.with_claims("clients", "the client in capitals", "client_not_allowed", &but("client_id", "AGENT-CLIENT"));
        self.with_claims("clients", "another client as azp", "client_not_allowed", &but("azp", "evil-client"));
        self.with_claims("clients", "client is a list", "client_malformed", &but("client_id", json!([CLIENT])));
        self.with_claims("all algorithms", "azp is a number", "client_malformed", &but("azp", 1));
        let mut by_azp = without(&["client_id"]);
        by_azp["azp"] = CLIENT.into();
        self.with_claims("clients", "good, the client as azp", "ok", &by_azp);
        let mut pool = without(&["scope"]);
        pool["aud"] = CLIENT.into();
        self.with_claims("volcengine", "good, of a user pool", "ok", &pool);
        self.with_claims("volcengine", "of a user pool, for another audience", "audience_mismatch", &claims());
        pool["client_id"] = "evil-client".into();
        self.with_claims("volcengine", "of a user pool, of another client", "client_not_allowed", &pool);
        pool["aud"] = "evil-client".into();
        self.with_claims("volcengine", "of a user pool, by and for another client", "audience_mismatch", &pool);
    }

    fn times(&mut self) {
        let at = |forge: &mut Self, verifier: &str, at: u64, name: &str, expected: &str, claims: &Value| {
            let token = forge.pair("rs").token(&header(), claims);
            forge.put(verifier, at, name, expected, &token);
        };
        // The leeway is 30 s.
        at(self, "all algorithms", NOW + 329, "exp 29 s ago", "ok", &claims());
        at(self, "all algorithms", NOW + 330, "exp 30 s ago", "expired", &claims());
        at(self, "no leeway", NOW + 299, "exp in 1 s, no leeway", "ok", &claims());
        at(self, "no leeway", NOW + 300, "exp now, no leeway", "expired", &claims());
        at(self, "all algorithms", NOW - 30, "nbf in 30 s", "ok", &but("nbf", NOW));
        at(self, "all algorithms", NOW - 31, "nbf in 31 s", "not_yet_valid", &but("nbf", NOW));
        at(self, "no leeway", NOW - 10, "nbf in 10 s, no leeway", "not_yet_valid", &but("nbf", NOW));
        at(self, "all algorithms", NOW - 40, "iat in 30 s", "ok", &claims());
        at(self, "all algorithms", NOW - 41, "iat in 31 s", "issued_in_future", &claims());
        at(self, "no leeway", NOW - 11, "iat in 1 s, no leeway", "issued_in_future", &claims());
        let mut old = but("iat", NOW - 630);
        at(self, "max age", NOW, "issued as long ago as is allowed", "ok", &old);
        old["iat"] = (NOW - 631).into();
        at(self, "max age", NOW, "issued too long ago", "too_old", &old);
        at(self, "max age", NOW, "no iat where an age is needed", "issued_at_missing", &without(&["iat"]));
        at(self, "all algorithms", NOW, "good, no iat", "ok", &without(&["iat"]));
        at(self, "all algorithms", NOW, "no exp", "expiry_missing", &without(&["exp"]));
        at(self, "all algorithms", NOW, "exp 0", "expired", &but("exp", 0));
        at(self, "all algorithms", NOW, "good, exp is a fraction", "ok", &but("exp", 1_800_000_300.5));
        at(self, "all algorithms", NOW, "good, exp with an exponent", "ok", &but("exp", 1.8e9 + 300.0));
        at(self, "all algorithms", NOW, "good, exp in the year 9999", "ok", &but("exp", 253_402_300_799_u64));
        for (name, value) in [
            ("text", json!("1800000300")),
            ("negative", json!(-1)),
            ("a negative fraction", json!(-0.5)),
            ("null", Value::Null),
            ("true", json!(true)),
            ("a list", json!([NOW + 300])),
            ("in milliseconds", json!((NOW + 300) * 1000)),
            ("2^63", json!(1_u64 << 63)),
            ("2^64 and more", json!(1e20)),
            ("1e300", json!(1e300)),
        ] {
            self.with_claims("all algorithms", &format!("exp is {name}"), "date_malformed", &but("exp", value.clone()));
            self.with_claims("all algorithms", &format!("nbf is {name}"), "date_malformed", &but("nbf", value.clone()));
            self.with_claims("all algorithms", &format!("iat is {name}"), "date_malformed", &but("iat", value));
        }
        let body = claims().to_string().replace(&(NOW + 300).to_string(), "1e999");
        let token = self.pair("rs").seal(&header().to_string(), &body);
        self.add("exp is 1e999", "payload_malformed", token);
    }

    fn kinds(&mut self) {
        for (name, value) in [("nonce", "n-0S6_WzA2Mj"), ("at_hash", "x"), ("c_hash", "x"), ("s_hash", "x")] {
            self.with_claims("all algorithms", &format!("an ID token, by its {name}"), "id_token", &but(name, value));
        }
        let mut id = without(&["scope", "client_id"]);
        id["aud"] = CLIENT.into();
        self.with_claims("id token", "good ID token", "ok", &id);
        self.with_claims("all algorithms", "an ID token, by its audience", "audience_mismatch", &id);
        id["nonce"] = "n-0S6_WzA2Mj".into();
        self.with_claims("id token", "good ID token with a nonce", "ok", &id);
        id["azp"] = CLIENT.into();
        self.with_claims("id token", "good ID token with azp", "ok", &id);
        id["azp"] = "evil-client".into();
        self.with_claims("id token", "an ID token with another azp", "authorized_party_mismatch", &id);
        id["aud"] = json!([CLIENT, "https://evil.example.net"]);
        id["azp"] = CLIENT.into();
        self.with_claims("id token", "an ID token for somebody unknown, too", "audience_untrusted", &id);
        id["aud"] = json!([CLIENT, "https://api.example.com"]);
        self.with_claims("id token, two audiences", "good ID token for two", "ok", &id);
        id.as_object_mut().unwrap().remove("azp");
        self.with_claims("id token, two audiences", "an ID token for two without azp", "authorized_party_missing", &id);
        id["aud"] = "https://api.example.com".into();
        self.with_claims("id token, two audiences", "an ID token for the other audience", "audience_mismatch", &id);
        id["aud"] = CLIENT.into();
        id.as_object_mut().unwrap().remove("iat");
        self.with_claims("id token", "an ID token without iat", "issued_at_missing", &id);
        self.with_claims(
            "id token",
            "an access token for an ID token, by its audience",
            "audience_mismatch",
            &claims(),
        );
        self.with_claims(
            "id token",
            "an access token for an ID token, by its scope",
            "access_token",
            &but("aud", CLIENT),
        );
        let mut bare = without(&["scope"]);
        bare["aud"] = CLIENT.into();
        let token = self.pair("rs").token(&header_with("typ", "at+jwt"), &bare);
        self.put("id token", NOW, "an access token for an ID token, by its typ", "type_not_allowed", &token);
    }

    fn scopes(&mut self) {
        for (name, expected, scope) in [
            ("without the scope", "scope_missing", json!("openid")),
            ("with the scope in capitals", "scope_missing", json!("openid AGENT.INVOKE")),
            ("with a longer scope", "scope_missing", json!("openid agent.invoke.all")),
            ("with a scope that begins so", "scope_missing", json!("openid agent")),
            ("with an empty scope", "scope_missing", json!("")),
            ("with scopes and a comma", "scope_missing", json!("openid,agent.invoke")),
            ("good, with scopes in a list", "ok", json!(["openid", SCOPE])),
            ("good, with more scopes", "ok", json!("a  openid agent.invoke b")),
            ("with a number as scope", "scope_malformed", json!(1)),
            ("with null as scope", "scope_malformed", Value::Null),
            ("with a number among the scopes", "scope_malformed", json!(["openid", 1])),
        ] {
            self.with_claims("scopes", name, expected, &but("scope", scope));
        }
        self.with_claims("scopes", "without scopes", "scope_missing", &without(&["scope"]));
        let mut named = without(&["scope"]);
        named["scp"] = json!(["openid", SCOPE]);
        self.with_claims("scopes", "good, with scp", "ok", &named);
        named["scope"] = "openid".into();
        self.with_claims("scopes", "with less in scope than in scp", "scope_missing", &named);

        self.with_claims("idaas", "good, a bare permission", "ok", &but("scope", "agent.invoke"));
        self.with_claims(
            "idaas",
            "good, audience and permission",
            "ok",
            &but("scope", format!("{AUDIENCE}|agent.invoke")),
        );
        self.with_claims(
            "idaas",
            "a permission of another audience",
            "scope_missing",
            &but("scope", "https://api.example.com|agent.invoke"),
        );
        let mut two = but("aud", json!([AUDIENCE, "https://api.example.com"]));
        self.with_claims("idaas", "a bare permission for two audiences", "scope_missing", &two);
        two["scope"] = format!("{AUDIENCE}|agent.invoke").into();
        self.with_claims("idaas", "good, audience and permission for two audiences", "ok", &two);
        self.with_claims("idaas", "all permissions, as asked for", "scope_missing", &but("scope", ".all"));
        self.with_claims(
            "idaas",
            "the permission at another audience",
            "audience_mismatch",
            &but("aud", "https://api.example.com"),
        );
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
