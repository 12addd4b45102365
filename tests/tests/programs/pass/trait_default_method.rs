#![deny(warnings)]

use identity_client::{ApiKey, Error, requires_api_key};

trait Answer {
    fn name(&self) -> &str;

    #[requires_api_key(provider_name = self.name())]
    async fn answer(&self, prompt: &str, api_key: ApiKey) -> Result<String, Error> {
        Ok(format!("{prompt}{}", api_key.expose_secret().len()))
    }
}

struct Agent;

impl Answer for Agent {
    fn name(&self) -> &str {
        "openai-key"
    }
}

fn main() {
    drop(Agent.answer("hello"));
}
