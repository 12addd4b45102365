//! Where the sample is prepared: the account that is configured, or an emulator in this process.

use identity_client::{
    BuildError, Environment,
    agent_identity::{AgentIdentity, CredentialSource, Management},
};
use identity_emulator::Emulator;

use super::secret::from_environment;
use crate::{Anything, configured};

/// A place to prepare the sample in.
#[derive(Debug)]
pub struct Place {
    /// Its management API.
    pub management: Management,
    /// The emulator behind it, unless it is another process or the platform.
    pub emulator: Option<Emulator>,
}

impl Place {
    /// The account if an AccessKey is configured, else a new emulator. Not being on an ECS instance looks the same as being on
    /// one, so its role counts only if `ALIBABA_CLOUD_ECS_METADATA` names it.
    ///
    /// # Errors
    /// If the configuration is broken, or the emulator does not start.
    pub async fn find() -> Result<Self, Anything> {
        let builder = AgentIdentity::builder().with_environment(&Environment::process());
        let found = configured(builder.build_management())?.filter(|management| {
            management.source() != Some(CredentialSource::EcsRole)
                || from_environment("ALIBABA_CLOUD_ECS_METADATA").is_some()
        });
        match found {
            Some(management) => Ok(Self { management, emulator: None }),
            None => Self::emulated().await,
        }
    }

    /// Where it is, and with whose keys.
    #[must_use]
    pub fn description(&self) -> String {
        let source = self.management.source().map_or_else(String::new, |source| format!(", AccessKey {source}"));
        format!("on Agent Identity at {}{source}", self.management.endpoint())
    }

    async fn emulated() -> Result<Self, Anything> {
        let emulator = Emulator::builder().start().await?;
        Ok(Self { management: management_at(&emulator)?, emulator: Some(emulator) })
    }
}

/// The management API of an emulator.
///
/// # Errors
/// If it cannot be built.
pub fn management_at(emulator: &Emulator) -> Result<Management, BuildError> {
    let access = emulator.agent_identity();
    AgentIdentity::builder()
        .with_access_key(access.access_key_id(), access.access_key_secret().clone())
        .with_control_endpoint(access.endpoint())
        .with_data_endpoint(access.endpoint())
        .with_ram_endpoint(access.endpoint())
        .with_ims_endpoint(access.endpoint())
        .build_management()
}
