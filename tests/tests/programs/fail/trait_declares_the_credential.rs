use identity_client::{ApiKey, Error, requires_api_key};

trait Answer {
    async fn answer(&self, api_key: ApiKey) -> Result<(), Error>;
}

struct Agent;

impl Answer for Agent {
    #[requires_api_key(provider_name = "openai-key")]
    async fn answer(&self, api_key: ApiKey) -> Result<(), Error> {
        drop(api_key);
        Ok(())
    }
}

fn main() {}
