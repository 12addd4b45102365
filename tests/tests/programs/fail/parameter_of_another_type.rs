use identity_client::{Error, requires_api_key};

#[requires_api_key(provider_name = "openai-key")]
async fn answer(api_key: u32) -> Result<(), Error> {
    let _ = api_key;
    Ok(())
}

fn main() {}
