//! An issuer changes its signing key while callers go on calling, with tokens fresh and old.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicUsize, Ordering},
};

use futures_util::future::try_join_all;
use identity_tests::Anything;

use crate::{
    agent::{Agent, Answer},
    forgery::part,
};

const CALLERS: usize = 8;
const CALLS_EACH: usize = 50;
const CALLS: usize = CALLERS * CALLS_EACH;

/// An issuer that can do what an operator does from time to time.
pub(crate) trait Issuer {
    /// A fresh token for the agent, of a client that may call it.
    async fn token(&self) -> Result<String, Anything>;

    /// From now on a new key signs; the old ones stay published.
    async fn rotate(&self) -> Result<(), Anything>;
}

/// What the agent has answered.
pub(crate) struct Load {
    /// Signed before the rotation.
    pub(crate) first_token: String,
    /// How often the agent took tokens, by key and by whether the keys had been rotated.
    taken: HashMap<(String, bool), usize>,
    /// The answers to the others.
    refused: Vec<Answer>,
}

/// Callers take turns between a fresh token and their first one. Once half of all calls are answered, the keys rotate, and nobody
/// waits for that.
pub(crate) async fn rotate_under_load(issuer: &impl Issuer, agent: &Agent, good: &Answer) -> Result<Load, Anything> {
    let (answered, rotated) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let caller = async || {
        let first = issuer.token().await?;
        let mut answers = Vec::new();
        for call in 0..CALLS_EACH {
            let token = if call % 2 == 0 { first.clone() } else { issuer.token().await? };
            let is_after = rotated.load(Ordering::SeqCst) == 1;
            let answer = agent.call(Some(&token)).await?;
            let key = part(&token, 0)?["kid"].as_str().ok_or("no key id")?.to_owned();
            answers.push(((key, is_after), answer));
            if answered.fetch_add(1, Ordering::SeqCst) + 1 == CALLS / 2 {
                issuer.rotate().await?;
                rotated.fetch_add(1, Ordering::SeqCst);
            }
        }
        Ok::<_, Anything>((first, answers))
    };
    let (mut taken, mut refused, mut first_token) = (HashMap::new(), Vec::new(), String::new());
    for (first, answers) in try_join_all((0..CALLERS).map(|_| caller())).await? {
        first_token = first;
        for (which, answer) in answers {
            if answer == *good {
                *taken.entry(which).or_default() += 1;
            } else {
                refused.push(answer);
            }
        }
    }
    assert_eq!(rotated.into_inner(), 1);
    Ok(Load { first_token, taken, refused })
}

impl Load {
    /// How many keys have signed.
    pub(crate) const KEYS: usize = 2;

    /// Every call was answered, and none refused; nor was it for nothing: each key's tokens came after the rotation.
    pub(crate) fn check(&self) {
        assert_eq!(self.refused, []);
        assert_eq!(self.taken.values().sum::<usize>(), CALLS, "{:?}", self.taken);
        let after: HashMap<_, _> = self.taken.iter().filter(|((_, is_after), _)| *is_after).collect();
        assert_eq!(after.len(), Self::KEYS, "{:?}", self.taken);
    }
}
