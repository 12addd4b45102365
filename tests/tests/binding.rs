//! Session binding end to end: client, emulator and the pages of the runtime. A script plays whoever opens the link; the test
//! plays the browser that lands at the application.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, body::Body, response::Response};
use http::{
    Request, StatusCode,
    header::{COOKIE, SET_COOKIE},
    request::Parts,
};
use identity_client::{
    CredentialKind, Error, ErrorKind, IdentityClient, PendingAuthorization, SessionBinding, User, Wait,
};
use identity_emulator::{Emulator, Human};
use identity_runtime::ReturnUrlRouter;
use identity_tests::{Anything, DELEGATED_PROVIDER, OAUTH_PROVIDER, RETURN_URL, Stage};
use tower::ServiceExt as _;

const BOTH: [CredentialKind; 2] = [CredentialKind::AccessToken, CredentialKind::ApiKey];

/// The application: its session, here a header, and the pages.
fn application(binding: &SessionBinding) -> Router {
    let signed_in = |parts: &Parts| {
        let id = parts.headers.get("x-session-of").and_then(|id| id.to_str().ok());
        std::future::ready(id.and_then(|id| User::asserted(id).ok()))
    };
    ReturnUrlRouter::new(binding.clone(), signed_in).into_router()
}

async fn visit(app: &Router, path: &str, who: &str, cookie: &str) -> Result<Response, Anything> {
    let request = Request::get(path).header("x-session-of", who).header(COOKIE, cookie).body(Body::empty())?;
    Ok(app.clone().oneshot(request).await?)
}

fn start(pending: &PendingAuthorization) -> Result<String, Anything> {
    Ok(format!("/start/{}", SessionBinding::handle(pending).ok_or("a consent has a state")?))
}

fn landing(pending: &PendingAuthorization) -> Result<String, Anything> {
    Ok(format!("/return?state={}", pending.parts().custom_state.as_deref().ok_or("a consent has a state")?))
}

/// What the application was told to show its user.
type Told = Arc<Mutex<Vec<PendingAuthorization>>>;

/// The length of the secret, so that no test handles one.
async fn ask(
    client: IdentityClient,
    kind: CredentialKind,
    who: &'static str,
    wait: Wait,
    told: Told,
) -> Result<usize, Error> {
    let user = User::asserted(who)?;
    let tell = move |pending: PendingAuthorization| {
        if let Ok(mut told) = told.lock() {
            told.push(pending);
        }
    };
    if kind == CredentialKind::ApiKey {
        let request = client.api_key(DELEGATED_PROVIDER).for_user(&user).with_return_url(RETURN_URL);
        return Ok(request.with_wait(wait).on_auth_url(tell).await?.expose_secret().len());
    }
    let request = client.access_token(OAUTH_PROVIDER).with_scopes(["calendar"]).for_user(&user);
    let request = request.with_return_url(RETURN_URL).with_wait(wait).on_auth_url(tell);
    Ok(request.await?.expose_secret().len())
}

struct Flow {
    stage: Stage,
    app: Router,
    told: Told,
    call: tokio::task::JoinHandle<Result<usize, Error>>,
    pending: PendingAuthorization,
}

/// A user's call that waits, with a consent that somebody has given: the platform has the credential.
async fn given(kind: CredentialKind, who: &'static str) -> Result<Flow, Anything> {
    let binding = SessionBinding::new();
    let builder = IdentityClient::builder()
        .with_session_binding(binding.clone())
        .with_unknown_lifetime(Duration::ZERO)
        .with_consent_timeout(Duration::from_secs(30));
    let stage = Stage::with(Emulator::builder().with_human(Human::ApproveAfter(0)), builder).await?;
    let told = Told::default();
    let call = tokio::spawn(ask(stage.client.clone(), kind, who, Wait::Poll, Arc::clone(&told)));
    // Until the platform gives the credential to a client that does not look who agreed.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let pending = told.lock().map_err(|_| "a prompt panicked")?.first().cloned().ok_or("nobody was told")?;
    let careless = IdentityClient::builder().with_platform(Stage::agentbase(&stage.emulator)?).build()?;
    for _ in 0..40 {
        if ask(careless.clone(), kind, who, Wait::Return, Told::default()).await.is_ok() {
            assert!(!call.is_finished(), "the client gave out what nobody came back from");
            return Ok(Flow { stage, app: application(&binding), told, call, pending });
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    Err("nobody agreed".into())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bind_01_a_victim_who_opens_a_forwarded_link_gives_nothing_away() -> Result<(), Anything> {
    for kind in BOTH {
        let flow = given(kind, "mallory").await?;
        let landed = visit(&flow.app, &landing(&flow.pending)?, "victim", "").await?;
        assert_eq!(landed.status(), StatusCode::FORBIDDEN);
        let error = flow.call.await?.err().ok_or("mallory has the victim's credential")?;
        assert_eq!(error.kind(), ErrorKind::AuthorizationDenied, "{error}");
        // The platform holds it as granted to mallory; the client has mallory asked again instead.
        flow.stage.emulator.set_human(Human::Manual);
        let again = ask(flow.stage.client.clone(), kind, "mallory", Wait::Return, Arc::clone(&flow.told)).await;
        let error = again.err().ok_or("mallory has the victim's credential")?;
        assert_eq!(error.kind(), ErrorKind::AuthorizationRequired, "{error}");
        let fresh = error.pending().ok_or("a consent is pending")?;
        assert_ne!(fresh.parts().custom_state, flow.pending.parts().custom_state);
        assert_ne!(fresh.parts().session, flow.pending.parts().session);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bind_02_a_user_who_comes_back_gets_the_credential() -> Result<(), Anything> {
    for kind in BOTH {
        let flow = given(kind, "alice").await?;
        let out = visit(&flow.app, &start(&flow.pending)?, "alice", "").await?;
        assert_eq!(out.status(), StatusCode::SEE_OTHER);
        assert_eq!(out.headers()["location"].as_bytes(), flow.pending.authorization_url().as_bytes());
        let cookie = out.headers()[SET_COOKIE].to_str()?.split(';').next().ok_or("a cookie")?.to_owned();
        for number in 0..100 {
            let forged = visit(&flow.app, &format!("/return?state=forged-{number}"), "alice", &cookie).await?;
            assert_eq!(forged.status(), StatusCode::FORBIDDEN);
        }
        let back = visit(&flow.app, &landing(&flow.pending)?, "alice", &cookie).await?;
        assert_eq!(back.status(), StatusCode::OK);
        assert!(flow.call.await?? > 0);
        // From here on the platform's grant is hers.
        ask(flow.stage.client.clone(), kind, "alice", Wait::Return, Arc::clone(&flow.told)).await?;
        assert_eq!(flow.told.lock().map_err(|_| "a prompt panicked")?.len(), 1);
    }
    Ok(())
}
