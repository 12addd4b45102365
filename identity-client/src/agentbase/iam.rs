//! Proves to the identity service who the agent is: tokens of the IAM service for a service account.
//!
//! One token for all who share a client, fetched by one request however many wait for it, used until it expires and renewed
//! ahead of that. A renewal replaces the token and nothing else: requests in flight keep theirs.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared, WeakShared},
};
use http::{HeaderMap, HeaderValue, Method, header};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::Value;
use zeroize::Zeroizing;

use super::{config::ServiceAccount, refusal};
use crate::{
    basic::basic,
    clock::{Clock, Moment},
    error::{Error, ErrorKind},
    pause::Pause,
    refusal::Refusal,
    transport::{Answer, Endpoint, Outgoing, Repeat, Transport},
    wire::{filled, object, seconds},
};

/// For a token whose lifetime IAM does not tell, as the vendor's own CLI assumes. The true one is documented nowhere.
const ASSUMED_LIFE: Duration = Duration::from_secs(30 * 60);
/// Nobody issues client credential tokens for longer; a number beyond it is a mistake.
const LONGEST_LIFE: Duration = Duration::from_secs(24 * 60 * 60);
/// A token is renewed this long before its end, or a fifth of its life if that is shorter.
const WINDOW: Duration = Duration::from_secs(60);
/// After a refused secret: a wrong one must not hammer IAM, which locks accounts.
const PAUSE_AFTER_REFUSAL: Duration = Duration::from_secs(5);
/// After IAM has said that there were too many failed log-ins.
const PAUSE_AFTER_LOCKOUT: Duration = Duration::from_secs(60);
/// The longest that IAM's own wish to be left alone is honoured without asking again.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);
/// After a renewal that failed while the old token is still good.
const PAUSE_BETWEEN_RENEWALS: Duration = Duration::from_secs(5);

const LOCKED_OUT: &str = "TOO_MANY_FAILED_LOGINS";
const OPERATION: &str = "get an IAM token";

type Fetching = BoxFuture<'static, Result<Arc<IamToken>, Error>>;

/// The bearer of a call, with the time it was asked for.
pub(crate) struct IamToken {
    secret: SecretString,
    /// The whole header, marked sensitive.
    header: HeaderValue,
    asked_at: Moment,
    life: Duration,
}

enum Age {
    Fresh,
    /// Still good, and due for renewal.
    Ageing,
    Over,
}

impl IamToken {
    pub(crate) fn header(&self) -> HeaderValue {
        self.header.clone()
    }

    pub(crate) fn expose_secret(&self) -> &str {
        self.secret.expose_secret()
    }

    /// Measured from before the request, so never longer than IAM's own.
    fn age(&self, now: Moment) -> Age {
        let age = now.since(&self.asked_at);
        if age >= self.life {
            Age::Over
        } else if age >= self.life.saturating_sub(WINDOW.min(self.life / 5)) {
            Age::Ageing
        } else {
            Age::Fresh
        }
    }
}

/// A client of the token endpoint.
pub(crate) struct Iam {
    endpoint: Endpoint,
    transport: Transport,
    account: ServiceAccount,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    token: Option<Arc<IamToken>>,
    /// Weak, so that a flight that everybody has left ends.
    flight: Option<WeakShared<Fetching>>,
    pause: Option<Pause>,
    failed_at: Option<Moment>,
}

impl Iam {
    pub(crate) fn new(
        endpoint: Endpoint,
        transport: Transport,
        account: ServiceAccount,
        clock: Arc<dyn Clock>,
    ) -> Arc<Self> {
        Arc::new(Self { endpoint, transport, account, clock, state: Mutex::default() })
    }

