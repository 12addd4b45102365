//! Where the caller's AccessKey is looked for. The first place that is configured is the one: half a configuration, or one that
//! cannot be used, is an error and never a reason to look on.

use std::path::PathBuf;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::keys::{CredentialSource, Origin, Role};
use crate::{
    acs3::AccessKey,
    env::{Environment, both_or_neither, check_text},
    error::BuildError,
    transport::Endpoint,
};

const ID: &str = "ALIBABA_CLOUD_ACCESS_KEY_ID";
const SECRET: &str = "ALIBABA_CLOUD_ACCESS_KEY_SECRET";
const TOKEN: &str = "ALIBABA_CLOUD_SECURITY_TOKEN";
const ROLE: &str = "ALIBABA_CLOUD_ROLE_ARN";
const OIDC_PROVIDER: &str = "ALIBABA_CLOUD_OIDC_PROVIDER_ARN";
const OIDC_FILE: &str = "ALIBABA_CLOUD_OIDC_TOKEN_FILE";
const URI: &str = "ALIBABA_CLOUD_CREDENTIALS_URI";
const PROFILE: &str = "ALIBABA_CLOUD_PROFILE";
const INI: &str = "ALIBABA_CLOUD_CREDENTIALS_FILE";
const ECS_ROLE: &str = "ALIBABA_CLOUD_ECS_METADATA";
/// A profile file holds a few profiles.
const FILE_LIMIT: u64 = 1024 * 1024;

type Found = (Origin, CredentialSource);

/// A key given in code.
pub(crate) fn given(id: &str, secret: SecretString, token: Option<SecretString>) -> Result<Found, BuildError> {
    fixed(id, secret, token, CredentialSource::Code)
}

fn fixed(
    id: &str,
    secret: SecretString,
    token: Option<SecretString>,
    source: CredentialSource,
) -> Result<Found, BuildError> {
    Ok((Origin::Fixed(checked(id, secret, token, &source)?), source))
}

fn checked(
    id: &str,
    secret: SecretString,
    token: Option<SecretString>,
    source: &CredentialSource,
) -> Result<AccessKey, BuildError> {
    check_text(id, &format!("the AccessKey id {source}"))?;
    check_text(secret.expose_secret(), &format!("the AccessKey secret {source}"))?;
    if let Some(token) = &token {
        check_text(token.expose_secret(), &format!("the security token {source}"))?;
    }
    Ok(AccessKey { id: id.to_owned(), secret, security_token: token })
}

/// The first place of the environment that is configured; nothing if none is and the metadata service is switched off.
pub(crate) fn find(environment: &Environment) -> Result<Option<Found>, BuildError> {
    for look in [variables, oidc_role, uri, cli_profile, ini_profile] {
        if let Some(found) = look(environment)? {
            return Ok(Some(found));
        }
    }
    let role = environment.setting(ECS_ROLE)?.map(|role| role.expose_secret().to_owned());
    if is_true(environment, "ALIBABA_CLOUD_ECS_METADATA_DISABLED")? {
        return Ok(None);
    }
    metadata(environment, role).map(Some)
}

fn metadata(environment: &Environment, role: Option<String>) -> Result<Found, BuildError> {
    let only_v2 = is_true(environment, "ALIBABA_CLOUD_IMDSV1_DISABLED")?;
    Ok((Origin::Metadata { role, only_v2 }, CredentialSource::EcsRole))
}

fn variables(environment: &Environment) -> Result<Option<Found>, BuildError> {
    let names = [ID, SECRET].map(|name| format!("the variable {name}"));
    let Some((id, secret)) = both_or_neither((environment.setting(ID)?, environment.setting(SECRET)?), &names)? else {
        return Ok(None);
    };
    fixed(id.expose_secret(), secret, environment.setting(TOKEN)?, CredentialSource::Environment).map(Some)
}

fn oidc_role(environment: &Environment) -> Result<Option<Found>, BuildError> {
    let text = |name| Ok::<_, BuildError>(environment.setting(name)?.map(|value| value.expose_secret().to_owned()));
    let (provider, file) = (text(OIDC_PROVIDER)?, text(OIDC_FILE)?);
    let names = [OIDC_PROVIDER, OIDC_FILE].map(|name| format!("the variable {name}"));
    // A role alone says nothing: other tools have it beside other keys.
    let Some((provider_arn, file)) = both_or_neither((provider, file), &names)? else { return Ok(None) };
    let arn = text(ROLE)?.ok_or_else(|| {
        BuildError::broken(
            format!("{OIDC_FILE} is set, but {ROLE} is not"),
            format!("set {ROLE} to the role to assume"),
        )
    })?;
    let session_name = text("ALIBABA_CLOUD_ROLE_SESSION_NAME")?;
    let role = Role { arn, session_name, seconds: None, policy: None, external_id: None };
    Ok(Some((Origin::OidcRole { role, provider_arn, token_file: file.into() }, CredentialSource::OidcRole)))
}

