//! What belongs to one user, and clients that the platform registers: client and emulator read the contract each for itself.

use std::sync::{Arc, Mutex};

use axum::{Json, Router, extract::State, http::StatusCode, routing::post};
use identity_client::{
    Acquired, ErrorKind, Flow, IdentityClient, PendingAuthorization, SecretString, User,
    agentkit::{AgentKit, ClientRegistration, NewIdentity, Returned, Vendor},
};
use identity_emulator::{Emulator, Human};
use identity_tests::{AGENT, Anything, OAUTH_PROVIDER};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};
use url::Url;

use crate::{
    SCOPE,
    person::{allow, without_redirects},
    platform, register_feishu,
};

async fn stage() -> Result<(Emulator, AgentKit), Anything> {
    let emulator = Emulator::builder().with_human(Human::Manual).start().await?;
    let agentkit = platform(&emulator)?;
    agentkit.management().identities().create(NewIdentity::new(AGENT)?).await?;
    Ok((emulator, agentkit))
}

/// The registration endpoint of an authorization server whose token endpoint is the emulator's built-in provider: it has one
/// client to give, to those who ask for what it allows.
struct Registrar {
    discovery: String,
    asked: Arc<Mutex<Vec<Value>>>,
    server: JoinHandle<()>,
}

impl Drop for Registrar {
    fn drop(&mut self) {
        self.server.abort();
    }
}

type Asked = (Arc<Mutex<Vec<Value>>>, Value);

async fn register(State((asked, client)): State<Asked>, Json(metadata): Json<Value>) -> (StatusCode, Json<Value>) {
    let answer = if metadata["client_name"] == "Unwanted" {
        (
            StatusCode::BAD_REQUEST,
            Json(json!({ "error": "invalid_client_metadata", "error_description": "no such name" })),
        )
    } else {
        (StatusCode::CREATED, Json(client))
    };
    asked.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(metadata);
    answer
}

