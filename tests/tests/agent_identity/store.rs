//! The emulator's object store, by the client crate that `StsCredentials` names.

use std::time::Duration;

use identity_client::{Clock as _, StsCredentials};
use identity_tests::Anything;
use rusty_s3::{Bucket, Credentials, S3Action, UrlStyle};

use crate::{Account, Ahead, visitor};

pub(crate) struct Store {
    bucket: Bucket,
    clock: Ahead,
}

impl Store {
    pub(crate) fn of(account: &Account) -> Result<Self, Anything> {
        let access = account.emulator.agent_identity();
        let (endpoint, name) = (access.object_store().parse()?, access.bucket());
        Ok(Self { bucket: Bucket::new(endpoint, UrlStyle::Path, name, access.region())?, clock: account.clock.clone() })
    }

    pub(crate) async fn put(&self, sts: &StsCredentials, key: &str, text: &str) -> Result<Answer, Anything> {
        let known = credentials(sts);
        let url = self.signed(&self.bucket.put_object(Some(&known), key))?;
        Answer::read(visitor::http()?.put(url).body(text.to_owned()).send().await?).await
    }

    pub(crate) async fn get(&self, sts: &StsCredentials, key: &str) -> Result<Answer, Anything> {
        let known = credentials(sts);
        let url = self.signed(&self.bucket.get_object(Some(&known), key))?;
        Answer::read(visitor::http()?.get(url).send().await?).await
    }

    pub(crate) async fn list(&self, sts: &StsCredentials) -> Result<Answer, Anything> {
        let known = credentials(sts);
        let url = self.signed(&self.bucket.list_objects_v2(Some(&known)))?;
        Answer::read(visitor::http()?.get(url).send().await?).await
    }

    fn signed<'a>(&self, action: &impl S3Action<'a>) -> Result<url::Url, Anything> {
        let now = jiff::Timestamp::try_from(self.clock.now().wall)?;
        Ok(action.sign_with_time(Duration::from_secs(60), &now))
    }
}

fn credentials(sts: &StsCredentials) -> Credentials {
    Credentials::new_with_token(sts.access_key_id(), sts.expose_access_key_secret(), sts.expose_security_token())
}

/// What the store answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Answer {
    async fn read(response: reqwest::Response) -> Result<Self, Anything> {
        Ok(Self { status: response.status().as_u16(), body: response.text().await? })
    }

    /// The status and the error code; empty if there is none.
    pub(crate) fn refused(&self) -> (u16, &str) {
        let code = self.body.split("<Code>").nth(1).and_then(|rest| rest.split('<').next());
        (self.status, code.unwrap_or_default())
    }
}
