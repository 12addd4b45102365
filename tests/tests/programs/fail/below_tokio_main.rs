use identity_client::{ApiKey, Error, requires_api_key};

#[tokio::main]
#[requires_api_key(provider_name = "openai-key")]
async fn start(api_key: ApiKey) -> Result<(), Error> {
    drop(api_key);
    Ok(())
}

fn main() {}
