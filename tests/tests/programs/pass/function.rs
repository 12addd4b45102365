#![deny(warnings)]

use identity_client::{ApiKey, Error, requires_api_key};

#[requires_api_key(provider_name = "openai-key")]
async fn answer(prompt: &str, api_key: ApiKey) -> Result<String, Error> {
    Ok(format!("{prompt}{}", api_key.expose_secret().len()))
}

#[requires_api_key(provider_name = "openai-key")]
async fn only_the_key(mut api_key: ApiKey) -> Result<(), Error> {
    api_key = api_key.clone();
    drop(api_key);
    Ok(())
}

fn main() {
    drop(answer("hello"));
    drop(only_the_key());
}
