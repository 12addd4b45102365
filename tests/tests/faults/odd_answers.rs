//! Every answer of the odd server, as that of each endpoint.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use identity_client::{Error, HttpOptions, IdentityClient};
use identity_tests::Anything;
use tokio::{net::TcpListener, time::Instant};

use crate::{
    odd::{
        DEADLINE, Good, Odd, Outcome, SECRETS, SLACK, as_key, as_token, client, count, options, over_http2,
        prints_no_secret,
    },
    tls::TlsFront,
};

/// At once; more would measure the machine.
const TOGETHER: usize = 8;
const TRIES: u64 = 3;

/// One call: within its deadline, with no secret in its error, and with the outcome that the table says.
async fn call(client: &IdentityClient, name: &str, expected: Outcome, key: &str) -> Result<(), Anything> {
    let begun = Instant::now();
    let got = tokio::time::timeout(DEADLINE + SLACK, client.api_key("openai-key").for_agent().into_future()).await;
    let got = got.map_err(|_| format!("{name}: no end after {:?}", begun.elapsed()))?;
    judge(name, expected, key, got.map(|key| key.expose_secret().to_owned()))
}

fn judge(name: &str, expected: Outcome, key: &str, got: Result<String, Error>) -> Result<(), Anything> {
    match (expected, got) {
        (Outcome::Credential, Ok(got)) if got == key => Ok(()),
        (Outcome::Fails(kinds), Err(error)) if kinds.contains(&error.kind()) => {
            prints_no_secret(name, &error);
            Ok(())
        }
        (_, got) => Err(format!("{name}: {expected:?} was expected, not {got:?}").into()),
    }
}

fn all(checks: Vec<Result<(), Anything>>) -> Result<(), Anything> {
    let failed: Vec<_> = checks.into_iter().filter_map(|check| Some(check.err()?.to_string())).collect();
    if failed.is_empty() { Ok(()) } else { Err(failed.join("\n").into()) }
}

/// Asked once, then once more after the service refused the first token, over the connection that may have been kept.
async fn as_iam(odd: &Odd, name: &str) -> Result<(), Anything> {
    let expected = as_token(name).ok_or_else(|| format!("{name} is not in the table of `odd.rs`"))?;
    let good = Good::start().await?;
    let (_, client) = client(&good.origin, &odd.url(name)?, options())?;
    call(&client, name, expected, "key-of-ours").await?;
    let tries = count(&odd.counts().await?, name);
    let mut bearers = 0;
    if matches!(expected, Outcome::Credential) {
        good.refuse_next();
        call(&client, name, expected, "key-of-ours").await?;
        bearers = 3;
    }
    let again = count(&odd.counts().await?, name) - tries;
    assert!((1..=TRIES).contains(&tries) && again <= TRIES, "{name}: {tries}, then {again} tries");
    let seen = good.bearers();
    assert_eq!(seen.len(), bearers, "{name}: without a token nothing is sent");
    assert!(seen.iter().all(|bearer| bearer == "tok-weird" || bearer == "t"), "{name}: {seen:?}");
    Ok(())
}

/// Asked twice, the second time over the connection that may have been kept.
async fn as_identity(odd: &Odd, name: &str, good: &Good) -> Result<(), Anything> {
    let expected = as_key(name).ok_or_else(|| format!("{name} is not in the table of `odd.rs`"))?;
    let (_, client) = client(&odd.url(name)?, &format!("{}/token", good.origin), options())?;
    let before = count(&odd.counts().await?, name);
    for _ in 0..2 {
        call(&client, name, expected, "key-weird").await?;
    }
    let tries = count(&odd.counts().await?, name) - before;
    // A 401 is repeated once with another token.
    let most = if name == "error-401-basic" { 4 } else { 2 * TRIES };
    assert!((2..=most).contains(&tries), "{name}: {tries} tries");
    Ok(())
}

/// `std_http_02` on a real socket: an address that a redirect names is never connected to.
struct Thief(TcpListener);

impl Thief {
    /// Another loopback address where there is one, as there is on Linux.
    async fn wait() -> Result<Self, Anything> {
        let other = TcpListener::bind(("127.0.0.2", 0)).await;
        Ok(Self(if let Ok(other) = other { other } else { TcpListener::bind(("127.0.0.1", 0)).await? }))
    }

    fn url(&self) -> Result<String, Anything> {
        Ok(format!("http://{}/steal", self.0.local_addr()?))
    }

