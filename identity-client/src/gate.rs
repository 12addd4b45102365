//! What stands between a platform's answer and its use: where a session binding is asked.
//!
//! Without a binding every gate is open, and a receipt says so.

use std::sync::{Arc, atomic::Ordering};

use crate::{
    audit::Bound,
    binding::{Completer, SessionBinding, Standing, check_state},
    client::Inner,
    consent::{Acquired, PendingAuthorization, Polled},
    credential_request::CredentialRequest,
    error::{Error, ErrorKind},
    platform::Issued,
    poll::Answer,
};

pub(crate) const COME_BACK: &str = "the user must finish in the browser where they are signed in to the application; check that the return URL is the one that the session binding is served at, then call again";

/// What one question about a consent came to.
pub(crate) enum Passage {
    /// The user has agreed, and it is shown that it was this user.
    Released(Issued),
    /// Somebody has agreed; nobody has come back yet.
    Shut,
    /// Not yet.
    Pending(Answer),
}

/// Asks the platform, with a state to come back with; what it holds already is taken unless a consent that nobody confirmed
/// may have put it there.
pub(crate) async fn acquire(client: &Inner, request: &CredentialRequest) -> Result<Acquired<Issued>, Error> {
    let binding = client.binding.as_ref().filter(|_| request.may_need_consent());
    let Some(binding) = binding else {
        let acquired = client.platform.acquire(request).await?;
        warn_unbound(client, &acquired);
        return Ok(acquired);
    };
    let acquired = client.platform.acquire(&stated(request, false)?).await?;
    if matches!(acquired, Acquired::NeedsConsent(_)) || is_nobody_elses(client, binding, request).await? {
        return Ok(acquired);
    }
    tracing::warn!(
        provider = %request.provider(),
        "the platform holds a credential from a consent that nobody confirmed; it is not used, and the user is asked again"
    );
    if client.platform.capabilities().force_authentication
        && let Acquired::NeedsConsent(pending) = client.platform.acquire(&stated(request, true)?).await?
    {
        return Ok(Acquired::NeedsConsent(pending));
    }
    Err(Error::new(
        ErrorKind::AuthorizationDenied,
        format!(
            "the platform holds a credential of provider `{}` from a consent that nobody confirmed",
            request.provider()
        ),
    )
    .with_hint("it may be another person's account: revoke the user's grant on the platform, then call again"))
}

/// Whether what the platform just handed out as granted already cannot come from a consent that nobody confirmed. One that
/// is still open *after* that cannot have brought it about, so a user who leaves a page open is not asked again for it.
async fn is_nobody_elses(client: &Inner, binding: &SessionBinding, request: &CredentialRequest) -> Result<bool, Error> {
    let Some(open) = binding.doubtful(client.platform.describe(), request) else { return Ok(false) };
    for pending in open {
        match client.platform.poll(&pending).await {
            Ok(Polled::Pending { .. } | Polled::SlowDown { .. }) => {}
            Ok(Polled::Ready(_)) => {
                binding.granted(&pending);
                return Ok(false);
            }
            Err(error) if error.kind() == ErrorKind::AuthorizationDenied => binding.failed(&pending),
            // Asking the user once more, for a connection that broke, would be too much.
            Err(error) if error.is_retryable() => return Err(error),
            Err(_) => return Ok(false),
        }
    }
    Ok(true)
}

/// The request with a state, and with force if the user has to be asked in any case.
fn stated(request: &CredentialRequest, force: bool) -> Result<CredentialRequest, Error> {
    let mut request = request.clone();
    request.options.force |= force;
    match &request.options.custom_state {
        Some(given) => check_state(given)?,
        None => request.options.custom_state = Some(SessionBinding::fresh_state()?),
    }
    Ok(request)
}

