use identity_client::{ApiKey, Error, requires_api_key};

#[requires_api_key(provider_name = "openai-key", user_id = user, auth_flow = "M2M")]
async fn answer(user: &str, api_key: ApiKey) -> Result<(), Error> {
    drop((user, api_key));
    Ok(())
}

fn main() {}