    async fn got_nothing(&self) {
        let visit = tokio::time::timeout(Duration::from_millis(200), self.0.accept()).await;
        assert!(visit.is_err(), "somebody followed a redirect to another host");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn std_http_02_no_odd_answer_of_iam_does_harm() -> Result<(), Anything> {
    let thief = Thief::wait().await?;
    let odd = Odd::start(&["--steal", &thief.url()?]).await?;
    let names = odd.node.names("http1");
    assert!(names.len() > 60, "{names:?}");
    let checks = stream::iter(&names).map(|name| as_iam(&odd, name)).buffer_unordered(TOGETHER).collect().await;
    all(checks)?;
    thief.got_nothing().await;
    let counts = odd.counts().await?;
    assert_eq!(count(&counts, "ok"), 2, "`redirect-308-post` leads there, and nobody follows it");
    for name in ["redirect-loop", "redirect-other-host", "redirect-file", "redirect-308-post"] {
        assert_eq!(count(&counts, name), 1, "{name}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn std_http_02_no_odd_answer_of_the_identity_service_does_harm() -> Result<(), Anything> {
    let thief = Thief::wait().await?;
    let odd = Odd::start(&["--steal", &thief.url()?]).await?;
    let good = Good::start().await?;
    let names = odd.node.names("http1");
    let checks =
        stream::iter(&names).map(|name| as_identity(&odd, name, &good)).buffer_unordered(TOGETHER).collect().await;
    all(checks)?;
    thief.got_nothing().await;
    let counts = odd.counts().await?;
    assert_eq!(count(&counts, "ok"), 2);
    assert_eq!(count(&counts, "redirect-loop"), 2);
    Ok(())
}

/// HTTP/2 is spoken below TLS only.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_odd_answer_over_http2_does_harm() -> Result<(), Anything> {
    let odd = Odd::start(&[]).await?;
    let front = TlsFront::before(odd.node.port("h2c_port")?).await?;
    let good = Good::start().await?;
    let good_front = format!("{}/token", good.origin);
    let names = odd.node.names("http2");
    assert!(names.len() > 10, "{names:?}");
    let one = async |name: &str| -> Result<(), Anything> {
        let expected = over_http2(name).ok_or_else(|| format!("{name} is not in the table of `odd.rs`"))?;
        let endpoint = format!("https://localhost:{}/{name}", front.port);
        let trusting = || options().with_root_certificate_pem(front.certificate.as_bytes());
        let counted = format!("h2:{name}");
        let (_, of_keys) = client(&endpoint, &good_front, trusting())?;
        call(&of_keys, name, expected, "key-weird").await?;
        let first = count(&odd.counts().await?, &counted);
        let (_, of_tokens) = client(&good.origin, &endpoint, trusting())?;
        call(&of_tokens, name, expected, "key-of-ours").await?;
        let second = count(&odd.counts().await?, &counted) - first;
        assert!((1..=TRIES).contains(&first) && (1..=TRIES).contains(&second), "{name}: {first}, {second} tries");
        Ok(())
    };
    let mut checks = Vec::new();
    for name in &names {
        checks.push(one(name).await);
    }
    all(checks)?;
    let seen = good.bearers();
    assert!(seen.iter().all(|bearer| bearer == "tok-weird"), "{seen:?}");
    Ok(())
}

/// What is created holds a secret of the caller's, too, which comes back with the request.
#[tokio::test]
async fn w33_an_echo_of_what_was_created_is_not_printed() -> Result<(), Anything> {
    let odd = Odd::start(&[]).await?;
    let good = Good::start().await?;
    let (agentbase, _) = client(&odd.url("error-echo-secret")?, &format!("{}/token", good.origin), options())?;
    let error = agentbase.api_key_providers().create("a-key", SECRETS[3]).await.err().ok_or("400 is an error")?;
    prints_no_secret("error-echo-secret", &error);
    assert_eq!(count(&odd.counts().await?, "error-echo-secret"), 1);
    Ok(())
}

/// `endless-body` offers 256 MiB, `gzip-bomb` 64 MiB.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_endless_body_takes_no_memory() -> Result<(), Anything> {
    const MOST_KIB: u64 = 64 << 10;
    let odd = Odd::start(&[]).await?;
    let good = Good::start().await?;
    for name in ["endless-body", "gzip-bomb"] {
        for is_iam in [true, false] {
            let token = format!("{}/token", good.origin);
            let at = odd.url(name)?;
            let (identity, iam) = if is_iam { (&good.origin, &at) } else { (&at, &token) };
            let (_, client) = client(identity, iam, HttpOptions::new())?;
            forget_peak();
            let before = peak_kib()?;
            let got = client.api_key("openai-key").for_agent().await;
            let more = peak_kib()?.saturating_sub(before);
            assert_eq!(got.err().map(|error| error.kind()), Some(identity_client::ErrorKind::Protocol), "{name}");
            assert!(more < MOST_KIB, "{name} took {more} KiB more");
        }
    }
    Ok(())
}

/// Lets the peak start again from what is resident now: another test of this process may have had more. Where that is not
/// allowed, the old peak counts.
#[cfg(target_os = "linux")]
fn forget_peak() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

#[cfg(target_os = "linux")]
fn peak_kib() -> Result<u64, Anything> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no peak")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse()?)
}
