#![deny(warnings)]

use identity_client::{ApiKey, Error, requires_api_key};

#[requires_api_key(provider_name = "openai-key")]
#[tracing::instrument(err)]
async fn below(prompt: &str, api_key: ApiKey) -> Result<String, Error> {
    Ok(format!("{prompt}{}", api_key.expose_secret().len()))
}

// Not the order to use: the credential becomes a field of the span. It is redacted, and it compiles.
#[tracing::instrument(skip(prompt))]
#[requires_api_key(provider_name = "openai-key")]
async fn above(prompt: &str, api_key: ApiKey) -> Result<String, Error> {
    Ok(format!("{prompt}{}", api_key.expose_secret().len()))
}

struct Agent;

#[async_trait::async_trait]
trait Answer {
    async fn answer(&self, prompt: &str) -> Result<String, Error>;
}

#[async_trait::async_trait]
impl Answer for Agent {
    #[requires_api_key(provider_name = "openai-key")]
    #[tracing::instrument(skip(self))]
    async fn answer(&self, prompt: &str, api_key: ApiKey) -> Result<String, Error> {
        Ok(format!("{prompt}{}", api_key.expose_secret().len()))
    }
}

fn main() {
    drop(below("hello"));
    drop(above("hello"));
    drop(Agent.answer("hello"));
}
