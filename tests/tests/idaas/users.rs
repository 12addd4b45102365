//! For a user: whose token it is, and that nobody ever gets what was asked with the token of another.

use std::time::Duration;

use futures_util::future::try_join_all;
use identity_client::{
    AccessToken, ApiKey, Error, ErrorKind, Flow, IdentityClient, RequestContext, SecretString, User,
    idaas::{ClientAuthentication, SecretSource},
    inbound::TokenVerifier,
    requires_access_token, requires_api_key,
};
use identity_tests::Anything;
use serde_json::json;

use crate::{APP, READ, SECRET, Stage, own};

async fn with_keys() -> Result<Stage, Anything> {
    let of = |user: &str| json!({ "identifier": "own", "apikey": format!("sk-of-{user}"), "exclusive_user": user });
    let users = (0..4).map(|number| of(&format!("user-{number}")));
    let keys: Vec<_> = users.chain([of("alice"), json!({ "identifier": "shared", "apikey": "sk-shared" })]).collect();
    Stage::with(&json!({}), &json!({ "api_keys": keys })).await
}

#[tokio::test]
async fn a_users_token_is_exchanged_for_one_of_the_user_in_the_agents_hands() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    let (client, alice) = (stage.client()?, stage.user("alice").await?);
    let audience = "https://orders.example.com";
    let by_scope = own(&client, READ).for_user(&alice).await?;
    let on_behalf = own(&client, READ).on_behalf_of(&alice).await?;
    let beside =
        client.access_token("iauths_system").with_scopes(["read"]).on_behalf_of(&alice).with_audience(audience);
    for token in [by_scope, on_behalf, beside.await?] {
        let claims = stage.claims(&token, READ).await?;
        assert_eq!((claims.subject(), claims.client_id()), (Some("alice"), Some(APP)));
        let acts: serde_json::Value = claims.read()?;
        assert_eq!(acts["act"], json!({ "sub": APP }));
    }
    let again = stage.user("alice").await?;
    own(&client, READ).for_user(&again).await?;
    assert_eq!(stage.count("idaas_token"), 4, "another token of the user's is exchanged by itself");
    Ok(())
}

#[tokio::test]
async fn an_actors_token_must_be_the_agents_own() -> Result<(), Anything> {
    let other = json!({ "client_id": "app_other", "client_secret": "CSother", "permissions": { "https://orders.example.com": ["read"] } });
    let stage = Stage::with(&json!({}), &json!({ "applications": [other] })).await?;
    let alice = stage.user("alice").await?;
    let mine = own(&stage.client()?, READ).await?;
    let secret = || ClientAuthentication::client_secret_post(SecretString::from("CSother"));
    let theirs = stage.unproven().with_client_id("app_other").with_authentication(secret()).build()?;
    let theirs = own(&stage.client_of(theirs)?, READ).await?;
    let acting = |token: &AccessToken| {
        let secret = ClientAuthentication::client_secret_basic(SecretString::from(SECRET));
        let actor = SecretSource::given(SecretString::from(token.expose_secret()));
        stage.client_of(stage.unproven().with_authentication(secret).with_actor_token(actor).build()?)
    };
    let exchanged = own(&acting(&mine)?, READ).for_user(&alice).await?;
    assert_eq!(stage.claims(&exchanged, READ).await?.subject(), Some("alice"));
    let error = own(&acting(&theirs)?, READ).for_user(&alice).await.err().ok_or("that is another's")?;
    assert_eq!((error.kind(), error.code()), (ErrorKind::Unauthenticated, Some("invalid_request")), "{error}");
    assert!(!format!("{error} {error:?}").contains(theirs.expose_secret()));
    // The agent's own tokens are asked for as ever.
    own(&acting(&theirs)?, READ).await?;
    Ok(())
}

