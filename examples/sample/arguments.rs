//! What the two programs are told: names and URLs as arguments, secrets from the environment or from files.

use super::{
    Client, Machine, Names, Sample,
    desired::{DISCOVERY_URL, OWN_ISSUERS, OWN_VENDORS, RETURN_URL, SIGN_IN_URL, VENDOR},
    secret,
};
use crate::{Anything, argument};

/// The variables with which the vendor's script is told of an application at DingTalk.
const DINGTALK: [&str; 3] = ["DINGTALK_APP_KEY", "DINGTALK_APP_SECRET", "DINGTALK_CORP_ID"];

/// The arguments of `clear`.
pub const OF_CLEAR: &[&str] = &[
    "--apply",
    "--workload NAME",
    "--sign-in-application NAME",
    "--mcp-application NAME",
    "--identity-provider NAME",
    "--role NAME",
    "--policy NAME",
    "--api-key-provider NAME",
    "--oauth2-provider NAME",
    "--machine-provider NAME",
];

/// The arguments of `prepare`, besides those of `clear`.
pub const OF_PREPARE: &[&str] = &[
    "--audience A,B",
    "--client-id ID",
    "--public-client",
    "--api-key-file FILE",
    "--client-secret-file FILE",
    "--replace-secrets",
    "--vendor NAME",
    "--discovery-url URL",
    "--sign-in-urls A,B",
    "--return-urls A,B",
];

impl Names {
    /// Those that the program's arguments give, the others as they follow from the workload identity's.
    #[must_use]
    pub fn from_arguments() -> Self {
        let usual = Self::of(&argument("--workload").unwrap_or_else(|| "sample-agent".to_owned()));
        Self {
            sign_in_application: argument("--sign-in-application").unwrap_or(usual.sign_in_application),
            mcp_application: argument("--mcp-application").unwrap_or(usual.mcp_application),
            identity_provider: argument("--identity-provider").unwrap_or(usual.identity_provider),
            role: argument("--role").unwrap_or(usual.role),
            policy: argument("--policy").unwrap_or(usual.policy),
            api_key_provider: argument("--api-key-provider").unwrap_or(usual.api_key_provider),
            oauth2_provider: argument("--oauth2-provider").unwrap_or(usual.oauth2_provider),
            machine_provider: argument("--machine-provider").unwrap_or(usual.machine_provider),
            workload: usual.workload,
        }
    }
}

impl Sample {
    /// As the program's arguments say; the secrets from the environment or from files.
    ///
    /// # Errors
    /// If the arguments contradict each other, half of what DingTalk needs is set, or a secret cannot be read.
    pub fn from_arguments() -> Result<Self, Anything> {
        let discovery_url = argument("--discovery-url").unwrap_or_else(|| DISCOVERY_URL.to_owned());
        let vendor = argument("--vendor").unwrap_or_else(|| VENDOR.to_owned());
        let urls = |name: &str, default: &str| list(&argument(name).unwrap_or_else(|| default.to_owned()));
        Ok(Self {
            names: Names::from_arguments(),
            audience: audience(&discovery_url)?,
            discovery_url,
            sign_in_urls: urls("--sign-in-urls", SIGN_IN_URL),
            return_urls: urls("--return-urls", RETURN_URL),
            client: client(&vendor)?,
            vendor,
            machine: machine()?,
            api_key: secret::given(secret::API_KEY)?,
            replaces_secrets: is_given("--replace-secrets"),
        })
    }
}

fn is_given(switch: &str) -> bool {
    std::env::args().any(|argument| argument == switch)
}

fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

fn audience(discovery_url: &str) -> Result<Option<Vec<String>>, Anything> {
    match argument("--audience").map(|audience| list(&audience)) {
        Some(audience) if audience.is_empty() => Err("--audience names no client id".into()),
        None if !OWN_ISSUERS.iter().any(|issuer| discovery_url.starts_with(issuer)) => Err(format!(
            "--audience is missing: for whom are the tokens of {discovery_url}? Only at Alibaba Cloud's own sign-in an application is registered for them"
        )
        .into()),
        audience => Ok(audience),
    }
}

fn client(vendor: &str) -> Result<Option<Client>, Anything> {
    let (secret, is_public) = (secret::given(secret::CLIENT_SECRET)?, is_given("--public-client"));
    match argument("--client-id") {
        Some(_) if is_public && secret.is_some() => {
            Err("--public-client says that the client has no secret, and one is given".into())
        }
        Some(id) => Ok(Some(Client { id, secret, is_public })),
        None if is_public || secret.is_some() => Err(format!(
            "--client-id is missing: which client is it, of which {} is given?",
            if is_public { "--public-client" } else { "a secret" }
        )
        .into()),
        None if OWN_VENDORS.contains(&vendor) => Ok(None),
        None => Err(format!("--client-id is missing: a client of {vendor} is registered there, not here").into()),
    }
}

/// All of it or nothing: half of it is a mistake.
fn machine() -> Result<Option<Machine>, Anything> {
    let values = DINGTALK.map(secret::from_environment);
    let missing: Vec<_> =
        DINGTALK.iter().zip(&values).filter(|(_, value)| value.is_none()).map(|(name, _)| *name).collect();
    match values {
        [Some(key), Some(secret), Some(corporation)] => {
            let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
            if !corporation.bytes().all(fits) {
                return Err("DINGTALK_CORP_ID is none: letters, digits, `-` and `_`".into());
            }
            Ok(Some(Machine::at_dingtalk(&key, secret.into(), &corporation)))
        }
        [None, None, None] => Ok(None),
        _ => Err(format!(
            "not set: {}; an application at DingTalk needs all three of {}, or set none",
            missing.join(" and "),
            DINGTALK.join(", ")
        )
        .into()),
    }
}
