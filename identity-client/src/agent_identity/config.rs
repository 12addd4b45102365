//! Where the region, the endpoints, the workload identity and the way of signing come from.

use std::path::Path;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use url::Url;
use zeroize::Zeroizing;

use super::{
    chain,
    keys::{CredentialSource, Origin, Services},
};
use crate::{
    env::{Environment, check_text},
    error::BuildError,
    name::{AgentIdentityName, ProviderName},
    transport::Endpoint,
};

const REGION: &str = "AGENT_IDENTITY_REGION_ID";
const WORKLOAD: &str = "AGENT_IDENTITY_WORKLOAD_IDENTITY_NAME";
const TOKEN: &str = "AGENT_IDENTITY_WORKLOAD_ACCESS_TOKEN";
const USE_STS: &str = "AGENT_IDENTITY_USE_STS";
/// The control plane's, as the vendor's CLI has it.
const CONTROL: &str = "AGENT_IDENTITY_ENDPOINT";
const DATA: &str = "AGENT_IDENTITY_DATA_ENDPOINT";
const RAM: &str = "ALIBABA_CLOUD_RAM_ENDPOINT";
const IMS: &str = "ALIBABA_CLOUD_IMS_ENDPOINT";
const STS: &str = "ALIBABA_CLOUD_STS_ENDPOINT";
const METADATA: &str = "http://100.100.100.200/";
const DEFAULT_REGION: &str = "cn-beijing";
/// Written by the vendor's SDK, and only read here.
const FILE: &str = ".config.json";
const FILE_LIMIT: u64 = 64 * 1024;

/// Who signs the requests for credentials of the vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ResourceSigner {
    /// The workload identity's own RAM role, of which temporary keys are got with the workload access token. The default, as
    /// in the vendor's SDK.
    #[default]
    RuntimeRole,
    /// The caller's own keys; for a workload identity without a role.
    Caller,
}

/// What was given in code.
#[derive(Default)]
pub(crate) struct Given {
    pub(crate) key: Option<(String, SecretString, Option<SecretString>)>,
    pub(crate) region: Option<String>,
    pub(crate) workload_identity: Option<String>,
    pub(crate) workload_token: Option<SecretString>,
    pub(crate) signer: Option<ResourceSigner>,
    pub(crate) token_vault: Option<String>,
    pub(crate) data_endpoint: Option<String>,
    pub(crate) control_endpoint: Option<String>,
    pub(crate) ram_endpoint: Option<String>,
    pub(crate) ims_endpoint: Option<String>,
    pub(crate) sts_endpoint: Option<String>,
    pub(crate) metadata_endpoint: Option<String>,
}

/// All that a client needs to know.
pub(crate) struct Settings {
    /// Missing only where the runtime gave a token of the workload, or nothing is configured.
    pub(crate) keys: Option<(Origin, CredentialSource)>,
    pub(crate) services: Services,
    pub(crate) workload_identity: Option<AgentIdentityName>,
    pub(crate) workload_token: Option<SecretString>,
    pub(crate) signer: ResourceSigner,
    pub(crate) token_vault: Option<ProviderName>,
    pub(crate) data: Endpoint,
    pub(crate) control: Endpoint,
    pub(crate) ram: Endpoint,
    pub(crate) ims: Endpoint,
}

/// Whether anything in an environment is meant for this platform. Keys alone are not: other platforms of the vendor have the
/// same.
pub(crate) fn is_configured(environment: &Environment) -> bool {
    [REGION, WORKLOAD, TOKEN, CONTROL, DATA].iter().any(|name| environment.get(name) != Ok(None))
        || name_of_file(environment).is_ok_and(|name| name.is_some())
}

