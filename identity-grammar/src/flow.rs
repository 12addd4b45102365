//! The two ways of an OAuth2 or key request, by the names that the vendors' decorators use.

use crate::Violation;

/// For whom a credential is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flow {
    /// `M2M`: the agent asks for itself.
    MachineToMachine,
    /// `USER_FEDERATION`: the agent asks on behalf of a user, who must have agreed.
    UserFederation,
}

impl Flow {
    /// The name as the vendors write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MachineToMachine => "M2M",
            Self::UserFederation => "USER_FEDERATION",
        }
    }
}

/// Reads `M2M` or `USER_FEDERATION`, in exactly that spelling.
///
/// # Errors
/// A [`Violation`] that names both.
pub fn parse_flow(text: &str) -> Result<Flow, Violation> {
    match text {
        "M2M" => Ok(Flow::MachineToMachine),
        "USER_FEDERATION" => Ok(Flow::UserFederation),
        _ => Err(Violation::new(format!("`{text}` is no flow; write \"M2M\" or \"USER_FEDERATION\""))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes_and_nothing_else() {
        for flow in [Flow::MachineToMachine, Flow::UserFederation] {
            assert_eq!(parse_flow(flow.as_str()), Ok(flow));
        }
        for bad in ["", "m2m", "user_federation", "3LO"] {
            assert!(parse_flow(bad).unwrap_err().to_string().contains("USER_FEDERATION"));
        }
    }
}
