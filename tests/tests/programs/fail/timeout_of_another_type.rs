use identity_client::{ApiKey, Error, requires_api_key};

#[requires_api_key(provider_name = "mail-key", timeout = seconds)]
async fn answer(seconds: u64, api_key: ApiKey) -> Result<(), Error> {
    drop(api_key);
    Ok(())
}

fn main() {}
