#![deny(warnings)]

use std::fmt::Display;

use identity_client::{ApiKey, Error, requires_api_key};

struct Agent<T> {
    model: T,
}

impl<T: Display + Sync> Agent<T> {
    #[requires_api_key(provider_name = "openai-key")]
    async fn ask<P, const N: usize>(&self, prompts: [P; N], api_key: ApiKey) -> Result<String, Error>
    where
        P: Display + Send,
    {
        let prompts: String = prompts.iter().map(ToString::to_string).collect();
        Ok(format!("{}{prompts}{}", self.model, api_key.expose_secret().len()))
    }
}

#[requires_api_key(provider_name = provider.to_string())]
async fn ask(provider: impl Display, prompt: impl Into<String>, api_key: ApiKey) -> Result<String, Error> {
    drop(api_key);
    Ok(format!("{provider}{}", prompt.into()))
}

fn main() {
    drop(Agent { model: 1_u8 }.ask(["a", "b"]));
    drop(ask("openai-key", "hello"));
}