    pub(crate) fn account(&self) -> &ServiceAccount {
        &self.account
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A token that has not expired.
    pub(crate) async fn token(self: &Arc<Self>) -> Result<Arc<IamToken>, Error> {
        let now = self.clock.now();
        let fetching = {
            let mut state = self.lock();
            let rest = state.pause.as_ref().and_then(|pause| pause.rest(now));
            match state.token.clone().map(|token| (token.age(now), token)) {
                Some((Age::Fresh, token)) => return Ok(token),
                Some((Age::Ageing, token)) => {
                    let waited = state.failed_at.is_none_or(|at| now.since(&at) >= PAUSE_BETWEEN_RENEWALS);
                    if waited && rest.is_none() {
                        self.renew_ahead(&mut state);
                    }
                    return Ok(token);
                }
                Some((Age::Over, _)) | None => {}
            }
            if let (Some(pause), Some(rest)) = (&state.pause, rest) {
                return Err(self.refused(&pause.refusal).with_retry_after(Some(rest)));
            }
            self.join(&mut state).0
        };
        fetching.await
    }

    /// Forgets a token that the identity service refused, unless another has taken its place.
    pub(crate) fn forget(&self, refused: &Arc<IamToken>) {
        let mut state = self.lock();
        if state.token.as_ref().is_some_and(|token| Arc::ptr_eq(token, refused)) {
            state.token = None;
        }
    }

    /// In a task of its own: whoever happens to ask does not pay for it.
    fn renew_ahead(self: &Arc<Self>, state: &mut State) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if let (fetching, true) = self.join(state) {
            runtime.spawn(async move {
                if let Err(error) = fetching.await {
                    tracing::warn!(kind = ?error.kind(), "the IAM token could not be renewed; the old one is still good");
                }
            });
        }
    }

    /// The flight that is under way, or a new one; the flag tells which.
    fn join(self: &Arc<Self>, state: &mut State) -> (Shared<Fetching>, bool) {
        let under_way = state.flight.as_ref().and_then(WeakShared::upgrade).filter(|flight| flight.peek().is_none());
        if let Some(flight) = under_way {
            return (flight, false);
        }
        let iam = Arc::clone(self);
        let fetching: Fetching = Box::pin(async move {
            let fetched = iam.fetch().await;
            iam.land(fetched)
        });
        let flight = fetching.shared();
        state.flight = flight.downgrade();
        (flight, true)
    }

    fn land(&self, fetched: Result<IamToken, Failed>) -> Result<Arc<IamToken>, Error> {
        let now = self.clock.now();
        let mut state = self.lock();
        match fetched {
            Ok(token) => {
                let token = Arc::new(token);
                state.token = Some(Arc::clone(&token));
                state.pause = None;
                state.failed_at = None;
                Ok(token)
            }
            Err(failed) => {
                state.failed_at = Some(now);
                match failed {
                    Failed::Otherwise(error) => Err(error),
                    Failed::Refused(refusal) => {
                        let lasts = pause_after(&refusal);
                        let error = self.refused(&refusal);
                        state.pause = (!lasts.is_zero()).then_some(Pause { refusal, since: now, lasts });
                        Err(if lasts.is_zero() { error } else { error.with_retry_after(Some(lasts)) })
                    }
                }
            }
        }
    }

