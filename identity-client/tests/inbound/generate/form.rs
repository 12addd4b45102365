//! Tokens that are refused before anything in them is believed to mean something.

use identity_client::inbound::MAX_TOKEN_LENGTH;
use serde_json::json;

use super::{Forge, but, claims, header};
use crate::keys::base64;

impl Forge {
    pub(super) fn form(&mut self) {
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
}
