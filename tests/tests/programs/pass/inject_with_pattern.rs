#![deny(warnings)]

use identity_client::{ApiKey, Error, FromApiKey, requires_api_key};

struct Payload {
    user: String,
    prompt: String,
}

struct Parts {
    key: ApiKey,
    length: usize,
}

impl FromApiKey<'_> for Parts {
    fn from_api_key(key: &ApiKey) -> Result<Self, Error> {
        Ok(Self { key: key.clone(), length: key.expose_secret().len() })
    }
}

#[requires_api_key(provider_name = "openai-key", user_id = user)]
async fn answer(
    Payload { user, prompt }: Payload,
    #[inject] Parts { key, mut length }: Parts,
) -> Result<String, Error> {
    drop(key);
    length += 1;
    Ok(format!("{user}{prompt}{length}"))
}

#[requires_api_key(provider_name = "openai-key")]
async fn only_that_there_is_one(#[inject] _: ApiKey) -> Result<(), Error> {
    Ok(())
}

#[requires_api_key(provider_name = "openai-key")]
async fn unused(#[inject] #[expect(unused_variables)] key: ApiKey) -> Result<(), Error> {
    Ok(())
}

fn main() {
    drop(answer(Payload { user: String::new(), prompt: String::new() }));
    drop(only_that_there_is_one());
    drop(unused());
}
