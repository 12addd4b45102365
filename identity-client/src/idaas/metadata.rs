//! Documents by which a cloud vouches for the machine that it runs: from the metadata service of the machine itself.
//!
//! One is fetched for each token request, so none is ever used past its life.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use url::Url;
use zeroize::Zeroizing;

use crate::{
    clock::{Clock, Moment},
    error::{Error, ErrorKind},
    transport::{Endpoint, Outgoing, Repeat, Transport},
};

const OPERATION: &str = "get the machine's identity document";

/// Which cloud vouches. The first two give PKCS#7, the third an OpenID token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Machine {
    AlibabaEcs,
    AwsEc2,
    GoogleVm,
}

impl Machine {
    /// Link-local, so it can be reached from the machine itself only; there is no TLS.
    fn address(self) -> &'static str {
        match self {
            Self::AlibabaEcs => "http://100.100.100.200",
            Self::AwsEc2 => "http://169.254.169.254",
            Self::GoogleVm => "http://metadata.google.internal",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::AlibabaEcs => "an Alibaba Cloud ECS machine",
            Self::AwsEc2 => "an AWS EC2 machine",
            Self::GoogleVm => "a Google Cloud machine",
        }
    }
}

/// The metadata service of this machine.
#[derive(Debug, Clone)]
pub(crate) struct Metadata {
    pub(crate) machine: Machine,
    /// Instead of the cloud's own address.
    pub(crate) endpoint: Option<Endpoint>,
}

/// For whom an Alibaba Cloud ECS document is made.
#[derive(Serialize)]
struct Audience<'a> {
    aud: &'a str,
    #[serde(rename = "signingTime")]
    signing_time: u64,
}

impl Metadata {
    /// A document made now. What may be wrapped comes as one line.
    pub(crate) async fn document(
        &self,
        transport: &Transport,
        clock: &Arc<dyn Clock>,
        instance_id: &str,
    ) -> Result<SecretString, Error> {
        let begun = clock.now();
        let ask = |method, path, header| self.ask(transport, begun, method, path, header);
        let document = match self.machine {
            Machine::AlibabaEcs => {
                let token = ask(
                    Method::PUT,
                    "/latest/api/token".to_owned(),
                    ("x-aliyun-ecs-metadata-token-ttl-seconds", "3600"),
                )
                .await?;
                let at = begun.wall.duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap_or_default();
                let audience = serde_json::to_string(&Audience { aud: instance_id, signing_time: at.as_secs() })
                    .map_err(|_| Error::invalid("the audience of the document cannot be written as JSON"))?;
                let query: String =
                    url::form_urlencoded::Serializer::new(String::new()).append_pair("audience", &audience).finish();
                let path = format!("/latest/dynamic/instance-identity/pkcs7?{query}");
                ask(Method::GET, path, ("x-aliyun-ecs-metadata-token", token.expose_secret())).await?
            }
            Machine::AwsEc2 => {
                let token =
                    ask(Method::PUT, "/latest/api/token".to_owned(), ("x-aws-ec2-metadata-token-ttl-seconds", "3600"))
                        .await?;
                let path = "/latest/dynamic/instance-identity/rsa2048".to_owned();
                ask(Method::GET, path, ("x-aws-ec2-metadata-token", token.expose_secret())).await?
            }
            Machine::GoogleVm => {
                let path = "/computeMetadata/v1/instance/service-accounts/default/identity?audience=alibaba-cloud-idaas-v2&format=full&licenses=TRUE";
                ask(Method::GET, path.to_owned(), ("metadata-flavor", "Google")).await?
            }
        };
        Ok(document)
    }

    /// One question; the answer without white space.
    async fn ask(
        &self,
        transport: &Transport,
        begun: Moment,
        method: Method,
        path: String,
        (name, value): (&'static str, &str),
    ) -> Result<SecretString, Error> {
        let base = self.endpoint.as_ref().map_or(self.machine.address(), Endpoint::as_str);
        let url =
            Url::parse(&format!("{base}{path}")).map_err(|_| Error::invalid("the metadata service has no such URL"))?;
        let mut value = HeaderValue::try_from(value)
            .map_err(|_| Error::protocol("the metadata service answered with a token that cannot stand in a header"))?;
        value.set_sensitive(true);
        let prepare = || {
            let headers = HeaderMap::from_iter([(HeaderName::from_static(name), value.clone())]);
            let body = (method == Method::PUT).then(bytes::Bytes::new);
            Ok(Outgoing { method: method.clone(), url: url.clone(), headers, body })
        };
        let answer = transport.send(OPERATION, Repeat::Safely, begun, prepare).await?;
        let hint = format!(
            "the agent must run on {} for this way to authenticate, with its metadata service switched on; else choose another `authnMethod`",
            self.machine.name()
        );
        if !answer.is_success() {
            let kind = if answer.status >= 500 { ErrorKind::Unavailable } else { ErrorKind::Unauthenticated };
            let error = Error::new(kind, format!("could not {OPERATION}: the metadata service refused"));
            return Err(error.with_status(answer.status).with_hint(hint));
        }
        let text = std::str::from_utf8(&answer.body).unwrap_or_default();
        let line: Zeroizing<String> = Zeroizing::new(text.split_ascii_whitespace().collect());
        if line.is_empty() || !line.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(
                Error::protocol("the metadata service answered with something that is no document").with_hint(hint)
            );
        }
        Ok(line.as_str().into())
    }
}
