#![deny(warnings)]

use identity_client::{ApiKey, Error, RequestContext, requires_api_key};

#[requires_api_key(provider_name = "openai-key")]
async fn by_value(context: RequestContext, api_key: ApiKey) -> Result<(), Error> {
    drop(api_key);
    Ok(())
}

#[requires_api_key(provider_name = "openai-key")]
async fn by_reference(context: &RequestContext, api_key: ApiKey) -> Result<Option<&str>, Error> {
    drop(api_key);
    Ok(context.request_id())
}

#[requires_api_key(provider_name = "openai-key")]
async fn by_mutable_reference(context: &mut identity_client::RequestContext, api_key: ApiKey) -> Result<(), Error> {
    drop(api_key);
    *context = RequestContext::new();
    Ok(())
}

#[requires_api_key(provider_name = "openai-key")]
async fn mutable(mut context: RequestContext, api_key: ApiKey) -> Result<RequestContext, Error> {
    drop(api_key);
    context = context.with_request_id("1");
    Ok(context)
}

#[requires_api_key(provider_name = "openai-key", context = second)]
async fn one_of_two(first: RequestContext, second: RequestContext, api_key: ApiKey) -> Result<(), Error> {
    drop((first, api_key));
    Ok(())
}

mod foreign {
    pub struct RequestContext<T>(pub T);
}

#[requires_api_key(provider_name = "openai-key")]
async fn of_another_library(context: foreign::RequestContext<u8>, api_key: ApiKey) -> Result<u8, Error> {
    drop(api_key);
    Ok(context.0)
}

fn main() {
    drop(by_value(RequestContext::new()));
    drop(by_reference(&RequestContext::new()));
    drop(by_mutable_reference(&mut RequestContext::new()));
    drop(mutable(RequestContext::new()));
    drop(one_of_two(RequestContext::new(), RequestContext::new()));
    drop(of_another_library(foreign::RequestContext(1)));
}
