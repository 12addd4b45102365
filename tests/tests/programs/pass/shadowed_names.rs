#![deny(warnings)]
// The expansion spells every path out, so the user's own names do not reach it.

use identity_client::{ApiKey, Error, requires_api_key};

mod core {
    pub mod result {}
}

mod std {}

#[expect(non_camel_case_types, dead_code, reason = "shadows the primitive")]
struct bool;

#[expect(non_camel_case_types, dead_code, reason = "shadows the primitive")]
struct str;

type Result<T> = ::core::result::Result<T, Error>;

#[requires_api_key(provider_name = "openai-key", auth_flow = "USER_FEDERATION", force_delegation = Some(1) == None)]
async fn answer(api_key: ApiKey) -> Result<usize> {
    ::core::result::Result::Ok(api_key.expose_secret().len())
}

fn main() {
    drop(answer());
}
