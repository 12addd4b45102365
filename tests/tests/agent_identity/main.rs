//! The client against the emulator's Agent Identity: another program's reading of the same contract, signatures verified.

mod applications;
mod attributes;
mod consent;
mod credentials;
mod management;
mod people;
mod roles;
mod store;
mod trouble;
#[path = "../browser/visitor.rs"]
#[expect(dead_code, reason = "the tests with a real browser use the rest of it")]
mod visitor;
mod workload;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use identity_client::{
    AccessToken, Clock, Flow, IdentityClient, Moment, RequestContext, SystemClock, User,
    agent_identity::{
        AgentIdentity, AgentIdentityBuilder, Management, NewOAuth2Provider, NewWorkloadIdentity, OAuth2Config,
    },
};
use identity_emulator::{Emulator, EmulatorBuilder, ProviderHandle};
use identity_tests::{AGENT, Anything};
use serde_json::Value;

const ROLE: &str = "stage-role";
const CALENDAR: &str = "calendar";
const SCOPE: &str = "calendar.readonly";

/// An account with an agent that has a role, and a client that acts as it. Nothing has to be confirmed.
struct Account {
    emulator: Emulator,
    platform: AgentIdentity,
    client: IdentityClient,
    clock: Ahead,
}

impl Account {
    async fn open() -> Result<Self, Anything> {
        Self::with(Emulator::builder()).await
    }

    async fn with(emulator: EmulatorBuilder) -> Result<Self, Anything> {
        let (emulator, clock) = (emulator.start().await?, Ahead::default());
        let platform = reached(&emulator).with_workload_identity(AGENT).with_clock(clock.clone()).build()?;
        let role = emulator.agent_identity().role_arn(ROLE);
        let identities = platform.management().workload_identities();
        identities.create(NewWorkloadIdentity::new(AGENT)?.with_role(role)).await?;
        let client = client(platform.clone(), &clock)?;
        Ok(Self { emulator, platform, client, clock })
    }

    fn management(&self) -> &Management {
        self.platform.management()
    }

    /// Registers the emulator's own provider.
    async fn calendar(&self, flow: Flow) -> Result<(), Anything> {
        let new = NewOAuth2Provider::new(CALENDAR, "CustomOAuth2", outside(&self.emulator.provider())?)?;
        self.management().oauth2_credential_providers().create(new.with_flow(flow)).await?;
        Ok(())
    }

    fn count(&self, operation: &str) -> u64 {
        self.emulator.counters().count(operation)
    }

    fn context(&self, user: &User) -> RequestContext {
        RequestContext::new().with_client(self.client.clone()).with_user(user.clone())
    }

    /// Time passes on both sides.
    fn advance(&self, seconds: u64) {
        self.emulator.advance_clock(Duration::from_secs(seconds));
        self.clock.0.fetch_add(seconds, Ordering::Relaxed);
    }
}

fn reached(emulator: &Emulator) -> AgentIdentityBuilder {
    let access = emulator.agent_identity();
    AgentIdentity::builder()
        .with_access_key(access.access_key_id(), access.access_key_secret().clone())
        .with_data_endpoint(access.endpoint())
        .with_control_endpoint(access.endpoint())
        .with_ram_endpoint(access.endpoint())
        .with_ims_endpoint(access.endpoint())
}

fn client(platform: AgentIdentity, clock: &Ahead) -> Result<IdentityClient, Anything> {
    Ok(IdentityClient::builder().with_platform(platform).with_clock(clock.clone()).build()?)
}

/// As an outside provider.
fn outside(provider: &ProviderHandle) -> Result<OAuth2Config, Anything> {
    let issuer = provider.token_url().replace("/token", "");
    let config =
        OAuth2Config::written(provider.client_id(), issuer, provider.authorization_url(), provider.token_url())?;
    Ok(config.with_client_secret(provider.client_secret().clone()))
}

fn user(name: &str) -> Result<User, Anything> {
    Ok(User::asserted(name)?)
}

/// Whose token it is, as who issued it says.
async fn owner(token_url: &str, token: &AccessToken) -> Result<Value, Anything> {
    let userinfo = token_url.replace("/token", "/userinfo");
    let answer = visitor::http()?.get(userinfo).bearer_auth(token.expose_secret()).send().await?;
    Ok(answer.error_for_status()?.json().await?)
}

/// The machine's time, and the seconds that were skipped of it.
#[derive(Debug, Clone, Default)]
struct Ahead(Arc<AtomicU64>);

impl Clock for Ahead {
    fn now(&self) -> Moment {
        let skipped = Duration::from_secs(self.0.load(Ordering::Relaxed));
        let Moment { wall, steady } = SystemClock.now();
        Moment { wall: wall + skipped, steady: steady + skipped }
    }
}
