//! A network that misbehaves, between the client and the emulator.
//!
//! A flipped bit is tried in the head of an answer only: in the value of a JSON string nothing but TLS can notice it.

use std::time::Duration;

use futures_util::future::join_all;
use identity_client::{Error, ErrorKind, IdentityClient};
use identity_emulator::Emulator;
use identity_tests::{Anything, KEY, KEY_PROVIDER, Stage};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    node::{Node, http},
    odd::{DEADLINE, SLACK, options},
};

const STATIC_KEY: &str = "get_api_key_for_agent_identity";
const CREATE: &str = "create_api_key_provider";

/// The stage, and a client that reaches its identity service through a proxy. IAM is reached directly.
struct Network {
    stage: Stage,
    proxy: Node,
    agentbase: identity_client::agentbase::AgentBase,
    client: IdentityClient,
}

impl Network {
    async fn new() -> Result<Self, Anything> {
        let stage = Stage::with(Emulator::builder(), IdentityClient::builder()).await?;
        let access = stage.emulator.agentbase();
        let identity = url::Url::parse(access.identity_url())?;
        let upstream = format!("127.0.0.1:{}", identity.port().ok_or("no port")?);
        let proxy = Node::start("tcp-proxy.mjs", &["--to", &upstream]).await?;
        let agentbase = identity_client::agentbase::AgentBase::builder()
            .with_client_credentials(access.client_id(), access.client_secret().clone())
            .with_agent_identity(identity_tests::AGENT)
            .with_identity_endpoint(format!("http://127.0.0.1:{}{}", proxy.port("port")?, identity.path()))
            .with_iam_token_endpoint(access.token_url())
            .with_http(options())
            .build()?;
        let client = IdentityClient::builder().with_platform(agentbase.clone());
        let client = client.with_unknown_lifetime(Duration::ZERO).build()?;
        Ok(Self { stage, proxy, agentbase, client })
    }

    /// From the next connection on; what is open is cut, and the counters start anew.
    async fn set(&self, faults: &Value) -> Result<(), Anything> {
        self.control("cut", "").await?;
        self.control("reset", "").await?;
        self.control("set", &faults.to_string()).await?;
        // The client notices that its idle connections are gone.
        tokio::time::sleep(Duration::from_millis(50)).await;
        self.stage.emulator.counters().reset();
        Ok(())
    }

    async fn control(&self, what: &str, body: &str) -> Result<Value, Anything> {
        let url = format!("{}/{what}", self.proxy.text("control")?);
        Ok(http().post(url).body(body.to_owned()).send().await?.error_for_status()?.json().await?)
    }

    async fn connections(&self) -> Result<u64, Anything> {
        Ok(self.control("stats", "").await?["connections"].as_u64().ok_or("no count")?)
    }

    /// A key, or a typed error, within the deadline.
    async fn key(&self) -> Result<Result<String, Error>, Anything> {
        let begun = Instant::now();
        let ask = self.client.api_key(KEY_PROVIDER).for_agent().into_future();
        let got = tokio::time::timeout(DEADLINE + SLACK, ask).await;
        let got = got.map_err(|_| format!("no end after {:?}", begun.elapsed()))?;
        Ok(got.map(|key| key.expose_secret().to_owned()))
    }

    async fn create(&self, name: &str) -> Result<Error, Anything> {
        let providers = self.agentbase.api_key_providers();
        let created = tokio::time::timeout(DEADLINE + SLACK, providers.create(name, "sk-new")).await?;
        Ok(created.err().ok_or_else(|| format!("{name} cannot have been confirmed"))?)
    }
}

#[tokio::test]
async fn w21_a_connection_that_is_refused_twice_is_tried_a_third_time() -> Result<(), Anything> {
    let network = Network::new().await?;
    network.set(&json!({ "refuse": true, "times": 2 })).await?;
    assert_eq!(network.key().await??, KEY);
    assert_eq!((network.connections().await?, network.stage.count(STATIC_KEY)), (3, 1));
    network.set(&json!({ "refuse": true })).await?;
    let error = network.key().await?.err().ok_or("no connection, no key")?;
    assert_eq!((error.kind(), network.connections().await?), (ErrorKind::Transport, 3));
    // Creating is tried again only if the reset came before the request was written, and the platform saw none either way.
    network.set(&json!({ "refuse": true })).await?;
    assert_eq!(network.create("key-refused").await?.kind(), ErrorKind::Transport);
    assert!((1..=3).contains(&network.connections().await?));
    assert_eq!(network.stage.count(CREATE), 0);
    Ok(())
}