fn warn_unbound(client: &Inner, acquired: &Acquired<Issued>) {
    let unbound = matches!(acquired, Acquired::NeedsConsent(_)) && !client.platform.capabilities().session_binding;
    if unbound && client.warn_unbound.swap(false, Ordering::Relaxed) {
        tracing::warn!(
            platform = client.platform.describe().name,
            "whoever opens a consent link connects their account with the user it was made for: give the client a \
             `SessionBinding`, or say with `accept_unbound_consent` why that cannot happen"
        );
    }
}

/// Lets a consent be confirmed here from now on.
pub(crate) fn enter(client: &Arc<Inner>, pending: &PendingAuthorization) -> Result<(), Error> {
    let Some(binding) = &client.binding else { return Ok(()) };
    let completer = client.platform.capabilities().consent_completion.then(|| completer(client));
    binding.register(pending, client.platform.describe(), completer)
}

/// Tells the platform that the user has come back. Whoever confirms may be there before whoever waits, or without.
fn completer(client: &Arc<Inner>) -> Completer {
    let client = Arc::downgrade(client);
    Arc::new(move |pending| {
        let client = client.upgrade();
        Box::pin(async move {
            let Some(client) = client else {
                return Err(Error::new(ErrorKind::Unavailable, "the client that began the consent is gone"));
            };
            client.platform.complete(&pending).await.map_err(|error| error.about(pending.provider()))
        })
    })
}

/// Asks the platform once.
pub(crate) async fn poll(client: &Inner, pending: &PendingAuthorization) -> Result<Passage, Error> {
    if let Some(binding) = &client.binding {
        binding.tell_platform(pending).await?;
    }
    let polled = client.platform.poll(pending).await;
    let Some(binding) = &client.binding else {
        return polled.map(|polled| match answer(polled) {
            Ok(mut issued) => {
                let by_platform = client.platform.capabilities().session_binding;
                issued.bound = if by_platform { Bound::ByPlatform } else { Bound::Unbound };
                Passage::Released(issued)
            }
            Err(answer) => Passage::Pending(answer),
        });
    };
    match polled.map(answer) {
        Ok(Ok(mut issued)) => match binding.granted(pending) {
            Some(Standing::Confirmed) => {
                issued.bound = Bound::Confirmed;
                Ok(Passage::Released(issued))
            }
            Some(Standing::Open) => Ok(Passage::Shut),
            Some(Standing::Refused) => Err(refused(pending)),
            None => Err(never_came_back(pending)),
        },
        Ok(Err(answer)) => {
            binding.still_missing(pending);
            // Of a platform that waits for a confirmation, there is nothing more to come.
            if binding.watch(pending).is_some_and(|standing| *standing.borrow() == Standing::Refused) {
                return Err(refused(pending));
            }
            Ok(Passage::Pending(answer))
        }
        Err(error) => {
            if error.kind() == ErrorKind::AuthorizationDenied {
                binding.failed(pending);
            }
            Err(error)
        }
    }
}

fn answer(polled: Polled<Issued>) -> Result<Issued, Answer> {
    match polled {
        Polled::Ready(issued) => Ok(issued),
        Polled::Pending { interval } => Err(Answer::Pending { interval }),
        Polled::SlowDown { interval } => Err(Answer::SlowDown { interval }),
    }
}

pub(crate) fn is_held_back(client: &Inner, pending: &PendingAuthorization) -> bool {
    client.binding.as_ref().is_some_and(|binding| binding.is_held_back(pending))
}

pub(crate) fn refused(pending: &PendingAuthorization) -> Error {
    Error::new(
        ErrorKind::AuthorizationDenied,
        format!("the consent for provider `{}` was not finished by the user who began it", pending.provider()),
    )
    .with_hint(
        "the link seems to have been passed on to somebody else; its credential will not be used: call again, and show the link to this user only",
    )
}

/// The consent is over, and nobody has come back from it.
pub(crate) fn never_came_back(pending: &PendingAuthorization) -> Error {
    Error::new(
        ErrorKind::AuthorizationDenied,
        format!(
            "a consent for provider `{}` was given, but its user never came back through the return URL",
            pending.provider()
        ),
    )
    .with_hint(COME_BACK)
}
