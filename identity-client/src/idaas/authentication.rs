//! How a client shows IDaaS that it is the application it says it is.

use std::{fmt, path::PathBuf, sync::Arc};

use http::HeaderValue;
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use super::{
    access_key::AccessKeySource,
    assertion::Signer,
    key::SigningKey,
    metadata::{Machine, Metadata},
    secret::SecretSource,
};
use crate::{
    basic::basic,
    clock::{Clock, Moment},
    env::Environment,
    error::{BuildError, Error},
    transport::{Endpoint, Transport},
};

/// Where Kubernetes puts the token of the pod's service account.
pub(crate) const KUBERNETES_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const PKCS7_BEARER: &str = "urn:cloud:idaas:params:oauth:client-assertion-type:pkcs7-bearer";
const ID_TOKEN_BEARER: &str = "urn:cloud:idaas:params:oauth:client-assertion-type:id-token-bearer";
const X509_JWT_BEARER: &str = "urn:cloud:idaas:params:oauth:client-assertion-type:x509-jwt-bearer";

const CLIENT_SECRET: &str = "the client secret";
const PRIVATE_KEY: &str = "the private key";

/// How the agent authenticates: as one of the methods that its application has enabled in IDaaS.
///
/// Secrets, keys and tokens are read again for every token request. Assertions are signed for one request each, are good for five
/// minutes and name the token endpoint as their only audience.
#[derive(Clone)]
pub struct ClientAuthentication {
    pub(crate) method: Method,
    key_id: Option<String>,
    rs256: bool,
}

#[derive(Debug, Clone)]
pub(crate) enum Method {
    SecretBasic(SecretSource),
    SecretPost(SecretSource),
    SecretJwt(SecretSource),
    PrivateKeyJwt(SecretSource),
    Federated { credential: String, token: FederatedToken },
    Pkcs7 { credential: String, metadata: Metadata },
    Certificate { credential: String, key: SecretSource, certificate: String, chain: String },
    OpenApi(AccessKeySource),
}

#[derive(Debug, Clone)]
pub(crate) enum FederatedToken {
    Source(SecretSource),
    Machine(Metadata),
}

impl ClientAuthentication {
    fn new(method: Method) -> Self {
        Self { method, key_id: None, rs256: false }
    }

    /// `CLIENT_SECRET_BASIC`: the secret in the `Authorization` header.
    pub fn client_secret_basic(secret: impl Into<SecretSource>) -> Self {
        Self::new(Method::SecretBasic(secret.into()))
    }

    /// `CLIENT_SECRET_POST`: the secret in the form.
    pub fn client_secret_post(secret: impl Into<SecretSource>) -> Self {
        Self::new(Method::SecretPost(secret.into()))
    }

    /// `CLIENT_SECRET_JWT`: an assertion signed with the secret (HS256), which itself is not sent.
    pub fn client_secret_jwt(secret: impl Into<SecretSource>) -> Self {
        Self::new(Method::SecretJwt(secret.into()))
    }

    /// `PRIVATE_KEY_JWT`: an assertion signed with a key in PEM: RSA (PKCS#1, PKCS#8), EC on P-256, P-384 or P-521 (SEC 1, PKCS#8)
    /// or Ed25519. RSA signs with SHA-256 up to 2048 bits, SHA-384 up to 3072, else SHA-512; see [`with_rs256`](Self::with_rs256).
    pub fn private_key_jwt(key: impl Into<SecretSource>) -> Self {
        Self::new(Method::PrivateKeyJwt(key.into()))
    }

    /// `OIDC`: a token of another issuer that IDaaS trusts under this federated credential, from a file.
    pub fn federated_token_file(credential: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        let token = FederatedToken::Source(SecretSource::file(path));
        Self::new(Method::Federated { credential: credential.into(), token })
    }

    /// The same; this variable has the file's path.
    pub fn federated_token_file_in(credential: impl Into<String>, variable: impl Into<String>) -> Self {
        let token = FederatedToken::Source(SecretSource::file_in(variable));
        Self::new(Method::Federated { credential: credential.into(), token })
    }

    /// The same with the token of the pod's service account, where Kubernetes puts it.
    pub fn kubernetes(credential: impl Into<String>) -> Self {
        Self::federated_token_file(credential, KUBERNETES_TOKEN)
    }

    /// The same with the token of a Google Cloud machine.
    pub fn google_vm(credential: impl Into<String>) -> Self {
        let token = FederatedToken::Machine(Metadata { machine: Machine::GoogleVm, endpoint: None });
        Self::new(Method::Federated { credential: credential.into(), token })
    }

