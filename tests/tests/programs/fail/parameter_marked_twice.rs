use identity_client::{ApiKey, Error, requires_api_key};

#[requires_api_key(provider_name = "openai-key")]
async fn answer(#[inject] first: ApiKey, #[inject] second: ApiKey) -> Result<(), Error> {
    drop((first, second));
    Ok(())
}

fn main() {}
