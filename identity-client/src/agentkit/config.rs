//! Where keys, role, region, endpoints and the workload's name come from.

use std::{path::PathBuf, sync::Arc, time::Duration};

use secrecy::{ExposeSecret as _, SecretString};

use super::credentials::{BaseKeys, CredentialSource, IAM_FILE, IamFile, Keys};
use crate::{
    env::{Environment, both_or_neither},
    error::{BuildError, Error},
    name::AgentIdentityName,
    transport::Endpoint,
};

const DEFAULT_REGION: &str = "cn-beijing";
/// Those that a callback of the vault is documented for.
const REGIONS_WITH_CALLBACK: [&str; 3] = ["cn-beijing", "cn-shanghai", "cn-guangzhou"];
/// The vendor's SDKs use their own names here, which would name the wrong program.
const SESSION_NAME: &str = "identity-client";
const DURATIONS: std::ops::RangeInclusive<u64> = 60..=3600;

/// Which cloud the platform runs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Cloud {
    /// Volcengine.
    #[default]
    Volcengine,
    /// BytePlus.
    BytePlus,
}

/// What was given in code.
#[derive(Default)]
pub(crate) struct Given {
    pub(crate) keys: Option<(SecretString, SecretString, Option<SecretString>)>,
    pub(crate) iam_file: Option<PathBuf>,
    pub(crate) role: Option<String>,
    pub(crate) session_name: Option<String>,
    pub(crate) cloud: Option<Cloud>,
    pub(crate) region: Option<String>,
    pub(crate) endpoint: Option<String>,
    pub(crate) sts_endpoint: Option<String>,
    pub(crate) callback: Option<String>,
    pub(crate) redirect_url: Option<String>,
    pub(crate) workload: Option<String>,
    pub(crate) workload_pool: Option<String>,
    pub(crate) provider_pool: Option<String>,
    pub(crate) audiences: Vec<String>,
    pub(crate) duration: Option<Duration>,
}

/// All that a client of Agent Identity needs to know.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) base: BaseKeys,
    pub(crate) role: Option<Role>,
    pub(crate) session_name: String,
    pub(crate) region: String,
    pub(crate) endpoint: Endpoint,
    pub(crate) sts_endpoint: Endpoint,
    pub(crate) agent: AgentSettings,
}

/// A role to assume.
#[derive(Debug, Clone)]
pub(crate) struct Role {
    pub(crate) trn: String,
    /// Whether it is assumed with keys that are temporary already.
    pub(crate) always: bool,
}

/// What only an agent needs.
#[derive(Debug, Clone)]
pub(crate) struct AgentSettings {
    pub(crate) workload: Option<AgentIdentityName>,
    pub(crate) workload_pool: Option<String>,
    pub(crate) provider_pool: Option<String>,
    pub(crate) audiences: Vec<String>,
    pub(crate) duration: Option<Duration>,
    /// Where the vault's callback listens, if that is known.
    pub(crate) callback: Option<String>,
    pub(crate) redirect_url: Option<String>,
}