    /// `PKCS7`: the document by which Alibaba Cloud vouches for an ECS machine.
    pub fn alibaba_ecs(credential: impl Into<String>) -> Self {
        Self::pkcs7(credential.into(), Machine::AlibabaEcs)
    }

    /// `PKCS7`: the document by which AWS vouches for an EC2 machine.
    pub fn aws_ec2(credential: impl Into<String>) -> Self {
        Self::pkcs7(credential.into(), Machine::AwsEc2)
    }

    fn pkcs7(credential: String, machine: Machine) -> Self {
        Self::new(Method::Pkcs7 { credential, metadata: Metadata { machine, endpoint: None } })
    }

    /// `PCA`: an assertion signed with the key of a certificate of a private authority that IDaaS trusts under this federated
    /// credential. The certificate and the chain above it are PEM.
    pub fn private_certificate(
        credential: impl Into<String>,
        key: impl Into<SecretSource>,
        certificate: impl Into<String>,
        chain: impl Into<String>,
    ) -> Self {
        Self::new(Method::Certificate {
            credential: credential.into(),
            key: key.into(),
            certificate: certificate.into(),
            chain: chain.into(),
        })
    }

    /// `PLUGIN`: no secret of IDaaS at all. Tokens come from the OpenAPI operation `GenerateOauthToken`, signed with the AccessKey of
    /// a RAM role that may do `eiam:GenerateOauthToken`.
    #[must_use]
    pub fn open_api(key: AccessKeySource) -> Self {
        Self::new(Method::OpenApi(key))
    }

    /// Names the key in the header of assertions (`kid`), for applications with several. Default: none, as the vendor's SDKs.
    #[must_use]
    pub fn with_key_id(mut self, id: impl Into<String>) -> Self {
        self.key_id = Some(id.into());
        self
    }

    /// Signs with RS256 whatever the size of the RSA key: the one algorithm that the vendor's guide names.
    #[must_use]
    pub fn with_rs256(mut self) -> Self {
        self.rs256 = true;
        self
    }

    /// Asks this metadata service instead of the cloud's own address: https, or http on loopback.
    ///
    /// # Errors
    /// If it is no such URL, or if no metadata service is asked.
    pub fn with_metadata_endpoint(mut self, url: impl AsRef<str>) -> Result<Self, BuildError> {
        let (Method::Pkcs7 { metadata, .. } | Method::Federated { token: FederatedToken::Machine(metadata), .. }) =
            &mut self.method
        else {
            return Err(BuildError::broken(
                "a metadata endpoint was given, but this way to authenticate asks none",
                "leave it out",
            ));
        };
        metadata.endpoint = Some(Endpoint::parse(url.as_ref(), "the metadata endpoint")?);
        Ok(self)
    }

