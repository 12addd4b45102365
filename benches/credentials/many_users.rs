//! Ten thousand users in the cache: what an entry costs, and whether looking up stays flat.

use std::time::Duration;

use criterion::Criterion;
use identity_benches::MemoryPlatform;
use identity_client::{IdentityClient, User};

pub(crate) fn bench(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut group = criterion.benchmark_group("lookup");
    for users in [10_u32, 10_000] {
        let client = IdentityClient::builder()
            .with_platform(MemoryPlatform::new().unwrap())
            .with_unknown_lifetime(Duration::from_secs(86_400))
            .build()
            .unwrap();
        let names: Vec<User> =
            (0..users).map(|nth| User::asserted(format!("user-{nth:05}@example.com")).unwrap()).collect();
        let ask = |user: &User| {
            let request = client.access_token("google").with_scopes(["calendar"]).for_user(user);
            runtime.block_on(request.into_future()).unwrap()
        };
        let memory = allocation_counter::measure(|| names.iter().for_each(|user| drop(ask(user))));
        eprintln!("{users} users: {} bytes an entry", memory.bytes_current / i64::from(users));
        let mut next = names.iter().cycle();
        group.bench_function(format!("among {users} users"), |bencher| {
            bencher.iter(|| next.next().map(&ask));
        });
    }
    group.finish();
}
