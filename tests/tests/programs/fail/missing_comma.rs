use identity_client::{ApiKey, Error, requires_api_key};

#[requires_api_key(provider_name = "openai-key" force_delegation = true)]
async fn answer(api_key: ApiKey) -> Result<(), Error> {
    drop(api_key);
    Ok(())
}

fn main() {}
