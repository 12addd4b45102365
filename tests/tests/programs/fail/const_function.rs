use identity_client::{ApiKey, Error, requires_api_key};

#[requires_api_key(provider_name = "openai-key")]
const fn answer(api_key: &ApiKey) -> Result<(), Error> {
    let _ = api_key;
    Ok(())
}

fn main() {}