    async fn fetch(&self) -> Result<IamToken, Failed> {
        let asked_at = self.clock.now();
        let basic = basic(&self.account.id, &self.account.secret)?;
        let prepare = || {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, basic.clone());
            headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
            Ok(Outgoing {
                method: Method::POST,
                url: self.endpoint.url().clone(),
                headers,
                body: Some(Bytes::from_static(b"grant_type=client_credentials")),
            })
        };
        let answer = self.transport.send_unless(OPERATION, Repeat::Safely, asked_at, prepare, is_lockout).await?;
        if !answer.is_success() {
            let basic = basic.to_str().unwrap_or_default().trim_start_matches("Basic ");
            let hidden = [self.account.secret.expose_secret(), basic];
            return Err(Failed::Refused(refusal::read(&answer, &hidden)));
        }
        Ok(read_token(&answer.body, asked_at)?)
    }

    fn refused(&self, refusal: &Refusal) -> Error {
        let source = self.account.source;
        let kind = if is_locked_out(refusal) || is_wrong_credentials(refusal) {
            ErrorKind::Unauthenticated
        } else {
            match refusal.kind_of_status() {
                // The request is the same for everybody, so what is wrong with it is nobody's call.
                ErrorKind::InvalidRequest | ErrorKind::NotFound | ErrorKind::Conflict => ErrorKind::Protocol,
                kind => kind,
            }
        };
        let error = refusal.error(kind, &format!("{OPERATION} with the service account {source}"), "IAM");
        match kind {
            ErrorKind::Unauthenticated if is_locked_out(refusal) => error.with_hint(format!(
                "IAM has locked the account after too many failed log-ins and is not asked again for a while; correct the client id and secret {source}, then wait"
            )),
            ErrorKind::Unauthenticated => error.with_hint(format!(
                "IAM does not accept the client id and secret {source}; copy both again from the service account in the IAM console"
            )),
            ErrorKind::PermissionDenied => error
                .with_hint(format!("the service account {source} may not get tokens; see it in the IAM console")),
            ErrorKind::Protocol => error.with_hint("check that the IAM token endpoint is the right one"),
            _ => error.with_hint("IAM cannot serve now; try again later"),
        }
    }
}

impl std::fmt::Debug for Iam {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Iam").field("endpoint", &self.endpoint).field("account", &self.account).finish_non_exhaustive()
    }
}

enum Failed {
    Refused(Refusal),
    Otherwise(Error),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Otherwise(error)
    }
}

fn is_locked_out(refusal: &Refusal) -> bool {
    refusal.has_code(&[LOCKED_OUT])
}

/// A lockout that comes as 429 or 5xx must not be asked for again.
fn is_lockout(answer: &Answer) -> bool {
    is_locked_out(&refusal::read(answer, &[]))
}

/// RFC 6749 section 5.2 lets `invalid_client` come as 400 or 401.
fn is_wrong_credentials(refusal: &Refusal) -> bool {
    refusal.status == 401
        || (refusal.status == 400
            && refusal.has_code(&["invalid_client", "unauthorized_client", "AUTHENTICATION_FAILED"]))
}

fn pause_after(refusal: &Refusal) -> Duration {
    let asked = refusal.retry_after.unwrap_or_default().min(LONGEST_PAUSE);
    if is_locked_out(refusal) {
        asked.max(PAUSE_AFTER_LOCKOUT)
    } else if is_wrong_credentials(refusal) {
        asked.max(PAUSE_AFTER_REFUSAL)
    } else if refusal.status == 429 {
        asked
    } else {
        Duration::ZERO
    }
}

/// Both dialects of IAM: version 2 writes snake case, version 1 camel case.
#[derive(Deserialize)]
struct TokenAnswer {
    access_token: Option<SecretString>,
    #[serde(rename = "accessToken")]
    access_token_v1: Option<SecretString>,
    expires_in: Option<Value>,
    #[serde(rename = "expiresIn")]
    expires_in_v1: Option<Value>,
    token_type: Option<String>,
    #[serde(rename = "tokenType")]
    token_type_v1: Option<String>,
}

