//! Telling a user where to agree, and waiting until they have.

use std::{pin::pin, sync::Arc, time::Duration};

use futures_util::future::{Either, select};

use crate::{
    audit::Source,
    binding::Standing,
    cache::{Landing, Lookup},
    client::Inner,
    consent::{Acquired, PendingAuthorization, Prompt, Wait, not_in_time},
    context::RequestContext,
    credential::Credential,
    credential_request::{CredentialRequest, KeyRef},
    error::{Error, ErrorKind},
    flight::keep,
    gate::{self, Passage},
    need::{Need, outcome, receipt},
    platform::Issued,
    poll::{Answer, PollMachine, Step},
    prompt_failure::PromptFailure,
    undo::Undo,
};

const STAYS_GOOD: &str = "the link stays good for a while: ask the user to finish, then call again or `resume` the pending; a longer `timeout` waits longer";

/// No platform keeps a session longer than this; a wait that everybody has left ends at once anyway.
const LONGEST_WAIT: Duration = identity_grammar::MAX_WAIT;

/// Tells the user once a consent, then waits as the caller chose.
pub(crate) async fn consent(
    need: &Need<'_>,
    client: &Arc<Inner>,
    request: &Arc<CredentialRequest>,
    pending: PendingAuthorization,
) -> Result<Credential, Error> {
    let timeout = need.timeout.unwrap_or(client.consent_timeout).min(LONGEST_WAIT);
    let epoch = client.cache.epoch(request);
    let deadline = tokio::time::Instant::from_std(client.clock.now().steady) + timeout;
    let task = RequestContext::current();
    let teller = Teller::of(need, client, task.as_ref(), &pending);
    let prompt = teller.prompt;
    let told = tell(teller, client, request, &pending);
    let told = tokio::time::timeout_at(deadline, told).await.map_err(|_| timed_out(client, &pending, timeout))??;
    match need.wait.or_else(|| prompt.map(Prompt::then)).unwrap_or_default() {
        Wait::Return => Err(required(pending)),
        Wait::Poll if told == Told::ByNobody => Err(required(pending).with_hint(
            "give the call an `on_auth_url`, or the client a prompt: nobody would tell the user where to agree",
        )),
        Wait::Poll => {
            let wait = tokio::time::timeout_at(deadline, wait(client, request, epoch, &pending));
            let wait = async {
                match prompt.filter(|_| told == Told::Here) {
                    Some(prompt) => showing(prompt, &pending, deadline, wait).await,
                    None => wait.await,
                }
            };
            let waited = match need.contexts(task.as_ref()).find_map(RequestContext::end_of_waits) {
                Some(end) => match select(pin!(wait), end).await {
                    Either::Left((waited, _)) => waited,
                    Either::Right(_) => return Err(ended(&pending)),
                },
                None => wait.await,
            };
            waited.map_err(|_| timed_out(client, &pending, timeout))?
        }
    }
}

/// Who tells the user.
#[derive(Clone, Copy)]
struct Teller<'a> {
    prompt: Option<&'a dyn Prompt>,
    /// It tells one caller, who may not be the one that was told before.
    of_caller: bool,
}

impl<'a> Teller<'a> {
    /// The call's own prompt, else that of its context, else the client's.
    fn of(
        need: &Need<'a>,
        client: &'a Inner,
        task: Option<&'a RequestContext>,
        pending: &PendingAuthorization,
    ) -> Self {
        if let Some(prompt) = need.prompt {
            return Self { prompt: Some(prompt), of_caller: false };
        }
        let caller = need.contexts(task).find_map(|context| context.prompt_for(pending.user()));
        Self { prompt: caller.or(client.prompt.as_deref()), of_caller: caller.is_some() }
    }
}

/// Waits for a consent that another call, perhaps of another process, began and told the user of.
pub(crate) async fn resume(
    client: &Arc<Inner>,
    request: &Arc<CredentialRequest>,
    pending: PendingAuthorization,
    wait_for: Option<Duration>,
) -> Result<Acquired<Credential>, Error> {
    let begun = client.clock.now();
    let landing = Box::pin(go_on(client, request, pending, wait_for)).await;
    let (outcome, bound) = outcome(&landing);
    let (context, times) = (RequestContext::current(), (begun, client.clock.now()));
    let what = (Source::Platform, outcome, bound);
    receipt(client, &KeyRef::of(request), request.flow(), context.as_ref(), what, times);
    landing
}

