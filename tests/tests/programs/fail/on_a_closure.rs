use identity_client::requires_api_key;

fn answers() {
    let answer = #[requires_api_key(provider_name = "openai-key")]
    async |api_key| drop(api_key);
    drop(answer);
}

fn main() {}
