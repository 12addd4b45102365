//! The ways of an OAuth2 or key request, by the names that the vendors' decorators use.

use crate::Violation;

/// For whom a credential is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flow {
    /// `M2M`: the agent asks for itself.
    MachineToMachine,
    /// `USER_FEDERATION`: the agent asks on behalf of a user, who must have agreed.
    UserFederation,
    /// `ON_BEHALF_OF`: the agent asks on behalf of a user by exchanging what shows that it was called for that user. Nobody is
    /// asked to agree.
    OnBehalfOf,
}

impl Flow {
    /// The name as the vendors write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MachineToMachine => "M2M",
            Self::UserFederation => "USER_FEDERATION",
            Self::OnBehalfOf => "ON_BEHALF_OF",
        }
    }
}

/// Reads `M2M`, `USER_FEDERATION` or `ON_BEHALF_OF`, in exactly that spelling.
///
/// # Errors
/// A [`Violation`] that names them.
pub fn parse_flow(text: &str) -> Result<Flow, Violation> {
    match text {
        "M2M" => Ok(Flow::MachineToMachine),
        "USER_FEDERATION" => Ok(Flow::UserFederation),
        "ON_BEHALF_OF" => Ok(Flow::OnBehalfOf),
        _ => Err(Violation::new(format!(
            "`{text}` is not a flow; write \"M2M\", \"USER_FEDERATION\" or \"ON_BEHALF_OF\""
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes_and_nothing_else() {
        for flow in [Flow::MachineToMachine, Flow::UserFederation, Flow::OnBehalfOf] {
            assert_eq!(parse_flow(flow.as_str()), Ok(flow));
        }
        for bad in ["", "m2m", "user_federation", "3LO"] {
            assert!(parse_flow(bad).unwrap_err().to_string().contains("USER_FEDERATION"));
        }
    }
}
