//! Tokens for the agent itself: what is asked for, kept, renewed, and never used past its life.

use std::time::Duration;

use futures_util::future::try_join_all;
use identity_client::ErrorKind;
use identity_emulator::Fault;
use identity_tests::Anything;
use serde_json::json;

use crate::{APP, PAM, READ, SECRET, Stage, WRITE, eventually, own};

#[tokio::test]
async fn a_token_is_for_one_audience_and_the_permissions_asked_for() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    let client = stage.client()?;
    let narrow = stage.claims(&own(&client, READ).await?, READ).await?;
    assert_eq!((narrow.subject(), narrow.client_id()), (Some(APP), Some(APP)));
    assert_eq!(
        (narrow.audiences(), narrow.scopes()),
        (&["https://orders.example.com".to_owned()][..], &["read".to_owned()][..])
    );
    let wide = stage.claims(&own(&client, "https://orders.example.com|.all").await?, WRITE).await?;
    assert_eq!(wide.scopes(), ["read", "write"]);
    for scope in ["https://orders.example.com|delete", "https://other.example.com|read"] {
        let error = own(&client, scope).await.err().ok_or("nothing of it is granted")?;
        assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidRequest, Some("invalid_scope")), "{error}");
        assert!(error.hint().is_some_and(|hint| hint.contains(APP)), "{error:?}");
    }
    let before = stage.count("idaas_token");
    for scopes in [["read", READ], [READ, "https://other.example.com|read"]] {
        let error = client.access_token("iauths_system").with_scopes(scopes).await.err().ok_or("that is no scope")?;
        assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{error}");
    }
    assert_eq!(stage.count("idaas_token"), before, "what cannot be right is not sent");
    Ok(())
}

#[tokio::test]
async fn a_token_is_kept_by_its_scopes_and_whose_it_is() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    let client = stage.client()?;
    let (alice, bob) = (stage.user("alice").await?, stage.user("bob").await?);
    for _ in 0..3 {
        // Scopes are a set.
        client.access_token("iauths_system").with_scopes([READ, WRITE]).await?;
        client.access_token("iauths_system").with_scopes([WRITE, READ]).await?;
        own(&client, READ).await?;
        own(&client, READ).for_agent().await?;
        own(&client, READ).for_user(&alice).await?;
        own(&client, READ).for_user(&bob).await?;
    }
    assert_eq!(stage.count("idaas_token"), 4);
    Ok(())
}

#[tokio::test]
async fn whoever_waits_for_a_token_waits_for_the_same_one() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    let slow = Fault::on_operation("idaas_token").times(1).delay(Duration::from_millis(300));
    stage.emulator.faults().add(slow);
    let client = stage.client()?;
    let tokens = try_join_all((0..100).map(|_| own(&client, READ).into_future())).await?;
    assert!(tokens.windows(2).all(|pair| pair[0].expose_secret() == pair[1].expose_secret()));
    assert_eq!(stage.count("idaas_token"), 1);
    Ok(())
}

#[tokio::test]
async fn a_token_is_renewed_ahead_kept_while_that_fails_and_never_used_past_its_life() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    let client = stage.client()?;
    let first = own(&client, READ).await?;
    stage.pass(3600 - 120);
    stage
        .emulator
        .faults()
        .add(Fault::on_operation("idaas_token").times(1000).status(503).json(&json!({ "error": "server_error" })));
    for _ in 0..3 {
        assert_eq!(own(&client, READ).await?.expose_secret(), first.expose_secret(), "it is good, and nobody waits");
        stage.claims(&first, READ).await?;
    }
    eventually(async || Ok(stage.count("idaas_token") > 1)).await?;
    stage.pass(40);
    assert_eq!(own(&client, READ).await?.expose_secret(), first.expose_secret(), "a renewal that failed costs nothing");
    stage.emulator.faults().clear();
    eventually(async || {
        stage.pass(1);
        let now = own(&client, READ).await?;
        stage.claims(&now, READ).await?;
        Ok(now.expose_secret() != first.expose_secret())
    })
    .await?;
    let second = own(&client, READ).await?;
    stage.pass(3601);
    let third = own(&client, READ).await?;
    assert_ne!(third.expose_secret(), second.expose_secret());
    stage.claims(&third, READ).await?;
    Ok(())
}

#[tokio::test]
async fn a_cold_start_that_fails_says_why_and_the_next_call_begins_anew() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    let client = stage.client()?;
    stage.emulator.faults().add(Fault::on_operation("idaas_token").times(1000).status(503).body("<html>down</html>"));
    let error = own(&client, READ).await.err().ok_or("it is down")?;
    assert_eq!((error.kind(), error.status()), (ErrorKind::Unavailable, Some(503)), "{error}");
    stage.emulator.faults().clear();
    stage.claims(&own(&client, READ).await?, READ).await?;
    Ok(())
}

/// An application that may fetch hosted keys and nothing else gets them: no wider permission is asked for.
#[tokio::test]
async fn a_hosted_key_needs_the_one_narrow_permission() -> Result<(), Anything> {
    let narrow = json!({ "permissions": { PAM: ["credential:obtain"] } });
    let rest = json!({
        "api_keys": [{ "identifier": "llm-key", "apikey": "sk-llm" }, { "identifier": "own", "apikey": "sk-alice", "exclusive_user": "alice" }],
        "oauth2_providers": [{ "identifier": "reports", "builtin": true, "flow": "m2m" }],
    });
    let stage = Stage::with(&narrow, &rest).await?;
    let client = stage.client()?;
    assert_eq!(client.api_key("llm-key").for_agent().await?.expose_secret(), "sk-llm");
    for absent in ["llm", "own"] {
        let error = client.api_key(absent).for_agent().await.err().ok_or("it is not the agent's")?;
        assert_eq!((error.kind(), error.code()), (ErrorKind::NotFound, Some("credential_not_found")), "{error}");
    }
    let error = client.access_token("reports").with_scopes(["read"]).await.err().ok_or("that is more")?;
    assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidRequest, Some("invalid_scope")), "{error}");
    assert!(!format!("{error:?}").contains(SECRET));
    Ok(())
}
