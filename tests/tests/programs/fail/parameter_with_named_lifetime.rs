use identity_client::{ApiKey, Error, requires_api_key};

#[requires_api_key(provider_name = "openai-key")]
async fn answer<'a>(prompt: &'a str, api_key: &'a ApiKey) -> Result<&'a str, Error> {
    drop(api_key.clone());
    Ok(prompt)
}

fn main() {}
