//! What a platform answered to a call that succeeded.

use serde::de::DeserializeOwned;

use crate::{error::Error, transport::Answer, wire::object};

/// An answer with a status of success.
pub(crate) struct Reply {
    /// Of the call.
    pub(crate) operation: &'static str,
    /// Who answered, for messages.
    pub(crate) platform: &'static str,
    pub(crate) answer: Answer,
}

impl Reply {
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        object(&self.answer.body).ok_or_else(|| {
            Error::protocol(format!(
                "could not {}: {} answered with a body that is not the JSON object that it should be",
                self.operation, self.platform
            ))
            .with_status(self.answer.status)
        })
    }
}
