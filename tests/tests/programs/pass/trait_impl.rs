#![deny(warnings)]

use identity_client::{ApiKey, Error, requires_api_key};

/// Declared without the credential.
trait Answer {
    type Failure: From<Error>;

    async fn answer(&self, prompt: &str) -> Result<String, Self::Failure>;
}

struct Agent;

impl Answer for Agent {
    type Failure = Error;

    #[requires_api_key(provider_name = "openai-key")]
    async fn answer(&self, prompt: &str, api_key: ApiKey) -> Result<String, Self::Failure> {
        Ok(format!("{prompt}{}", api_key.expose_secret().len()))
    }
}

fn main() {
    drop(Agent.answer("hello"));
}