#[tokio::test]
async fn std_http_01_silence_ends_within_the_deadline() -> Result<(), Anything> {
    let network = Network::new().await?;
    network.set(&json!({ "blackhole": true })).await?;
    let begun = Instant::now();
    let error = network.key().await?.err().ok_or("silence is no key")?;
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(begun.elapsed() >= Duration::from_millis(2_500), "all tries are used: {:?}", begun.elapsed());
    assert!(network.connections().await? <= 3);
    network.set(&json!({ "blackhole": true, "times": 1 })).await?;
    assert_eq!(network.key().await??, KEY, "the second try gets it");
    Ok(())
}

#[tokio::test]
async fn w21_a_read_that_is_cut_off_is_repeated_and_a_create_is_not() -> Result<(), Anything> {
    let network = Network::new().await?;
    for (number, end) in ["reset", "close", "stall"].into_iter().enumerate() {
        let cut = json!({ "down_limit": 40, "on_limit": end, "times": 1 });
        network.set(&cut).await?;
        assert_eq!(network.key().await??, KEY, "{end}");
        assert_eq!((network.connections().await?, network.stage.count(STATIC_KEY)), (2, 2), "{end}");
        network.set(&cut).await?;
        let name = format!("key-cut-{number}");
        let error = network.create(&name).await?;
        let kind = if end == "stall" { ErrorKind::Timeout } else { ErrorKind::Transport };
        assert_eq!((error.kind(), network.stage.count(CREATE)), (kind, 1), "std_http_01 {end}: {error}");
        assert!(network.agentbase.api_key_providers().get(&name).await.is_ok(), "it was created, once");
    }
    // The request itself is cut: the platform has seen half of it.
    network.set(&json!({ "up_limit": 60, "on_limit": "reset", "times": 1 })).await?;
    assert_eq!(network.key().await??, KEY);
    network.set(&json!({ "up_limit": 60, "on_limit": "reset", "times": 1 })).await?;
    assert_eq!(network.create("key-cut-up").await?.kind(), ErrorKind::Transport);
    assert_eq!((network.connections().await?, network.stage.count(CREATE)), (1, 0));
    Ok(())
}

#[tokio::test]
async fn connections_that_died_idle_cost_nobody_an_answer() -> Result<(), Anything> {
    let network = Network::new().await?;
    for _ in 0..10 {
        assert_eq!(network.key().await??, KEY);
        network.control("cut", "").await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_slow_line_is_waited_for_as_long_as_a_try_may_take() -> Result<(), Anything> {
    let network = Network::new().await?;
    network.set(&json!({ "rate_bps": 4000 })).await?;
    assert_eq!(network.key().await??, KEY);
    network.set(&json!({ "chunk": 1 })).await?;
    assert_eq!(network.key().await??, KEY);
    network.set(&json!({ "rate_bps": 20 })).await?;
    assert_eq!(network.key().await?.err().map(|error| error.kind()), Some(ErrorKind::Timeout));
    Ok(())
}

/// Every byte of the head, from the status line on. The length of the head differs with the date by nothing.
#[tokio::test]
async fn a_flipped_bit_in_the_head_never_makes_a_wrong_key() -> Result<(), Anything> {
    let network = Network::new().await?;
    network.set(&json!({})).await?;
    assert_eq!(network.key().await??, KEY);
    let body = json!({ "apikey": KEY }).to_string().len() as u64;
    let all = network.control("stats", "").await?["down"].as_u64().ok_or("no count")?;
    let head = all.checked_sub(body).ok_or("the answer is shorter than its body")?;
    assert!(head > 60, "{head}");
    let (mut right, mut failed) = (0, 0);
    for at in 0..head {
        network.set(&json!({ "corrupt_at": at, "times": 1 })).await?;
        match network.key().await? {
            Ok(key) => {
                assert_eq!(key, KEY, "byte {at}");
                right += 1;
            }
            Err(error) => {
                let typed = [ErrorKind::Protocol, ErrorKind::Transport, ErrorKind::Timeout];
                assert!(typed.contains(&error.kind()), "byte {at}: {error:?}");
                failed += 1;
            }
        }
    }
    assert!(right > 0 && failed > 0, "{right} right, {failed} failed");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn w25_fifty_callers_on_a_slow_line_make_one_request() -> Result<(), Anything> {
    let network = Network::new().await?;
    network.set(&json!({ "latency_ms": 150, "jitter_ms": 50 })).await?;
    let client = IdentityClient::builder().with_platform(network.agentbase.clone()).build()?;
    let calls = (0..50).map(|_| client.api_key(KEY_PROVIDER).for_agent().into_future());
    let keys = join_all(calls).await.into_iter().collect::<Result<Vec<_>, Error>>()?;
    assert!(keys.iter().all(|key| key.expose_secret() == KEY));
    assert_eq!((network.stage.count(STATIC_KEY), network.connections().await?), (1, 1));
    Ok(())
}
