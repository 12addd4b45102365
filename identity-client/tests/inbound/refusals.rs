//! What a request brings, and what the caller is told: RFC 6750 and nothing more.

use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use identity_client::{
    Error, ErrorKind, User,
    inbound::{Challenge, Refusal, RefusalCode, TokenVerifier, TokenVerifiers},
};
use serde_json::json;

use crate::{
    corpus::{AUDIENCE, ISSUER},
    keys::Pair,
};

struct Issuer {
    name: &'static str,
    pair: Pair,
}

impl Issuer {
    fn new(name: &'static str) -> Self {
        Self { name, pair: Pair::edwards() }
    }

    fn verifier(&self, qualified: bool) -> TokenVerifier {
        let keys = json!({ "keys": [self.pair.published("a")] }).to_string();
        let builder = TokenVerifier::fixed_keys(self.name, keys).with_audience(AUDIENCE).with_optional_subject();
        let builder = if qualified { builder.with_qualified_users() } else { builder };
        builder.with_required_scope("agent.invoke").build().unwrap()
    }

    fn token(&self, subject: Option<&str>, scope: &str) -> String {
        let mut claims = json!({ "iss": self.name, "aud": AUDIENCE, "exp": 9_999_999_999_u64, "scope": scope });
        if let Some(subject) = subject {
            claims["sub"] = subject.into();
        }
        self.pair.token(&json!({ "alg": "EdDSA", "kid": "a" }), &claims)
    }
}

fn headers(values: &[&[u8]]) -> HeaderMap {
    values.iter().map(|value| (AUTHORIZATION, HeaderValue::from_bytes(value).unwrap())).collect()
}

#[tokio::test]
async fn std_6750_02_exactly_one_bearer_token_in_the_header() {
    let issuer = Issuer::new(ISSUER);
    let (verifier, good) = (issuer.verifier(false), issuer.token(Some("alice"), "agent.invoke"));
    for form in [format!("Bearer {good}"), format!("bEARER {good}"), format!("Bearer   {good}")] {
        verifier.verify_request(&headers(&[form.as_bytes()])).await.unwrap();
    }
    let bearer = format!("Bearer {good}");
    let twice = format!("{bearer}, {bearer}");
    let refused: [(&[&[u8]], RefusalCode); 14] = [
        (&[], RefusalCode::TokenMissing),
        (&[bearer.as_bytes(), bearer.as_bytes()], RefusalCode::AuthorizationRepeated),
        (&[bearer.as_bytes(), b"Basic YTpi"], RefusalCode::AuthorizationRepeated),
        (&[b"Basic YTpi"], RefusalCode::SchemeNotBearer),
        (&[b"DPoP abc"], RefusalCode::SchemeNotBearer),
        (&[good.as_bytes()], RefusalCode::SchemeNotBearer),
        (&[b""], RefusalCode::AuthorizationMalformed),
        (&[b" Bearer x"], RefusalCode::AuthorizationMalformed),
        (&[b"Bearer"], RefusalCode::AuthorizationMalformed),
        (&[b"Bearer "], RefusalCode::AuthorizationMalformed),
        (&[b"Bearer a b"], RefusalCode::AuthorizationMalformed),
        (&[b"Bearer \"a\""], RefusalCode::AuthorizationMalformed),
        (&[b"Bearer \xc3\xa9"], RefusalCode::AuthorizationMalformed),
        (&[twice.as_bytes()], RefusalCode::AuthorizationMalformed),
    ];
    for (values, code) in refused {
        let refusal = verifier.verify_request(&headers(values)).await.unwrap_err();
        assert_eq!(refusal.code(), code, "{}", String::from_utf8_lossy(values.first().unwrap_or(&&b""[..])));
    }
}

