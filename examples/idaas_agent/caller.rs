//! Who calls the agent: alice, signed in at the emulator's instance, and some who are refused.

use std::time::Duration;

use identity_emulator::Emulator;
use identity_examples::without_redirects;
use serde_json::{Value, json};

use crate::AnyError;

const HOUR: Duration = Duration::from_secs(3600);

pub(crate) struct Caller<'a> {
    emulator: &'a Emulator,
    url: String,
    access: String,
    http: reqwest::Client,
}

impl<'a> Caller<'a> {
    pub(crate) fn new(emulator: &'a Emulator, url: String, access: String) -> Result<Self, AnyError> {
        Ok(Self { emulator, url, access, http: without_redirects()? })
    }

    /// Asks with a token of alice's for this.
    async fn ask(&self, scope: &str) -> Result<reqwest::Response, AnyError> {
        use secrecy::ExposeSecret as _;
        let token = self.emulator.idaas_user_token("alice", scope, HOUR).await?;
        let request = self.http.post(&self.url).bearer_auth(token.expose_secret());
        Ok(request.json(&json!({ "prompt": "what is to be done today?" })).send().await?)
    }

    /// Who is let in.
    pub(crate) async fn knock(&self) -> Result<(), AnyError> {
        let stranger = self.http.post(&self.url).json(&json!({ "prompt": "hello" })).send().await?.status();
        let elsewhere = self.ask("https://another-agent.example.com|agent.access").await?.status();
        let audience = self.access.split('|').next().unwrap_or_default();
        let narrower = self.ask(&format!("{audience}|something.else")).await?.status();
        println!("2. the agent answers {} to a caller without a token,", stranger.as_u16());
        println!(
            "   {} to a token for another agent, {} to one without the permission",
            elsewhere.as_u16(),
            narrower.as_u16()
        );
        Ok(())
    }

    /// A question, and what the agent found out.
    pub(crate) async fn converse(&self, begin: &str) -> Result<(), AnyError> {
        let answer = self.ask(&self.access).await?;
        let status = answer.status();
        println!("{begin} with the token of her sign-in: {}", status.as_u16());
        let told: Value = answer.error_for_status()?.json().await?;
        let text = |pointer: &str| told.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        println!("   the agent {}", text("/model"));
        println!("   the service outside was asked with the key of {}", text("/weather/account"));
        let turns = told["orders"].as_array().map_or(0, Vec::len);
        println!(
            "   the internal service told {turns} times of the orders of {}, asked by {}",
            text("/orders/0/of"),
            text("/orders/0/asked_by")
        );
        println!("   IDaaS has issued {} tokens so far", self.emulator.counters().count("idaas_token"));
        Ok(())
    }

    /// The instance has a new signing key, which nobody was told of.
    pub(crate) async fn sign_in_again(&self, begin: &str) -> Result<(), AnyError> {
        self.emulator.rotate_idaas_keys().await?;
        self.converse(begin).await
    }
}
