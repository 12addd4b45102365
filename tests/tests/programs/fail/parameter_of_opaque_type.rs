use identity_client::{Error, FromApiKey, requires_api_key};

#[requires_api_key(provider_name = "openai-key")]
async fn answer(api_key: impl for<'a> FromApiKey<'a>) -> Result<(), Error> {
    drop(api_key);
    Ok(())
}

fn main() {}
