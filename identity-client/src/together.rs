//! All that one handler needs, at once; a user is asked once for it.

use std::sync::Arc;

use futures_util::future::join_all;

use crate::{
    client::IdentityClient,
    consent::{Acquired, PendingAuthorization},
    credential::{Credential, CredentialKind},
    credential_request::CredentialRequest,
    error::{Error, ErrorKind},
    flight::adopt,
    name::Scope,
    need::Need,
};

/// What came of asking for one need, before any user is told.
enum Asked {
    Ready(Credential),
    NeedsConsent(IdentityClient, Arc<CredentialRequest>, PendingAuthorization),
}

/// Obtains what is not `cached`, in the order of the needs.
///
/// When consents are missing, the error has them all. Consents of one user for access tokens of one provider are one: the
/// user is asked for all their scopes together.
pub(crate) async fn obtain<const N: usize>(
    needs: &[Need<'_>; N],
    cached: [Option<Credential>; N],
) -> Result<Vec<Credential>, Error> {
    let asked = join_all(needs.iter().zip(cached).map(async |(need, cached)| match cached {
        Some(credential) => Ok(Asked::Ready(credential)),
        None => need.ask().await.map(|(client, request, acquired)| match acquired {
            Acquired::Ready(credential) => Asked::Ready(credential),
            Acquired::NeedsConsent(pending) => Asked::NeedsConsent(client, request, pending),
        }),
    }))
    .await;
    // After a failure no user is told: who agrees now would agree for a call that has ended.
    let asked = asked.into_iter().collect::<Result<Vec<_>, _>>()?;
    let leaders: Vec<usize> = (0..asked.len()).map(|index| leader(&asked, index)).collect();
    let led = join_all((0..asked.len()).map(async |index| {
        if leaders[index] == index { Some(lead(needs, &asked, &leaders, index).await) } else { None }
    }))
    .await;
    let results = asked.iter().enumerate().map(|(index, asked)| {
        let leader = leaders[index];
        let is_shared = leaders.iter().filter(|&&other| other == leader).count() > 1;
        match (asked, &led[leader]) {
            (Asked::NeedsConsent(client, request, _), Some(Ok(credential))) if is_shared => {
                Ok(adopt(client.inner(), request, credential))
            }
            (_, Some(result)) => result.clone(),
            (_, None) => Err(Error::protocol("a credential was waited for, but nobody asked for it")),
        }
    });
    settle(results.collect())
}

/// The first need whose consent this one shares; itself, if it shares none.
fn leader(asked: &[Asked], index: usize) -> usize {
    let Asked::NeedsConsent(client, request, _) = &asked[index] else { return index };
    let shares = |other: &Asked| match other {
        Asked::NeedsConsent(its, theirs, _) => {
            request.credential() == CredentialKind::AccessToken
                && theirs.credential() == CredentialKind::AccessToken
                && Arc::ptr_eq(client.inner(), its.inner())
                && request.provider() == theirs.provider()
                && request.principal() == theirs.principal()
                && request.flow() == theirs.flow()
        }
        Asked::Ready(_) => false,
    };
    asked[..index].iter().position(shares).unwrap_or(index)
}

/// Gets the consent that this need shares with those it leads.
async fn lead(needs: &[Need<'_>], asked: &[Asked], leaders: &[usize], index: usize) -> Result<Credential, Error> {
    let (client, request, pending) = match &asked[index] {
        Asked::Ready(credential) => return Ok(credential.clone()),
        Asked::NeedsConsent(client, request, pending) => (client, request, pending),
    };
    let members = asked.iter().zip(leaders).filter(|&(_, leader)| *leader == index).map(|(asked, _)| asked);
    let mut scopes: Vec<&str> = Vec::new();
    for member in members.clone() {
        if let Asked::NeedsConsent(_, request, _) = member {
            // A scope that two of them name counts once: a request does not repeat scopes.
            scopes.extend(request.scopes().iter().map(Scope::as_str));
        }
    }
    if members.count() == 1 {
        return needs[index].consent(client.inner(), request, pending.clone()).await;
    }
    needs[index].with_scopes(&scopes).obtain().await
}

/// The credentials, or the one error that says what to do.
fn settle(results: Vec<Result<Credential, Error>>) -> Result<Vec<Credential>, Error> {
    let asks_a_user =
        |error: &Error| matches!(error.kind(), ErrorKind::AuthorizationRequired | ErrorKind::AuthorizationTimedOut);
    let errors: Vec<&Error> = results.iter().filter_map(|result| result.as_ref().err()).collect();
    if let Some(other) = errors.iter().find(|error| !asks_a_user(error)) {
        return Err((*other).clone());
    }
    if let Some(first) = errors.first() {
        let mut pendings: Vec<PendingAuthorization> = Vec::new();
        for pending in errors.iter().flat_map(|error| error.pendings()) {
            if !pendings.contains(pending) {
                pendings.push(pending.clone());
            }
        }
        return Err(first.gather(pendings));
    }
    results.into_iter().collect()
}
