//! Whether a provider of API keys holds one for the agent or one for each user, remembered.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared, WeakShared},
};

use crate::{client::Inner, clock::Moment, credential_request::Flow, error::Error, name::ProviderName};

/// A provider does not change its kind; deleting one and making another of the same name is noticed after this.
const KEPT_FOR: Duration = Duration::from_secs(300);

/// More provider names than any agent has: past this all are asked again.
const CAPACITY: usize = 1024;

type Asking = BoxFuture<'static, Result<Flow, Error>>;

#[derive(Default)]
pub(crate) struct FlowLookup(Mutex<HashMap<Box<str>, Answer>>);

enum Answer {
    Known(Flow, Moment),
    Asking(WeakShared<Asking>),
}

impl FlowLookup {
    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, Answer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer, if it is known.
    pub(crate) fn known(&self, provider: &str, now: Moment) -> Option<Flow> {
        match self.lock().get(provider)? {
            Answer::Known(flow, since) if now.since(since) < KEPT_FOR => Some(*flow),
            _ => None,
        }
    }

    /// The answer, asked for once however many want it.
    pub(crate) async fn ask(client: &Arc<Inner>, provider: &ProviderName) -> Result<Flow, Error> {
        if let Some(flow) = client.flows.known(provider.as_str(), client.clock.now()) {
            return Ok(flow);
        }
        client.flows.join(client, provider).await
    }

    fn join(&self, client: &Arc<Inner>, provider: &ProviderName) -> Shared<Asking> {
        let mut answers = self.lock();
        if let Some(Answer::Asking(asking)) = answers.get(provider.as_str())
            && let Some(asking) = asking.upgrade().filter(|asking| asking.peek().is_none())
        {
            return asking;
        }
        let asking = Self::asking(Arc::clone(client), provider.clone()).shared();
        if let Some(weak) = asking.downgrade() {
            if answers.len() >= CAPACITY {
                answers.clear();
            }
            answers.insert(provider.as_str().into(), Answer::Asking(weak));
        }
        asking
    }

    fn asking(client: Arc<Inner>, provider: ProviderName) -> Asking {
        Box::pin(async move {
            let answer = client.platform.api_key_flow(&provider).await;
            let mut answers = client.flows.lock();
            match &answer {
                Ok(flow) => answers.insert(provider.as_str().into(), Answer::Known(*flow, client.clock.now())),
                Err(_) => answers.remove(provider.as_str()),
            };
            drop(answers);
            answer
        })
    }

    pub(crate) fn forget(&self, provider: &str) {
        self.lock().remove(provider);
    }

    pub(crate) fn forget_all(&self) {
        self.lock().clear();
    }
}
