//! Which platform the environment is configured for: the one place that knows them all.

use crate::{client::IdentityClientBuilder, env::Environment, error::BuildError};

#[cfg(feature = "agentbase")]
pub(crate) fn platform(
    builder: IdentityClientBuilder,
    environment: &Environment,
) -> Result<IdentityClientBuilder, BuildError> {
    crate::agentbase::AgentBase::from_environment(environment).map(|agentbase| builder.with_platform(agentbase))
}

#[cfg(not(feature = "agentbase"))]
pub(crate) fn platform(
    builder: IdentityClientBuilder,
    environment: &Environment,
) -> Result<IdentityClientBuilder, BuildError> {
    let _ = environment;
    drop(builder);
    Err(BuildError::missing(
        "no platform is compiled in",
        "enable a platform's feature of identity-client, for example `agentbase`, or give the builder a platform of your own",
    ))
}
