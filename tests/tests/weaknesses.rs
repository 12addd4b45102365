//! Faults of the reference SDK that could be ours and that no other test is named after; see `tests/WEAKNESSES.md`.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use identity_client::{ErrorKind, IdentityClient, SecretString, agentbase::AgentBase, requires_api_key};
use identity_emulator::{Emulator, Fault};
use identity_tests::{AGENT, Anything, KEY, KEY_PROVIDER, Stage, fast_retry};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
    time::Instant,
};

const STATIC_KEY: &str = "get_api_key_for_agent_identity";

/// A way to the emulator that counts connections.
struct Door {
    address: String,
    connections: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Door {
    async fn to(upstream: String) -> Result<Self, Anything> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?.to_string();
        let connections = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((mut outside, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::Relaxed);
                let upstream = upstream.clone();
                open.spawn(async move {
                    let mut inside = TcpStream::connect(upstream).await?;
                    tokio::io::copy_bidirectional(&mut outside, &mut inside).await
                });
            }
        });
        Ok(Self { address, connections, task })
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[requires_api_key(provider_name = "openai-key")]
async fn handler(api_key: identity_client::ApiKey) -> Result<usize, identity_client::Error> {
    Ok(api_key.expose_secret().len())
}

/// W14: the server's half is not here; that an error is whole without a status is.
#[tokio::test]
async fn w14_a_network_error_in_a_handler_has_a_kind_and_a_hint_and_no_status() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    let context = identity_client::RequestContext::new().with_client(stage.client.clone());
    stage.client.api_key(KEY_PROVIDER).await?;
    stage.client.forget_all();
    stage.emulator.faults().add(Fault::on_operation(STATIC_KEY).reset().times(3));
    let error = context.clone().scope(handler()).await.err().ok_or("nothing was answered")?;
    assert_eq!((error.kind(), error.status()), (ErrorKind::Transport, None));
    assert!(error.is_retryable() && error.hint().is_some() && !error.to_string().is_empty());
    assert_eq!(context.scope(handler()).await?, KEY.len());
    Ok(())
}

/// W24: a hundred calls that ask the platform each time, and IAM's, share what the client was built with.
#[tokio::test]
async fn w24_calls_share_one_connection() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    let access = stage.emulator.agentbase();
    let identity = url::Url::parse(access.identity_url())?;
    let upstream = format!("127.0.0.1:{}", identity.port().ok_or("no port")?);
    let door = Door::to(upstream.clone()).await?;
    let through = |url: &str| url.replace(&upstream, &door.address);
    let agentbase = AgentBase::builder()
        .with_client_credentials(access.client_id(), access.client_secret().clone())
        .with_agent_identity(AGENT)
        .with_identity_endpoint(through(access.identity_url()))
        .with_iam_token_endpoint(through(access.token_url()))
        .build()?;
    let client = IdentityClient::builder().with_platform(agentbase).with_unknown_lifetime(Duration::ZERO).build()?;
    stage.emulator.counters().reset();
    for _ in 0..100 {
        client.api_key(KEY_PROVIDER).for_agent().await?;
    }
    assert_eq!((stage.count(STATIC_KEY), stage.count("iam_token")), (100, 1));
    assert_eq!(door.connections.load(Ordering::Relaxed), 1);
    Ok(())
}

/// W26: one thread for the platform, the caller and all others; a call that blocked it would never be answered.
#[tokio::test(flavor = "current_thread")]
async fn w26_a_call_that_waits_blocks_nobody() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    stage.emulator.faults().add(Fault::on_operation(STATIC_KEY).delay(Duration::from_secs(2)));
    let ticking = tokio::spawn(async {
        let (mut longest, mut last) = (Duration::ZERO, Instant::now());
        for _ in 0..100 {
            tokio::time::sleep(Duration::from_millis(10)).await;
            longest = longest.max(last.elapsed());
            last = Instant::now();
        }
        longest
    });
    let begun = Instant::now();
    let asking = stage.client.api_key(KEY_PROVIDER).for_agent().into_future();
    let (key, longest) = tokio::join!(asking, ticking);
    assert!(key?.expose_secret() == KEY && begun.elapsed() >= Duration::from_secs(2));
    let longest = longest?;
    assert!(longest < Duration::from_secs(1), "{longest:?} without a turn");
    Ok(())
}

/// W35: no test of this program sets a subscriber, so one that is set would be the client's.
#[tokio::test]
async fn w35_the_client_leaves_logging_to_its_application() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    stage.client.api_key(KEY_PROVIDER).await?;
    assert!(!tracing::dispatcher::has_been_set());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("no workspace")?;
    let manifest = std::fs::read_to_string(root.join("identity-client/Cargo.toml"))?;
    let (dependencies, _) = manifest.split_once("[dev-dependencies]").ok_or("no dev-dependencies")?;
    for sink in ["tracing-subscriber", "tracing-log", "env_logger"] {
        assert!(!dependencies.contains(sink), "{sink} decides where logs go, which is the application's choice");
    }
    Ok(())
}

/// W37: not the first characters of a secret either.
#[tokio::test]
async fn w37_no_part_of_a_secret_is_printed() -> Result<(), Anything> {
    let emulator = Emulator::builder().start().await?;
    let access = emulator.agentbase();
    let secret = "qzxw-vkjy-7319-ffpm";
    let builder = AgentBase::builder()
        .with_client_credentials(access.client_id(), SecretString::from(secret))
        .with_agent_identity(AGENT)
        .with_identity_endpoint(access.identity_url())
        .with_iam_token_endpoint(access.token_url())
        .with_http(identity_client::HttpOptions::new().with_retry(fast_retry()));
    let shown = format!("{builder:?}");
    let agentbase = builder.build()?;
    let client = IdentityClient::builder().with_platform(agentbase.clone()).build()?;
    let error = client.api_key(KEY_PROVIDER).for_agent().await.err().ok_or("the secret is wrong")?;
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    let printed = format!("{shown} {agentbase:?} {client:?} {error} {error:?} {:?}", agentbase.management());
    for part in secret.as_bytes().windows(4) {
        let part = std::str::from_utf8(part)?;
        assert!(!printed.contains(part), "{part}: {printed}");
    }
    Ok(())
}
