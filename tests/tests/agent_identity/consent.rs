//! Tokens of users: asked for, waited for, refused, forced, and bound to the session of whoever began.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    extract::Path,
    http::{header, request::Parts},
    routing::get,
};
use identity_client::{
    AccessToken, AccessTokenRequest, Acquired, ErrorKind, Flow, IdentityClient, PendingAuthorization, SessionBinding,
    User, agent_identity::WorkloadIdentityUpdate,
};
use identity_emulator::{AuditOutcome, Emulator, Human};
use identity_runtime::ReturnUrlRouter;
use identity_tests::{AGENT, Anything};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{
    Account, CALENDAR, SCOPE,
    credentials::trust,
    owner,
    people::{self, decide, parameter},
    user,
    visitor::{Visitor, place},
};

const POLLS: &str = "get_resource_oauth2_token";
const COMPLETE: &str = "complete_resource_token_auth";

fn ask(client: &IdentityClient, user: &User) -> AccessTokenRequest {
    client.access_token(CALENDAR).with_scopes([SCOPE]).for_user(user).with_timeout(Duration::from_secs(40))
}

async fn scripted(human: Human) -> Result<Account, Anything> {
    let account = Account::with(Emulator::builder().with_human(human)).await?;
    account.calendar(Flow::UserFederation).await?;
    Ok(account)
}

#[tokio::test]
async fn a_user_is_asked_once_and_the_token_is_theirs() -> Result<(), Anything> {
    let account = scripted(Human::ApproveAfter(1)).await?;
    let (told, alice) = (Arc::new(AtomicU32::new(0)), user("alice")?);
    let counter = Arc::clone(&told);
    let tell = move |pending: PendingAuthorization| {
        assert!(pending.authorization_url().contains("/oauth2/authorize?request_uri="));
        counter.fetch_add(1, Ordering::Relaxed);
    };
    let token = ask(&account.client, &alice).on_auth_url(tell).await?;
    let known = owner(account.emulator.provider().token_url(), &token).await?;
    assert_eq!((&known["sub"], &known["scope"]), (&"alice".into(), &SCOPE.into()));
    assert_eq!(account.count(POLLS), 3, "the question, a poll in progress, and one that has it");
    let again = ask(&account.client, &alice).await?;
    assert_eq!((again.expose_secret(), account.count(POLLS)), (token.expose_secret(), 3));
    // The platform keeps it, too: another process of the agent asks nobody.
    let other = crate::client(account.platform.clone(), &account.clock)?;
    assert_eq!(ask(&other, &alice).await?.expose_secret(), token.expose_secret());
    assert_eq!(told.load(Ordering::Relaxed), 1);
    Ok(())
}

#[tokio::test]
async fn force_asks_again() -> Result<(), Anything> {
    let account = scripted(Human::Approve).await?;
    let alice = user("alice")?;
    let told = Arc::new(AtomicU32::new(0));
    let tell = || {
        let told = Arc::clone(&told);
        move |_: PendingAuthorization| {
            told.fetch_add(1, Ordering::Relaxed);
        }
    };
    let first = ask(&account.client, &alice).on_auth_url(tell()).await?;
    let second = ask(&account.client, &alice).with_force(true).on_auth_url(tell()).await?;
    assert_ne!(first.expose_secret(), second.expose_secret());
    assert_eq!(told.load(Ordering::Relaxed), 2);
    Ok(())
}

#[tokio::test]
async fn a_user_who_refuses_ends_the_wait() -> Result<(), Anything> {
    let account = scripted(Human::Deny).await?;
    let error = ask(&account.client, &user("alice")?).on_auth_url(|_| ()).await.err().ok_or("alice refused")?;
    assert_eq!(error.kind(), ErrorKind::AuthorizationDenied, "{error}");
    // Without a prompt it is the caller's to decide, and nobody waits.
    account.emulator.set_human(Human::Manual);
    let asked = ask(&account.client, &user("bob")?).acquire().await?;
    assert!(matches!(asked, Acquired::NeedsConsent(_)));
    Ok(())
}

