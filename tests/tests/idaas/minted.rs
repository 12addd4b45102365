//! JWTs that IDaaS makes for the agent: minted, read back, listed, validated, revoked and reinstated.

use std::time::Duration;

use futures_util::TryStreamExt as _;
use identity_client::{
    ErrorKind,
    idaas::{AuthenticationTokens, NewJwt, TokenFilter},
    inbound::TokenVerifier,
};
use identity_tests::Anything;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::{APP, Stage};

const AUDIENCE: &str = "https://ledger.example.com";
const ISSUER: &str = "https://issuer.example.com";

async fn stage() -> Result<(Stage, AuthenticationTokens), Anything> {
    let providers =
        json!({ "jwt_providers": [{ "identifier": "internal", "issuers": [ISSUER] }, { "identifier": "other" }] });
    let stage = Stage::with(&json!({}), &providers).await?;
    let tokens = stage.idaas()?.authentication_tokens();
    Ok((stage, tokens))
}

fn new(provider: &str, subject: &str) -> Result<NewJwt, Anything> {
    Ok(NewJwt::new(provider, subject, [AUDIENCE])?)
}

/// The keys that a discovery document leads to.
async fn fetch(discovery: &str) -> Result<String, Anything> {
    let document: Value = reqwest::get(discovery).await?.json().await?;
    Ok(reqwest::get(document["jwks_uri"].as_str().ok_or("a place")?).await?.text().await?)
}

#[tokio::test]
async fn a_jwt_is_minted_read_back_and_found_by_its_short_token() -> Result<(), Anything> {
    let (stage, tokens) = stage().await?;
    let wanted = new("internal", "job-1")?.with_issuer(ISSUER).with_claim("team", "ledger").with_short_token();
    let minted = tokens.generate_jwt(&wanted.with_lifetime(Duration::from_secs(600))).await?;
    let jwt = minted.jwt().ok_or("a JWT")?;
    // Whoever is called with it verifies it by the instance's keys.
    let keys = format!("{}/.well-known/openid-configuration", stage.emulator.idaas().issuer());
    let ledger = TokenVerifier::issuer(ISSUER).with_audience(AUDIENCE).with_fixed_keys(fetch(&keys).await?).build()?;
    let claims = ledger.verify(jwt.expose_secret()).await.map_err(|refusal| refusal.code().as_str())?;
    assert_eq!((claims.subject(), claims.text("team")), (Some("job-1"), Some("ledger")));
    let id = minted.authentication_token_id.as_deref().ok_or("an id")?;
    let read = tokens.obtain_jwt(minted.consumer_id.as_deref().unwrap_or(APP), id).await?;
    let short = minted.short_token().ok_or("a short token")?;
    let by_short = tokens.obtain_jwt_by_short_token(short).await?;
    for same in [&read, &by_short] {
        let same = same.jwt().ok_or("a JWT")?;
        assert_eq!(same.expose_secret(), jwt.expose_secret());
    }
    assert!(!format!("{minted:?}").contains(jwt.expose_secret()));
    for wrong in [
        new("internal", "job-1")?.with_issuer("https://nobody.example.com"),
        new("internal", "x")?.with_claim("iss", "x"),
    ] {
        let error = tokens.generate_jwt(&wrong).await.err().ok_or("that is not allowed")?;
        assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{error}");
    }
    let error = tokens.generate_jwt(&new("nothing", "x")?).await.err().ok_or("there is none")?;
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    Ok(())
}

#[tokio::test]
async fn a_jwt_is_good_until_it_is_revoked_again_when_reinstated_and_not_past_its_life() -> Result<(), Anything> {
    let (stage, tokens) = stage().await?;
    let minted = tokens
        .generate_jwt(&new("internal", "job-1")?.with_short_token().with_lifetime(Duration::from_secs(900)))
        .await?;
    let (jwt, short) = (minted.jwt().ok_or("a JWT")?, minted.short_token().ok_or("a short token")?);
    assert!(tokens.validate(jwt).await? && tokens.validate(short).await?);
    // By either of its names.
    for name in [jwt, short] {
        tokens.revoke(name).await?;
        assert!(!tokens.validate(jwt).await? && !tokens.validate(short).await?);
        tokens.reinstate(name).await?;
        assert!(tokens.validate(jwt).await? && tokens.validate(short).await?);
    }
    stage.pass(901);
    assert!(!tokens.validate(jwt).await?);
    Ok(())
}

#[tokio::test]
async fn tokens_are_listed_page_by_page_and_revoked_by_consumer() -> Result<(), Anything> {
    let (stage, tokens) = stage().await?;
    let mut minted = Vec::new();
    for (provider, subject) in [("internal", "a"), ("internal", "b"), ("internal", "c"), ("other", "d")] {
        minted.push(tokens.generate_jwt(&new(provider, subject)?).await?);
    }
    let all = async |filter: TokenFilter| tokens.list_all(filter).try_collect::<Vec<_>>().await.map(|list| list.len());
    let page = tokens.list(&TokenFilter::new().with_page_size(3), None).await?;
    assert!(page.items.len() == 3 && page.next().is_some(), "{page:?}");
    assert!(page.items.iter().all(|item| item.jwt().is_none()), "a list has no tokens");
    assert_eq!(all(TokenFilter::new().with_page_size(1)).await?, 4);
    assert_eq!(all(TokenFilter::new().with_provider("other")).await?, 1);
    let consumer = minted[0].consumer_id.clone().ok_or("a consumer")?;
    tokens.revoke_by_consumer(&consumer, "internal").await?;
    assert_eq!(all(TokenFilter::new().with_revoked(true)).await?, 3);
    assert_eq!(all(TokenFilter::new().with_revoked(false).with_consumer(&consumer)).await?, 1);
    assert!(tokens.validate(minted[3].jwt().ok_or("a JWT")?).await?);
    assert!(!tokens.validate(minted[0].jwt().ok_or("a JWT")?).await?);
    tokens.reinstate_by_consumer(&consumer, "internal").await?;
    assert_eq!(all(TokenFilter::new().with_revoked(true)).await?, 0);
    // What was made for a user is neither the agent's nor another user's.
    let alice = stage.user("alice").await?;
    let of_alice = tokens.clone().for_user(&alice);
    of_alice.generate_jwt(&new("internal", "alice")?).await?;
    assert_eq!((all(TokenFilter::new()).await?, of_alice.list(&TokenFilter::new(), None).await?.items.len()), (4, 1));
    let of_bob = tokens.clone().for_user(&stage.user("bob").await?);
    assert!(of_bob.list(&TokenFilter::new(), None).await?.items.is_empty());
    Ok(())
}
