//! Random bytes of the operating system.

use crate::error::{Error, ErrorKind};

/// `what` says what is not done without them.
pub(crate) fn bytes<const N: usize>(what: &str) -> Result<[u8; N], Error> {
    let mut bytes = [0_u8; N];
    getrandom::fill(&mut bytes).map_err(|_| {
        Error::new(ErrorKind::Unavailable, format!("the operating system gave no random bytes, so {what}"))
    })?;
    Ok(bytes)
}