#[tokio::test]
async fn a_user_without_a_good_token_is_the_users_matter() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    let client = stage.client()?;
    let error = own(&client, READ).for_user(&User::asserted("alice")?).await.err().ok_or("alice shows nothing")?;
    assert_eq!(error.kind(), ErrorKind::UserMissing, "{error}");
    let other = Stage::new().await?;
    let foreign = other.user("alice").await?;
    let alice = stage.user("alice").await?;
    stage.pass(3601);
    for user in [&foreign, &alice] {
        let error = own(&client, READ).for_user(user).await.err().ok_or("that token is no good")?;
        assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{error}");
        assert!(error.hint().is_some_and(|hint| hint.contains("sign in again")), "{error:?}");
        let token = user.token().map(secrecy::ExposeSecret::expose_secret).ok_or("a token")?;
        assert!(!format!("{error} {error:?}").contains(token));
    }
    own(&client, READ).await?;
    own(&client, READ).for_user(&stage.user("alice").await?).await?;
    Ok(())
}

#[tokio::test]
async fn an_exchanged_token_ends_with_the_one_that_the_user_showed() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    let client = stage.client()?;
    let short = stage.emulator.idaas_user_token("alice", crate::ACCESS, Duration::from_secs(300)).await?;
    let alice = User::asserted("alice")?.with_token(short)?;
    own(&client, READ).for_user(&alice).await?;
    stage.pass(301);
    let error = own(&client, READ).for_user(&alice).await.err().ok_or("it is over")?;
    assert_eq!(error.kind(), ErrorKind::Unauthenticated, "no token is used past its life: {error}");
    Ok(())
}

#[requires_api_key(provider_name = "own", auth_flow = "USER_FEDERATION")]
#[requires_access_token(provider_name = "iauths_system", auth_flow = "ON_BEHALF_OF", scopes = ["https://orders.example.com|read"])]
async fn act(
    context: &RequestContext,
    api_key: ApiKey,
    access_token: AccessToken,
) -> Result<(ApiKey, AccessToken), Error> {
    Ok((api_key, access_token))
}

/// One user's calls among those of the others: keys and tokens are the user's own, every time.
async fn acts_as(stage: &Stage, client: &IdentityClient, service: &TokenVerifier, name: &str) -> Result<(), Anything> {
    let user = stage.user(name).await?;
    let context = RequestContext::new().with_client(client.clone()).with_user(user.clone());
    for round in 0..10 {
        if round % 3 == 0 {
            client.api_key("own").for_user(&user).forget();
            own(client, READ).on_behalf_of(&user).forget();
        }
        let (key, token) = act(&context).await?;
        assert_eq!(key.expose_secret(), format!("sk-of-{name}"));
        let claims = service.verify(token.expose_secret()).await.map_err(|refusal| refusal.code().as_str())?;
        assert_eq!(claims.subject(), Some(name));
    }
    Ok(())
}

#[tokio::test]
async fn users_at_the_same_time_never_mix() -> Result<(), Anything> {
    let stage = with_keys().await?;
    let (client, service) = (stage.client()?, stage.verifier(READ).build()?);
    let calls = (0..24).map(|number| {
        let (stage, client, service) = (&stage, &client, &service);
        async move { acts_as(stage, client, service, &format!("user-{}", number % 4)).await }
    });
    try_join_all(calls).await?;
    // What everybody shares is still the agent's.
    assert_eq!(client.api_key("shared").for_agent().await?.expose_secret(), "sk-shared");
    let error = client.api_key("own").for_agent().await.err().ok_or("the agent has none")?;
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    Ok(())
}

/// `ACCESS_IDENTITY`: whose the keys are that are asked for without naming anybody.
#[tokio::test]
async fn keys_are_the_agents_or_the_users_as_configured() -> Result<(), Anything> {
    let stage = with_keys().await?;
    let alice = stage.user("alice").await?;
    let of_flow = |flow| {
        let secret = ClientAuthentication::client_secret_basic(SecretString::from(SECRET));
        stage.client_of(stage.unproven().with_authentication(secret).with_api_key_flow(flow).build()?)
    };
    let context = |client: IdentityClient| RequestContext::new().with_client(client).with_user(alice.clone());
    let human = of_flow(Flow::UserFederation)?;
    let key = human.api_key("own").with_context(context(human.clone())).await?;
    assert_eq!(key.expose_secret(), "sk-of-alice");
    let machine = of_flow(Flow::MachineToMachine)?;
    let error =
        machine.api_key("own").with_context(context(machine.clone())).await.err().ok_or("none of the agent's")?;
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert_eq!(machine.api_key("shared").with_context(context(machine.clone())).await?.expose_secret(), "sk-shared");
    Ok(())
}
