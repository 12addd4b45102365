use identity_client::{ApiKey, Error, requires_api_key};

#[requires_api_key(provider_name = "openai-key")]
async fn answer(prompt: &str, api_key: ApiKey) -> Result<(), Error> {
    drop((prompt, api_key));
    Ok(())
}

async fn caller(api_key: ApiKey) -> Result<(), Error> {
    answer("hello", api_key).await
}

fn main() {}