impl Settings {
    pub(crate) fn resolve(given: Given, environment: Option<&Environment>) -> Result<Self, BuildError> {
        let places = Places { environment };
        let cloud = given.cloud.map_or_else(|| places.cloud(), Ok)?;
        let base = places.base(given.keys, given.iam_file, cloud)?;
        let region = places.text(given.region, &["VEIDENTITY_REGION", "REGION"])?;
        let region = match (region, cloud) {
            (Some(region), _) => region,
            (None, Cloud::Volcengine) => DEFAULT_REGION.to_owned(),
            (None, Cloud::BytePlus) => {
                return Err(BuildError::missing(
                    "no region of BytePlus is configured",
                    "set VEIDENTITY_REGION, or call `with_region`",
                ));
            }
        };
        check_region(&region)?;
        let overridden = places.text(given.endpoint, &["VEIDENTITY_ENDPOINT"])?;
        let endpoint = overridden.clone().unwrap_or_else(|| identity_endpoint(cloud, &region));
        let endpoint = Endpoint::parse(&endpoint, "the identity endpoint (`with_endpoint` or VEIDENTITY_ENDPOINT)")?;
        let sts = places.text(given.sts_endpoint, &["VEIDENTITY_STS_ENDPOINT"])?;
        // An emulator serves both; production has one host for both, too.
        let sts = sts
            .unwrap_or_else(|| if endpoint.is_loopback() { endpoint.as_str() } else { sts_endpoint(cloud) }.to_owned());
        let sts_endpoint = Endpoint::parse(&sts, "the STS endpoint (`with_sts_endpoint` or VEIDENTITY_STS_ENDPOINT)")?;
        if endpoint.is_loopback() != sts_endpoint.is_loopback() {
            return Err(BuildError::broken(
                "one of the identity endpoint and the STS endpoint is on this machine and the other is not, so credentials of one would go to the other",
                "give both or neither: `with_endpoint` and `with_sts_endpoint`, or VEIDENTITY_ENDPOINT and VEIDENTITY_STS_ENDPOINT",
            ));
        }
        let role = match given.role {
            Some(trn) => Some(Role { trn, always: true }),
            None => places.text(None, &["RUNTIME_IAM_ROLE_TRN"])?.map(|trn| Role { trn, always: false }),
        };
        if let Some(role) = &role {
            check_word(&role.trn, "the role's TRN")?;
        }
        let session_name = places.text(given.session_name, &["VEIDENTITY_ROLE_SESSION_NAME"])?;
        let session_name = session_name.unwrap_or_else(|| SESSION_NAME.to_owned());
        check_word(&session_name, "the role's session name")?;
        let known = overridden.is_none() && cloud == Cloud::Volcengine && REGIONS_WITH_CALLBACK.contains(&&*region);
        let callback = places.text(given.callback, &["VEIDENTITY_CALLBACK_URL"])?;
        let callback = callback.or_else(|| known.then(|| callback_of(&region)));
        let agent = AgentSettings {
            workload: places.workload(given.workload)?,
            workload_pool: places.text(given.workload_pool, &["VEIDENTITY_WORKLOAD_POOL"])?,
            provider_pool: places.text(given.provider_pool, &["VEIDENTITY_PROVIDER_POOL"])?,
            audiences: given.audiences,
            duration: given.duration,
            callback,
            redirect_url: given.redirect_url,
        };
        agent.check(endpoint.is_loopback())?;
        Ok(Self { base, role, session_name, region, endpoint, sts_endpoint, agent })
    }
}

impl AgentSettings {
    fn check(&self, on_loopback: bool) -> Result<(), BuildError> {
        for pool in [&self.workload_pool, &self.provider_pool].into_iter().flatten() {
            check_word(pool, "the pool's name")?;
        }
        if self.duration.is_some_and(|duration| !DURATIONS.contains(&duration.as_secs())) {
            return Err(BuildError::broken(
                "the duration of workload access tokens is not between 60 and 3600 seconds",
                "give another `with_token_duration`, or leave it out for the platform's choice",
            ));
        }
        let Some(url) = &self.redirect_url else { return Ok(()) };
        tracing::warn!("a redirect URL is given in code: the provider's record should have it, and code none");
        super::preflight::check_landing(url, "redirect URL", on_loopback)
            .map_err(|error| BuildError::broken(error.to_string(), "leave `with_redirect_url` out"))
    }
}

struct Places<'a> {
    environment: Option<&'a Environment>,
}

