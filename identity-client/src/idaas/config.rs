//! Who the agent is, where IDaaS is, and how the agent authenticates: from code, then from the file.

use std::{path::PathBuf, sync::Arc, time::Duration};

use identity_grammar::is_loopback_host;

use super::{
    access_key::AccessKeySource,
    authentication::{ClientAuthentication, KUBERNETES_TOKEN, Method},
    discovery::TokenEndpoint,
    file::{self, PATH_VARIABLE, Section},
    scope::Permissions,
    secret::SecretSource,
};
use crate::{
    credential_request::Flow,
    env::{Environment, check_text},
    error::BuildError,
    name::{AgentIdentityName, Scope},
    transport::{Endpoint, HttpOptions},
};

const PLUGIN: &str = "alibabacloudPluginCredentialProvider";
const IDENTITY_VARIABLE: &str = "ACCESS_IDENTITY";
/// What the vendor's SDKs check.
const TIMEOUTS: std::ops::RangeInclusive<u64> = 2_000..=60_000;

/// What was given in code.
#[derive(Default)]
pub(crate) struct Given {
    pub(crate) instance_id: Option<String>,
    pub(crate) client_id: Option<String>,
    pub(crate) issuer: Option<String>,
    pub(crate) token_endpoint: Option<String>,
    pub(crate) developer_api_endpoint: Option<String>,
    pub(crate) open_api_endpoint: Option<String>,
    pub(crate) authentication: Option<ClientAuthentication>,
    pub(crate) actor: Option<SecretSource>,
    pub(crate) key_flow: Option<Flow>,
    pub(crate) file: Option<PathBuf>,
}

/// All that a client of IDaaS needs to know.
pub(crate) struct Settings {
    pub(crate) instance_id: String,
    pub(crate) client: AgentIdentityName,
    pub(crate) issuer: Option<Arc<str>>,
    pub(crate) token_endpoint: TokenEndpoint,
    pub(crate) developer_api: Option<Endpoint>,
    pub(crate) open_api: Option<Endpoint>,
    pub(crate) authentication: ClientAuthentication,
    pub(crate) actor: Option<SecretSource>,
    pub(crate) key_flow: Flow,
    pub(crate) default_scopes: Vec<Scope>,
    pub(crate) http: HttpOptions,
}

/// What the file has.
#[derive(Default)]
struct Filed {
    instance_id: Option<String>,
    client_id: Option<String>,
    issuer: Option<String>,
    token_endpoint: Option<String>,
    developer_api_endpoint: Option<String>,
    open_api_endpoint: Option<String>,
    scope: Option<String>,
    authentication: Option<ClientAuthentication>,
    http: HttpOptions,
}

