//! May this user do that? The platform's policies answer.

use serde::{Deserialize, Serialize};

use super::call::{Call, Caller};
use crate::error::Error;

/// Something that a policy speaks of, by type and id: a user, an agent, an action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct Entity {
    #[serde(rename = "Type")]
    kind: String,
    id: String,
}

impl Entity {
    /// For example `user` and a user's id, `agent` and a workload's, `Action` and `invoke`.
    pub fn new(kind: impl Into<String>, id: impl Into<String>) -> Self {
        Self { kind: kind.into(), id: id.into() }
    }
}

/// A question to the policies.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct PermissionCheck {
    namespace_name: String,
    operation: Entity,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    original_callers: Vec<Entity>,
    principal: Entity,
    resource: Entity,
}

impl PermissionCheck {
    /// Whether `principal` may do `operation` with `resource`, by the policies of the namespace `default`.
    #[must_use]
    pub fn new(principal: Entity, operation: Entity, resource: Entity) -> Self {
        Self { namespace_name: "default".to_owned(), operation, original_callers: Vec::new(), principal, resource }
    }

    /// By the policies of another namespace.
    #[must_use]
    pub fn with_namespace(mut self, name: impl Into<String>) -> Self {
        self.namespace_name = name.into();
        self
    }

    /// One more of those through whom the call came.
    #[must_use]
    pub fn with_original_caller(mut self, caller: Entity) -> Self {
        self.original_callers.push(caller);
        self
    }
}

/// The answer of the policies.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a permission that nobody looks at denies nothing"]
#[non_exhaustive]
pub struct Permission {
    /// Whether it is allowed.
    pub allowed: bool,
    /// What the platform says about it.
    pub message: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    /// A text is none, whatever it says: `"false"` would be taken for yes.
    allowed: bool,
    message: Option<String>,
}

pub(crate) async fn check(caller: &Caller, question: &PermissionCheck) -> Result<Permission, Error> {
    let hidden = [question.principal.id.as_str()];
    let call = Call::new("check the permission", "CheckPermission", question)?.hiding(hidden);
    let answer: Answer = caller.send(call).await?;
    Ok(Permission { allowed: answer.allowed, message: answer.message })
}
