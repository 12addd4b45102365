//! Who may do what: contract section 5.5. The platform's policies are Cedar; here they are a list, and what is not on it is refused.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::actions::{Answer, Call};
use super::body::{self, required};
use super::error::ApiError;
use crate::vault::PermissionRule;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request {
    namespace_name: Option<String>,
    principal: Option<Entity>,
    operation: Option<Entity>,
    resource: Option<Entity>,
}

#[derive(Deserialize)]
struct Entity {
    #[serde(rename = "Type")]
    kind: String,
    #[serde(rename = "Id")]
    id: String,
}

impl Entity {
    fn name(&self) -> String {
        format!("{}:{}", self.kind, self.id)
    }
}

impl PermissionRule {
    fn covers(&self, namespace: &str, principal: &str, operation: &str, resource: &str) -> bool {
        let pairs = [
            (&self.namespace, namespace),
            (&self.principal, principal),
            (&self.operation, operation),
            (&self.resource, resource),
        ];
        pairs.into_iter().all(|(allowed, asked)| allowed == "*" || allowed == asked)
    }
}

pub(super) fn check(call: &Call<'_>, members: Map<String, Value>) -> Answer {
    let request: Request = body::read(members)?;
    let namespace = required(request.namespace_name, "NamespaceName")?;
    let entity = |entity: Option<Entity>, field| entity.map(|it| it.name()).ok_or_else(|| ApiError::missing(field));
    let principal = entity(request.principal, "Principal")?;
    let operation = entity(request.operation, "Operation")?;
    let resource = entity(request.resource, "Resource")?;
    let state = call.core.vault.read();
    let rules = &state.pooled.permissions;
    if rules.iter().any(|rule| rule.covers(&namespace, &principal, &operation, &resource)) {
        return Ok(json!({ "Allowed": true }));
    }
    Ok(json!({ "Allowed": false, "Message": "denied by policy" }))
}
