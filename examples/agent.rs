//! The agent of `agent_server`: it thinks with a key of the company, and looks into the calendar of whoever asks.

use std::{future::Future, io, time::Duration};

use futures_util::{StreamExt as _, stream};
use identity_client::{
    AccessToken, ApiKey, Environment, Error, IdentityClient, RequestContext, SessionBinding,
    agentbase::IdentityUpdate,
    login::{RelyingParty, RelyingPartyBuilder},
    requires_access_token, requires_api_key,
};
use identity_emulator::{Emulator, Seed};
use identity_runtime::{AgentApp, CustomJwtLayer, LoginClient, Reply, ReturnUrlRouter};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::net::TcpListener;

use crate::{AGENT, Ground, random_secret};

type Anything = Box<dyn std::error::Error + Send + Sync>;

const KEY_PROVIDER: &str = "openai-key";
const CALENDAR_PROVIDER: &str = "google-oauth";
/// The user pool of the emulator, and the client there.
const POOL: &str = "people";
const CLIENT: &str = "chat";
/// How long the agent waits for a consent.
const PATIENCE: Duration = Duration::from_secs(120);

/// What the agent is asked.
#[derive(Debug, Deserialize)]
pub struct Question {
    prompt: String,
}

/// A piece of the answer.
#[derive(Debug, Serialize)]
struct Piece {
    text: String,
}

/// Everybody may ask; the key is the company's.
#[requires_api_key(provider_name = KEY_PROVIDER)]
async fn think(prompt: &str, api_key: ApiKey) -> Result<String, Error> {
    // Here the agent would ask a model with `api_key.expose_secret()`.
    let letters = api_key.expose_secret().len();
    Ok(format!("You asked “{prompt}”. I thought about it with the company's key of {letters} letters."))
}

/// The calendar is the user's own, so the user has to agree.
#[requires_access_token(
    provider_name = CALENDAR_PROVIDER,
    auth_flow = "USER_FEDERATION",
    scopes = ["https://www.googleapis.com/auth/calendar.readonly"],
    timeout = PATIENCE
)]
async fn look_into_calendar(context: &RequestContext, access_token: AccessToken) -> Result<String, Error> {
    // Here it would ask the calendar with `access_token.apply(&mut request)?`.
    let letters = access_token.expose_secret().len();
    Ok(format!("I looked into your calendar with a token of {letters} letters: you are free at ten."))
}

/// The entrypoint. While it waits for the consent, its caller is told by an event.
async fn answer(question: Question, context: RequestContext) -> Result<Reply, Error> {
    let text = if question.prompt.to_lowercase().contains("calendar") {
        look_into_calendar(&context).await?
    } else {
        think(&question.prompt).await?
    };
    let words: Vec<_> = text.split_inclusive(' ').map(|word| Piece { text: word.to_owned() }).collect();
    Ok(Reply::events(stream::iter(words).then(|word| async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        word
    })))
}

/// Where users sign in: to the front end, and to the agent's own pages of a consent.
#[derive(Debug)]
pub struct People {
    party: RelyingPartyBuilder,
    /// For a front end in another process: the variables that it needs, unless they are set already.
    pub variables: Vec<(&'static str, String)>,
    /// Held as long as somebody may sign in.
    _emulator: Option<Emulator>,
}

impl People {
    /// Those of the issuer that `OAUTH2_*` names, else those of a user pool in an emulator, to whose login page any name will do.
    async fn find(callbacks: &[String]) -> Result<Self, Anything> {
        match RelyingParty::from_environment(&Environment::process()) {
            Ok(party) => return Ok(Self { party, variables: Vec::new(), _emulator: None }),
            Err(error) if error.is_missing() => {}
            Err(error) => return Err(error.into()),
        }
        let secret = random_secret()?;
        let client =
            json!({ "name": "chat", "client_id": CLIENT, "client_secret": secret, "callback_urls": callbacks });
        let seed = json!({ "agentkit": { "user_pools": [{ "name": POOL, "clients": [client] }] } });
        let emulator = Emulator::builder().with_seed(Seed::from_json(&seed.to_string())?).start().await?;
        let issuer = emulator.user_pool_issuer(POOL).ok_or("the emulator has no user pool")?;
        let callback = callbacks.first().ok_or("nowhere to come back to")?;
        let party = RelyingParty::builder(&*issuer, CLIENT, callback).with_client_secret(secret.clone());
        let variables = vec![
            ("OAUTH2_ISSUER_URI", issuer),
            ("OAUTH2_CLIENT_ID", CLIENT.to_owned()),
            ("OAUTH2_CLIENT_SECRET", secret),
            ("OAUTH2_REDIRECT_URI", callback.clone()),
        ];
        Ok(Self { party, variables, _emulator: Some(emulator) })
    }

    /// A login that comes back to this application, on this machine.
    ///
    /// # Errors
    /// If it cannot be built.
    pub fn login(&self, origin: &str) -> Result<LoginClient, Anything> {
        let party = self.party.clone().with_redirect_uri(format!("{origin}/callback")).build()?;
        Ok(LoginClient::builder(party).dangerously_use_insecure_cookies_on_loopback().build()?)
    }
}

/// An agent that is ready to serve.
#[derive(Debug)]
pub struct AgentServer {
    app: AgentApp,
    login: LoginClient,
    listener: TcpListener,
    /// Where it is.
    pub url: String,
    /// Who may use it.
    pub people: People,
    _ground: Ground,
}

impl AgentServer {
    /// The agent at this listener, for a front end at this URL: on the platform of `GREENNODE_*` and with the issuer of
    /// `OAUTH2_*`, or with an emulator for what is not set.
    ///
    /// # Errors
    /// If the configuration is broken, or something does not start.
    pub async fn prepare(listener: TcpListener, front_end: &str) -> Result<Self, Anything> {
        let url = format!("http://{}", listener.local_addr()?);
        let people = People::find(&[format!("{front_end}/callback"), format!("{url}/callback")]).await?;
        let ground = Ground::find().await.map_err(|error| error.to_string())?;
        if ground.emulator.is_some() {
            ground.agentbase.api_key_providers().create(KEY_PROVIDER, "sk-synthetic-key-of-the-company").await?;
            ground.register_provider(CALENDAR_PROVIDER).await?;
            let update = IdentityUpdate::new().with_allowed_return_urls([format!("{url}/consent/return")]);
            ground.agentbase.identities().update(AGENT, update).await?;
        }
        // Users set out for a consent from the agent's own pages, where they sign in, too: so nobody agrees for somebody else.
        let binding = SessionBinding::new();
        let login = people.login(&url)?;
        let client = IdentityClient::builder().with_platform(ground.agentbase.clone());
        let client = client.with_session_binding(binding.clone()).build()?;
        let party = login.party();
        let discovery = format!("{}/.well-known/openid-configuration", party.issuer());
        let callers = CustomJwtLayer::custom_jwt(&discovery, [party.client_id()], Vec::<String>::new())?;
        let app = AgentApp::builder(answer)
            .with_client(client)
            .with_inbound(callers)
            .with_consent_routes(ReturnUrlRouter::with_login(binding, &login), format!("{url}/consent"))
            .build()?;
        Ok(Self { app, login, listener, url, people, _ground: ground })
    }

    /// Serves it until the signal.
    ///
    /// # Errors
    /// What the listener fails with.
    pub async fn serve(self, signal: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        let shutdown = self.app.shutdown();
        let routes = self.app.into_router().merge(self.login.router());
        let stop = async move {
            signal.await;
            shutdown.finish();
        };
        axum::serve(self.listener, routes).with_graceful_shutdown(stop).await
    }
}
