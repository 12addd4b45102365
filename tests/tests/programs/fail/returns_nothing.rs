use identity_client::{ApiKey, requires_api_key};

#[requires_api_key(provider_name = "openai-key")]
async fn answer(api_key: ApiKey) {
    drop(api_key);
}

fn main() {}
