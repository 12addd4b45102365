//! The agent of `agent_server`: it thinks with a key of the company, and looks into the calendar of whoever asks.

use std::{future::Future, io, time::Duration};

use futures_util::{StreamExt as _, stream};
use identity_client::{
    AccessToken, ApiKey, Environment, Error, IdentityClient, Platform, RequestContext, SecretString, SessionBinding,
    agentbase::IdentityUpdate,
    agentkit::{ClientType, KeyPlace, NewUserPool},
    inbound::TokenVerifier,
    login::{RelyingParty, RelyingPartyBuilder},
    requires_access_token, requires_api_key,
};
use identity_emulator::{Emulator, Seed};
use identity_runtime::{AgentApp, CustomJwtLayer, LoginClient, Reply, ReturnUrlRouter};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::net::TcpListener;

use crate::{AGENT, AgentKitGround, Ground, random_secret};

type Anything = Box<dyn std::error::Error + Send + Sync>;

const KEY_PROVIDER: &str = "openai-key";
const CALENDAR_PROVIDER: &str = "google-oauth";
const CALENDAR_SCOPE: &str = "https://www.googleapis.com/auth/calendar.readonly";
const KEY: &str = "sk-synthetic-key-of-the-company";
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
    scopes = [CALENDAR_SCOPE],
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
    /// Of a user pool of Volcengine, whose tokens that platform verifies as well.
    pool: Option<String>,
    /// Held as long as somebody may sign in.
    _emulator: Option<Emulator>,
}

impl People {
    /// Those of a user pool of this name at Volcengine, made with its client if they are not there yet.
    async fn of_user_pool(ground: &AgentKitGround, name: &str, callbacks: &[&str]) -> Result<Self, Anything> {
        let pools = ground.agentkit.management().user_pools();
        let pool = match pools.find(name).await? {
            Some(pool) => pool,
            None => pools.create(&NewUserPool::new(name)?).await?,
        };
        let pool = pools.get(pool.uid.as_deref().ok_or("the user pool has no id")?).await?;
        let (Some(uid), Some(issuer), Some(discovery)) = (pool.uid, pool.issuer_url, pool.discovery_url) else {
            return Err("the user pool has no issuer".into());
        };
        let clients = pools.clients(&uid)?;
        let client = match clients.find(CLIENT).await? {
            Some(client) => client,
            None => clients.create(CLIENT, ClientType::WebApplication, callbacks).await?,
        };
        let id = client.uid.ok_or("the client has no id")?;
        for callback in callbacks {
            clients.register_callback(&id, callback).await?;
        }
        let secret = clients.get(&id).await?.client_secret.ok_or("the client has no secret")?;
        let callback = callbacks.first().ok_or("nowhere to come back to")?;
        let party = RelyingParty::builder(&*issuer, &*id, *callback).with_client_secret(secret.clone());
        let mut variables = vec![("OAUTH2_ISSUER_URI", issuer), ("OAUTH2_CLIENT_ID", id)];
        // A terminal is no place for the secret of a real client.
        if ground.emulator.is_some() {
            variables.push(("OAUTH2_CLIENT_SECRET", secret.expose_secret().to_owned()));
        }
        Ok(Self { party, variables, pool: Some(discovery), _emulator: None })
    }

    /// Verifies who calls the agent: users of this client, and of no other of the same issuer.
    fn callers(&self, party: &RelyingParty) -> Result<CustomJwtLayer, Anything> {
        let Some(discovery) = &self.pool else {
            let discovery = format!("{}/.well-known/openid-configuration", party.issuer());
            return Ok(CustomJwtLayer::custom_jwt(&discovery, [party.client_id()], Vec::<String>::new())?);
        };
        // Volcengine Agent Identity verifies the token by itself, instead of taking the agent's word.
        let verifier = TokenVerifier::volcengine_user_pool(discovery)?
            .with_allowed_client(party.client_id())
            .with_kept_token(true)
            .build()?;
        Ok(CustomJwtLayer::new([verifier])?)
    }

    /// Those of the issuer that `OAUTH2_*` names, else those of a user pool in an emulator, to whose login page any name will do.
    async fn find(callbacks: &[String]) -> Result<Self, Anything> {
        match RelyingParty::from_environment(&Environment::process()) {
            Ok(party) => return Ok(Self { party, variables: Vec::new(), pool: None, _emulator: None }),
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
        Ok(Self { party, variables, pool: None, _emulator: Some(emulator) })
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

/// Where the agent at this URL has its consent pages.
fn consent_pages(agent: &str) -> String {
    format!("{agent}/consent")
}

/// Where users come back to from a consent for the agent at this URL; the platform must allow it.
#[must_use]
pub fn return_url(agent: &str) -> String {
    format!("{}/return", consent_pages(agent))
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
    _emulator: Option<Emulator>,
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
        let ground = Ground::find().await?;
        if ground.emulator.is_some() {
            ground.agentbase.api_key_providers().create(KEY_PROVIDER, KEY).await?;
            ground.register_provider(CALENDAR_PROVIDER).await?;
            let update = IdentityUpdate::new().with_allowed_return_urls([return_url(&url)]);
            ground.agentbase.identities().update(AGENT, update).await?;
        }
        Self::assemble(listener, people, ground.agentbase.clone(), ground.emulator)
    }

    /// The same on Volcengine Agent Identity, for the users of a user pool there and nobody else.
    ///
    /// # Errors
    /// As [`prepare`](Self::prepare).
    pub async fn for_user_pool(
        listener: TcpListener,
        ground: AgentKitGround,
        pool: &str,
        callbacks: &[&str],
    ) -> Result<Self, Anything> {
        let own = format!("http://{}/callback", listener.local_addr()?);
        let callbacks: Vec<&str> = callbacks.iter().copied().chain([&*own]).collect();
        let people = People::of_user_pool(&ground, pool, &callbacks).await?;
        if ground.emulator.is_some() {
            let (keys, place) = (ground.agentkit.management().api_key_providers(), KeyPlace::header("X-Api-Key", ""));
            keys.create(KEY_PROVIDER, &SecretString::from(KEY), &[place]).await?;
            ground.register_provider(CALENDAR_PROVIDER, &[CALENDAR_SCOPE]).await?;
        }
        Self::assemble(listener, people, ground.agentkit, ground.emulator)
    }

    fn assemble(
        listener: TcpListener,
        people: People,
        platform: impl Platform,
        emulator: Option<Emulator>,
    ) -> Result<Self, Anything> {
        let url = format!("http://{}", listener.local_addr()?);
        // Users set out for a consent from the agent's own pages, where they sign in, too: so nobody agrees for somebody else.
        let binding = SessionBinding::new();
        let login = people.login(&url)?;
        let client = IdentityClient::builder().with_platform(platform);
        let client = client.with_session_binding(binding.clone()).build()?;
        let app = AgentApp::builder(answer)
            .with_client(client)
            .with_inbound(people.callers(login.party())?)
            .with_consent_routes(ReturnUrlRouter::with_login(binding, &login), consent_pages(&url))
            .build()?;
        Ok(Self { app, login, listener, url, people, _emulator: emulator })
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
