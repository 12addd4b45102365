//! What a warm call allocates is counted, not timed, so it is a test: nothing.
#![expect(clippy::unused_async, reason = "the baseline is async like what it is compared with")]

use std::time::Duration;

use identity_benches::MemoryPlatform;
use identity_client::{
    AccessToken, ApiKey, Error, IdentityClient, RequestContext, User, requires_access_token, requires_api_key,
};

async fn direct(question: &str, api_key: &ApiKey) -> Result<usize, Error> {
    Ok(question.len() + api_key.expose_secret().len())
}

#[requires_api_key(provider_name = "openai-key")]
async fn for_the_agent(question: &str, api_key: ApiKey) -> Result<usize, Error> {
    Ok(question.len() + api_key.expose_secret().len())
}

#[requires_api_key(provider_name = "openai-key", auth_flow = "M2M")]
#[requires_access_token(provider_name = "google", auth_flow = "USER_FEDERATION", scopes = ["calendar", "mail"])]
async fn for_a_user(
    question: &str,
    context: &RequestContext,
    api_key: &ApiKey,
    access_token: &AccessToken,
) -> Result<usize, Error> {
    let known = usize::from(context.user().is_some());
    Ok(question.len() + api_key.expose_secret().len() + access_token.expose_secret().len() + known)
}

#[test]
fn a_warm_call_allocates_nothing() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let client = IdentityClient::builder()
        .with_platform(MemoryPlatform::new().unwrap())
        .with_unknown_lifetime(Duration::from_secs(86_400))
        .build()
        .unwrap();
    client.install().unwrap();
    let key = ApiKey::new("sk-0123456789").unwrap();
    let context = RequestContext::new().with_user(User::asserted("alice@example.com").unwrap());
    let count = |call: &dyn Fn() -> usize| {
        // Twice before, so that caches, thread locals and the runtime are warm.
        call();
        call();
        allocation_counter::measure(|| {
            call();
        })
        .count_total
    };
    let raw = count(&|| runtime.block_on(direct("how are you?", &key)).unwrap());
    let agent = count(&|| runtime.block_on(for_the_agent("how are you?")).unwrap());
    let user = count(&|| runtime.block_on(for_a_user("how are you?", &context)).unwrap());
    assert_eq!((agent, user), (raw, raw));
}