impl Registrar {
    async fn start(emulator: &Emulator) -> Result<Self, Anything> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (origin, provider) = (format!("http://{}", listener.local_addr()?), emulator.provider());
        let client =
            json!({ "client_id": provider.client_id(), "client_secret": provider.client_secret().expose_secret() });
        let asked: Arc<Mutex<Vec<Value>>> = Arc::default();
        let document = json!({
            "issuer": origin, "authorization_endpoint": provider.authorization_url(),
            "token_endpoint": provider.token_url(), "registration_endpoint": format!("{origin}/register"),
        });
        let app = Router::new()
            .route("/register", post(register))
            .route("/.well-known/openid-configuration", axum::routing::get(async move || Json(document)))
            .with_state((Arc::clone(&asked), client));
        let server = tokio::spawn(async move { drop(axum::serve(listener, app).await) });
        Ok(Self { discovery: format!("{origin}/.well-known/openid-configuration"), asked, server })
    }

    fn asked(&self) -> Vec<Value> {
        self.asked.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

#[tokio::test]
async fn a_client_is_really_registered_and_its_tokens_are_real() -> Result<(), Anything> {
    let (emulator, agentkit) = stage().await?;
    let registrar = Registrar::start(&emulator).await?;
    let providers = agentkit.oauth2_providers();
    let machine = ClientRegistration::new("My agent", Flow::MachineToMachine)?
        .with_scopes(["documents.index"])
        .with_discovery_url(&registrar.discovery);
    let made = providers.create_registered("machine", Vendor::Custom, &machine).await?;
    assert!(made.trn.is_some());
    let expected = json!({
        "client_name": "My agent", "grant_types": ["client_credentials"], "scope": "documents.index",
        "redirect_uris": [emulator.agentkit().callback_url()],
    });
    assert_eq!(registrar.asked(), [expected]);
    let client = IdentityClient::builder().with_platform(agentkit.clone()).build()?;
    let token = client.access_token("machine").with_scopes(["documents.index"]).await?;
    let owner = crate::owner(&emulator.provider(), &token).await?;
    assert_eq!(owner["sub"], emulator.provider().client_id());

    let users = ClientRegistration::new("My agent", Flow::UserFederation)?
        .with_redirect_url("https://auth.id.cn-beijing.volces.com/api/v1/oauth2callback")
        .with_discovery_url(&registrar.discovery);
    providers.create_registered("users", Vendor::Custom, &users).await?;
    // A documented callback of the platform is the emulator's own.
    let asked = registrar.asked().pop().ok_or("a second registration")?;
    assert_eq!(asked["redirect_uris"], json!([emulator.agentkit().callback_url()]));
    assert_eq!(asked["response_types"], json!(["code"]));
    let record = providers.get("users").await?;
    assert_eq!(record.client_id.as_deref(), Some(emulator.provider().client_id()));

    let again = providers.create_registered("users", Vendor::Custom, &users).await.err().ok_or("the name is taken")?;
    assert_eq!((again.kind(), registrar.asked().len()), (ErrorKind::Conflict, 2), "nobody is registered for nothing");
    let unwanted =
        ClientRegistration::new("Unwanted", Flow::MachineToMachine)?.with_discovery_url(&registrar.discovery);
    let refused = providers.create_registered("third", Vendor::Custom, &unwanted).await.err().ok_or("it refuses")?;
    assert_eq!(refused.kind(), ErrorKind::InvalidRequest);
    assert!(refused.to_string().contains("invalid_client_metadata"), "{refused}");
    let absent = providers.get("third").await.err().ok_or("nothing was made")?;
    assert_eq!(absent.kind(), ErrorKind::NotFound);
    Ok(())
}

/// A consent whose code and state came to the application's own page.
async fn returned(agentkit: &AgentKit, user: &User) -> Result<(PendingAuthorization, Url), Anything> {
    let client = IdentityClient::builder().with_platform(agentkit.clone()).build()?;
    let request = client.access_token(OAUTH_PROVIDER).with_scopes([SCOPE]).for_user(user);
    let Acquired::NeedsConsent(pending) = request.acquire().await? else { return Err("nobody agreed yet".into()) };
    let back = allow(&without_redirects()?, pending.authorization_url(), "somebody").await?;
    Ok((pending, back))
}

fn parameter(url: &Url, name: &str) -> SecretString {
    let value = url.query_pairs().find(|(given, _)| given == name).map(|(_, value)| value.into_owned());
    SecretString::from(value.unwrap_or_default())
}

#[tokio::test]
async fn what_the_browser_brought_is_handed_over_once_and_by_whom_it_belongs_to() -> Result<(), Anything> {
    let (emulator, agentkit) = stage().await?;
    register_feishu(&emulator, &agentkit).await?;
    let (alice, bob) = (User::asserted("alice")?, User::asserted("bob")?);
    let (pending, back) = returned(&agentkit, &alice).await?;
    let (state, code) = (parameter(&back, "state"), parameter(&back, "code"));
    let (of_bob, _) = returned(&agentkit, &bob).await?;
    let refused = agentkit.hand_over(&of_bob, &state, Returned::Code(&code)).await.err().ok_or("that is alice's")?;
    assert_eq!(refused.kind(), ErrorKind::AuthorizationDenied);
    let token = agentkit.hand_over(&pending, &state, Returned::Code(&code)).await?.ok_or("nothing holds it back")?;
    assert_eq!(crate::owner(&emulator.feishu(), &token).await?["sub"], "somebody");
    let again = agentkit.hand_over(&pending, &state, Returned::Code(&code)).await.err().ok_or("it is used up")?;
    assert_eq!(again.kind(), ErrorKind::AuthorizationExpired);
    let client = IdentityClient::builder().with_platform(agentkit.clone()).build()?;
    let kept = client.access_token(OAUTH_PROVIDER).with_scopes([SCOPE]).for_user(&alice).await?;
    assert_eq!(kept.expose_secret(), token.expose_secret());

    let (pending, back) = returned(&agentkit, &User::asserted("carol")?).await?;
    let refusal = agentkit.hand_over(&pending, &parameter(&back, "state"), Returned::Error("access_denied")).await;
    assert_eq!(refusal.err().map(|error| error.kind()), Some(ErrorKind::PermissionDenied));
    Ok(())
}

#[tokio::test]
async fn a_user_s_credentials_are_that_user_s_and_this_agent_s() -> Result<(), Anything> {
    let (emulator, agentkit) = stage().await?;
    let (alice, bob) = (User::asserted("alice")?, User::asserted("bob")?);
    let (credentials, data) = (agentkit.user_credentials(), SecretString::from("{\"password\":\"hush\"}"));
    let id = credentials.create(&alice, None, &data).await?;
    assert_eq!(credentials.create(&alice, Some("mail"), &data).await?, "mail");
    let taken = credentials.create(&alice, Some("mail"), &data).await.err().ok_or("the id is taken")?;
    assert_eq!(taken.kind(), ErrorKind::Conflict);
    assert_eq!(credentials.get(&alice, &id).await?.data.expose_secret(), data.expose_secret());

    agentkit.management().identities().create(NewIdentity::new("another-agent")?).await?;
    let access = emulator.agentkit();
    let other = AgentKit::builder()
        .with_access_key(access.access_key(), access.secret_key().clone())
        .with_workload_name("another-agent")
        .with_endpoint(access.endpoint())
        .build()?
        .user_credentials();
    for outcome in [credentials.get(&bob, "mail").await, other.get(&alice, "mail").await] {
        assert_eq!(outcome.err().map(|error| error.kind()), Some(ErrorKind::NotFound));
    }
    credentials.create(&bob, Some("mail"), &SecretString::from("of bob")).await?;
    credentials.update(&alice, "mail", &SecretString::from("changed")).await?;
    let changed = credentials.get(&alice, "mail").await?;
    assert_eq!(changed.data.expose_secret(), "changed");
    assert!(changed.created_at.is_some() && changed.updated_at.is_some());
    assert_eq!(credentials.get(&bob, "mail").await?.data.expose_secret(), "of bob");
    credentials.delete(&alice, "mail").await?;
    for outcome in [credentials.get(&alice, "mail").await.map(drop), credentials.delete(&alice, "mail").await] {
        assert_eq!(outcome.err().map(|error| error.kind()), Some(ErrorKind::NotFound));
    }
    assert_eq!(credentials.get(&bob, "mail").await?.data.expose_secret(), "of bob");
    Ok(())
}
