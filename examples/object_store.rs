//! How the examples reach an object store: `rusty-s3` signs each request with the temporary credentials of that moment.

use std::time::Duration;

use identity_client::{Error, StsCredentials};
use rusty_s3::{Bucket, Credentials, S3Action, UrlStyle, actions::ListObjectsV2};
use url::Url;

use crate::{AgentIdentityGround, argument, bounded, without_redirects};

type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// How long a signed request counts: time to send it, and no more.
const MOMENT: Duration = Duration::from_secs(60);
/// What the examples keep is small.
const LIMIT: usize = 1 << 20;
/// What a store says when the credentials are over, or never were.
const OVER: [&str; 4] = ["ExpiredToken", "InvalidToken", "SecurityTokenExpired", "InvalidAccessKeyId"];

/// A bucket: of the emulator, or the one of `--bucket NAME --region REGION` at Alibaba Cloud OSS.
#[derive(Debug)]
pub struct ObjectStore<'a> {
    ground: &'a AgentIdentityGround,
    bucket: Bucket,
    http: reqwest::Client,
}

impl<'a> ObjectStore<'a> {
    /// The bucket that goes with this ground.
    ///
    /// # Errors
    /// If the platform is the real one, and the program's arguments name no bucket.
    pub fn of(ground: &'a AgentIdentityGround) -> Result<Self, AnyError> {
        let bucket = if let Some(emulator) = &ground.emulator {
            let access = emulator.agent_identity();
            Bucket::new(access.object_store().parse()?, UrlStyle::Path, access.bucket(), access.region())?
        } else {
            let name = argument("--bucket").ok_or("say which bucket of yours at OSS to use: `-- --bucket NAME`")?;
            let region = argument("--region").unwrap_or_else(|| "cn-beijing".to_owned());
            let endpoint = format!("https://s3.oss-{region}.aliyuncs.com").parse()?;
            Bucket::new(endpoint, UrlStyle::VirtualHost, name, region)?
        };
        Ok(Self { ground, bucket, http: without_redirects()? })
    }

    /// Where it is, for a story.
    #[must_use]
    pub fn place(&self) -> String {
        match &self.ground.emulator {
            Some(_) => {
                "no AGENT_IDENTITY_* variables, so an emulator with an object store runs in this process".to_owned()
            }
            None => format!("this runs against the platform, and the bucket `{}` at OSS", self.bucket()),
        }
    }

    /// The bucket's name.
    #[must_use]
    pub fn bucket(&self) -> &str {
        self.bucket.name()
    }

    /// Stores a text.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn put(&self, credentials: &StsCredentials, key: &str, text: &str) -> Result<(), AnyError> {
        let known = signer(credentials);
        let url = self.signed(&self.bucket.put_object(Some(&known), key))?;
        self.done(credentials, self.http.put(url).body(text.to_owned())).await.map(drop)
    }

    /// The text of an object; nothing if there is none.
    ///
    /// # Errors
    /// If the store refuses the credentials, which are then forgotten; or what they ask for.
    pub async fn get(&self, credentials: &StsCredentials, key: &str) -> Result<Option<String>, AnyError> {
        let known = signer(credentials);
        let url = self.signed(&self.bucket.get_object(Some(&known), key))?;
        self.done(credentials, self.http.get(url)).await
    }

    /// The keys that begin like this.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn list(&self, credentials: &StsCredentials, prefix: &str) -> Result<Vec<String>, AnyError> {
        let known = signer(credentials);
        let mut action = self.bucket.list_objects_v2(Some(&known));
        action.with_prefix(prefix);
        let answer = self.done(credentials, self.http.get(self.signed(&action)?)).await?.unwrap_or_default();
        Ok(ListObjectsV2::parse_response(&answer)?.contents.into_iter().map(|object| object.key).collect())
    }

    fn signed<'b>(&self, action: &impl S3Action<'b>) -> Result<Url, AnyError> {
        Ok(action.sign_with_time(MOMENT, &jiff::Timestamp::try_from(self.ground.now().wall)?))
    }

    async fn done(
        &self,
        credentials: &StsCredentials,
        request: reqwest::RequestBuilder,
    ) -> Result<Option<String>, AnyError> {
        // Its URL is as good as the credentials for that minute, so no error may quote it.
        let answer = request.timeout(MOMENT).send().await.map_err(reqwest::Error::without_url)?;
        let status = answer.status();
        let text = String::from_utf8(bounded(answer, LIMIT).await?)?;
        if status.is_success() {
            return Ok(Some(text));
        }
        let code = text.split("<Code>").nth(1).and_then(|rest| rest.split('<').next()).unwrap_or("no code");
        if OVER.contains(&code) {
            // The next call gets fresh ones.
            return Err(Error::credential_rejected(credentials).into());
        }
        if code == "NoSuchKey" { Ok(None) } else { Err(format!("the object store answers {status}, {code:?}").into()) }
    }
}

fn signer(credentials: &StsCredentials) -> Credentials {
    Credentials::new_with_token(
        credentials.access_key_id(),
        credentials.expose_access_key_secret(),
        credentials.expose_security_token(),
    )
}
