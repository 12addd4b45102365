use crate::support::{Fake, HandClock, secs};

/// W1, W7: a client that lives longer than the runtime that it was first used in.
#[test]
fn w1_w7_one_client_serves_one_runtime_after_another() {
    let fake = Fake::new();
    let clock = HandClock::new();
    let client = fake.builder().with_clock(clock.clone()).build().unwrap();
    for nth in 1..=5 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async { client.api_key("openai-key").for_agent().await }).unwrap();
        assert_eq!(fake.acquired(), nth);
        clock.advance(secs(61));
    }
}

/// Building, cloning and dropping a client needs no runtime and does nothing.
#[test]
fn a_client_needs_no_runtime_until_it_is_asked() {
    let fake = Fake::new();
    let client = fake.client();
    drop(client.clone().api_key("openai-key"));
    assert_eq!(client.platform().name, "fake");
    assert_eq!(fake.acquired(), 0);
}
