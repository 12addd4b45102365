use identity_client::{ApiKey, Error, requires_api_key};

// It is not there yet when the arguments are evaluated.
#[requires_api_key(provider_name = "openai-key", user_id = api_key)]
async fn answer(api_key: ApiKey) -> Result<(), Error> {
    drop(api_key);
    Ok(())
}

fn main() {}
