use identity_client::{ApiKey, requires_api_key};

#[async_trait::async_trait]
trait Answer {
    #[requires_api_key(provider_name = "openai-key")]
    async fn answer(&self, api_key: ApiKey) -> Option<u8> {
        drop(api_key);
        None
    }
}

fn main() {}