impl Settings {
    pub(crate) fn resolve(given: Given, environment: Option<&Environment>) -> Result<Self, BuildError> {
        let section = file::read(given.file.as_deref(), environment)?;
        let place = section.as_ref().map(|section| section.place().to_owned());
        if section.is_none() && given.client_id.is_none() && given.authentication.is_none() {
            return Err(BuildError::missing(
                "Alibaba Cloud IDaaS is not configured",
                format!(
                    "name the configuration file in {PATH_VARIABLE}; or put it at ~/.cloud_idaas/client-config.json; or give all of it in code with `Idaas::builder()`"
                ),
            ));
        }
        let filed = section
            .map_or_else(|| Ok(Filed::default()), |section| Filed::of(section, given.authentication.is_some()))?;
        let missing = |key: &str, method: &str| {
            let place = place.as_deref().unwrap_or("the configuration given in code");
            BuildError::broken(format!("`{key}` is missing in {place}"), format!("add `{key}`, or call `{method}(..)`"))
        };
        let text = |given: Option<String>, filed: Option<String>, what: &str| {
            let text = given.or(filed);
            text.map(|text| check_text(&text, what).map(|()| text)).transpose()
        };
        let instance_id = text(given.instance_id, filed.instance_id, "the IDaaS instance id")?;
        let instance_id = instance_id.ok_or_else(|| missing("idaasInstanceId", "with_instance_id"))?;
        let client = text(given.client_id, filed.client_id, "the client id")?;
        let client = client.ok_or_else(|| missing("clientId", "with_client_id"))?;
        let client = AgentIdentityName::new(client).map_err(|error| {
            BuildError::broken(
                format!("the client id is no application's: {error}"),
                "copy it again from the IDaaS console",
            )
        })?;
        let authentication = given.authentication.or(filed.authentication);
        let authentication = authentication.ok_or_else(|| missing("authnConfiguration", "with_authentication"))?;
        let endpoint = |given: Option<String>, filed: Option<String>, what: &str| {
            given.or(filed).map(|text| parse(&text, what)).transpose()
        };
        let developer_api =
            endpoint(given.developer_api_endpoint, filed.developer_api_endpoint, "the developer API endpoint")?;
        let open_api = endpoint(given.open_api_endpoint, filed.open_api_endpoint, "the OpenAPI endpoint")?;
        let told = endpoint(given.token_endpoint, filed.token_endpoint, "the token endpoint")?;
        let issuer = given.issuer.or(filed.issuer);
        let issuer_place = issuer.as_deref().map(|issuer| parse(issuer, "the issuer")).transpose()?;
        let by_open_api = matches!(authentication.method, Method::OpenApi(_));
        let token_endpoint = match (told, issuer.as_deref(), &open_api) {
            (_, _, Some(open_api)) if by_open_api => TokenEndpoint::told(open_api.clone()),
            _ if by_open_api => return Err(missing("openApiEndpoint", "with_open_api_endpoint")),
            (Some(told), _, _) => TokenEndpoint::told(told),
            (None, Some(issuer), _) => TokenEndpoint::of_issuer(issuer)?,
            (None, None, _) => return Err(missing("tokenEndpoint", "with_token_endpoint")),
        };
        if by_open_api && given.actor.is_some() {
            return Err(BuildError::broken(
                "an actor's token was given, and the OpenAPI takes none",
                "leave `with_actor_token` out, or authenticate in another way",
            ));
        }
        let endpoints =
            [Some(token_endpoint.place()), issuer_place.as_ref(), developer_api.as_ref(), open_api.as_ref()];
        check_one_side(&endpoints.into_iter().flatten().collect::<Vec<_>>())?;
        let settings = Self {
            default_scopes: default_scopes(filed.scope.as_deref())?,
            instance_id,
            client,
            issuer: issuer.map(Into::into),
            token_endpoint,
            developer_api,
            open_api,
            authentication,
            actor: given.actor,
            key_flow: given.key_flow.map_or_else(|| key_flow(environment), Ok)?,
            http: filed.http,
        };
        Ok(settings)
    }

    /// What tells this instance's credentials from another's.
    pub(crate) fn description(&self) -> Arc<str> {
        let base = self.developer_api.as_ref().unwrap_or_else(|| self.token_endpoint.place());
        format!("{}/v2/{}", base.as_str(), self.instance_id).into()
    }
}

