//! From a request to a credential: one flight a slot, whoever asks.

use std::{sync::Arc, time::Duration};

use crate::{
    authorization_url,
    cache::{Cache, Landing},
    client::Inner,
    consent::{Acquired, PendingAuthorization},
    credential::{Credential, Origin},
    credential_request::CredentialRequest,
    error::{Error, ErrorKind},
    gate,
    platform::Issued,
    undo::Undo,
    waiting,
};

/// Joins the flight for this request, or starts one.
pub(crate) async fn fly(client: &Arc<Inner>, request: &Arc<CredentialRequest>) -> Landing {
    let flight = client.cache.fly(request, |epoch, pending| {
        let (client, request) = (Arc::clone(client), Arc::clone(request));
        Box::pin(async move {
            let landing =
                land(&client, &request, epoch, pending).await.map_err(|error| error.about(request.provider()));
            if let Err(error) = &landing
                && client.cache.failed(&request, epoch, error, client.clock.now())
            {
                tracing::warn!(
                    provider = %request.provider(),
                    kind = ?error.kind(),
                    "a credential could not be renewed; the old one is still good"
                );
            }
            landing
        })
    });
    flight.await
}

/// What the platform holds does not do, and asking for it again would not help: the user has to agree again. Whoever calls has
/// claimed that; if nobody gets to ask the user, the claim is given back.
pub(crate) async fn ask_anew(
    client: &Arc<Inner>,
    request: &Arc<CredentialRequest>,
    unclaim: fn(&Cache, &CredentialRequest),
) -> Landing {
    let claim = Undo::unless_done(|| unclaim(&client.cache, request));
    let mut forced = Arc::clone(request);
    Arc::make_mut(&mut forced).options.force = true;
    let landing = fly(client, &forced).await;
    if !landing.as_ref().is_err_and(Error::is_retryable) {
        claim.done();
    }
    landing
}

async fn land(
    client: &Arc<Inner>,
    request: &Arc<CredentialRequest>,
    epoch: u64,
    under_way: Option<PendingAuthorization>,
) -> Landing {
    let asked = match under_way {
        // Go on with the consent that is under way instead of sending the user a second link.
        Some(pending) => match waiting::ask_once(client, pending).await {
            Err(error) if error.kind() == ErrorKind::AuthorizationExpired => acquire(client, request).await?,
            asked => asked?,
        },
        None => acquire(client, request).await?,
    };
    match asked {
        Acquired::Ready(issued) => keep(client, request, epoch, issued).map(Acquired::Ready),
        Acquired::NeedsConsent(pending) => {
            authorization_url::inspect(pending.authorization_url())?;
            gate::enter(client, &pending)?;
            client.cache.keep_pending(request, epoch, &pending);
            Ok(Acquired::NeedsConsent(pending))
        }
    }
}

/// Asks for the scopes that are declared, and no more. If the user has to be asked anyway, they are asked once for all that
/// they have agreed to: at many providers a new consent takes the place of the one before, and two handlers would take
/// each other's away for ever.
async fn acquire(client: &Arc<Inner>, request: &CredentialRequest) -> Result<Acquired<Issued>, Error> {
    let union = client.cache.union(request).map(|scopes| CredentialRequest { scopes, ..request.clone() });
    let union = union.filter(|union| client.platform.check(union).is_ok());
    if let Some(union) = union.as_ref().filter(|union| union.options().force) {
        return gate::acquire(client, union).await;
    }
    match (gate::acquire(client, request).await?, union) {
        (Acquired::NeedsConsent(_), Some(union)) => gate::acquire(client, &union).await,
        (acquired, _) => Ok(acquired),
    }
}

/// Makes a credential of what the platform issued, and keeps it.
pub(crate) fn keep(
    client: &Arc<Inner>,
    request: &Arc<CredentialRequest>,
    epoch: u64,
    issued: Issued,
) -> Result<Credential, Error> {
    if issued.kind != request.credential() {
        return Err(Error::protocol("the platform answered with another kind of credential than was asked for"));
    }
    let now = client.clock.now();
    let life = issued.lifetime.unwrap_or(client.unknown_lifetime);
    let expires_at = issued.lifetime.and_then(|lifetime| now.wall.checked_add(lifetime));
    let arrival = client.cache.arrival(now, life);
    let origin = Origin {
        client: Arc::downgrade(client),
        request: Arc::clone(request),
        generation: arrival.generation,
        bound: issued.bound,
    };
    let credential = Credential::released(issued, expires_at, origin)
        .map_err(|_| Error::protocol("the platform answered with an empty credential").about(request.provider()))?;
    if !life.is_zero() {
        client.cache.keep(request, epoch, &credential, &arrival);
    }
    Ok(credential)
}

/// Keeps a credential that was obtained for more than this request for this request, too.
pub(crate) fn adopt(client: &Arc<Inner>, request: &Arc<CredentialRequest>, credential: &Credential) -> Credential {
    let now = client.clock.now();
    let told = credential.expires_at().map(|at| at.duration_since(now.wall).unwrap_or_default());
    let arrival = client.cache.arrival(now, told.unwrap_or(client.unknown_lifetime));
    // What was forgotten while the user was asked is not kept in another place.
    let is_kept = credential.origin().is_some_and(|origin| client.cache.holds(&origin.request, origin.generation));
    let credential = credential.serving(request, arrival.generation);
    if is_kept && !arrival.life.is_zero() {
        client.cache.keep(request, client.cache.epoch(request), &credential, &arrival);
    }
    credential
}

/// Renews a credential that is still good, in a task of its own.
pub(crate) fn renew_ahead(client: &Arc<Inner>, request: &Arc<CredentialRequest>) {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
    let client = Arc::clone(client);
    let mut request = Arc::clone(request);
    if request.options().force {
        // Force belongs to the call that asked for it.
        Arc::make_mut(&mut request).options.force = false;
    }
    if client.binding.is_some() && request.options().custom_state.is_some() {
        // So does a state: it is good for one consent.
        Arc::make_mut(&mut request).options.custom_state = None;
    }
    runtime.spawn(async move { fly(&client, &request).await.map(drop) });
}

pub(crate) fn still_refused(request: &CredentialRequest, rest: Duration) -> Error {
    Error::new(
        ErrorKind::Unauthenticated,
        format!(
            "the service refused the {} from provider `{}` twice in a minute",
            request.credential().noun(),
            request.provider()
        ),
    )
    .with_hint("correct the credential at the provider, then call `forget`, or wait")
    .with_retry_after(Some(rest))
}
