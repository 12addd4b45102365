use identity_client::{ApiKey, Error, requires_api_key};

trait Answer {
    #[requires_api_key(provider_name = "openai-key")]
    fn answer(&self, api_key: ApiKey) -> Result<(), Error>;
}

fn main() {}
