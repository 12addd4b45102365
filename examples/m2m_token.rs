//! A token source that outlives its tokens, used against a protected service: `cargo run --example m2m_token`.
#![expect(clippy::print_stdout, reason = "an example tells its story")]

use identity_client::{TokenSource, requires_access_token};
use identity_examples::{Failure, Ground, arguments, without_redirects};

type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// Who the service says that we are. The parameter is a source, so a long loop always has a valid token.
#[requires_access_token(provider_name = "crm-oauth", auth_flow = "M2M", scopes = ["contacts.read"], into = tokens)]
async fn whoami(service: &str, tokens: TokenSource) -> Result<String, AnyError> {
    let http = without_redirects()?;
    let mut request = http.get(service).build()?;
    tokens.token().await?.apply(&mut request)?;
    let answer = http.execute(request).await?;
    Ok(format!("{} {}", answer.status(), answer.text().await?))
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    arguments(include_str!("m2m_token.rs"), &[])?;
    let ground = Ground::find().await?;
    let client = ground.install()?;
    let Some(emulator) = &ground.emulator else {
        let token = client.access_token("crm-oauth").with_scopes(["contacts.read"]).await?;
        println!("the platform gave a token of {} characters", token.expose_secret().len());
        return Ok(());
    };
    ground.register_provider("crm-oauth").await?;
    let service = emulator.provider().token_url().replace("/token", "/userinfo");
    println!("the service answers: {}", whoami(&service).await?);
    println!("the provider was asked for {} token", emulator.counters().count("provider_token"));
    Ok(())
}
