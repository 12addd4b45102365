//! A fetch that the cache does not have, against the bare request on the same server.

use std::time::Duration;

use criterion::Criterion;
use identity_client::IdentityClient;
use identity_emulator::Emulator;

use crate::platform::{AGENT, PROVIDER, set_up};

pub(crate) fn bench(criterion: &mut Criterion) {
    // The server has a runtime of its own, or its work would count as the client's.
    let server = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let emulator = server.block_on(Emulator::start()).unwrap();
    let access = emulator.agentbase();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let agentbase = set_up(&runtime, &emulator);
    // Nothing is kept, so every call is cold; the service token is kept, as it is in an agent.
    let client =
        IdentityClient::builder().with_platform(agentbase).with_unknown_lifetime(Duration::ZERO).build().unwrap();

    let (http, bearer) = runtime.block_on(bare_client(&access));
    let url = format!(
        "{}/api/v1/outbound-auth/api-key-providers/{PROVIDER}/agent-identities/{AGENT}/api-key",
        access.identity_url()
    );
    let mut group = criterion.benchmark_group("cold");
    group.bench_function("bare reqwest request", |bencher| {
        bencher.to_async(&runtime).iter(|| async {
            let answer = http.get(&url).bearer_auth(&bearer).send().await.unwrap();
            let body: serde_json::Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
            body["apikey"].as_str().unwrap().len()
        });
    });
    group.bench_function("client request", |bencher| {
        bencher.to_async(&runtime).iter(|| async { client.api_key(PROVIDER).for_agent().await.unwrap() });
    });
    group.finish();
    server.block_on(emulator.shutdown());
}

#[expect(
    clippy::disallowed_methods,
    reason = "the baseline is a bare client, with the time-outs that any agent would set"
)]
async fn bare_client(access: &identity_emulator::AgentBaseHandle) -> (reqwest::Client, String) {
    let http = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(5))
        .timeout(Duration::from_secs(15))
        .build()
        .unwrap();
    let secret = identity_client::ApiKey::new(access.client_secret().clone()).unwrap();
    let answer = http
        .post(access.token_url())
        .basic_auth(access.client_id(), Some(secret.expose_secret()))
        .header("content-type", "application/x-www-form-urlencoded")
        .body("grant_type=client_credentials")
        .send()
        .await
        .unwrap();
    let body: serde_json::Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    (http, body["access_token"].as_str().unwrap().to_owned())
}