#[tokio::test]
async fn the_caller_is_told_what_rfc_6750_asks_for() {
    let bare = Challenge::new();
    let full = Challenge::new()
        .with_realm("agents of \"A\\B\"")
        .unwrap()
        .with_resource_metadata("https://agent.example.com/.well-known/oauth-protected-resource")
        .unwrap();
    let of = |code: RefusalCode, challenge: &Challenge| {
        let refusal = Refusal::from(code);
        let header = refusal.www_authenticate(challenge).map(|value| value.to_str().unwrap().to_owned());
        (refusal.status(), header.unwrap_or_default())
    };
    assert_eq!(of(RefusalCode::TokenMissing, &bare), (401, "Bearer".to_owned()));
    assert_eq!(of(RefusalCode::AuthorizationMalformed, &bare), (400, "Bearer error=\"invalid_request\"".to_owned()));
    assert_eq!(of(RefusalCode::KeysUnavailable, &full), (503, String::new()));
    // Whatever is wrong with a token, the answer is the same.
    let same = (401, r#"Bearer realm="agents of \"A\\B\"", error="invalid_token", resource_metadata="https://agent.example.com/.well-known/oauth-protected-resource""#.to_owned());
    for code in
        [RefusalCode::Expired, RefusalCode::SignatureInvalid, RefusalCode::KeyUnknown, RefusalCode::IssuerMismatch]
    {
        assert_eq!(of(code, &full), same);
    }
    let issuer = Issuer::new(ISSUER);
    let refusal = issuer.verifier(false).verify(&issuer.token(Some("alice"), "openid")).await.unwrap_err();
    assert_eq!((refusal.status(), refusal.code()), (403, RefusalCode::ScopeMissing));
    assert_eq!(refusal.www_authenticate(&bare).unwrap(), r#"Bearer error="insufficient_scope", scope="agent.invoke""#);

    for realm in ["a\r\nset-cookie: x", "é", "\0"] {
        assert!(Challenge::new().with_realm(realm).is_err());
    }
    for url in ["/relative", "ftp://x/", "javascript:alert(1)", ""] {
        assert!(Challenge::new().with_resource_metadata(url).is_err());
    }
    for (code, kind) in [
        (RefusalCode::Expired, ErrorKind::Unauthenticated),
        (RefusalCode::ScopeMissing, ErrorKind::PermissionDenied),
        (RefusalCode::KeysUnavailable, ErrorKind::Unavailable),
    ] {
        let error = Error::from(Refusal::from(code));
        assert_eq!((error.kind(), error.code()), (kind, Some(code.as_str())));
    }
}

#[tokio::test]
async fn std_jwt_02_only_verified_claims_make_a_user_and_two_issuers_never_one() {
    let (one, two) = (Issuer::new(ISSUER), Issuer::new("https://id.example.org"));
    let token = |issuer: &Issuer| issuer.token(Some("alice"), "agent.invoke");
    let plain = one.verifier(false).verify(&token(&one)).await.unwrap();
    assert_eq!(User::from_verified_token(&plain).unwrap().id(), "alice");
    assert_eq!((plain.subject(), plain.issuer(), plain.has_scope("agent.invoke")), (Some("alice"), ISSUER, true));
    assert!(!format!("{plain:?}").contains("alice"));

    let both = TokenVerifiers::new([one.verifier(true), two.verifier(true)]).unwrap();
    let mut ids = Vec::new();
    for issuer in [&one, &two] {
        let claims = both.verify(&token(issuer)).await.unwrap();
        ids.push(User::from_verified_token(&claims).unwrap().id().to_owned());
    }
    assert_eq!(ids, ["https://id.example.com#alice", "https://id.example.org#alice"]);
    // What one signs is not the other's, whatever it says.
    let forged = Issuer { name: two.name, pair: Pair::edwards() };
    assert_eq!(both.verify(&token(&forged)).await.unwrap_err().code(), RefusalCode::SignatureInvalid);
    assert_eq!(both.verify(&token(&Issuer::new("x"))).await.unwrap_err().code(), RefusalCode::IssuerMismatch);
    assert_eq!(both.verify("x").await.unwrap_err().code(), RefusalCode::NotCompact);

    let nobody = one.verifier(false).verify(&one.token(None, "agent.invoke")).await.unwrap();
    assert_eq!(User::from_verified_token(&nobody).unwrap_err().kind(), ErrorKind::UserMissing);
    let long = one.token(Some(&"a".repeat(500)), "agent.invoke");
    let long = one.verifier(true).verify(&long).await.unwrap();
    assert_eq!(User::from_verified_token(&long).unwrap_err().kind(), ErrorKind::InvalidRequest);

    assert!(TokenVerifiers::new([]).unwrap_err().is_missing());
    assert!(TokenVerifiers::new([one.verifier(true), two.verifier(false)]).is_err(), "their users would share ids");
    assert!(TokenVerifiers::new([one.verifier(true), one.verifier(true)]).is_err());
    TokenVerifiers::new([one.verifier(false)]).unwrap();
}

#[tokio::test]
async fn claims_are_read_as_a_type_of_the_applications_own() {
    #[derive(serde::Deserialize)]
    struct Own {
        sub: String,
        exp: u64,
    }
    let issuer = Issuer::new(ISSUER);
    let claims = issuer.verifier(false).verify(&issuer.token(Some("alice"), "agent.invoke")).await.unwrap();
    let own: Own = claims.read().unwrap();
    assert_eq!((own.sub.as_str(), own.exp), ("alice", 9_999_999_999));
    let error = claims.read::<Vec<String>>().unwrap_err();
    assert!(!format!("{error} {error:?}").contains("alice"));
    assert_eq!((claims.text("sub"), claims.text("exp"), claims.text("email")), (Some("alice"), None, None));
}

#[tokio::test]
async fn a_key_that_is_published_with_its_private_part_checks_nothing() {
    let issuer = Issuer::new(ISSUER);
    let token = issuer.token(Some("alice"), "agent.invoke");
    for member in ["d", "p", "q", "dp", "dq", "qi", "oth"] {
        let mut key = issuer.pair.published("a");
        key[member] = "c2VjcmV0".into();
        let verifier = TokenVerifier::fixed_keys(ISSUER, json!({ "keys": [key] }).to_string());
        let refusal = verifier.with_audience(AUDIENCE).build().unwrap().verify(&token).await.unwrap_err();
        assert_eq!(refusal.code(), RefusalCode::KeyWeak, "{member}");
    }
}
