use identity_client::{ApiKey, Error, requires_api_key};

#[requires_api_key(provider_name = "mail-key", client = number)]
async fn answer(number: u64, api_key: ApiKey) -> Result<(), Error> {
    drop(api_key);
    Ok(())
}

fn main() {}
