//! What the targets share: the key set and the tokens of the corpus.

use std::{
    collections::HashSet,
    sync::LazyLock,
    time::{Duration, SystemTime},
};

use identity_client::{
    Clock, Moment, SystemClock,
    inbound::{Refusal, TokenVerifier},
};
use serde_json::Value;

/// The issuer of the corpus.
pub const ISSUER: &str = "https://id.example.com";

static CORPUS: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../tests/fixtures/jwt/corpus.json")).expect("the corpus is JSON")
});

/// Every token of the corpus. No key is kept, so nothing else can be accepted.
static KNOWN: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    let tokens = CORPUS["tokens"].as_array().expect("tokens");
    tokens.iter().filter_map(|token| token["token"].as_str()).collect()
});

#[derive(Debug)]
struct CorpusTime;

impl Clock for CorpusTime {
    fn now(&self) -> Moment {
        Moment { wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000), ..SystemClock.now() }
    }
}

/// The verifier of the corpus.
pub static VERIFIER: LazyLock<TokenVerifier> = LazyLock::new(|| {
    let builder = TokenVerifier::fixed_keys(ISSUER, CORPUS["keys"].to_string());
    builder.with_audience("https://agent.example.com").with_clock(CorpusTime).build().expect("the corpus has keys")
});

/// A token that was not made with the corpus is never accepted, and nothing that is said about one repeats it.
pub fn judged(token: &str, outcome: Result<(), Refusal>) {
    match outcome {
        Ok(()) => assert!(KNOWN.contains(token), "a forged token was accepted"),
        Err(refusal) => {
            let said = format!("{refusal} {refusal:?}");
            // Words of the refusal itself are no token.
            assert!(token.len() < 32 || !token.contains('.') || !said.contains(token), "a refusal repeats the token");
        }
    }
}
