//! The two policy documents: who may take the role, and what it may do.

use identity_client::agent_identity::Ram;
use serde_json::{Value, json};

use super::{Found, Sample};

/// Stands for region and account in an ARN of something that is not there yet.
const ANYWHERE: &str = "acs:agentidentity:*:*:";

/// The ARNs in the documents; of what is not there yet, all but region and account.
pub(crate) struct Arns {
    workload: String,
    api_key_provider: String,
    oauth2_provider: String,
    /// Only if the sample has one.
    machine_provider: Option<String>,
}

impl Arns {
    pub(crate) fn of(sample: &Sample, found: &Found) -> Self {
        let names = &sample.names;
        let or = |arn: Option<&String>, rest: String| arn.cloned().unwrap_or_else(|| format!("{ANYWHERE}{rest}"));
        let workload = found.workload.as_ref().and_then(|workload| workload.arn.as_ref());
        let key = found.api_key_provider.as_ref().and_then(|provider| provider.arn.as_ref());
        let oauth2 = found.oauth2_provider.as_ref().and_then(|provider| provider.arn.as_ref());
        let machine = found.machine_provider.as_ref().and_then(|provider| provider.arn.as_ref());
        let vault = "tokenvault/default";
        Self {
            workload: or(workload, format!("workloadidentitydirectory/default/workloadidentity/{}", names.workload)),
            api_key_provider: or(key, format!("{vault}/apikeycredentialprovider/{}", names.api_key_provider)),
            oauth2_provider: or(oauth2, format!("{vault}/oauth2credentialprovider/{}", names.oauth2_provider)),
            machine_provider: found
                .has_machine_provider(sample)
                .then(|| or(machine, format!("{vault}/oauth2credentialprovider/{}", names.machine_provider))),
        }
    }

    /// Whether they are whole: those that are written must be.
    pub(crate) fn are_known(&self) -> bool {
        let arns = [&self.workload, &self.api_key_provider, &self.oauth2_provider];
        arns.into_iter().chain(&self.machine_provider).all(|arn| !arn.starts_with(ANYWHERE))
    }

    /// This workload identity alone may take the role.
    pub(crate) fn trust(&self) -> Value {
        Ram::trust_of_workload(&self.workload)
    }

    /// As this workload identity, the role may fetch these credentials and nothing else.
    pub(crate) fn permissions(&self) -> Value {
        let allow = |action: &str, provider: &str| json!({ "Effect": "Allow", "Action": [action], "Resource": [self.workload, provider] });
        let mut statements = vec![allow("agentidentitydata:GetResourceAPIKey", &self.api_key_provider)];
        let providers = [&self.oauth2_provider].into_iter().chain(&self.machine_provider);
        statements.extend(providers.map(|provider| allow("agentidentitydata:GetResourceOAuth2Token", provider)));
        json!({ "Version": "1", "Statement": statements })
    }
}

/// Whether a document says what it should, wherever the ARNs do not know region and account.
pub(crate) fn says(found: &Value, desired: &Value) -> bool {
    match (found, desired) {
        (Value::String(found), Value::String(desired)) => match desired.strip_prefix(ANYWHERE) {
            Some(rest) => {
                found.starts_with("acs:agentidentity:")
                    && found.splitn(5, ':').nth(4).is_some_and(|found| found == rest)
            }
            None => found == desired,
        },
        (Value::Array(found), Value::Array(desired)) => {
            found.len() == desired.len() && found.iter().zip(desired).all(|(found, desired)| says(found, desired))
        }
        (Value::Object(found), Value::Object(desired)) => {
            let same = |(name, desired)| found.get(name).is_some_and(|found| says(found, desired));
            found.len() == desired.len() && desired.iter().all(same)
        }
        (found, desired) => found == desired,
    }
}
