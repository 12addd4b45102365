//! Every token of `tests/fixtures/jwt/corpus.json`, each with the one code that it must be refused with. `generate.rs` makes them.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant, SystemTime},
};

use identity_client::{
    Clock, Moment, SecretString, SystemClock,
    inbound::{Algorithm, RefusalCode, TokenVerifier, TokenVerifierBuilder},
};
use serde_json::Value;

const CORPUS: &str = include_str!("../../../tests/fixtures/jwt/corpus.json");

pub const ISSUER: &str = "https://id.example.com";
pub const AUDIENCE: &str = "https://agent.example.com";
pub const CLIENT: &str = "agent-client";
pub const SCOPE: &str = "agent.invoke";
/// Of the verifier with a shared secret.
pub const SECRET: &str = "a shared secret of this test, of 40 bytes";
pub const NOW: u64 = 1_800_000_000;

#[derive(Debug)]
struct At(u64, Instant);

impl Clock for At {
    fn now(&self) -> Moment {
        Moment { wall: SystemTime::UNIX_EPOCH + Duration::from_secs(self.0), steady: self.1 }
    }
}

/// The verifiers that the tokens are made for.
pub fn verifier(name: &str, keys: &str, at: u64) -> TokenVerifier {
    let all = [
        Algorithm::Rs256,
        Algorithm::Rs512,
        Algorithm::Ps256,
        Algorithm::Ps384,
        Algorithm::Ps512,
        Algorithm::Es256,
        Algorithm::Es384,
        Algorithm::Es512,
        Algorithm::EdDsa,
    ];
    let issuer = || TokenVerifier::fixed_keys(ISSUER, keys);
    let access = || issuer().with_audience(AUDIENCE);
    let builder: TokenVerifierBuilder = match name {
        "all algorithms" => access().with_algorithms(all),
        "defaults" => access(),
        "clients" => access().with_allowed_client("other-client").with_allowed_client(CLIENT),
        "scopes" => access().with_required_scope(SCOPE).with_required_scope("openid"),
        "typed" => access().with_type("at+jwt"),
        "max age" => access().with_max_age(Duration::from_secs(600)),
        "no leeway" => access().with_leeway(Duration::ZERO),
        "machines" => access().with_optional_subject(),
        "any audience" => issuer().with_any_audience().with_allowed_client(CLIENT),
        "id token" => issuer().for_id_tokens(CLIENT),
        "id token, two audiences" => issuer().for_id_tokens(CLIENT).with_audience("https://api.example.com"),
        "one key" => {
            let keys: Value = serde_json::from_str(keys).unwrap();
            let only = keys["keys"].as_array().unwrap().iter().find(|key| key["kid"] == "rs").unwrap();
            let only = serde_json::json!({ "keys": [only] }).to_string();
            TokenVerifier::fixed_keys(ISSUER, only).with_audience(AUDIENCE)
        }
        "secret" => TokenVerifier::shared_secret(ISSUER, SecretString::from(SECRET)).with_audience(AUDIENCE),
        "idaas" => TokenVerifier::alibaba_idaas(ISSUER)
            .with_fixed_keys(keys)
            .with_required_scope(format!("{AUDIENCE}|agent.invoke")),
        "volcengine" => {
            let url = format!("{ISSUER}/.well-known/openid-configuration");
            TokenVerifier::volcengine_user_pool(url).unwrap().with_fixed_keys(keys).with_allowed_client(CLIENT)
        }
        other => panic!("no such verifier: {other}"),
    };
    builder.with_clock(At(at, SystemClock.now().steady)).build().unwrap()
}