#[tokio::test]
async fn a_consent_that_nobody_gives_is_over_one_day() -> Result<(), Anything> {
    let account = scripted(Human::Manual).await?;
    let alice = user("alice")?;
    let Acquired::NeedsConsent(pending) = ask(&account.client, &alice).acquire().await? else {
        return Err("nobody agreed".into());
    };
    assert_eq!(pending.parts().return_url, None);
    account.advance(601);
    let over = account.client.resume::<AccessToken>(pending).await.err().ok_or("it is over")?;
    assert_eq!(over.kind(), ErrorKind::AuthorizationDenied, "the platform says FAILED: {over}");
    Ok(())
}

/// An application with a session cookie, and the pages of its consents, on loopback.
struct Application {
    origin: String,
    client: IdentityClient,
    server: JoinHandle<()>,
}

impl Drop for Application {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Application {
    /// The agent's consents are bound, and land here.
    async fn of(account: &Account) -> Result<Self, Anything> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let origin = format!("http://{}", listener.local_addr()?);
        let mut update = WorkloadIdentityUpdate::default();
        update.session_binding_enabled = Some(true);
        update.allowed_return_urls = Some(vec![format!("{origin}/consent/return")]);
        account.management().workload_identities().update(AGENT, update).await?;
        let binding = SessionBinding::new();
        let pages = ReturnUrlRouter::new(binding.clone(), |parts: &Parts| std::future::ready(user_of_session(parts)))
            .dangerously_use_insecure_cookies_on_loopback();
        let sign_in = async |Path(who): Path<String>| ([(header::SET_COOKIE, format!("session={who}"))], "hello");
        let app = Router::new().route("/sign-in/{who}", get(sign_in)).nest("/consent", pages.into_router());
        let server = tokio::spawn(async move { drop(axum::serve(listener, app).await) });
        let client = IdentityClient::builder().with_platform(account.platform.clone()).with_session_binding(binding);
        Ok(Self { origin, client: client.build()?, server })
    }

    async fn browser_of(&self, who: &str) -> Result<Visitor, Anything> {
        let mut visitor = Visitor::new()?;
        visitor.get(&format!("{}/sign-in/{who}", self.origin)).await?;
        Ok(visitor)
    }

    fn ask(&self, user: &User) -> AccessTokenRequest {
        ask(&self.client, user).with_return_url(format!("{}/consent/return", self.origin))
    }

    async fn begin(&self, user: &User) -> Result<(PendingAuthorization, String), Anything> {
        let Acquired::NeedsConsent(pending) = self.ask(user).acquire().await? else {
            return Err("nobody was asked".into());
        };
        let handle = SessionBinding::handle(&pending).ok_or("a bound consent has a state")?;
        Ok((pending, format!("{}/consent/start/{handle}", self.origin)))
    }
}

fn user_of_session(parts: &Parts) -> Option<User> {
    let cookies = parts.headers.get(header::COOKIE)?.to_str().ok()?;
    let session = cookies.split("; ").find_map(|cookie| cookie.strip_prefix("session="))?;
    User::asserted(session).ok()
}

async fn bound() -> Result<(Account, Application), Anything> {
    let account = scripted(Human::Manual).await?;
    let application = Application::of(&account).await?;
    Ok((account, application))
}

/// Whether the platform would give the token to a client that does not look who agreed.
async fn is_released(account: &Account, application: &Application, user: &User) -> Result<bool, Anything> {
    let careless = crate::client(account.platform.clone(), &account.clock)?;
    let asked =
        ask(&careless, user).with_return_url(format!("{}/consent/return", application.origin)).acquire().await?;
    Ok(matches!(asked, Acquired::Ready(_)))
}

#[tokio::test]
async fn a_consent_counts_when_its_user_is_back_in_the_same_browser() -> Result<(), Anything> {
    let (account, application) = bound().await?;
    let alice = user("alice")?;
    let (pending, start) = application.begin(&alice).await?;
    let mut browser = application.browser_of("alice").await?;
    let link = browser.next(&start).await?;
    assert_eq!(link, pending.authorization_url());
    let mut url = decide(&mut browser, &link, "alice", "allow").await?;
    while !url.starts_with(&application.origin) {
        url = browser.next(&url).await?;
    }
    assert!(parameter(&url, "session_uri")?.starts_with("urn:ietf:params:oauth:request_uri:"));
    assert_eq!(Some(parameter(&url, "state")?), pending.parts().custom_state);
    assert!(matches!(application.ask(&alice).acquire().await?, Acquired::NeedsConsent(_)), "alice is not back yet");
    assert!(!is_released(&account, &application, &alice).await?);
    let back = browser.get(&url).await?;
    assert_eq!(back.status(), 200);
    assert_eq!(account.count(COMPLETE), 1);
    let token = application.ask(&alice).on_auth_url(|_| ()).await?;
    assert_eq!(owner(account.emulator.provider().token_url(), &token).await?["sub"], "alice");
    Ok(())
}

