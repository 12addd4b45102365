use identity_client::{ApiKey, requires_api_key};

#[requires_api_key(provider_name = "openai-key")]
extern "C" fn answer(api_key: &ApiKey) -> u8 {
    let _ = api_key;
    1
}

fn main() {}
