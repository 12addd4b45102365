use identity_client::{ApiKey, Error, requires_api_key};

#[requires_api_key(provider_name = "mail-key", custom_state = "012345678901234567890123456789012345678901234567890")]
async fn answer(api_key: ApiKey) -> Result<(), Error> {
    drop(api_key);
    Ok(())
}

fn main() {}