async fn go_on(
    client: &Arc<Inner>,
    request: &Arc<CredentialRequest>,
    pending: PendingAuthorization,
    wait_for: Option<Duration>,
) -> Landing {
    let epoch = client.cache.epoch(request);
    let Some(timeout) = wait_for.map(|timeout| timeout.min(LONGEST_WAIT)) else {
        let asked = ask_once(client, pending).await.map_err(|error| error.about(request.provider()))?;
        return match asked {
            Acquired::Ready(issued) => keep(client, request, epoch, issued).map(Acquired::Ready),
            Acquired::NeedsConsent(pending) => Ok(Acquired::NeedsConsent(pending)),
        };
    };
    let waited = tokio::time::timeout(timeout, wait(client, request, epoch, &pending)).await;
    waited.map_err(|_| timed_out(client, &pending, timeout))?.map(Acquired::Ready)
}

/// Who told the user of a consent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    /// This call.
    Here,
    /// A call before it, or beside it.
    Elsewhere,
    ByNobody,
}

/// Waits, and lets the prompt show the time that is left.
async fn showing<T>(
    prompt: &dyn Prompt,
    pending: &PendingAuthorization,
    deadline: tokio::time::Instant,
    wait: impl Future<Output = T>,
) -> T {
    struct Ended<'a>(&'a dyn Prompt, &'a PendingAuthorization);
    impl Drop for Ended<'_> {
        fn drop(&mut self) {
            self.0.ended(self.1);
        }
    }
    let _ended = Ended(prompt, pending);
    let mut wait = pin!(wait);
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    loop {
        match select(wait.as_mut(), pin!(tick.tick())).await {
            Either::Left((waited, _)) => return waited,
            Either::Right((now, _)) => prompt.remaining(pending, deadline.saturating_duration_since(now)),
        }
    }
}

/// Tells the user, unless somebody has.
async fn tell(
    teller: Teller<'_>,
    client: &Inner,
    request: &CredentialRequest,
    pending: &PendingAuthorization,
) -> Result<Told, Error> {
    let Some(prompt) = teller.prompt else {
        return Ok(if client.cache.is_told(request, pending) { Told::Elsewhere } else { Told::ByNobody });
    };
    let is_first = client.cache.claim_telling(request, pending);
    if !is_first && !teller.of_caller {
        return Ok(Told::Elsewhere);
    }
    tracing::info!(
        provider = %pending.provider(),
        host = pending.authorization_host().as_deref(),
        "waiting for a user to agree"
    );
    let telling = is_first.then(|| Undo::unless_done(|| client.cache.untell(request, pending)));
    prompt.show(pending.clone()).await.map_err(|source| {
        Error::new(
            ErrorKind::AuthorizationRequired,
            format!("the user could not be told where to authorize provider `{}`", pending.provider()),
        )
        .with_pending(vec![pending.clone()])
        .with_hint("see why the prompt failed, then call again: the consent that is under way goes on")
        .with_source(PromptFailure::of(&source))
    })?;
    if let Some(telling) = telling {
        telling.done();
    }
    Ok(Told::Here)
}

/// One question about a pending consent.
pub(crate) async fn ask_once(client: &Arc<Inner>, pending: PendingAuthorization) -> Result<Acquired<Issued>, Error> {
    if pending.expires_at().is_some_and(|at| at <= client.clock.now().wall) {
        return Err(expired(&pending));
    }
    gate::enter(client, &pending)?;
    Ok(match gate::poll(client, &pending).await? {
        Passage::Released(issued) => Acquired::Ready(issued),
        Passage::Shut | Passage::Pending(_) => Acquired::NeedsConsent(pending),
    })
}

/// Joins the wait for this consent, or starts one: one poller a key, however many wait.
async fn wait(
    client: &Arc<Inner>,
    request: &Arc<CredentialRequest>,
    epoch: u64,
    pending: &PendingAuthorization,
) -> Result<Credential, Error> {
    let poller = client.cache.wait(request, epoch, pending, || {
        let (client, request, pending) = (Arc::clone(client), Arc::clone(request), pending.clone());
        Box::pin(async move {
            poll(&client, &request, epoch, &pending).await.map_err(|error| {
                let error = error.about(request.provider());
                client.cache.failed(&request, epoch, &error, client.clock.now());
                error
            })
        })
    });
    poller.await
}

