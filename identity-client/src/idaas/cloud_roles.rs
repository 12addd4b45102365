//! Temporary keys of roles at clouds.

use std::time::Duration;

use http::Method;

use super::{
    call::{Call, Caller, Right},
    types::CloudRoleCredential,
};
use crate::{error::Error, principal::User, wire::check_length};

/// What the service takes.
const DURATIONS: std::ops::RangeInclusive<u64> = 900..=43_200;

/// Roles at clouds, asked for as the agent unless [`for_user`](Self::for_user) says otherwise.
#[derive(Debug, Clone)]
pub struct CloudRoles {
    caller: Caller,
    user: Option<User>,
}

impl CloudRoles {
    pub(crate) fn new(caller: Caller) -> Self {
        Self { caller, user: None }
    }

    /// As this user, in exchange for the token that the user shows.
    #[must_use]
    pub fn for_user(mut self, user: &User) -> Self {
        self.user = Some(user.clone());
        self
    }

    /// Temporary keys of the role with this name at its cloud, for example `acs:ram::1000000000000000:role/reader`, for 15 minutes
    /// to 12 hours. Needs `cloud_account_role:obtain_access_credential`.
    ///
    /// # Errors
    /// [`InvalidRequest`](crate::ErrorKind::InvalidRequest) for another duration; else those of [`Idaas`](super::Idaas).
    pub async fn obtain(&self, external_id: &str, duration: Duration) -> Result<CloudRoleCredential, Error> {
        check_length(external_id, "role's name", 1, 1024)?;
        let seconds = duration.as_secs();
        if !DURATIONS.contains(&seconds) {
            return Err(Error::invalid("temporary keys are good for 15 minutes to 12 hours"));
        }
        let url = self.caller.url(&["cloudAccountRoles", "_", "actions", "obtainAccessCredential"])?;
        let call = Call::new("get temporary keys of the role", Right::ObtainCloudRole, Method::GET, url)
            .with_query([
                ("cloudAccountRoleExternalId", external_id.to_owned()),
                ("durationSeconds", seconds.to_string()),
            ])
            .for_user(self.user.as_ref())
            .if_not_found(
                "check the role's name at its cloud, and that the role is bound to this application in IDaaS",
            );
        let answer: CloudRoleCredential = self.caller.send(call).await?.json()?;
        if answer.alibaba().is_none() && answer.aws().is_none() && answer.tencent().is_none() {
            return Err(Error::protocol("IDaaS answered without temporary keys of a cloud that is known here"));
        }
        Ok(answer)
    }
}
