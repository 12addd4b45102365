use identity_client::{Error, FromApiKey, requires_api_key};

#[requires_api_key(provider_name = "openai-key")]
async fn answer<K: for<'a> FromApiKey<'a>>(api_key: K) -> Result<(), Error> {
    drop(api_key);
    Ok(())
}

fn main() {}
