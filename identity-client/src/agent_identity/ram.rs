//! The RAM roles and policies that workload identities need: what the vendor's own preparation makes, step by step.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    call::{Call, Caller, Plane},
    form::Form,
    types::wrapped,
};
use crate::error::Error;

/// RAM keeps five versions of a policy; the oldest one makes room.
const ROTATION: &str = "DeleteOldestNonDefaultVersionWhenLimitExceeded";

/// A RAM role. Every field of an answer can be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[non_exhaustive]
pub struct RamRole {
    /// Its name.
    #[serde(rename = "RoleName")]
    pub name: Option<String>,
    /// Its ARN.
    pub arn: Option<String>,
    /// Who may assume it.
    #[serde(rename = "AssumeRolePolicyDocument", deserialize_with = "written_document")]
    pub trust: Option<Value>,
    /// What it is for.
    pub description: Option<String>,
}

/// A RAM policy of your own. Every field of an answer can be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RamPolicy {
    /// Its name.
    pub name: Option<String>,
    /// What it allows, in the version that counts.
    pub document: Option<Value>,
    /// What it is for.
    pub description: Option<String>,
}

/// A policy that is attached to a role.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AttachedPolicy {
    /// Its name.
    pub name: String,
    /// Whether it is the vendor's, not your own.
    pub is_system: bool,
}

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

    /// A role by name: `GetRole`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is none.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn role(&self, name: &str) -> Result<RamRole, Error> {
        let call = Call::new(Plane::Ram, "get the role", "GetRole", role(name)?);
        wrapped!(self.caller.send(&call).await?, "Role", RamRole)
    }

    /// The ARN of a role: `GetRole`.
    ///
    /// # Errors
    /// As [`role`](Self::role).
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn role_arn(&self, name: &str) -> Result<String, Error> {
        let answer = self.send("get the role", "GetRole", role(name)?, false).await?;
        arn_of(&answer, "get the role")
    }

    /// Replaces the trust policy of a role: `UpdateRole`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is none.
    ///
    /// # Cancel safety
    /// Dropped midway, it may have been replaced.
    pub async fn replace_trust(&self, name: &str, trust: &Value) -> Result<(), Error> {
        let form = role(name)?.json("NewAssumeRolePolicyDocument", trust)?;
        self.send("replace the trust policy of the role", "UpdateRole", form, false).await.map(drop)
    }

    /// The policies that are attached to a role: `ListPoliciesForRole`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is no such role.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn policies_of_role(&self, name: &str) -> Result<Vec<AttachedPolicy>, Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Attached {
            policy_name: String,
            policy_type: String,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Listed {
            policy: Vec<Attached>,
        }
        let call = Call::new(Plane::Ram, "list the policies of the role", "ListPoliciesForRole", role(name)?);
        let listed = wrapped!(self.caller.send(&call).await?, "Policies", Listed)?;
        let attached = listed
            .policy
            .into_iter()
            .map(|found| AttachedPolicy { name: found.policy_name, is_system: found.policy_type == "System" });
        Ok(attached.collect())
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

    /// A policy of your own, by name: `GetPolicy`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is none.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn policy(&self, name: &str) -> Result<RamPolicy, Error> {
        #[derive(Default, Deserialize)]
        #[serde(rename_all = "PascalCase", default)]
        struct About {
            policy_name: Option<String>,
            description: Option<String>,
        }
        #[derive(Default, Deserialize)]
        #[serde(rename_all = "PascalCase", default)]
        struct Version {
            #[serde(deserialize_with = "written_document")]
            policy_document: Option<Value>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Found {
            policy: About,
            #[serde(default)]
            default_policy_version: Version,
        }
        let form = policy(name)?.text("PolicyType", "Custom");
        let found = self.caller.send(&Call::new(Plane::Ram, "get the policy", "GetPolicy", form)).await?;
        let Found { policy, default_policy_version } = found.json()?;
        Ok(RamPolicy {
            name: policy.policy_name,
            document: default_policy_version.policy_document,
            description: policy.description,
        })
    }

    /// Gives a policy of your own another document, which counts at once: `CreatePolicyVersion`. RAM keeps the versions before,
    /// and drops the oldest when there are too many.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is none. If the connection breaks after the request was sent, it is not
    /// tried again, and [`policy`](Self::policy) tells which document counts.
    ///
    /// # Cancel safety
    /// Dropped midway, it may have been replaced.
    pub async fn replace_policy(&self, name: &str, document: &Value) -> Result<(), Error> {
        let form = policy(name)?
            .json("PolicyDocument", document)?
            .text("SetAsDefault", "true")
            .text("RotateStrategy", ROTATION);
        self.send("replace the policy", "CreatePolicyVersion", form, true).await.map(drop)
    }

    /// Deletes a policy of your own that is attached nowhere: `DeletePolicy`, and before it `DeletePolicyVersion` for each version
    /// that no longer counts, for RAM asks for that.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is none.
    ///
    /// # Cancel safety
    /// Dropped midway, it may have been deleted, or some of its versions.
    pub async fn delete_policy(&self, name: &str) -> Result<(), Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Version {
            version_id: String,
            is_default_version: bool,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Listed {
            policy_version: Vec<Version>,
        }
        let form = policy(name)?.text("PolicyType", "Custom");
        let call = Call::new(Plane::Ram, "list the versions of the policy", "ListPolicyVersions", form);
        let listed = wrapped!(self.caller.send(&call).await?, "PolicyVersions", Listed)?;
        for version in listed.policy_version.iter().filter(|version| !version.is_default_version) {
            let form = policy(name)?.text("VersionId", &version.version_id);
            let call = Call::new(Plane::Ram, "delete a version of the policy", "DeletePolicyVersion", form);
            self.caller.delete(&call).await?;
        }
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

/// RAM writes a document as text. One that is no JSON is another's mistake, and none of ours.
fn written_document<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}
