use identity_client::{ApiKey, requires_api_key};

fn answers() {
    let answer = #[requires_api_key(provider_name = "openai-key")]
    async |api_key: ApiKey| drop(api_key);
    drop(answer);
}

fn main() {}
