use identity_client::{ApiKey, requires_api_key};

#[requires_api_key(provider_name = "openai-key")]
struct Agent {
    _api_key: ApiKey,
}

fn main() {}
