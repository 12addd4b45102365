#![deny(warnings)]

use identity_client::{ApiKey, Error, requires_api_key};

#[expect(non_camel_case_types, dead_code, reason = "names that the expansion uses too")]
mod names {
    pub enum Names {
        Ok,
        Err,
        identity_client,
        __identity_client,
        __identity_error,
        __identity_fetched_0,
    }
}

#[requires_api_key(provider_name = "openai-key")]
async fn answer(api_key: ApiKey) -> Result<usize, Error> {
    use names::Names::*;
    let names = [identity_client as usize, __identity_error as usize, __identity_fetched_0 as usize];
    Result::Ok(api_key.expose_secret().len() + names.len())
}

fn main() {
    drop(answer());
}
