use identity_client::{ApiKey, Error, RequestContext, requires_api_key};

#[requires_api_key(provider_name = "openai-key")]
async fn answer(caller: RequestContext, owner: &RequestContext, api_key: ApiKey) -> Result<(), Error> {
    drop((caller, owner.clone(), api_key));
    Ok(())
}

fn main() {}
