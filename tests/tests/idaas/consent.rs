//! Tokens of third parties, which a user agrees to.

use std::sync::{Arc, Mutex, PoisonError};

use identity_client::{
    AccessToken, AccessTokenRequest, Acquired, ErrorKind, IdentityClient, PendingAuthorization, SessionBinding, User,
    idaas::SessionStatus,
};
use identity_emulator::{Emulator, Human};
use identity_tests::Anything;
use serde_json::{Value, json};

use crate::Stage;

async fn stage(human: Human) -> Result<Stage, Anything> {
    let providers = json!({ "oauth2_providers": [
        { "identifier": "calendar", "builtin": true, "flow": "user_federation", "scopes": ["read"] },
        { "identifier": "reports", "builtin": true, "flow": "m2m" },
    ] });
    Stage::on(Emulator::builder().with_human(human), &json!({}), &providers).await
}

fn ask(client: &IdentityClient, user: &User) -> AccessTokenRequest {
    client.access_token("calendar").with_scopes(["read"]).for_user(user)
}

/// Whose token it is, as the third party says.
#[expect(clippy::disallowed_methods, reason = "a service on loopback")]
async fn owner(stage: &Stage, token: &AccessToken) -> Result<Value, Anything> {
    let userinfo = stage.emulator.provider().token_url().replace("/token", "/userinfo");
    let answer = reqwest::Client::new().get(userinfo).bearer_auth(token.expose_secret()).send().await?;
    Ok(answer.error_for_status()?.json().await?)
}

#[tokio::test]
async fn a_user_agrees_once_and_the_token_is_theirs() -> Result<(), Anything> {
    let stage = stage(Human::ApproveAfter(1)).await?;
    let client = stage.client()?;
    let told = Arc::new(Mutex::new(Vec::new()));
    for name in ["alice", "bob"] {
        let user = stage.user(name).await?;
        for _ in 0..2 {
            let told = Arc::clone(&told);
            let tell = move |pending: PendingAuthorization| {
                told.lock().unwrap_or_else(PoisonError::into_inner).push(pending.user().id().to_owned());
            };
            let token = ask(&client, &user).on_auth_url(tell).await?;
            let known = owner(&stage, &token).await?;
            assert_eq!((&known["sub"], &known["scope"]), (&json!(name), &json!("read")));
        }
    }
    assert_eq!(*told.lock().unwrap_or_else(PoisonError::into_inner), ["alice", "bob"]);
    Ok(())
}

#[tokio::test]
async fn a_consent_session_has_its_states() -> Result<(), Anything> {
    let stage = stage(Human::Manual).await?;
    let idaas = stage.idaas()?;
    let client = stage.client_of(idaas.clone())?;
    let (alice, bob) = (stage.user("alice").await?, stage.user("bob").await?);
    let Acquired::NeedsConsent(pending) = ask(&client, &alice).acquire().await? else {
        return Err("who agreed?".into());
    };
    let uri = pending.parts().session.clone().ok_or("a consent has a session")?;
    let of = |user: &User| idaas.authentication_tokens().for_user(user);
    let session = of(&alice).consent_session(&uri).await?;
    assert_eq!(session.session_status, Some(SessionStatus::Pending));
    for stranger in [of(&bob), idaas.authentication_tokens()] {
        let error = stranger.consent_session(&uri).await.err().ok_or("the session is alice's")?;
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    }
    stage.emulator.set_human(Human::ApproveAfter(0));
    ask(&client, &alice).on_auth_url(drop::<PendingAuthorization>).await?;
    assert_eq!(of(&alice).consent_session(&uri).await?.session_status, Some(SessionStatus::Completed));
    Ok(())
}

#[tokio::test]
async fn who_declines_or_does_nothing_ends_the_wait() -> Result<(), Anything> {
    let stage = stage(Human::Deny).await?;
    let (client, alice) = (stage.client()?, stage.user("alice").await?);
    let error = ask(&client, &alice).on_auth_url(drop::<PendingAuthorization>).await.err().ok_or("alice declined")?;
    assert_eq!((error.kind(), error.code()), (ErrorKind::AuthorizationDenied, Some("authorization_failed")), "{error}");

    stage.emulator.set_human(Human::Manual);
    let bob = stage.user("bob").await?;
    let Acquired::NeedsConsent(pending) = ask(&client, &bob).acquire().await? else { return Err("who agreed?".into()) };
    stage.pass(1800);
    let resumed = client.resume::<AccessToken>(pending).await.err().ok_or("nobody agreed in time")?;
    assert_eq!(resumed.kind(), ErrorKind::AuthorizationExpired, "{resumed}");
    Ok(())
}

#[tokio::test]
async fn the_agents_own_token_needs_nobody_and_a_users_needs_the_user() -> Result<(), Anything> {
    let stage = stage(Human::Manual).await?;
    let client = stage.client()?;
    let token = client.access_token("reports").with_scopes(["repo"]).await?;
    let known = owner(&stage, &token).await?;
    assert_eq!((&known["sub"], &known["scope"]), (&json!(stage.emulator.provider().client_id()), &json!("repo")));
    let error = client.access_token("calendar").with_scopes(["read"]).await.err().ok_or("a user agrees to that")?;
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    let error = client.access_token("nothing").await.err().ok_or("there is none")?;
    assert_eq!((error.kind(), error.code()), (ErrorKind::NotFound, Some("credential_provider_not_found")), "{error}");
    Ok(())
}

/// IDaaS sends nobody back with a state, so a binding could not tell who agreed: that is said and not skipped.
#[tokio::test]
async fn a_binding_that_cannot_work_is_refused() -> Result<(), Anything> {
    let stage = stage(Human::Approve).await?;
    let binding = SessionBinding::new();
    let client = IdentityClient::builder().with_platform(stage.idaas()?).with_session_binding(binding).build()?;
    let error = ask(&client, &stage.user("alice").await?).await.err().ok_or("it cannot be bound")?;
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(error.hint().is_some(), "{error:?}");
    Ok(())
}
