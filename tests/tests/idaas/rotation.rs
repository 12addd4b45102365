//! The instance's keys change: no token that is good is refused, by the services or by IDaaS itself.

use identity_tests::Anything;
use serde_json::json;

use crate::{READ, Stage, own};

#[tokio::test]
async fn services_verify_tokens_of_before_and_after() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    let (client, verifier) = (stage.client()?, stage.verifier(READ).build()?);
    let mut tokens = Vec::new();
    for round in 0..4 {
        client.forget_all();
        tokens.push(own(&client, READ).await?);
        // A key is withdrawn by the second rotation after it: what it has signed is refused then, and the rest never.
        for token in tokens.iter().rev().take(2) {
            let outcome = verifier.verify(token.expose_secret()).await;
            assert!(outcome.is_ok(), "round {round}: {:?}", outcome.err().map(|refusal| refusal.code()));
        }
        stage.emulator.rotate_idaas_keys().await?;
        // Unknown keys are asked about at most once in 30 s.
        stage.pass(31);
    }
    Ok(())
}

#[tokio::test]
async fn the_developer_api_is_asked_on_with_a_new_token() -> Result<(), Anything> {
    let keys = json!({ "api_keys": [{ "identifier": "llm", "apikey": "sk-llm" }, { "identifier": "own", "apikey": "sk-alice", "exclusive_user": "alice" }] });
    let stage = Stage::with(&json!({}), &keys).await?;
    let (client, alice) = (stage.client()?, stage.user("alice").await?);
    for _ in 0..3 {
        client.forget_all();
        assert_eq!(client.api_key("llm").for_agent().await?.expose_secret(), "sk-llm");
        stage.emulator.rotate_idaas_keys().await?;
    }
    // By now the key of the token that is kept is withdrawn; it is renewed once, and the call goes on.
    assert_eq!(stage.count("idaas_token"), 2);
    let fresh = stage.user("alice").await?;
    assert_eq!(client.api_key("own").for_user(&fresh).await?.expose_secret(), "sk-alice");
    // What the user showed was signed by a key that is withdrawn: the user signs in again.
    client.forget_all();
    let error = client.api_key("own").for_user(&alice).await.err().ok_or("nobody verifies that token")?;
    assert_eq!(error.kind(), identity_client::ErrorKind::Unauthenticated, "{error}");
    Ok(())
}
