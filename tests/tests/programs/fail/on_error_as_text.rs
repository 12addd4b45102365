use identity_client::{ApiKey, requires_api_key};

#[requires_api_key(provider_name = "openai-key", on_error = "respond")]
async fn answer(api_key: ApiKey) -> u16 {
    drop(api_key);
    200
}

fn main() {}
