//! A service that wants more than an access token allows (RFC 6750 section 3.1, `insufficient_scope`).

use crate::{
    cache::Remedy,
    credential::{AccessToken, Origin},
    error::{Error, ErrorKind},
    name::Scope,
};

/// More of them would not make a message clearer, and the service chose how many there are.
const MOST_NAMED: usize = 8;

/// The error to return, after the client that released the token has been told.
pub(crate) fn insufficient_scope(token: &AccessToken, scope: &str) -> Error {
    let wanted: Vec<Scope> =
        scope.split_ascii_whitespace().take(MOST_NAMED).filter_map(|text| Scope::new(text).ok()).collect();
    let origin = token.origin();
    let from = origin.map_or_else(String::new, |origin| format!(" from provider `{}`", origin.request.provider()));
    let message = match list(&wanted) {
        Some(scopes) => format!("the access token{from} is not enough for the service, which wants {scopes}"),
        None => format!("the access token{from} has too few scopes for the service"),
    };
    Error::new(ErrorKind::PermissionDenied, message).with_hint(hint(origin, &wanted))
}

fn hint(origin: Option<&Origin>, wanted: &[Scope]) -> String {
    let Some((origin, client)) = origin.and_then(|origin| Some((origin, origin.client.upgrade()?))) else {
        return "ask for a token with the scopes that the service documents".to_owned();
    };
    let declared = origin.request.scopes();
    let undeclared: Vec<Scope> = wanted.iter().filter(|scope| !declared.contains(scope)).cloned().collect();
    if let Some(scopes) = list(&undeclared) {
        return format!("the handler does not declare {scopes}: add it to `scopes`, and the user is asked for it");
    }
    if origin.request.user().is_none() {
        return "grant the scopes to the agent's own client at the provider, then call `forget`".to_owned();
    }
    match client.lacks(&origin.request, origin.generation) {
        Remedy::Ask => "call again: the user is asked once more to agree to all the scopes that the handler declares",
        Remedy::Asked => {
            "the user has just agreed to these scopes and the service still refuses: their account may lack the right, \
             or the provider may hold the scopes back; ask the administrator there"
        }
        Remedy::Newer => "a newer token has taken its place, so call again",
    }
    .to_owned()
}

fn list(scopes: &[Scope]) -> Option<String> {
    let names: Vec<String> = scopes.iter().map(|scope| format!("`{scope}`")).collect();
    (!names.is_empty()).then(|| names.join(", "))
}
