//! One agent on all four platforms: nothing but its configuration says on which.

mod agent;
mod browser;
mod table;
mod vaults;

use std::{net::SocketAddr, time::Duration};

use identity_client::SecretString;
use identity_emulator::Emulator;
use identity_tests::Anything;
use reqwest::StatusCode;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{
    browser::Browser,
    vaults::{Deployment, KEY},
};

/// How often the user asks again until what was agreed to has arrived.
const PATIENCE: u32 = 200;

#[tokio::test]
#[expect(clippy::print_stdout, reason = "the table is printed for the README")]
async fn one_agent_runs_on_all_four_platforms_by_configuration_only() -> Result<(), Anything> {
    let folder = tempfile::tempdir()?;
    // One address for all, one after the other: return URLs name it.
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let emulator = vaults::emulator(address).await?;
    let mut abilities = Vec::new();
    for deployment in vaults::deployments(&emulator, address, folder.path()).await? {
        let (app, client) = agent::build(&deployment.environment, &deployment.settings)?;
        assert_eq!(client.platform().name, deployment.platform);
        abilities.push((deployment.platform, client.capabilities()));
        let shutdown = app.shutdown();
        let server = tokio::spawn(app.serve(TcpListener::from_std(listener.try_clone()?)?, std::future::pending()));
        let told = runs(address, &deployment, &emulator).await;
        told.map_err(|error| format!("{}: {error}", deployment.platform))?;
        shutdown.finish();
        server.await??;
    }
    let table = table::of(&abilities);
    println!("{table}");
    assert!(include_str!("../../../README.md").contains(&table), "the README's table is another one:\n{table}");
    let source = include_str!("agent.rs").to_ascii_lowercase();
    for platform in ["agentbase", "greennode", "agentkit", "volc", "agent_identity", "alibaba", "idaas", "emulator"] {
        assert!(!source.contains(platform), "the agent knows of {platform}");
    }
    Ok(())
}

/// A stranger is turned away; alice is asked once, agrees, and the agent has all three credentials, of the right owners.
async fn runs(agent: SocketAddr, deployment: &Deployment, emulator: &Emulator) -> Result<(), Anything> {
    let (status, _) = ask(agent, None).await?;
    assert_eq!(status, StatusCode::UNAUTHORIZED, "{}", deployment.platform);
    let token = Some(&deployment.user_token);
    let (status, pending) = ask(agent, token).await?;
    assert_eq!(status, StatusCode::ACCEPTED, "{}: {pending}", deployment.platform);
    assert_eq!(pending.pointer("/pending/0/provider"), Some(&json!("crm-oauth")), "{pending}");
    let link = pending.pointer("/pending/0/authorization_url").and_then(Value::as_str).ok_or("no link")?;
    let mut alice = Browser::of("alice")?;
    alice.keep_session(&deployment.user_token);
    let (place, page) = alice.open(link).await?;
    if let Some(url) = &deployment.settings.consent_url {
        assert!(place.as_str().starts_with(url), "{}: the way ends at {}", deployment.platform, place.path());
    }
    assert!(!page.contains(deployment.user_token.expose_secret()));
    let answer = answered(agent, token).await?;
    assert_eq!((&answer["customer"], &answer["model_key"]), (&json!("ACME"), &json!(KEY)));
    assert_eq!(answer["asked_by"], "alice");
    let provider = emulator.provider();
    let (of_user, own) = (owner(emulator, &answer["user_token"]).await?, owner(emulator, &answer["own_token"]).await?);
    assert_eq!((&of_user["sub"], &of_user["scope"]), (&json!("alice"), &json!("contacts.read")), "{of_user}");
    assert_eq!((&own["sub"], &own["scope"]), (&json!(provider.client_id()), &json!("reports.write")), "{own}");
    let (status, again) = ask(agent, token).await?;
    assert_eq!((status, &again["user_token"]), (StatusCode::OK, &answer["user_token"]), "nobody is asked twice");
    Ok(())
}

async fn ask(agent: SocketAddr, token: Option<&SecretString>) -> Result<(StatusCode, Value), Anything> {
    let request = browser::http()?.post(format!("http://{agent}/invocations")).json(&json!({ "customer": "ACME" }));
    let request = match token {
        Some(token) => request.bearer_auth(token.expose_secret()),
        None => request,
    };
    let answer = request.send().await?;
    Ok((answer.status(), answer.json().await?))
}

async fn answered(agent: SocketAddr, token: Option<&SecretString>) -> Result<Value, Anything> {
    for _ in 0..PATIENCE {
        match ask(agent, token).await? {
            (StatusCode::OK, answer) => return Ok(answer),
            (StatusCode::ACCEPTED, _) => tokio::time::sleep(Duration::from_millis(50)).await,
            (status, refused) => return Err(format!("{status}: {refused}").into()),
        }
    }
    Err("the consent never arrived".into())
}

/// Whose token it is, as the outside provider says.
async fn owner(emulator: &Emulator, token: &Value) -> Result<Value, Anything> {
    let userinfo = emulator.provider().token_url().replace("/token", "/userinfo");
    let answer = browser::http()?.get(userinfo).bearer_auth(token.as_str().ok_or("no token")?).send().await?;
    Ok(answer.error_for_status()?.json().await?)
}
