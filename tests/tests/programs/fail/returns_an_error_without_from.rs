use identity_client::{ApiKey, requires_api_key};

struct Failure;

#[requires_api_key(provider_name = "openai-key")]
async fn answer(api_key: ApiKey) -> Result<(), Failure> {
    drop((api_key, Failure));
    Ok(())
}

fn main() {}
