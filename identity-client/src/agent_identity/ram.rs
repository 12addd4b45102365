//! The RAM roles and policies that workload identities need: what the vendor's own preparation makes, step by step.

use serde_json::{Value, json};

use super::{
    call::{Call, Caller, Plane},
    form::Form,
};
use crate::error::Error;

/// RAM (version 2015-05-01), as far as a workload identity needs it. Cheap to clone.
///
/// ```no_run
/// # async fn run(management: identity_client::agent_identity::Management) -> Result<(), identity_client::Error> {
/// use identity_client::agent_identity::{NewWorkloadIdentity, Ram};
///
/// let ram = management.ram();
/// let role = ram.create_role("AgentIdentityRole-demo", &Ram::trust_of_workloads(), None).await?;
/// ram.attach_system_policy("AliyunAgentIdentityDataGetCredentialAccess", "AgentIdentityRole-demo").await?;
/// let identity = NewWorkloadIdentity::new("demo")?.with_role(role);
/// management.workload_identities().create(identity).await?;
/// # Ok(())
/// # }
/// ```
///
/// Errors and cancellation: see [`Management`](super::Management).
#[derive(Debug, Clone)]
pub struct Ram {
    caller: Caller,
}

impl Ram {
    pub(crate) fn new(caller: Caller) -> Self {
        Self { caller }
    }

    /// The trust policy of a role that workload identities assume.
    #[must_use]
    pub fn trust_of_workloads() -> Value {
        json!({
            "Version": "1",
            "Statement": [{
                "Effect": "Allow",
                "Action": ["sts:AssumeRole", "sts:SetContext"],
                "Principal": { "Service": ["workload.agentidentity.aliyuncs.com"] },
            }],
        })
    }

    /// The same for one workload identity alone, by its ARN.
    #[must_use]
    pub fn trust_of_workload(arn: &str) -> Value {
        let mut trust = Self::trust_of_workloads();
        trust["Statement"][0]["Condition"] =
            json!({ "StringEquals": { "sts:RequestContext/agentidentity:WorkloadIdentityArn": arn } });
        trust
    }

    /// Makes a role with this trust policy and gives its ARN: `CreateRole`.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) if the name is taken.
    ///
    /// # Cancel safety
    /// Dropped midway, it may have been made.
    pub async fn create_role(&self, name: &str, trust: &Value, description: Option<&str>) -> Result<String, Error> {
        let form = role(name)?.json("AssumeRolePolicyDocument", trust)?.text_if("Description", description);
        let answer = self.send("create the role", "CreateRole", form, true).await?;
        arn_of(&answer, "create the role")
    }

    /// The ARN of a role: `GetRole`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is none.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn role_arn(&self, name: &str) -> Result<String, Error> {
        let answer = self.send("get the role", "GetRole", role(name)?, false).await?;
        arn_of(&answer, "get the role")
    }

    /// Deletes a role that nothing is attached to: `DeleteRole`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is none.
    ///
    /// # Cancel safety
    /// Dropped midway, it may have been deleted.
    pub async fn delete_role(&self, name: &str) -> Result<(), Error> {
        self.caller.delete(&Call::new(Plane::Ram, "delete the role", "DeleteRole", role(name)?)).await
    }

    /// Makes a policy of your own: `CreatePolicy`.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) if the name is taken.
    ///
    /// # Cancel safety
    /// Dropped midway, it may have been made.
    pub async fn create_policy(&self, name: &str, document: &Value, description: Option<&str>) -> Result<(), Error> {
        let form = policy(name)?.json("PolicyDocument", document)?.text_if("Description", description);
        self.send("create the policy", "CreatePolicy", form, true).await.map(drop)
    }

    /// Deletes a policy of your own that is attached nowhere: `DeletePolicy`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is none.
    ///
    /// # Cancel safety
    /// Dropped midway, it may have been deleted.
    pub async fn delete_policy(&self, name: &str) -> Result<(), Error> {
        self.caller.delete(&Call::new(Plane::Ram, "delete the policy", "DeletePolicy", policy(name)?)).await
    }

    /// Attaches a policy of your own to a role: `AttachPolicyToRole`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if one of the two is missing, [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) if it is attached already.
    ///
    /// # Cancel safety
    /// Dropped midway, it may have been attached.
    pub async fn attach_policy(&self, policy: &str, role: &str) -> Result<(), Error> {
        self.attach("Custom", policy, role).await
    }

    /// Attaches a policy of the vendor's to a role, for example `AliyunAgentIdentityDataGetCredentialAccess`.
    ///
    /// # Errors
    /// As [`attach_policy`](Self::attach_policy).
    ///
    /// # Cancel safety
    /// Dropped midway, it may have been attached.
    pub async fn attach_system_policy(&self, policy: &str, role: &str) -> Result<(), Error> {
        self.attach("System", policy, role).await
    }

    async fn attach(&self, kind: &str, name: &str, of: &str) -> Result<(), Error> {
        let form = policy(name)?.text("PolicyType", kind).text("RoleName", checked(of, "role name")?);
        self.send("attach the policy", "AttachPolicyToRole", form, true).await.map(drop)
    }

    /// Detaches a policy from a role: `DetachPolicyFromRole`. `is_system` says whose it is.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if it is not attached.
    ///
    /// # Cancel safety
    /// Dropped midway, it may have been detached.
    pub async fn detach_policy(&self, name: &str, is_system: bool, role: &str) -> Result<(), Error> {
        let kind = if is_system { "System" } else { "Custom" };
        let form = policy(name)?.text("PolicyType", kind).text("RoleName", checked(role, "role name")?);
        self.caller.delete(&Call::new(Plane::Ram, "detach the policy", "DetachPolicyFromRole", form)).await
    }

    async fn send(
        &self,
        operation: &'static str,
        action: &'static str,
        form: Form,
        is_new: bool,
    ) -> Result<Value, Error> {
        let call = Call::new(Plane::Ram, operation, action, form);
        let call = if is_new { call.once() } else { call };
        self.caller.send(&call).await?.json()
    }
}

fn role(name: &str) -> Result<Form, Error> {
    Ok(Form::new().text("RoleName", checked(name, "role name")?))
}

fn policy(name: &str) -> Result<Form, Error> {
    Ok(Form::new().text("PolicyName", checked(name, "policy name")?))
}

/// RAM's names have neither `_` nor `:`, and RAM says so itself.
fn checked<'a>(name: &'a str, what: &str) -> Result<&'a str, Error> {
    super::types::check_name(name, what).map(|()| name)
}

fn arn_of(answer: &Value, operation: &str) -> Result<String, Error> {
    let arn = answer["Role"]["Arn"].as_str().filter(|arn| !arn.is_empty());
    arn.map(str::to_owned)
        .ok_or_else(|| Error::protocol(format!("could not {operation}: RAM answered without its ARN")))
}
