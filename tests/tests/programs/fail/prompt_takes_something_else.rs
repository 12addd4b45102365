use identity_client::{ApiKey, Error, requires_api_key};

fn notify(_: u8) {}

#[requires_api_key(provider_name = "mail-key", on_auth_url = notify)]
async fn answer(api_key: ApiKey) -> Result<(), Error> {
    drop(api_key);
    Ok(())
}

fn main() {}
