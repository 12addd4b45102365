use identity_client::{ApiKey, requires_api_key};

#[requires_api_key(provider_name = "openai-key")]
async fn answer(api_key: ApiKey) -> Option<u8> {
    drop(api_key);
    Some(1)
}

fn main() {}