impl Places<'_> {
    fn variable(&self, name: &str) -> Result<Option<SecretString>, BuildError> {
        self.environment.map_or(Ok(None), |environment| environment.setting(name))
    }

    /// What is given in code, else the first of these variables that is set.
    fn text(&self, given: Option<String>, names: &[&str]) -> Result<Option<String>, BuildError> {
        if let Some(given) = given {
            return Ok(Some(given));
        }
        for name in names {
            if let Some(value) = self.variable(name)? {
                return Ok(Some(value.expose_secret().to_owned()));
            }
        }
        Ok(None)
    }

    fn cloud(&self) -> Result<Cloud, BuildError> {
        match self.text(None, &["AGENTKIT_CLOUD_PROVIDER", "CLOUD_PROVIDER"])?.as_deref() {
            None | Some("volcengine") => Ok(Cloud::Volcengine),
            Some("byteplus") => Ok(Cloud::BytePlus),
            Some(_) => Err(BuildError::broken(
                "AGENTKIT_CLOUD_PROVIDER or CLOUD_PROVIDER names no cloud that has Agent Identity",
                "set it to `volcengine` or `byteplus`, or unset it",
            )),
        }
    }

    /// Code, then variables, then the runtime's file: the first that has any of it must have all of it. A key that was given
    /// is never replaced by another place's.
    fn base(
        &self,
        given: Option<(SecretString, SecretString, Option<SecretString>)>,
        iam_file: Option<PathBuf>,
        cloud: Cloud,
    ) -> Result<BaseKeys, BuildError> {
        if let Some((id, secret, token)) = given {
            return Keys::checked(&id, secret, token, CredentialSource::Code)
                .map(|keys| BaseKeys::Given(Arc::new(keys)));
        }
        let byteplus = ("BYTEPLUS", CredentialSource::BytePlusEnvironment);
        let volcengine = ("VOLCENGINE", CredentialSource::Environment);
        let prefixes = [(cloud == Cloud::BytePlus).then_some(byteplus), Some(volcengine)];
        for (prefix, source) in prefixes.into_iter().flatten() {
            if let Some(keys) = self.of_variables(prefix, source)? {
                return Ok(BaseKeys::Given(Arc::new(keys)));
            }
        }
        let wanted = iam_file.is_some();
        let environment = self.environment.cloned().unwrap_or_else(|| Environment::of([("", ""); 0]));
        let file = IamFile::new(iam_file.unwrap_or_else(|| IAM_FILE.into()), environment);
        if wanted || (self.environment.is_some() && file.exists()) {
            return Ok(BaseKeys::File(file));
        }
        Err(BuildError::missing(
            "no access key for Volcengine Agent Identity is configured",
            format!(
                "set VOLCENGINE_ACCESS_KEY and VOLCENGINE_SECRET_KEY; or run where the function runtime writes {IAM_FILE}; or give them in code with `AgentKit::builder().with_access_key(..)`"
            ),
        ))
    }

    fn of_variables(&self, prefix: &str, source: CredentialSource) -> Result<Option<Keys>, BuildError> {
        let name = |what: &str| format!("{prefix}_{what}");
        let (id, secret) = (self.variable(&name("ACCESS_KEY"))?, self.variable(&name("SECRET_KEY"))?);
        let names = ["ACCESS_KEY", "SECRET_KEY"].map(|what| format!("the variable {}", name(what)));
        let token = self.variable(&name("SESSION_TOKEN"))?;
        match both_or_neither((id, secret), &names)? {
            Some((id, secret)) => Keys::checked(&id, secret, token, source).map(Some),
            None if token.is_some() => Err(BuildError::broken(
                format!("the variable {} is set, but no access key that it could belong to", name("SESSION_TOKEN")),
                format!("set {} and {} too, or unset it", name("ACCESS_KEY"), name("SECRET_KEY")),
            )),
            None => Ok(None),
        }
    }

    fn workload(&self, given: Option<String>) -> Result<Option<AgentIdentityName>, BuildError> {
        let name = self.text(given, &["VEIDENTITY_WORKLOAD_NAME"])?;
        name.map(AgentIdentityName::new).transpose().map_err(|error: Error| {
            BuildError::broken(
                format!("the workload's name is not one: {error}"),
                "write it as it is registered (`with_workload_name` or VEIDENTITY_WORKLOAD_NAME)",
            )
        })
    }
}

/// Whether anything in an environment is meant for this platform.
pub(crate) fn is_configured(environment: &Environment) -> bool {
    const NAMES: [&str; 9] = [
        "VOLCENGINE_ACCESS_KEY",
        "VOLCENGINE_SECRET_KEY",
        "VOLCENGINE_SESSION_TOKEN",
        "BYTEPLUS_ACCESS_KEY",
        "BYTEPLUS_SECRET_KEY",
        "VEIDENTITY_ENDPOINT",
        "VEIDENTITY_REGION",
        "VEIDENTITY_WORKLOAD_NAME",
        "RUNTIME_IAM_ROLE_TRN",
    ];
    NAMES.iter().any(|name| environment.get(name) != Ok(None)) || IamFile::new(IAM_FILE, environment.clone()).exists()
}

fn identity_endpoint(cloud: Cloud, region: &str) -> String {
    match cloud {
        Cloud::Volcengine => "https://open.volcengineapi.com".to_owned(),
        Cloud::BytePlus => format!("https://id.{region}.byteplusapi.com"),
    }
}

fn sts_endpoint(cloud: Cloud) -> &'static str {
    match cloud {
        Cloud::Volcengine => "https://open.volcengineapi.com",
        Cloud::BytePlus => "https://sts.byteplusapi.com",
    }
}

fn callback_of(region: &str) -> String {
    format!("https://auth.id.{region}.volces.com/api/v1/oauth2callback")
}

/// It becomes part of host names.
fn check_region(region: &str) -> Result<(), BuildError> {
    let ends = |c: Option<u8>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let inner = region.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if inner && region.len() <= 32 && ends(region.bytes().next()) && ends(region.bytes().last()) {
        return Ok(());
    }
    Err(BuildError::broken(
        "the region is not one: lower-case letters, digits and `-`",
        "set VEIDENTITY_REGION (or REGION), or call `with_region`, for example with cn-beijing",
    ))
}

fn check_word(text: &str, what: &str) -> Result<(), BuildError> {
    if !text.is_empty() && text.len() <= 256 && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    Err(BuildError::broken(
        format!("{what} is empty, too long, or has characters that it cannot have"),
        "copy it again",
    ))
}