#[tokio::test]
async fn std_jwt_01_every_forged_token_is_refused_with_its_own_code() {
    let corpus: Value = serde_json::from_str(CORPUS).unwrap();
    let keys = corpus["keys"].to_string();
    let tokens = corpus["tokens"].as_array().unwrap();
    let (mut wrong, mut names, mut codes, mut accepted) = (Vec::new(), BTreeSet::new(), BTreeSet::new(), 0);
    for token in tokens {
        let text = |member: &str| token[member].as_str().unwrap();
        let verifier = verifier(text("verifier"), &keys, token["at"].as_u64().unwrap());
        let (code, shown) = match verifier.verify(text("token")).await {
            Ok(claims) => ("ok", format!("{claims:?}")),
            Err(refusal) => (refusal.code().as_str(), format!("{refusal} {refusal:?}")),
        };
        if code != text("expected") {
            wrong.push(format!("{}: {code} and not {}", text("name"), text("expected")));
        }
        let long_parts = text("token").split('.').filter(|part| part.len() > 24);
        assert!(long_parts.into_iter().all(|part| !shown.contains(part)), "{} is shown", text("name"));
        assert!(!shown.contains("alice"), "{}", text("name"));
        assert!(names.insert(text("name")), "two are named {}", text("name"));
        accepted += usize::from(code == "ok");
        codes.insert(code);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(tokens.len() >= 150 && accepted >= 20, "{} tokens, {accepted} accepted", tokens.len());
    let missing: Vec<_> = reachable().into_iter().filter(|code| !codes.contains(code)).collect();
    assert!(missing.is_empty(), "no token is refused with {missing:?}");
}

/// All codes that a token alone can be refused with: those of the request, of a login and of an issuer that is down are tested
/// elsewhere.
fn reachable() -> Vec<&'static str> {
    let codes = [
        RefusalCode::TokenTooLong,
        RefusalCode::NotCompact,
        RefusalCode::Encrypted,
        RefusalCode::HeaderEncoding,
        RefusalCode::HeaderMalformed,
        RefusalCode::HeaderRepeated,
        RefusalCode::PayloadEncoding,
        RefusalCode::PayloadMalformed,
        RefusalCode::PayloadRepeated,
        RefusalCode::SignatureEncoding,
        RefusalCode::AlgorithmMissing,
        RefusalCode::AlgorithmNone,
        RefusalCode::AlgorithmUnknown,
        RefusalCode::AlgorithmNotAllowed,
        RefusalCode::TypeNotAllowed,
        RefusalCode::Nested,
        RefusalCode::Critical,
        RefusalCode::Unencoded,
        RefusalCode::KeyEmbedded,
        RefusalCode::KeyByUrl,
        RefusalCode::CertificateEmbedded,
        RefusalCode::Compressed,
        RefusalCode::KeyIdMalformed,
        RefusalCode::KeyUnknown,
        RefusalCode::KeyAmbiguous,
        RefusalCode::KeyUnfit,
        RefusalCode::KeyWeak,
        RefusalCode::SignatureInvalid,
        RefusalCode::IssuerMissing,
        RefusalCode::IssuerMismatch,
        RefusalCode::SubjectMissing,
        RefusalCode::SubjectMalformed,
        RefusalCode::AudienceMissing,
        RefusalCode::AudienceMalformed,
        RefusalCode::AudienceMismatch,
        RefusalCode::AudienceUntrusted,
        RefusalCode::ClientMissing,
        RefusalCode::ClientMalformed,
        RefusalCode::ClientNotAllowed,
        RefusalCode::DateMalformed,
        RefusalCode::ExpiryMissing,
        RefusalCode::Expired,
        RefusalCode::NotYetValid,
        RefusalCode::IssuedAtMissing,
        RefusalCode::IssuedInFuture,
        RefusalCode::TooOld,
        RefusalCode::IdToken,
        RefusalCode::AccessToken,
        RefusalCode::AuthorizedPartyMissing,
        RefusalCode::AuthorizedPartyMismatch,
        RefusalCode::ScopeMalformed,
        RefusalCode::ScopeMissing,
    ];
    codes.map(RefusalCode::as_str).to_vec()
}