    pub(crate) fn name(&self) -> &'static str {
        match self.method {
            Method::SecretBasic(_) => "CLIENT_SECRET_BASIC",
            Method::SecretPost(_) => "CLIENT_SECRET_POST",
            Method::SecretJwt(_) => "CLIENT_SECRET_JWT",
            Method::PrivateKeyJwt(_) => "PRIVATE_KEY_JWT",
            Method::Federated { .. } => "OIDC",
            Method::Pkcs7 { .. } => "PKCS7",
            Method::Certificate { .. } => "PCA",
            Method::OpenApi(_) => "PLUGIN",
        }
    }

    /// Whether a metadata service of a cloud is asked.
    pub(crate) fn metadata(&self) -> Option<&Metadata> {
        match &self.method {
            Method::Pkcs7 { metadata, .. } | Method::Federated { token: FederatedToken::Machine(metadata), .. } => {
                Some(metadata)
            }
            _ => None,
        }
    }

    /// Reads or fetches what the requests of one call show.
    pub(crate) async fn evidence(&self, world: &World<'_>) -> Result<Evidence, Error> {
        let secret = |source: &SecretSource| source.read(world.environment, CLIENT_SECRET);
        Ok(match &self.method {
            Method::SecretBasic(source) | Method::SecretPost(source) => Evidence::Secret(secret(source)?),
            Method::SecretJwt(source) => Evidence::Signer(Signer::Secret(secret(source)?)),
            Method::PrivateKeyJwt(source) | Method::Certificate { key: source, .. } => {
                Evidence::Signer(Signer::Key(self.signing_key(source, world.environment)?))
            }
            Method::Federated { token: FederatedToken::Source(source), .. } => {
                Evidence::Secret(source.read(world.environment, "the federated token")?)
            }
            Method::Federated { token: FederatedToken::Machine(metadata), .. } | Method::Pkcs7 { metadata, .. } => {
                let transport =
                    world.metadata.ok_or_else(|| Error::invalid("there is no way to a metadata service"))?;
                Evidence::Secret(metadata.document(transport, world.clock, world.instance_id).await?)
            }
            Method::OpenApi(_) => Evidence::None,
        })
    }

    fn signing_key(&self, source: &SecretSource, environment: &Environment) -> Result<SigningKey, Error> {
        let pem = source.read(environment, PRIVATE_KEY)?;
        let key = SigningKey::parse(pem.expose_secret()).map_err(|problem| source.unusable(PRIVATE_KEY, problem))?;
        Ok(if self.rs256 { key.with_rs256() } else { key })
    }

    /// What no error may repeat: the secret, and the form in which Basic authentication shows it.
    pub(crate) fn hidden(&self, evidence: &Evidence, client_id: &str) -> Vec<SecretString> {
        let (Evidence::Secret(secret) | Evidence::Signer(Signer::Secret(secret))) = evidence else { return Vec::new() };
        let mut hidden = vec![secret.clone()];
        if let (Method::SecretBasic(_), Ok(header)) = (&self.method, basic(client_id, secret)) {
            hidden.extend(header.to_str().ok().and_then(|text| text.strip_prefix("Basic ")).map(SecretString::from));
        }
        hidden
    }

    /// What one try of a request shows: an assertion is signed anew for each.
    pub(crate) fn show(
        &self,
        evidence: &Evidence,
        client_id: &str,
        endpoint: &str,
        now: Moment,
    ) -> Result<Shown, Error> {
        let mut shown = Shown { header: None, fields: vec![("client_id", Zeroizing::new(client_id.to_owned()))] };
        let secret = match evidence {
            Evidence::Secret(secret) => Zeroizing::new(secret.expose_secret().to_owned()),
            Evidence::Signer(signer) => signer.assertion(client_id, endpoint, self.key_id.as_deref(), now.wall)?,
            Evidence::None => Zeroizing::default(),
        };
        match &self.method {
            Method::SecretBasic(_) => shown.header = Some(basic(client_id, &secret.as_str().into())?),
            Method::SecretPost(_) => shown.fields.push(("client_secret", secret)),
            Method::SecretJwt(_) | Method::PrivateKeyJwt(_) => shown.assert(JWT_BEARER, secret),
            Method::Federated { credential, .. } => shown.assert_as(credential, ID_TOKEN_BEARER, secret),
            Method::Pkcs7 { credential, .. } => shown.assert_as(credential, PKCS7_BEARER, secret),
            Method::Certificate { credential, certificate, chain, .. } => {
                shown.assert_as(credential, X509_JWT_BEARER, secret);
                shown.fields.push(("client_x509", Zeroizing::new(certificate.clone())));
                shown.fields.push(("client_x509_chain", Zeroizing::new(chain.clone())));
            }
            Method::OpenApi(_) => {}
        }
        Ok(shown)
    }
}

impl fmt::Debug for ClientAuthentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ClientAuthentication").field(&self.name()).finish()
    }
}

/// What authentication needs of its surroundings.
pub(crate) struct World<'a> {
    pub(crate) environment: &'a Environment,
    /// To the metadata service, which is never reached through a proxy.
    pub(crate) metadata: Option<&'a Transport>,
    pub(crate) clock: &'a Arc<dyn Clock>,
    pub(crate) instance_id: &'a str,
}

/// What was read for one call.
pub(crate) enum Evidence {
    Secret(SecretString),
    Signer(Signer),
    None,
}

/// What one request carries.
pub(crate) struct Shown {
    pub(crate) header: Option<HeaderValue>,
    pub(crate) fields: Vec<(&'static str, Zeroizing<String>)>,
}

impl Shown {
    fn assert(&mut self, kind: &str, assertion: Zeroizing<String>) {
        self.fields.push(("client_assertion_type", Zeroizing::new(kind.to_owned())));
        self.fields.push(("client_assertion", assertion));
    }

    fn assert_as(&mut self, credential: &str, kind: &str, assertion: Zeroizing<String>) {
        self.fields.push(("application_federated_credential_name", Zeroizing::new(credential.to_owned())));
        self.assert(kind, assertion);
    }
}
