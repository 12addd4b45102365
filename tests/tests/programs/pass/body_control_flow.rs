#![deny(warnings)]

use std::sync::Mutex;

use identity_client::{ApiKey, Error, requires_api_key};

struct Guarded(Mutex<ApiKey>);

impl identity_client::FromApiKey<'_> for Guarded {
    fn from_api_key(key: &ApiKey) -> Result<Self, Error> {
        Ok(Self(Mutex::new(key.clone())))
    }
}

#[requires_api_key(provider_name = "openai-key")]
async fn question_mark_and_return(input: &str, api_key: ApiKey) -> Result<u32, Box<dyn std::error::Error>> {
    if input.is_empty() {
        return Ok(0);
    }
    let number: u32 = input.parse()?;
    let inner = async { Ok::<_, std::num::ParseIntError>(number + "1".parse::<u32>()?) };
    drop(api_key);
    Ok(inner.await?)
}

/// The last expression borrows from the credential until it is dropped.
#[requires_api_key(provider_name = "openai-key")]
async fn guard_in_the_tail(#[inject] guarded: Guarded) -> Result<usize, Error> {
    match guarded.0.lock() {
        Ok(key) => Ok(key.expose_secret().len()),
        Err(_) => Ok(0),
    }
}

#[requires_api_key(provider_name = "openai-key")]
async fn inner_attributes_and_items(api_key: ApiKey) -> Result<usize, Error> {
    #![expect(unused_variables)]
    //! Documented inside.
    const ONE: usize = 1;
    fn two() -> usize {
        2
    }
    Ok(ONE + two())
}

#[requires_api_key(provider_name = "openai-key")]
async unsafe fn dangerous(api_key: ApiKey) -> Result<usize, Error> {
    Ok(api_key.expose_secret().len())
}

fn main() {
    #[requires_api_key(provider_name = "openai-key")]
    async fn local(api_key: ApiKey) -> Result<usize, Error> {
        Ok(api_key.expose_secret().len())
    }

    drop(local());
    drop(question_mark_and_return("1"));
    drop(guard_in_the_tail());
    drop(inner_attributes_and_items());
    let _ = dangerous;
}
