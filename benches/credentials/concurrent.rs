//! A thousand calls at once for a credential that nobody has yet: one request.

use std::time::Duration;

use criterion::Criterion;
use futures_util::future::join_all;
use identity_client::IdentityClient;
use identity_emulator::Emulator;

use crate::platform::{PROVIDER, set_up};

pub(crate) fn bench(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let emulator = runtime.block_on(Emulator::start()).unwrap();
    let agentbase = set_up(&runtime, &emulator);
    let client = IdentityClient::builder()
        .with_platform(agentbase)
        .with_unknown_lifetime(Duration::from_secs(3600))
        .build()
        .unwrap();

    let mut group = criterion.benchmark_group("concurrent");
    group.sample_size(20);
    group.bench_function("1,000 cold calls", |bencher| {
        bencher.to_async(&runtime).iter(|| async {
            client.forget_all();
            let before = emulator.counters().count("get_api_key_for_agent_identity");
            let keys = join_all((0..1000).map(|_| client.api_key(PROVIDER).for_agent().into_future())).await;
            assert!(keys.iter().all(Result::is_ok));
            assert_eq!(emulator.counters().count("get_api_key_for_agent_identity") - before, 1, "one request for all");
        });
    });
    group.finish();
    runtime.block_on(emulator.shutdown());
}
