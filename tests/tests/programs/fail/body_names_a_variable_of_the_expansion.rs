use identity_client::{ApiKey, Error, requires_api_key};

#[requires_api_key(provider_name = "openai-key")]
async fn answer(api_key: ApiKey) -> Result<(), Error> {
    drop((api_key, __identity_fetched_0));
    Ok(())
}

fn main() {}
