use identity_client::{ApiKey, Error, requires_api_key};

#[requires_api_key(provider_name = "openai-key")]
async fn answer(prompt: &str, key: ApiKey) -> Result<(), Error> {
    drop((prompt, key));
    Ok(())
}

fn main() {}
