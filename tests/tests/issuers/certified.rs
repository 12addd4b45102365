//! Tokens of the certified OpenID provider.

use std::time::Duration;

use identity_client::inbound::{Algorithm, TokenVerifier};
use identity_runtime::CustomJwtLayer;
use identity_tests::Anything;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::{
    agent::{AUDIENCE, Agent, reason, refused, unauthenticated, verifier, welcome},
    forgery::{part, with, with_another_signature},
    openid::OpenIdProvider,
    rotation::{Issuer, Load, rotate_under_load},
};

/// A machine that may call the agent, and one that may not.
const MACHINE: (&str, &str) = ("m2m-basic", "m2m-basic-secret");
const STRANGER: (&str, &str) = ("m2m basic:odd", "p%C3+ a:b/&=~");
/// A front end whose users may call the agent. They agree on another device, so no browser is needed.
const FRONT_END: (&str, &str) = ("ciba", "ciba-secret");
const CIBA: &str = "urn:openid:params:grant-type:ciba";
const CLIENTS: [&str; 2] = [MACHINE.0, FRONT_END.0];

fn discovery(provider: &OpenIdProvider) -> String {
    format!("{}/.well-known/openid-configuration", provider.issuer())
}

fn text(answer: &Value, name: &str) -> Result<String, Anything> {
    Ok(answer[name].as_str().ok_or_else(|| format!("no {name}: {}", answer["error"]))?.to_owned())
}

/// A machine's own token for this audience.
async fn machine_token(provider: &OpenIdProvider, of: (&str, &str), audience: &str) -> Result<String, Anything> {
    let form = [("grant_type", "client_credentials"), ("scope", "read"), ("resource", audience)];
    // Names and secrets are form-encoded before they become Basic (RFC 6749 section 2.3.1).
    let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let (id, secret) = (encoded(of.0), encoded(of.1));
    text(&provider.post("/token", (&id, &secret), &form).await?, "access_token")
}