/// Before the metadata service, whose time-outs would come first otherwise.
fn uri(environment: &Environment) -> Result<Option<Found>, BuildError> {
    let Some(text) = environment.setting(URI)? else { return Ok(None) };
    let url = url::Url::parse(text.expose_secret().trim())
        .map_err(|_| BuildError::broken(format!("the variable {URI} is not a URL"), "give an absolute URL"))?;
    // The same rule as for every endpoint, but for the query, which may be a part of this one.
    let mut base = url.clone();
    base.set_query(None);
    Endpoint::parse(base.as_str(), &format!("the URL in the variable {URI}"))?;
    Ok(Some((Origin::Uri(url), CredentialSource::Uri)))
}

fn is_true(environment: &Environment, name: &str) -> Result<bool, BuildError> {
    Ok(environment.setting(name)?.is_some_and(|value| value.expose_secret().eq_ignore_ascii_case("true")))
}

fn home(environment: &Environment, rest: &str) -> Option<PathBuf> {
    let home = ["HOME", "USERPROFILE"].into_iter().find_map(|name| environment.get(name).ok().flatten())?;
    (!home.is_empty()).then(|| PathBuf::from(home).join(rest))
}

fn read(
    environment: &Environment,
    path: &std::path::Path,
    what: &str,
) -> Result<Option<Zeroizing<String>>, BuildError> {
    let text = environment.read_file(path, FILE_LIMIT).map_err(|error| {
        BuildError::broken(format!("{what} cannot be read"), "make it a readable text file, or remove it")
            .with_source(error)
    })?;
    Ok(text.map(Zeroizing::new))
}