#[tokio::test]
async fn a_consent_that_somebody_else_gave_is_nobodys() -> Result<(), Anything> {
    let (account, application) = bound().await?;
    let mallory = user("mallory")?;
    let (pending, _) = application.begin(&mallory).await?;
    // Mallory passes the link on, and the victim agrees, with an account of theirs, in their own browser.
    let mut victim = application.browser_of("victim").await?;
    let mut url = decide(&mut victim, pending.authorization_url(), "victim", "allow").await?;
    while !url.starts_with(&application.origin) {
        url = victim.next(&url).await?;
    }
    let refused = victim.get(&url).await?;
    assert_eq!(refused.status(), 403);
    assert_eq!(account.count(COMPLETE), 0, "the platform is not told");
    let error = application.ask(&mallory).acquire().await.err().ok_or("mallory has the victim's token")?;
    assert_eq!(error.kind(), ErrorKind::AuthorizationDenied, "{error}");
    let (fresh, _) = application.begin(&mallory).await?;
    assert_ne!(fresh.parts().session, pending.parts().session, "the old one is over");
    assert!(!is_released(&account, &application, &mallory).await?, "the platform holds nothing either");
    // Nor can the victim's own link be finished by another browser of the same user.
    let (_, start) = application.begin(&user("victim")?).await?;
    assert_eq!(application.browser_of("mallory").await?.get(&start).await?.status(), 403);
    let released =
        |entry: &identity_emulator::AuditEntry| entry.operation == POLLS && entry.outcome == AuditOutcome::Released;
    assert!(!account.emulator.audit().iter().any(released));
    Ok(())
}

#[tokio::test]
async fn a_bound_agent_must_say_where_the_browser_lands() -> Result<(), Anything> {
    let (_account, application) = bound().await?;
    let alice = user("alice")?;
    let error = ask(&application.client, &alice).acquire().await.err().ok_or("no return URL")?;
    assert_eq!(error.code(), Some("MissingParameter.ResourceOAuth2ReturnURL"), "{error}");
    let elsewhere = ask(&application.client, &alice).with_return_url("https://elsewhere.example.com/return");
    let error = elsewhere.acquire().await.err().ok_or("it is not allowed")?;
    assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidRequest, Some("Missmatch.ResourceOAuth2ReturnURL")));
    Ok(())
}

/// The platform is told by the same kind of identifier as it was asked by.
#[tokio::test]
async fn a_user_who_showed_a_token_confirms_with_it() -> Result<(), Anything> {
    let account = Account::with(people::with_pool()?).await?;
    account.calendar(Flow::UserFederation).await?;
    let issuer = people::issuer(&account.emulator)?;
    trust(&account, &issuer).await?;
    let application = Application::of(&account).await?;
    let alice = people::signed_in(&issuer, "alice").await?;
    let (pending, start) = application.begin(&alice).await?;
    assert!(!format!("{pending:?}").contains("eyJ"));
    let mut browser = application.browser_of("alice").await?;
    let link = browser.next(&start).await?;
    let mut url = decide(&mut browser, &link, "alice", "allow").await?;
    while !url.starts_with(&application.origin) {
        url = place(&browser.get(&url).await?)?;
    }
    assert_eq!(browser.get(&url).await?.status(), 200);
    assert_eq!(account.count(COMPLETE), 1);
    let token = application.ask(&alice).on_auth_url(|_| ()).await?;
    assert_eq!(owner(account.emulator.provider().token_url(), &token).await?["sub"], "alice");
    assert!(!is_released(&account, &application, &user("alice")?).await?, "who only has that id has nothing");
    Ok(())
}