impl Filed {
    fn of(mut section: Section, has_authentication: bool) -> Result<Self, BuildError> {
        let authentication = match section.section("authnConfiguration")? {
            Some(authentication) if !has_authentication => Some(authentication_of(authentication)?),
            _ => None,
        };
        let http = section.section("httpConfiguration")?.map_or_else(|| Ok(HttpOptions::new()), http_of)?;
        // Of a person's own login, which is not made here.
        section.text("deviceAuthorizationEndpoint")?;
        let filed = Self {
            instance_id: section.text("idaasInstanceId")?,
            client_id: section.text("clientId")?,
            issuer: section.text("issuer")?,
            token_endpoint: section.text("tokenEndpoint")?,
            developer_api_endpoint: section.text("developerApiEndpoint")?,
            open_api_endpoint: section.text("openApiEndpoint")?,
            scope: section.text("scope")?,
            authentication,
            http,
        };
        section.finish();
        Ok(filed)
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Named {
    None,
    SecretBasic,
    SecretPost,
    SecretJwt,
    PrivateKeyJwt,
    Pkcs7,
    Oidc,
    Pca,
    Plugin,
}

const METHODS: [(&str, Named); 9] = [
    ("NONE", Named::None),
    ("CLIENT_SECRET_BASIC", Named::SecretBasic),
    ("CLIENT_SECRET_POST", Named::SecretPost),
    ("CLIENT_SECRET_JWT", Named::SecretJwt),
    ("PRIVATE_KEY_JWT", Named::PrivateKeyJwt),
    ("PKCS7", Named::Pkcs7),
    ("OIDC", Named::Oidc),
    ("PCA", Named::Pca),
    ("PLUGIN", Named::Plugin),
];

#[derive(Clone, Copy, PartialEq)]
enum Deployed {
    Computer,
    Kubernetes,
    AlibabaEcs,
    AlibabaAck,
    AwsEc2,
    AwsEks,
    GoogleVm,
    Elsewhere,
}

/// `AWS_ESK` is the vendor's own spelling.
const ENVIRONMENTS: [(&str, Deployed); 11] = [
    ("COMMON", Deployed::Elsewhere),
    ("COMPUTER", Deployed::Computer),
    ("KUBERNETES", Deployed::Kubernetes),
    ("ALIBABA_CLOUD_ECS", Deployed::AlibabaEcs),
    ("ALIBABA_CLOUD_ECI", Deployed::Elsewhere),
    ("ALIBABA_CLOUD_ACK", Deployed::AlibabaAck),
    ("AWS_EC2", Deployed::AwsEc2),
    ("AWS_ESK", Deployed::AwsEks),
    ("GOOGLE_VM", Deployed::GoogleVm),
    ("HUAWEI_CLOUD_ECS", Deployed::Elsewhere),
    ("CUSTOM", Deployed::Elsewhere),
];

fn authentication_of(mut section: Section) -> Result<ClientAuthentication, BuildError> {
    let is_human = section.word("identityType", &[("CLIENT", false), ("HUMAN", true)])?.unwrap_or_default();
    if is_human {
        return Err(BuildError::broken(
            "`identityType` is `HUMAN`, a person's own login on this device, which is not supported: the agent authenticates as itself",
            "write `CLIENT`; users bring the token by which they called the agent, see `User::with_token`",
        ));
    }
    let method = section.word("authnMethod", &METHODS)?.unwrap_or(Named::None);
    let environment = section.word("clientDeployEnvironment", &ENVIRONMENTS)?;
    let mut variable = |key: &str, because: &str| section.required(key, because).map(SecretSource::variable);
    let authentication = match method {
        Named::None => {
            return Err(BuildError::broken(
                format!("`authnMethod` is missing in {}, or `NONE`", section.place()),
                "write one of the methods that the application has enabled; an agent without any gets no tokens",
            ));
        }
        Named::SecretBasic => {
            ClientAuthentication::client_secret_basic(variable("clientSecretEnvVarName", "CLIENT_SECRET_BASIC")?)
        }
        Named::SecretPost => {
            ClientAuthentication::client_secret_post(variable("clientSecretEnvVarName", "CLIENT_SECRET_POST")?)
        }
        Named::SecretJwt => {
            ClientAuthentication::client_secret_jwt(variable("clientSecretEnvVarName", "CLIENT_SECRET_JWT")?)
        }
        Named::PrivateKeyJwt => {
            ClientAuthentication::private_key_jwt(variable("privateKeyEnvVarName", "PRIVATE_KEY_JWT")?)
        }
        Named::Pca => {
            let key = variable("privateKeyEnvVarName", "PCA")?;
            let credential = section.required("applicationFederatedCredentialName", "PCA")?;
            let certificate = certificates(&mut section, "clientX509Certificate")?;
            let chain = certificates(&mut section, "x509CertChains")?;
            ClientAuthentication::private_certificate(credential, key, certificate, chain)
        }
        Named::Pkcs7 => {
            let credential = section.required("applicationFederatedCredentialName", "PKCS7")?;
            match environment {
                Some(Deployed::AlibabaEcs) => ClientAuthentication::alibaba_ecs(credential),
                Some(Deployed::AwsEc2) => ClientAuthentication::aws_ec2(credential),
                _ => return Err(undeployable(&section, "PKCS7", "ALIBABA_CLOUD_ECS or AWS_EC2")),
            }
        }
        Named::Oidc => federated(&mut section, environment)?,
        Named::Plugin => {
            if section.text("pluginName")?.is_some_and(|name| name != PLUGIN) {
                return Err(BuildError::broken(
                    format!("`pluginName` in {} is not `{PLUGIN}`, the only plugin that there is", section.place()),
                    "correct it, or give the way to authenticate in code with `with_authentication(..)`",
                ));
            }
            ClientAuthentication::open_api(AccessKeySource::environment())
        }
    };
    // Of other methods than the one that is chosen: keys that the vendor's templates leave in.
    for key in [
        "clientSecretEnvVarName",
        "privateKeyEnvVarName",
        "applicationFederatedCredentialName",
        "oidcTokenFilePath",
        "oidcTokenFilePathEnvVarName",
        "clientX509Certificate",
        "x509CertChains",
        "humanAuthenticateClientId",
        "pluginName",
    ] {
        section.text(key)?;
    }
    section.finish();
    Ok(authentication)
}

fn federated(section: &mut Section, environment: Option<Deployed>) -> Result<ClientAuthentication, BuildError> {
    let credential = section.required("applicationFederatedCredentialName", "OIDC")?;
    let path = section.text("oidcTokenFilePath")?;
    let variable = section.text("oidcTokenFilePathEnvVarName")?;
    if environment == Some(Deployed::Computer) {
        return Err(undeployable(section, "OIDC", "KUBERNETES, or another with `oidcTokenFilePath`"));
    }
    if let Some(path) = path {
        return Ok(ClientAuthentication::federated_token_file(credential, path));
    }
    if let Some(variable) = variable {
        return Ok(ClientAuthentication::federated_token_file_in(credential, variable));
    }
    match environment {
        Some(Deployed::Kubernetes | Deployed::AlibabaAck | Deployed::AwsEks) => {
            Ok(ClientAuthentication::federated_token_file(credential, KUBERNETES_TOKEN))
        }
        Some(Deployed::GoogleVm) => Ok(ClientAuthentication::google_vm(credential)),
        _ => Err(undeployable(section, "OIDC", "KUBERNETES, GOOGLE_VM, or another with `oidcTokenFilePath`")),
    }
}

fn undeployable(section: &Section, method: &str, possible: &str) -> BuildError {
    BuildError::broken(
        format!("`clientDeployEnvironment` in {} is none in which {method} works", section.place()),
        format!("write {possible}; or choose another `authnMethod`"),
    )
}

fn certificates(section: &mut Section, key: &str) -> Result<String, BuildError> {
    let pem = section.required(key, "PCA")?.replace("\\n", "\n");
    let problem = if pem.contains("PRIVATE KEY") {
        "holds a private key, which must not be sent anywhere"
    } else if !pem.contains("-----BEGIN CERTIFICATE-----") {
        "is no certificate in PEM"
    } else {
        return Ok(pem);
    };
    Err(BuildError::broken(format!("`{key}` in {} {problem}", section.place()), "give certificates only, in PEM"))
}

fn http_of(mut section: Section) -> Result<HttpOptions, BuildError> {
    if section.flag("unsafeIgnoreSslCert")?.unwrap_or_default() {
        return Err(BuildError::broken(
            format!(
                "`unsafeIgnoreSslCert` in {} would send secrets to whoever answers; it is not supported",
                section.place()
            ),
            "remove it; a certificate of a private authority is trusted with `HttpOptions::with_root_certificate_pem`",
        ));
    }
    let mut timeout = |key: &str, default: u64| {
        let millis = section.number(key)?.unwrap_or(default);
        if TIMEOUTS.contains(&millis) {
            return Ok(Duration::from_millis(millis));
        }
        Err(BuildError::broken(
            format!("`{key}` in {} is not between 2000 and 60000 ms", section.place()),
            "correct it",
        ))
    };
    let (connect, read) = (timeout("connectTimeout", 5_000)?, timeout("readTimeout", 10_000)?);
    section.finish();
    Ok(HttpOptions::new().with_connect_timeout(connect).with_attempt_timeout(connect + read))
}

/// For tokens of IDaaS itself that are asked for without a scope.
fn default_scopes(scope: Option<&str>) -> Result<Vec<Scope>, BuildError> {
    let Some(scope) = scope else { return Ok(Vec::new()) };
    let scopes = scope.split_ascii_whitespace().map(Scope::new).collect::<Result<Vec<_>, _>>();
    let checked = scopes.and_then(|scopes| Permissions::of(&scopes).map(drop).map(|()| scopes));
    checked.map_err(|error| {
        BuildError::broken(
            format!("`scope` is none: {error}"),
            "write `audience|permission` items of one audience, with spaces between",
        )
    })
}

fn key_flow(environment: Option<&Environment>) -> Result<Flow, BuildError> {
    use secrecy::ExposeSecret as _;
    let Some(text) = environment.map(|environment| environment.setting(IDENTITY_VARIABLE)).transpose()?.flatten()
    else {
        return Ok(Flow::MachineToMachine);
    };
    match text.expose_secret() {
        "Machine" => Ok(Flow::MachineToMachine),
        "Human" => Ok(Flow::UserFederation),
        _ => Err(BuildError::broken(
            format!("the variable {IDENTITY_VARIABLE} is neither `Machine` nor `Human`"),
            "correct it, or unset it for `Machine`",
        )),
    }
}

/// A bare host is taken for https, and so is plain http to another machine: the vendor's configurations have both.
fn parse(text: &str, what: &str) -> Result<Endpoint, BuildError> {
    let text = text.trim();
    let (scheme, rest) = text.split_once("://").unwrap_or(("https", text));
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host).trim_matches(['[', ']']);
    let scheme = if scheme.eq_ignore_ascii_case("http") && !is_loopback_host(host) { "https" } else { scheme };
    Endpoint::parse(&format!("{scheme}://{rest}"), what)
}

/// So that credentials made for an emulator never go to production, nor the other way round.
fn check_one_side(endpoints: &[&Endpoint]) -> Result<(), BuildError> {
    let here = endpoints.iter().filter(|endpoint| endpoint.is_loopback()).count();
    if here == 0 || here == endpoints.len() {
        return Ok(());
    }
    Err(BuildError::broken(
        "one of the endpoints of IDaaS is on this machine and another is not, so credentials of one would go to the other",
        "give all or none of them on loopback",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_vendor_calls_an_endpoint_is_one() {
        for (text, url) in [
            ("eiam-developerapi.cn-hangzhou.aliyuncs.com", "https://eiam-developerapi.cn-hangzhou.aliyuncs.com"),
            ("http://x.aliyunidaas.com/api/v2", "https://x.aliyunidaas.com/api/v2"),
            ("HTTPS://x.aliyunidaas.com/", "https://x.aliyunidaas.com"),
            (" https://x.aliyunidaas.com/token ", "https://x.aliyunidaas.com/token"),
            ("http://127.0.0.1:9/token", "http://127.0.0.1:9/token"),
            ("http://[::1]:9/", "http://[::1]:9"),
            ("127.0.0.1:18443", "https://127.0.0.1:18443"),
        ] {
            assert_eq!(parse(text, "x").unwrap().as_str(), url);
        }
        for bad in ["", "ftp://h/", "https://", "https://u:p@h/", "https://h/?a=b"] {
            parse(bad, "x").unwrap_err();
        }
    }
}