fn read_token(body: &[u8], asked_at: Moment) -> Result<IamToken, Error> {
    let protocol = |problem: &str| Error::protocol(format!("could not {OPERATION}: the answer of IAM {problem}"));
    let answer: TokenAnswer = object(body).ok_or_else(|| protocol("is not the JSON object that it should be"))?;
    if answer.token_type.or(answer.token_type_v1).is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        return Err(protocol("holds a token that is not of type Bearer"));
    }
    let secret = answer.access_token.or(answer.access_token_v1);
    let secret = secret.filter(filled);
    let secret = secret.ok_or_else(|| protocol("holds no token"))?;
    let text = Zeroizing::new(format!("Bearer {}", secret.expose_secret()));
    let mut header = HeaderValue::try_from(text.as_str())
        .ok()
        .filter(|_| secret.expose_secret().bytes().all(|b| b.is_ascii_graphic()))
        .ok_or_else(|| protocol("holds a token that cannot stand in a header"))?;
    header.set_sensitive(true);
    let life = answer.expires_in.or(answer.expires_in_v1).as_ref().and_then(seconds).unwrap_or(ASSUMED_LIFE);
    Ok(IamToken { secret, header, asked_at, life: life.min(LONGEST_LIFE) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    fn read(body: &str) -> Result<IamToken, Error> {
        read_token(body.as_bytes(), SystemClock.now())
    }

    #[test]
    fn both_dialects_and_both_forms_of_a_lifetime_are_read() {
        for (body, life) in [
            (r#"{"access_token":"t-1","expires_in":3600,"token_type":"Bearer","refresh_expires_in":0}"#, 3600),
            (r#"{"accessToken":"t-1","expiresIn":1800}"#, 1800),
            (r#"{"access_token":"t-1","expires_in":"120","token_type":"bearer"}"#, 120),
            (r#"{"access_token":"t-1","expires_in":90.5}"#, 90),
            (r#"{"access_token":"t-1"}"#, 1800),
            (r#"{"access_token":"t-1","expires_in":0}"#, 1800),
            (r#"{"access_token":"t-1","expires_in":-5}"#, 1800),
            (r#"{"access_token":"t-1","expires_in":"soon"}"#, 1800),
            (r#"{"access_token":"t-1","expires_in":null,"token_type":null}"#, 1800),
            (r#"{"access_token":"t-1","expires_in":{}}"#, 1800),
            (r#"{"access_token":"t-1","expires_in":1e300}"#, 86_400),
            (r#"{"access_token":"t-1","expires_in":"99999999999"}"#, 86_400),
        ] {
            let token = read(body).unwrap_or_else(|error| panic!("{body}: {error}"));
            assert_eq!((token.expose_secret(), token.life.as_secs()), ("t-1", life), "{body}");
            assert!(token.header.is_sensitive());
        }
    }

    #[test]
    fn w4_an_answer_without_a_token_is_an_error_that_quotes_nothing() {
        for body in [
            "",
            "<html>top-secret</html>",
            "{}",
            "[]",
            "[\"top-secret\"]",
            "\"top-secret\"",
            r#"{"access_token":null}"#,
            r#"{"access_token":""}"#,
            r#"{"access_token":"  "}"#,
            r#"{"access_token":["top-secret"]}"#,
            r#"{"access_token":"top-secret\n"}"#,
            r#"{"access_token":"top secret"}"#,
            r#"{"access_token":"top-secret","token_type":"mac"}"#,
            r#"{"token":"top-secret"}"#,
        ] {
            let error = read(body).err().unwrap_or_else(|| panic!("{body}"));
            assert_eq!(error.kind(), ErrorKind::Protocol);
            let text = format!("{error} {error:?}");
            assert!(!text.contains("top"), "{text}");
        }
    }

    #[test]
    fn w28_a_short_token_is_used_for_most_of_its_life() {
        let issued = SystemClock.now();
        let after = |seconds| {
            let passed = Duration::from_secs(seconds);
            Moment { wall: issued.wall + passed, steady: issued.steady + passed }
        };
        for (life, fresh, ageing) in [(3600, 3539, 3540), (67, 53, 54), (10, 7, 8), (300, 239, 240)] {
            let body = format!(r#"{{"access_token":"t","expires_in":{life}}}"#);
            let token = read_token(body.as_bytes(), issued).unwrap();
            assert!(matches!(token.age(after(fresh)), Age::Fresh));
            assert!(matches!(token.age(after(ageing)), Age::Ageing));
            assert!(matches!(token.age(after(life - 1)), Age::Ageing));
            assert!(matches!(token.age(after(life)), Age::Over));
        }
    }
}
