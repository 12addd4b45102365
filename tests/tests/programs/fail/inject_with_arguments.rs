use identity_client::{ApiKey, Error, requires_api_key};

#[requires_api_key(provider_name = "openai-key")]
async fn answer(#[inject(api_key)] key: ApiKey) -> Result<(), Error> {
    drop(key);
    Ok(())
}

fn main() {}
