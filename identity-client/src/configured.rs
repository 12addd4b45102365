//! Which platform the environment is configured for: the one place that knows them all.
//!
//! The variable `IDENTITY_PLATFORM` names it. Without that it is the one that something is configured for; if that is more
//! than one, nothing is guessed: credentials of one platform must never be looked for on another.

use crate::{client::IdentityClientBuilder, env::Environment, error::BuildError};

const CHOICE: &str = "IDENTITY_PLATFORM";
/// All platforms, compiled in or not; their features have the same names.
const KNOWN: [&str; 4] = ["agentbase", "agentkit", "agent-identity", "idaas"];

type Build = fn(IdentityClientBuilder, &Environment) -> Result<IdentityClientBuilder, BuildError>;

/// A platform that is compiled in.
struct Candidate {
    name: &'static str,
    /// Where its configuration is looked for, for messages.
    places: &'static str,
    is_configured: fn(&Environment) -> bool,
    build: Build,
}

const CANDIDATES: &[Candidate] = &[
    #[cfg(feature = "agentbase")]
    Candidate {
        name: "agentbase",
        places: "variables GREENNODE_…, or .greennode.json",
        is_configured: crate::agentbase::is_configured,
        build: |builder, environment| {
            crate::agentbase::AgentBase::from_environment(environment).map(|platform| builder.with_platform(platform))
        },
    },
    #[cfg(feature = "agentkit")]
    Candidate {
        name: "agentkit",
        places: "variables VOLCENGINE_… or VEIDENTITY_…, or the function runtime's IAM file",
        is_configured: crate::agentkit::is_configured,
        build: |builder, environment| {
            crate::agentkit::AgentKit::from_environment(environment).map(|platform| builder.with_platform(platform))
        },
    },
    #[cfg(feature = "agent-identity")]
    Candidate {
        name: "agent-identity",
        places: "variables AGENT_IDENTITY_…, or the vendor's .config.json",
        is_configured: crate::agent_identity::is_configured,
        build: |builder, environment| {
            crate::agent_identity::AgentIdentity::from_environment(environment)
                .map(|platform| builder.with_platform(platform))
        },
    },
    #[cfg(feature = "idaas")]
    Candidate {
        name: "idaas",
        places: "CLOUD_IDAAS_CONFIG_PATH or ~/.cloud_idaas/client-config.json",
        is_configured: crate::idaas::is_configured,
        build: |builder, environment| {
            crate::idaas::Idaas::from_environment(environment).map(|platform| builder.with_platform(platform))
        },
    },
];

pub(crate) fn platform(
    builder: IdentityClientBuilder,
    environment: &Environment,
) -> Result<IdentityClientBuilder, BuildError> {
    let candidate = choose(CANDIDATES, environment)?;
    (candidate.build)(builder, environment)
}

fn choose<'a>(candidates: &'a [Candidate], environment: &Environment) -> Result<&'a Candidate, BuildError> {
    use secrecy::ExposeSecret as _;

    let names = |which: &[&Candidate]| {
        let named: Vec<_> = which.iter().map(|one| format!("`{}` ({})", one.name, one.places)).collect();
        named.join(", ")
    };
    let all: Vec<&Candidate> = candidates.iter().collect();
    let Some(first) = candidates.first() else {
        return Err(BuildError::missing(
            "no platform is compiled in",
            "enable a platform's feature of identity-client, for example `agentbase`, or give the builder a platform of your own",
        ));
    };
    if let Some(chosen) = environment.setting(CHOICE)? {
        let candidate = candidates.iter().find(|one| one.name == chosen.expose_secret());
        return candidate.ok_or_else(|| {
            BuildError::broken(
                match KNOWN.iter().find(|name| **name == chosen.expose_secret()) {
                    Some(name) => format!("{CHOICE} is `{name}`, and that platform is not compiled in"),
                    None => format!("{CHOICE} is none of `{}`", KNOWN.join("`, `")),
                },
                format!(
                    "set it to one of {}; any other platform needs its feature of identity-client, which has the same name",
                    names(&all)
                ),
            )
        });
    }
    if candidates.len() == 1 {
        return Ok(first);
    }
    let configured: Vec<&Candidate> = all.iter().copied().filter(|one| (one.is_configured)(environment)).collect();
    match configured.as_slice() {
        [one] => Ok(one),
        [] => Err(BuildError::missing(
            "no platform is configured",
            format!(
                "configure one of {}; or enable the feature of the platform that is meant; or give the builder one with `with_platform(..)`",
                names(&all)
            ),
        )),
        several => Err(BuildError::broken(
            format!("more than one platform is configured: {}", names(several)),
            format!("say which with {CHOICE}, or remove what is not meant"),
        )),
    }
}

#[cfg(all(test, feature = "agentbase", feature = "agentkit", feature = "agent-identity"))]
mod tests {
    use super::*;

    fn chosen(variables: &[(&str, &str)]) -> Result<&'static str, BuildError> {
        choose(CANDIDATES, &Environment::of(variables.iter().copied())).map(|one| one.name)
    }

    #[test]
    fn the_environment_names_one_platform_or_none_is_taken() {
        let (greennode, volcengine) = (("GREENNODE_CLIENT_ID", "x"), ("VOLCENGINE_ACCESS_KEY", "y"));
        assert_eq!(chosen(&[greennode]).unwrap(), "agentbase");
        assert_eq!(chosen(&[volcengine]).unwrap(), "agentkit");
        let alibaba = ("AGENT_IDENTITY_WORKLOAD_IDENTITY_NAME", "z");
        assert_eq!(chosen(&[alibaba, ("ALIBABA_CLOUD_ACCESS_KEY_ID", "k")]).unwrap(), "agent-identity");
        let ambiguous = chosen(&[volcengine, alibaba]).unwrap_err().to_string();
        assert!(ambiguous.contains("`agentkit`") && ambiguous.contains("`agent-identity`"), "{ambiguous}");
        assert_eq!(chosen(&[volcengine, alibaba, (CHOICE, "agent-identity")]).unwrap(), "agent-identity");
        let ambiguous = chosen(&[greennode, volcengine]).unwrap_err();
        assert!(ambiguous.is_broken());
        for name in ["agentbase", "agentkit"] {
            assert!(ambiguous.to_string().contains(name), "{ambiguous}");
            assert_eq!(chosen(&[greennode, volcengine, (CHOICE, name)]).unwrap(), name);
        }
        let unknown = chosen(&[(CHOICE, "azure")]).unwrap_err();
        assert!(unknown.is_broken() && unknown.to_string().contains("is none of `agentbase`"), "{unknown}");
        assert!(chosen(&[(CHOICE, "")]).unwrap_err().is_broken());
        assert!(chosen(&[]).unwrap_err().is_missing());
    }

    #[test]
    fn a_platform_whose_feature_is_off_is_told_from_a_misspelt_one() {
        let (one, environment) = (&CANDIDATES[..1], Environment::of([(CHOICE, "idaas")]));
        let missing = choose(one, &environment).map(|one| one.name).unwrap_err().to_string();
        assert!(missing.contains("is `idaas`, and that platform is not compiled in"), "{missing}");
        assert!(missing.contains("feature"), "{missing}");
    }

    #[test]
    fn every_platform_that_is_compiled_in_is_a_known_one() {
        assert!(CANDIDATES.iter().all(|one| KNOWN.contains(&one.name)));
    }
}
