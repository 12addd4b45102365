use identity_client::{ApiKey, requires_api_key};

#[requires_api_key(provider_name = "openai-key")]
async fn answer(api_key: ApiKey) -> impl std::fmt::Display {
    api_key.expose_secret().len()
}

fn main() {}
