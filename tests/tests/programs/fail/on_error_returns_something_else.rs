use identity_client::{ApiKey, Error, requires_api_key};

fn respond(_: Error) -> &'static str {
    "no"
}

#[requires_api_key(provider_name = "openai-key", on_error = respond)]
async fn answer(api_key: ApiKey) -> u16 {
    drop(api_key);
    200
}

fn main() {}
