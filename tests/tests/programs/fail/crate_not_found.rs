use identity_client::{ApiKey, Error, requires_api_key};

// What a renamed dependency says, too: `::identity_client` is the default.
#[requires_api_key(provider_name = "openai-key", crate = ::renamed)]
async fn answer(api_key: ApiKey) -> Result<(), Error> {
    drop(api_key);
    Ok(())
}

fn main() {}
