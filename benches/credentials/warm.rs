//! A decorated handler whose credential is in the cache, against the same body called directly.

use std::{hint::black_box, time::Duration};

use criterion::Criterion;
use identity_benches::MemoryPlatform;
use identity_client::{
    AccessToken, ApiKey, Error, IdentityClient, RequestContext, User, requires_access_token, requires_api_key,
};

fn body(question: &str, key: &str) -> usize {
    black_box(question).len() + black_box(key).len()
}

#[expect(clippy::unused_async, reason = "the baseline is the handler as it would be without the attribute")]
async fn direct(question: &str, api_key: &ApiKey) -> Result<usize, Error> {
    Ok(body(question, api_key.expose_secret()))
}

#[requires_api_key(provider_name = "openai-key", auth_flow = "M2M")]
async fn decorated(question: &str, api_key: ApiKey) -> Result<usize, Error> {
    Ok(body(question, api_key.expose_secret()))
}

#[requires_access_token(provider_name = "google", auth_flow = "USER_FEDERATION", scopes = ["calendar", "mail"])]
async fn for_a_user(question: &str, context: &RequestContext, access_token: &AccessToken) -> Result<usize, Error> {
    black_box(context);
    Ok(body(question, access_token.expose_secret()))
}

pub(crate) fn bench(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let client = IdentityClient::builder()
        .with_platform(MemoryPlatform::new().unwrap())
        .with_unknown_lifetime(Duration::from_secs(86_400))
        .build()
        .unwrap();
    client.install().unwrap();
    let key = ApiKey::new("sk-0123456789abcdef0123456789abcdef").unwrap();
    let context = RequestContext::new().with_user(User::asserted("alice@example.com").unwrap());
    runtime.block_on(async {
        decorated("warm up").await.unwrap();
        for_a_user("warm up", &context).await.unwrap();
    });

    let mut group = criterion.benchmark_group("warm");
    group.bench_function("direct call", |bencher| bencher.to_async(&runtime).iter(|| direct("how are you?", &key)));
    group.bench_function("decorated call", |bencher| bencher.to_async(&runtime).iter(|| decorated("how are you?")));
    group.bench_function("decorated call for a user, two scopes", |bencher| {
        bencher.to_async(&runtime).iter(|| for_a_user("how are you?", &context));
    });
    group.finish();
}
