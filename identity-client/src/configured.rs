//! Which platform the environment is configured for: the one place that knows them all.

use secrecy::ExposeSecret as _;

use crate::{client::IdentityClientBuilder, env::Environment, error::BuildError};

/// Says which one, where several are configured.
const VARIABLE: &str = "IDENTITY_PLATFORM";

/// A platform that an environment can configure. That it does not is [`BuildError::is_missing`].
struct Candidate {
    name: &'static str,
    build: fn(IdentityClientBuilder, &Environment) -> Result<IdentityClientBuilder, BuildError>,
}

const CANDIDATES: &[Candidate] = &[
    #[cfg(feature = "agentbase")]
    Candidate {
        name: "agentbase",
        build: |builder, environment| {
            crate::agentbase::AgentBase::from_environment(environment).map(|platform| builder.with_platform(platform))
        },
    },
    #[cfg(feature = "idaas")]
    Candidate {
        name: "idaas",
        build: |builder, environment| {
            crate::idaas::Idaas::from_environment(environment).map(|platform| builder.with_platform(platform))
        },
    },
];

/// The one that is named; else the only one that is configured. One that is configured and broken counts, so that no other is
/// taken silently in its place.
pub(crate) fn platform(environment: &Environment) -> Result<IdentityClientBuilder, BuildError> {
    let made_of = |candidate: &Candidate| (candidate.build)(IdentityClientBuilder::default(), environment);
    if let Some(named) = environment.setting(VARIABLE)? {
        let chosen = CANDIDATES.iter().find(|candidate| candidate.name == named.expose_secret().trim());
        return chosen.map_or_else(|| Err(unknown()), made_of);
    }
    let mut found: Vec<(&str, Result<IdentityClientBuilder, BuildError>)> = Vec::new();
    let mut missing = Vec::new();
    for candidate in CANDIDATES {
        match made_of(candidate) {
            Err(error) if error.is_missing() => missing.push(error),
            outcome => found.push((candidate.name, outcome)),
        }
    }
    if found.len() > 1 {
        let names = found.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(" and ");
        return Err(BuildError::broken(
            format!("more than one platform is configured: {names}"),
            format!("say which one in {VARIABLE}, or remove what configures the other"),
        ));
    }
    match (found.pop(), missing.len()) {
        (Some((_, outcome)), _) => outcome,
        // Its own words say best what to do.
        (None, 1) => missing.pop().map_or_else(|| Err(unknown()), Err),
        (None, _) => Err(none_of(&missing)),
    }
}

fn none_of(missing: &[BuildError]) -> BuildError {
    if missing.is_empty() {
        return BuildError::missing(
            "no platform is compiled in",
            "enable a platform's feature of identity-client, for example `agentbase`, or give the builder a platform of your own",
        );
    }
    let hints: Vec<&str> = missing.iter().filter_map(BuildError::hint).collect();
    BuildError::missing("no platform is configured", hints.join(". Or for another one: "))
}

fn unknown() -> BuildError {
    let names = CANDIDATES.iter().map(|candidate| format!("`{}`", candidate.name)).collect::<Vec<_>>().join(", ");
    let names = if names.is_empty() { "none".to_owned() } else { names };
    BuildError::broken(
        format!("the variable {VARIABLE} names no platform that is compiled in"),
        format!("there are: {names}; correct it, or enable that platform's feature of identity-client"),
    )
}