/// What the front end gets when this user agrees (CIBA): an access token for the agent, and an ID token.
async fn user_tokens(provider: &OpenIdProvider, user: &str) -> Result<(String, String), Anything> {
    let form = [("scope", "openid read"), ("login_hint", user), ("resource", AUDIENCE)];
    let request = text(&provider.post("/backchannel", FRONT_END, &form).await?, "auth_req_id")?;
    let form = [("grant_type", CIBA), ("auth_req_id", &request), ("resource", AUDIENCE)];
    let agreed = async {
        loop {
            let answer = provider.post("/token", FRONT_END, &form).await?;
            if answer["error"] != "authorization_pending" {
                return Ok::<_, Anything>((text(&answer, "access_token")?, text(&answer, "id_token")?));
            }
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(Duration::from_secs(30), agreed).await?
}

#[tokio::test]
async fn who_may_call_is_let_in_by_name_and_nobody_else() -> Result<(), Anything> {
    let provider = OpenIdProvider::start(&[]).await?;
    let agent = Agent::start(&discovery(&provider), &CLIENTS, &[AUDIENCE]).await?;
    assert_eq!(agent.call(None).await?, unauthenticated());

    let token = machine_token(&provider, MACHINE, AUDIENCE).await?;
    assert_eq!(part(&token, 0)?["typ"], "at+jwt");
    // RFC 9068 section 2.2: nobody's token but the client's own, so the client is the subject.
    assert_eq!(agent.call(Some(&token)).await?, welcome(MACHINE.0));
    let (access_token, id_token) = user_tokens(&provider, "anna").await?;
    assert_eq!(agent.call(Some(&access_token)).await?, welcome("anna"));

    let judge = verifier(&discovery(&provider), &CLIENTS, AUDIENCE)?;
    for (bad, code) in [
        // Real, of the same issuer, for the same audience.
        (machine_token(&provider, STRANGER, AUDIENCE).await?, "client_not_allowed"),
        (machine_token(&provider, MACHINE, "https://other.example.com").await?, "audience_mismatch"),
        (id_token, "audience_mismatch"),
        (with(&access_token, 1, "sub", "root")?, "signature_invalid"),
        (with(&access_token, 1, "aud", "https://other.example.com")?, "signature_invalid"),
        (with(&access_token, 0, "kid", "es256-g1")?, "key_unfit"),
        (with(&access_token, 0, "alg", "none")?, "algorithm_none"),
        (with(&access_token, 0, "alg", "HS256")?, "algorithm_not_allowed"),
        (with_another_signature(&access_token)?, "signature_invalid"),
    ] {
        assert_eq!(agent.call(Some(&bad)).await?, refused(), "{code}");
        assert_eq!(reason(&judge, &bad).await, Some(code));
    }
    assert_eq!(agent.call(Some(&access_token)).await?, welcome("anna"), "the good one still is");
    Ok(())
}

/// The provider signs as the resource wants it.
#[tokio::test]
async fn of_the_forms_of_token_those_are_taken_that_are_configured() -> Result<(), Anything> {
    let provider = OpenIdProvider::start(&[]).await?;
    for (form, code) in [
        ("rs256", None),
        ("es256", None),
        ("eddsa", None),
        // Its `aud` is a list.
        ("audlist", None),
        ("ps256", Some("algorithm_not_allowed")),
        ("hs256", Some("algorithm_not_allowed")),
        ("jwe", Some("encrypted")),
        ("opaque", Some("not_compact")),
    ] {
        let audience = format!("https://{form}.api.test");
        let agent = Agent::start(&discovery(&provider), &[MACHINE.0], &[&audience]).await?;
        let token = machine_token(&provider, MACHINE, &audience).await?;
        let expected = if code.is_none() { welcome(MACHINE.0) } else { refused() };
        assert_eq!(agent.call(Some(&token)).await?, expected, "{form}");
        let judge = verifier(&discovery(&provider), &[MACHINE.0], &audience)?;
        assert_eq!(reason(&judge, &token).await, code, "{form}");
    }

    // What the default refuses can be asked for by name.
    let audience = "https://ps256.api.test";
    let pss =
        TokenVerifier::discovery(discovery(&provider))?.with_audience(audience).with_algorithms([Algorithm::Ps256]);
    let agent = Agent::behind(CustomJwtLayer::new([pss.build()?])?).await?;
    let token = machine_token(&provider, MACHINE, audience).await?;
    assert_eq!(agent.call(Some(&token)).await?, welcome(MACHINE.0));
    Ok(())
}

#[tokio::test]
async fn a_token_is_good_until_it_expires() -> Result<(), Anything> {
    let provider = OpenIdProvider::start(&["--short-ttl", "3"]).await?;
    let audience = "https://short.api.test";
    // The leeway is 30 s otherwise.
    let exact = TokenVerifier::discovery(discovery(&provider))?.with_audience(audience).with_leeway(Duration::ZERO);
    let judge = exact.build()?;
    let agent = Agent::behind(CustomJwtLayer::new([judge.clone()])?).await?;
    let token = machine_token(&provider, MACHINE, audience).await?;
    let lenient = Agent::start(&discovery(&provider), &[], &[audience]).await?;
    assert_eq!(lenient.call(Some(&token)).await?, welcome(MACHINE.0));
    let expired = async {
        loop {
            match agent.call(Some(&token)).await? {
                answer if answer == welcome(MACHINE.0) => sleep(Duration::from_millis(100)).await,
                other => return Ok::<_, Anything>(other),
            }
        }
    };
    assert_eq!(timeout(Duration::from_secs(30), expired).await??, refused());
    assert_eq!(reason(&judge, &token).await, Some("expired"));
    Ok(())
}

impl Issuer for OpenIdProvider {
    async fn token(&self) -> Result<String, Anything> {
        machine_token(self, MACHINE, AUDIENCE).await
    }

    async fn rotate(&self) -> Result<(), Anything> {
        self.control("rotate", &json!({})).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_rotate_under_load_and_no_good_token_is_refused() -> Result<(), Anything> {
    let provider = OpenIdProvider::start(&[]).await?;
    let agent = Agent::start(&discovery(&provider), &[MACHINE.0], &[AUDIENCE]).await?;
    let load = rotate_under_load(&provider, &agent, &welcome(MACHINE.0)).await?;
    load.check();
    // At first, and when a key was new: however many wait, they wait for one fetch.
    assert_eq!((provider.count("GET /jwks").await?, Load::KEYS), (2, 2));

    // A key that is taken out of the set at once, as after a leak, signs nothing new that is good, but what it signed lives on for
    // the lifetime of the keys here: the agent has no cause to ask before.
    assert_eq!(part(&load.first_token, 0)?["kid"], "rs256-g1");
    provider.control("rotate", &json!({ "drop_old": true })).await?;
    assert_eq!(agent.call(Some(&load.first_token)).await?, welcome(MACHINE.0));
    Ok(())
}
