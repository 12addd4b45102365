//! Access tokens of the instance: made, and read again (contract sections 2, 6 and 13).

use secrecy::SecretString;
use serde_json::{Map, Value, json};

use super::error::IdaasError;
use super::{Scope, is_user, jws};
use crate::core::Core;
use crate::random;

/// How long a token counts, in seconds: what the recordings show.
pub(super) const LIFETIME: i64 = 3600;
/// How many applications may hand a user's token on, one to the next. The platform's number is not published.
const CHAIN: usize = 4;

/// For whom a token stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// The application itself.
    Application,
    /// A user; with `act` of the applications in between, the last one outermost.
    User { name: String, actors: Option<Value> },
}

/// A token that was verified.
#[derive(Debug)]
pub(super) struct AccessToken {
    pub(super) client: String,
    pub(super) subject: Subject,
    pub(super) audience: String,
    pub(super) permissions: Vec<String>,
    /// The seconds at which it begins and ends.
    pub(super) life: (i64, i64),
}

impl AccessToken {
    pub(super) fn user(&self) -> Option<&str> {
        match &self.subject {
            Subject::Application => None,
            Subject::User { name, .. } => Some(name),
        }
    }

    /// What stands for the same user in the hands of the next application.
    pub(super) fn handed_to(&self, client: &str) -> Result<Subject, IdaasError> {
        let Subject::User { name, actors } = &self.subject else {
            return Err(IdaasError::invalid("subject_token is an application's own; a user's is needed"));
        };
        let depth = std::iter::successors(actors.as_ref(), |act| act.get("act")).count();
        if depth >= CHAIN {
            return Err(IdaasError::invalid("subject_token was exchanged too often already"));
        }
        let mut act = json!({ "sub": client });
        if let Some(before) = actors {
            act["act"] = before.clone();
        }
        Ok(Subject::User { name: name.clone(), actors: Some(act) })
    }
}

/// Signs it with the newest key.
pub(super) async fn issue(core: &Core, token: &AccessToken) -> Result<SecretString, IdaasError> {
    let (kind, subject) = match &token.subject {
        Subject::Application => ("application", token.client.as_str()),
        Subject::User { name, .. } => ("user", name.as_str()),
    };
    let mut claims = json!({
        "iss": core.idaas.issuer,
        "sub": subject,
        // Not the platform's: nobody who is called like an application is taken for one.
        "sub_type": kind,
        "aud": token.audience,
        "client_id": token.client,
        "scope": token.permissions.join(" "),
        "iat": token.life.0,
        "exp": token.life.1,
        "jti": random::uuid(),
    });
    if let Subject::User { actors: Some(act), .. } = &token.subject {
        claims["act"] = act.clone();
    }
    let signer = core.idaas.keys.signer(core).await?;
    signer.sign(&claims).ok_or_else(|| IdaasError::server("the token was not signed"))
}

/// A token that this instance issued and that has not expired, by a key that still counts.
pub(super) async fn verify(core: &Core, token: &str) -> Result<Option<AccessToken>, IdaasError> {
    let keys = core.idaas.keys.all(core).await?;
    let claims = keys.iter().find_map(|key| key.claims(token));
    Ok(claims.and_then(|claims| read(core, &claims)))
}

fn read(core: &Core, claims: &Map<String, Value>) -> Option<AccessToken> {
    // JWTs that applications had minted have the same signature and another issuer.
    (jws::text(claims, "iss")? == core.idaas.issuer).then_some(())?;
    let begin = jws::seconds(claims, "iat")?;
    let end = jws::seconds(claims, "exp").filter(|end| core.clock.now().as_second() < *end)?;
    let subject = match jws::text(claims, "sub_type")? {
        "application" => Subject::Application,
        "user" => Subject::User { name: jws::text(claims, "sub")?.to_owned(), actors: claims.get("act").cloned() },
        _ => return None,
    };
    Some(AccessToken {
        client: jws::text(claims, "client_id")?.to_owned(),
        subject,
        audience: jws::text(claims, "aud")?.to_owned(),
        permissions: jws::text(claims, "scope")?.split(' ').map(str::to_owned).collect(),
        life: (begin, end),
    })
}

/// With whose name users log in.
const FRONT_END: &str = "app_front_end";

/// A user's token as a front end gets it from the login.
pub(crate) async fn for_user(core: &Core, user: &str, scope: &str, seconds: i64) -> Result<SecretString, IdaasError> {
    if !is_user(user) {
        return Err(IdaasError::invalid("the user's name must have 1 to 1024 bytes and no control character"));
    }
    let (scope, now) = (Scope::read(scope)?, core.clock.now().as_second());
    let token = AccessToken {
        client: FRONT_END.to_owned(),
        subject: Subject::User { name: user.to_owned(), actors: None },
        permissions: scope.permissions.into_iter().collect(),
        audience: scope.audience,
        life: (now, now.saturating_add(seconds)),
    };
    issue(core, &token).await
}