async fn poll(
    client: &Arc<Inner>,
    request: &Arc<CredentialRequest>,
    epoch: u64,
    pending: &PendingAuthorization,
) -> Result<Credential, Error> {
    gate::enter(client, pending)?;
    let begun = client.clock.now();
    let left = pending.expires_at().map_or(LONGEST_WAIT, |at| at.duration_since(begun.wall).unwrap_or_default());
    let mut machine = PollMachine::new(left.min(LONGEST_WAIT), None);
    let mut step = machine.start();
    while let Step::AskAfter(gap) = step {
        pause(client, pending, gap).await?;
        // A call that does not wait may have asked meanwhile, and got it.
        if let Lookup::Fresh(credential) = client.cache.lookup(&KeyRef::of(request), client.clock.now()) {
            return Ok(credential);
        }
        let answer = match gate::poll(client, pending).await {
            Ok(Passage::Released(issued)) => return keep(client, request, epoch, issued),
            Ok(Passage::Shut) => Answer::Pending { interval: None },
            Ok(Passage::Pending(answer)) => answer,
            Err(error) if error.is_retryable() => {
                tracing::debug!(kind = ?error.kind(), "no answer about a pending consent; asking again later");
                Answer::Unreachable { retry_after: error.retry_after() }
            }
            Err(error) => return Err(error),
        };
        step = machine.after(answer, client.clock.now().since(&begun));
    }
    Err(if gate::is_held_back(client, pending) { gate::never_came_back(pending) } else { expired(pending) })
}

/// Waits before the next question, unless the consent turns out to be another user's: that ends it at once. A confirmation
/// does not cut the wait, for the platform may have asked to be left alone.
async fn pause(client: &Inner, pending: &PendingAuthorization, gap: Duration) -> Result<(), Error> {
    let Some(mut standing) = client.binding.as_ref().and_then(|binding| binding.watch(pending)) else {
        tokio::time::sleep(gap).await;
        return Ok(());
    };
    let refusal = standing.wait_for(|standing| *standing == Standing::Refused);
    match tokio::time::timeout(gap, refusal).await.map(|seen| seen.is_ok()) {
        Ok(true) => Err(gate::refused(pending)),
        // The flow is no longer kept: the next question will say so.
        Ok(false) => {
            tokio::time::sleep(gap).await;
            Ok(())
        }
        Err(_) => Ok(()),
    }
}

fn expired(pending: &PendingAuthorization) -> Error {
    Error::new(
        ErrorKind::AuthorizationExpired,
        format!("the consent for provider `{}` ended before the user agreed", pending.provider()),
    )
    .with_hint("call again: the user gets a new authorization URL")
}

fn required(pending: PendingAuthorization) -> Error {
    Error::new(
        ErrorKind::AuthorizationRequired,
        format!("the user must authorize provider `{}` first", pending.provider()),
    )
    .with_pending(vec![pending])
    .with_hint("send the user to `pending().authorization_url()`, then call again or `resume` the pending")
}

fn ended(pending: &PendingAuthorization) -> Error {
    Error::new(
        ErrorKind::AuthorizationRequired,
        format!("the application stopped waiting for the user to authorize provider `{}`", pending.provider()),
    )
    .with_pending(vec![pending.clone()])
    .with_hint("the consent goes on without it: call again later, or `resume` the pending")
    .with_retryable(true)
}

fn timed_out(client: &Inner, pending: &PendingAuthorization, timeout: Duration) -> Error {
    if gate::is_held_back(client, pending) {
        return Error::new(
            ErrorKind::AuthorizationTimedOut,
            format!(
                "a consent for provider `{}` was given, but its user did not come back through the return URL",
                pending.provider()
            ),
        )
        .with_pending(vec![pending.clone()])
        .with_hint(gate::COME_BACK)
        .with_retryable(true);
    }
    let error = client.platform.timed_out(pending, timeout).unwrap_or_else(|| not_in_time(pending, timeout));
    let hint = error.hint().map_or_else(|| STAYS_GOOD.to_owned(), |hint| format!("{STAYS_GOOD}. {hint}"));
    error.with_pending(vec![pending.clone()]).with_hint(hint).with_retryable(true)
}