impl Settings {
    /// What was given in code first, then the variables, then the file. The file is read only if something is still missing by
    /// then, and never written.
    pub(crate) fn resolve(given: Given, environment: Option<&Environment>) -> Result<Self, BuildError> {
        let setting = |name: &str| environment.map_or(Ok(None), |environment| environment.setting(name));
        let text = |name: &str| Ok::<_, BuildError>(setting(name)?.map(|value| value.expose_secret().to_owned()));
        let region = match given.region {
            Some(region) => region,
            None => text(REGION)?.unwrap_or_else(|| DEFAULT_REGION.to_owned()),
        };
        check_region(&region)?;
        let endpoint = |given: Option<String>, what: &str, variable: &str, default: String| match given {
            Some(given) => parse(&given, &format!("the {what} endpoint given in code")),
            None => match text(variable)? {
                Some(host) => parse(&host, &format!("the {what} endpoint in the variable {variable}")),
                None => parse(&default, &format!("the {what} endpoint")),
            },
        };
        let data = endpoint(given.data_endpoint, "data", DATA, format!("agentidentitydata.{region}.aliyuncs.com"))?;
        let control =
            endpoint(given.control_endpoint, "control", CONTROL, format!("agentidentity.{region}.aliyuncs.com"))?;
        if data.is_loopback() != control.is_loopback() {
            return Err(mixed("the data endpoint and the control endpoint", &format!("{DATA} and {CONTROL}")));
        }
        let ram = endpoint(given.ram_endpoint, "RAM", RAM, "ram.aliyuncs.com".to_owned())?;
        let ims = endpoint(given.ims_endpoint, "IMS", IMS, "ims.aliyuncs.com".to_owned())?;
        let sts_host = sts_host(
            text("ALIBABA_CLOUD_STS_REGION")?.as_deref(),
            text("ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED")?.as_deref(),
        )?;
        let sts = endpoint(given.sts_endpoint, "STS", STS, sts_host)?;
        let keys = match given.key {
            Some((id, secret, token)) => Some(chain::given(&id, secret, token)?),
            None => environment.map_or(Ok(None), chain::find)?,
        };
        let exchanged = matches!(keys, Some((Origin::AssumedRole { .. } | Origin::OidcRole { .. }, _)));
        if exchanged && sts.is_loopback() != data.is_loopback() {
            return Err(mixed(
                "the STS endpoint, where the caller's role is assumed, and the data endpoint",
                &format!("{STS} and {DATA}"),
            ));
        }
        let metadata = match given.metadata_endpoint {
            Some(given) => parse(&given, "the metadata endpoint given in code")?.url().clone(),
            None => Url::parse(METADATA)
                .map_err(|_| BuildError::broken("the metadata endpoint is no URL", "report this"))?,
        };
        let workload_identity = match given.workload_identity {
            Some(name) => Some(identity_name(&name, "given in code")?),
            None => match text(WORKLOAD)? {
                Some(name) => Some(identity_name(&name, &format!("in the variable {WORKLOAD}"))?),
                None => environment
                    .map_or(Ok(None), name_of_file)?
                    .map(|name| identity_name(&name, &format!("in {FILE}")))
                    .transpose()?,
            },
        };
        let workload_token = match given.workload_token {
            Some(token) => Some(token),
            None => setting(TOKEN)?,
        };
        if let Some(token) = &workload_token {
            check_text(token.expose_secret(), "the workload access token")?;
        }
        let token_vault = given.token_vault.map(|name| vault_name(&name)).transpose()?;
        let signer = match given.signer {
            Some(signer) => signer,
            None => signer(text(USE_STS)?.as_deref())?,
        };
        Ok(Self {
            keys,
            services: Services { sts, metadata },
            workload_identity,
            workload_token,
            signer,
            token_vault,
            data,
            control,
            ram,
            ims,
        })
    }
}

pub(crate) fn vault_name(name: &str) -> Result<ProviderName, BuildError> {
    ProviderName::new(name).map_err(|error| {
        BuildError::broken(format!("the token vault's name is not one: {error}"), "write it as it is registered")
    })
}

/// Exactly the two words: a spelling that switches off unnoticed what was meant to be on is worse than an error.
fn signer(text: Option<&str>) -> Result<ResourceSigner, BuildError> {
    match text {
        None | Some("true") => Ok(ResourceSigner::RuntimeRole),
        Some("false") => Ok(ResourceSigner::Caller),
        Some(_) => Err(BuildError::broken(
            format!("the variable {USE_STS} is neither `true` nor `false`"),
            "`true` signs with the workload identity's role, `false` with the caller's own keys",
        )),
    }
}

fn sts_host(region: Option<&str>, vpc: Option<&str>) -> Result<String, BuildError> {
    let Some(region) = region else { return Ok("sts.aliyuncs.com".to_owned()) };
    check_region(region)?;
    let prefix = if vpc.is_some_and(|vpc| vpc.eq_ignore_ascii_case("true")) { "sts-vpc" } else { "sts" };
    Ok(format!("{prefix}.{region}.aliyuncs.com"))
}

/// A host by itself is one of https.
fn parse(text: &str, what: &str) -> Result<Endpoint, BuildError> {
    let text = text.trim();
    if text.contains("://") { Endpoint::parse(text, what) } else { Endpoint::parse(&format!("https://{text}"), what) }
}

/// It becomes a part of a host name.
fn check_region(region: &str) -> Result<(), BuildError> {
    let fit = (1..=40).contains(&region.len())
        && region.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if fit {
        return Ok(());
    }
    Err(BuildError::broken("the region is not one: lower-case letters, digits and `-`", "write it like cn-beijing"))
}

fn mixed(what: &str, names: &str) -> BuildError {
    BuildError::broken(
        format!("of {what} one is on this machine and the other is not, so credentials of one would go to the other"),
        format!("give both or neither: {names}, or the builder's methods"),
    )
}

fn identity_name(name: &str, place: &str) -> Result<AgentIdentityName, BuildError> {
    AgentIdentityName::new(name).map_err(|error| {
        BuildError::broken(
            format!("the workload identity {place} is not one: {error}"),
            "write the name as it is registered on Agent Identity",
        )
    })
}

fn name_of_file(environment: &Environment) -> Result<Option<String>, BuildError> {
    #[derive(Deserialize)]
    struct File {
        workload_identity_name: Option<String>,
    }
    let text = environment.read_file(Path::new(FILE), FILE_LIMIT).map_err(|error| {
        BuildError::broken(format!("{FILE} cannot be read"), "make it a readable text file, or remove it")
            .with_source(error)
    })?;
    let Some(text) = text.map(Zeroizing::new) else { return Ok(None) };
    let file: File = serde_json::from_str(&text).map_err(|error| {
        BuildError::broken(
            format!(
                "{FILE} is not the JSON object that it should be (line {}, column {})",
                error.line(),
                error.column()
            ),
            "correct the file, or remove it; nothing was changed in it, and nothing is created for you",
        )
    })?;
    Ok(file.workload_identity_name.filter(|name| !name.trim().is_empty()))
}
