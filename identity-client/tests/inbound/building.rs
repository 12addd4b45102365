//! What cannot be meant is an error when a verifier is built, before anything is sent.

use std::time::Duration;

use identity_client::{
    BuildError, SecretString,
    inbound::{Algorithm, TokenVerifier, TokenVerifierBuilder},
};

const ISSUER: &str = "https://id.example.com";
const KEYS: &str = r#"{"keys":[]}"#;

fn good() -> TokenVerifierBuilder {
    TokenVerifier::issuer(ISSUER).with_audience("agent")
}

fn refused(builder: TokenVerifierBuilder) -> BuildError {
    let error = builder.build().unwrap_err();
    assert!(error.hint().is_some(), "{error}");
    error
}

#[test]
fn std_8414_03_an_issuer_is_https_or_on_loopback() {
    for issuer in [ISSUER, "https://id.example.com/tenant/", "http://127.0.0.1:8080", "http://localhost"] {
        TokenVerifier::issuer(issuer).with_audience("agent").build().unwrap();
    }
    for issuer in [
        "",
        "id.example.com",
        "http://id.example.com",
        "ftp://id.example.com",
        "https://u:secret@id.example.com",
        "https://id.example.com?secret=1",
        "https://id.example.com#secret",
        " https://id.example.com",
        "https://id.example.com\n",
    ] {
        let error = refused(TokenVerifier::issuer(issuer).with_audience("agent"));
        assert!(error.is_broken() && !format!("{error} {error:?}").contains("secret"), "{error:?}");
    }
    refused(good().with_discovery_url("http://id.example.com/.well-known/openid-configuration"));
    // With keys at hand any text will do.
    TokenVerifier::fixed_keys("joe", KEYS).with_audience("agent").build().unwrap();
}

#[test]
fn an_audience_is_needed_and_its_absence_a_decision() {
    assert!(refused(TokenVerifier::issuer(ISSUER)).is_missing());
    TokenVerifier::issuer(ISSUER).with_any_audience().build().unwrap();
    refused(good().with_any_audience());
    refused(good().with_audience(" "));
    refused(good().with_allowed_client(""));
    refused(TokenVerifier::id_tokens(ISSUER, ""));
}

#[test]
fn std_jwt_01_algorithms_go_with_their_keys() {
    refused(good().with_algorithms([]));
    refused(good().with_algorithms([Algorithm::Rs256, Algorithm::Hs256]));
    let secret = |length: usize| {
        TokenVerifier::shared_secret("issuer", SecretString::from("s".repeat(length))).with_audience("agent")
    };
    secret(32).build().unwrap();
    let error = refused(secret(31));
    assert!(!format!("{error:?} {:?}", secret(31)).contains("sss"));
    secret(48).with_algorithms([Algorithm::Hs384]).build().unwrap();
    refused(secret(63).with_algorithms([Algorithm::Hs512]));
    refused(secret(64).with_algorithms([Algorithm::Hs256, Algorithm::Hs512]));
    refused(secret(64).with_algorithms([Algorithm::Rs256]));
    refused(secret(64).with_algorithms([]));
}

#[test]
fn times_and_keys_that_cannot_be_meant() {
    let seconds = Duration::from_secs;
    good().with_leeway(seconds(300)).build().unwrap();
    refused(good().with_leeway(seconds(301)));
    refused(good().with_max_age(Duration::ZERO));
    refused(good().with_max_age(Duration::MAX));
    refused(good().with_key_lifetime(Duration::ZERO));
    refused(good().with_key_lifetime(Duration::MAX));
    refused(good().with_key_lifetime(seconds(600)).with_stale_keys_for(seconds(599)));
    refused(good().with_stale_keys_for(Duration::MAX));
    refused(good().with_cool_down(Duration::ZERO));
    refused(good().with_cool_down(Duration::MAX));
    for keys in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[],"keys":[]}"#] {
        refused(good().with_fixed_keys(keys));
    }
    refused(good().with_fixed_keys(KEYS).with_discovery_url("https://id.example.com/x"));
    refused(TokenVerifier::fixed_keys("urn:a#b", KEYS).with_audience("agent").with_qualified_users());
    for scope in ["", "a b", "a\"b", "ä"] {
        refused(good().with_required_scope(scope));
    }
}

#[test]
fn presets_know_the_platforms() {
    let pool = TokenVerifier::volcengine_user_pool_in("cn-beijing", "0a1b2c").unwrap();
    assert!(refused(pool).is_missing(), "the allowed clients have to be named");
    let pool = TokenVerifier::volcengine_user_pool_in("cn-beijing", "0a1b2c").unwrap().with_allowed_client("c");
    let verifier = pool.build().unwrap();
    assert_eq!(verifier.issuer_name(), "https://userpool-0a1b2c.userpool.auth.id.cn-beijing.volces.com");
    for (region, pool) in
        [("", "a"), ("a", ""), ("evil.example.net/", "a"), ("a", "x.evil.example.net#"), ("a", &"x".repeat(64))]
    {
        assert!(TokenVerifier::volcengine_user_pool_in(region, pool).is_err(), "{region} {pool}");
    }
    // By path, with an issuer that does not follow from it.
    let url = "https://auth.id.cn-beijing.volces.com/userpool/0a1b2c/.well-known/openid-configuration";
    let pool = TokenVerifier::volcengine_user_pool(url).unwrap().with_allowed_client("c");
    assert_eq!(pool.build().unwrap().issuer_name(), "https://auth.id.cn-beijing.volces.com/userpool/0a1b2c");
    let pool = TokenVerifier::volcengine_user_pool(url).unwrap().with_allowed_client("c").with_issuer(ISSUER);
    assert_eq!(pool.build().unwrap().issuer_name(), ISSUER);
    assert!(TokenVerifier::volcengine_user_pool("https://id.example.com").is_err());
    TokenVerifier::volcengine_user_pool(url).unwrap().for_id_tokens("c").build().unwrap();

    let idaas = || TokenVerifier::alibaba_idaas("https://example.aliyunidaas.com/api/v2/iauths_system/oauth2");
    assert!(refused(idaas()).is_missing());
    idaas().with_required_scope("https://agent.example.com|agent.access").build().unwrap();
    idaas().with_audience("https://agent.example.com").with_required_scope("agent.access").build().unwrap();
    for scope in ["https://agent.example.com|.all", "https://agent.example.com|", "|agent.access", "a|b|c"] {
        refused(idaas().with_audience("x").with_required_scope(scope));
    }
    assert_eq!(TokenVerifier::alibaba_oauth("4567").build().unwrap().issuer_name(), "https://oauth.aliyun.com");
}