#[derive(Deserialize)]
struct CliFile {
    current: Option<String>,
    #[serde(default)]
    profiles: Vec<CliProfile>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct CliProfile {
    name: String,
    mode: String,
    access_key_id: String,
    access_key_secret: Option<SecretString>,
    sts_token: Option<SecretString>,
    ram_role_name: Option<String>,
    ram_role_arn: String,
    ram_session_name: Option<String>,
    role_session_name: Option<String>,
    expired_seconds: Option<u64>,
    policy: Option<String>,
    external_id: Option<String>,
    oidc_provider_arn: Option<String>,
    oidc_token_file: Option<String>,
}

fn cli_profile(environment: &Environment) -> Result<Option<Found>, BuildError> {
    const FILE: &str = "~/.aliyun/config.json";
    if is_true(environment, "ALIBABA_CLOUD_CLI_PROFILE_DISABLED")? {
        return Ok(None);
    }
    let Some(path) = home(environment, ".aliyun/config.json") else { return Ok(None) };
    let Some(text) = read(environment, &path, FILE)? else { return Ok(None) };
    let file: CliFile = serde_json::from_str(&text).map_err(|error| {
        // The parser's own words quote the text.
        BuildError::broken(
            format!("{FILE} is not as `aliyun configure` writes it (line {}, column {})", error.line(), error.column()),
            "correct the file, or set ALIBABA_CLOUD_CLI_PROFILE_DISABLED=true",
        )
    })?;
    let wanted = environment.setting(PROFILE)?.map(|name| name.expose_secret().to_owned());
    let Some(wanted) = wanted.or(file.current) else { return Ok(None) };
    let profile = file.profiles.into_iter().find(|profile| profile.name == wanted).ok_or_else(|| {
        BuildError::broken(
            format!("{FILE} has no profile `{wanted}`"),
            format!("correct {PROFILE}, or make the profile with `aliyun configure`"),
        )
    })?;
    profile.origin(environment, CredentialSource::CliProfile(wanted)).map(Some)
}

impl CliProfile {
    fn origin(self, environment: &Environment, source: CredentialSource) -> Result<Found, BuildError> {
        let none = || SecretString::from(String::new());
        let text = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
        let (id, secret) = (self.access_key_id, self.access_key_secret.unwrap_or_else(none));
        let token = self.sts_token.filter(|token| !token.expose_secret().is_empty());
        let role = Role {
            arn: self.ram_role_arn,
            session_name: text(self.ram_session_name).or(text(self.role_session_name)),
            seconds: self.expired_seconds.filter(|seconds| *seconds > 0),
            policy: text(self.policy),
            external_id: text(self.external_id),
        };
        match self.mode.as_str() {
            "AK" => fixed(&id, secret, None, source),
            "StsToken" => {
                let token = token.unwrap_or_else(none);
                fixed(&id, secret, Some(token), source)
            }
            "RamRoleArn" => assumed(role, checked(&id, secret, token, &source)?, source),
            "EcsRamRole" => metadata(environment, text(self.ram_role_name)).map(|(origin, _)| (origin, source)),
            "OIDC" => {
                let provider_arn = needed(text(self.oidc_provider_arn), "oidc_provider_arn", &source)?;
                let token_file = needed(text(self.oidc_token_file), "oidc_token_file", &source)?.into();
                check_role(&role, &source)?;
                Ok((Origin::OidcRole { role, provider_arn, token_file }, source))
            }
            _ => Err(BuildError::broken(
                format!(
                    "the keys are to come {source}, whose mode is none of AK, StsToken, RamRoleArn, EcsRamRole and OIDC"
                ),
                "choose another profile with ALIBABA_CLOUD_PROFILE, or serve the keys at ALIBABA_CLOUD_CREDENTIALS_URI; nothing is run or signed in for them",
            )),
        }
    }
}

fn needed(text: Option<String>, what: &str, source: &CredentialSource) -> Result<String, BuildError> {
    text.ok_or_else(|| {
        BuildError::broken(
            format!("`{what}` is missing: the keys are to come {source}"),
            format!("write `{what}` there"),
        )
    })
}

fn check_role(role: &Role, source: &CredentialSource) -> Result<(), BuildError> {
    check_text(&role.arn, &format!("the role to assume, of the keys {source},"))
}

fn assumed(role: Role, base: AccessKey, source: CredentialSource) -> Result<Found, BuildError> {
    check_role(&role, &source)?;
    Ok((Origin::AssumedRole { role, base }, source))
}

fn ini_profile(environment: &Environment) -> Result<Option<Found>, BuildError> {
    let named = environment.setting(INI)?.map(|path| PathBuf::from(path.expose_secret()));
    let is_named = named.is_some();
    let Some(path) = named.or_else(|| home(environment, ".alibabacloud/credentials.ini")) else { return Ok(None) };
    let Some(text) = read(environment, &path, "the credentials file")? else {
        return if is_named {
            Err(BuildError::broken(format!("{INI} names a file that is not there"), "correct it, or unset it"))
        } else {
            Ok(None)
        };
    };
    let wanted =
        environment.setting(PROFILE)?.map_or_else(|| "default".to_owned(), |name| name.expose_secret().to_owned());
    let source = CredentialSource::IniProfile(wanted.clone());
    let Some(values) = section(&text, &wanted) else {
        return Err(BuildError::broken(
            format!("the credentials file has no section [{wanted}]"),
            format!("correct {PROFILE}, or write the section"),
        ));
    };
    let value = |name: &str| {
        values
            .iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| (*value).to_owned())
            .filter(|value| !value.is_empty())
    };
    let key = |token: Option<String>| {
        let id = needed(value("access_key_id"), "access_key_id", &source)?;
        let secret = needed(value("access_key_secret"), "access_key_secret", &source)?;
        checked(&id, secret.into(), token.map(Into::into), &source)
    };
    let role = || {
        Ok::<_, BuildError>(Role {
            arn: needed(value("role_arn"), "role_arn", &source)?,
            session_name: value("role_session_name"),
            seconds: None,
            policy: value("policy"),
            external_id: None,
        })
    };
    let origin = match value("type").as_deref() {
        Some("access_key") => Origin::Fixed(key(None)?),
        Some("ram_role_arn") => Origin::AssumedRole { role: role()?, base: key(None)? },
        Some("ecs_ram_role") => metadata(environment, value("role_name"))?.0,
        Some("oidc_role_arn") => Origin::OidcRole {
            role: role()?,
            provider_arn: needed(value("oidc_provider_arn"), "oidc_provider_arn", &source)?,
            token_file: needed(value("oidc_token_file_path"), "oidc_token_file_path", &source)?.into(),
        },
        _ => {
            return Err(BuildError::broken(
                format!(
                    "the keys are to come {source}, whose `type` is none of access_key, ram_role_arn, ecs_ram_role and oidc_role_arn"
                ),
                "write one of them, or choose another profile with ALIBABA_CLOUD_PROFILE",
            ));
        }
    };
    Ok(Some((origin, source)))
}

/// The pairs of one section; what follows a `#` is a comment.
fn section<'a>(text: &'a str, wanted: &str) -> Option<Vec<(&'a str, &'a str)>> {
    let mut found = None;
    let mut inside = false;
    for line in text.lines().map(|line| line.split_once('#').map_or(line, |(before, _)| before).trim()) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            inside = name.trim() == wanted;
            if inside && found.is_none() {
                found = Some(Vec::new());
            }
        } else if let Some((key, value)) = line.split_once('=').filter(|_| inside)
            && let Some(pairs) = &mut found
        {
            pairs.push((key.trim(), value.trim()));
        }
    }
    found
}
