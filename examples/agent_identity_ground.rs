//! What the examples on Agent Identity stand on: the platform that `AGENT_IDENTITY_*` names, or an emulator in this process.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use identity_client::{
    Clock, Environment, Error, IdentityClient, Moment, SystemClock,
    agent_identity::{AgentIdentity, NewWorkloadIdentity, Ram},
};
use identity_emulator::{Emulator, Human};

use crate::{AGENT, Anything, configured};

/// The RAM role of the agent on the emulator.
pub const ROLE: &str = "AgentIdentityRole-example";

/// As [`Ground`](crate::Ground), on Alibaba Cloud Agent Identity.
#[derive(Debug)]
pub struct AgentIdentityGround {
    /// The platform, with its management API.
    pub agent_identity: AgentIdentity,
    /// The emulator behind it, unless it is the real one.
    pub emulator: Option<Emulator>,
    time: Ahead,
}

impl AgentIdentityGround {
    /// The platform if one is configured, else a new emulator that knows the agent and its role and nothing else.
    ///
    /// # Errors
    /// If the configuration is broken, or the emulator does not start.
    pub async fn find() -> Result<Self, Anything> {
        Self::find_with(Human::Manual).await
    }

    /// As [`find`](Self::find), with a person who does this when the emulator asks for consent.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub async fn find_with(human: Human) -> Result<Self, Anything> {
        let time = Ahead::default();
        let real = AgentIdentity::builder().with_environment(&Environment::process()).with_clock(time.clone()).build();
        if let Some(agent_identity) = configured(real)? {
            return Ok(Self { agent_identity, emulator: None, time });
        }
        let emulator = Emulator::builder().with_human(human).start().await?;
        let access = emulator.agent_identity();
        let agent_identity = AgentIdentity::builder()
            .with_access_key(access.access_key_id(), access.access_key_secret().clone())
            .with_workload_identity(AGENT)
            .with_data_endpoint(access.endpoint())
            .with_control_endpoint(access.endpoint())
            .with_ram_endpoint(access.endpoint())
            .with_clock(time.clone())
            .build()?;
        let management = agent_identity.management();
        let role = management.ram().create_role(ROLE, &Ram::trust_of_workloads(), None).await?;
        management.workload_identities().create(NewWorkloadIdentity::new(AGENT)?.with_role(role)).await?;
        Ok(Self { agent_identity, emulator: Some(emulator), time })
    }

    /// A client of it, installed for the attributes.
    ///
    /// # Errors
    /// If one is installed already.
    pub fn install(&self) -> Result<IdentityClient, Error> {
        let platform = self.agent_identity.clone();
        let client = IdentityClient::builder().with_platform(platform).with_clock(self.time.clone()).build()?;
        client.clone().install()?;
        Ok(client)
    }

    /// Makes an API key provider that holds this key. On the platform it must exist already.
    ///
    /// # Errors
    /// If the name is taken.
    pub async fn register_api_key(&self, name: &str, key: &str) -> Result<(), Error> {
        if self.emulator.is_some() {
            self.agent_identity.management().api_key_credential_providers().create(name, key, None, None).await?;
        }
        Ok(())
    }

    /// Lets time pass for the emulator and its clients, without waiting. The platform's own time cannot be moved.
    pub fn advance(&self, by: Duration) {
        if let Some(emulator) = &self.emulator {
            emulator.advance_clock(by);
            self.time.advance(by);
        }
    }

    /// The time as the platform has it.
    #[must_use]
    pub fn now(&self) -> Moment {
        self.time.now()
    }
}

/// The machine's time, and what was skipped of it.
#[derive(Debug, Clone, Default)]
struct Ahead(Arc<Mutex<Duration>>);

impl Ahead {
    fn advance(&self, by: Duration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) += by;
    }
}

impl Clock for Ahead {
    fn now(&self) -> Moment {
        let skipped = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Moment { wall, steady } = SystemClock.now();
        Moment { wall: wall + skipped, steady: steady + skipped }
    }
}
