//! What is on a handler's hot path, each beside a raw baseline in the same run.
#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

mod cold;
mod concurrent;
mod many_users;
mod platform;
mod warm;

criterion::criterion_group!(benches, warm::bench, cold::bench, concurrent::bench, many_users::bench);
criterion::criterion_main!(benches);
