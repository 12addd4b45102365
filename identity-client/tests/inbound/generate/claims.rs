//! Tokens that are signed as they should be, and say the wrong thing.

use serde_json::{Value, json};

use super::{Forge, but, claims, header, header_with, without};
use crate::corpus::{AUDIENCE, CLIENT, ISSUER, NOW, SCOPE};

impl Forge {
    pub(super) fn issuers_and_subjects(&mut self) {
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

    pub(super) fn audiences_and_clients(&mut self) {
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

    pub(super) fn times(&mut self) {
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

    pub(super) fn kinds(&mut self) {
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

    pub(super) fn scopes(&mut self) {
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
}
