use identity_client::{ApiKey, Error, requires_api_key};

#[requires_api_key(provider_name = "mail-key", client = name)]
async fn answer(name: &str, api_key: ApiKey) -> Result<(), Error> {
    drop(api_key);
    Ok(())
}

fn main() {}
