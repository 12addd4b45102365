//! From what there is to what there should be, or to nothing: a pure function, and how it is shown.

use super::{
    Found, MARK, Names, Sample,
    compare::{
        Compared, LATER, change, change_if_told, change_later, change_of_document, change_of_list, change_of_secret,
    },
    desired::{Client, Machine},
    documents::Arns,
    registered, secret,
    step::{Action, Change, Step, Thing},
};

/// All things, and what is to be done about each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// In the order in which it is done.
    pub steps: Vec<Step>,
}

impl Plan {
    /// How to get from what there is to the sample. Nothing that is described otherwise than [`MARK`] is touched.
    #[must_use]
    pub fn to_prepare(sample: &Sample, found: &Found) -> Self {
        let names = &sample.names;
        let arns = Arns::of(sample, found);
        let steps = [
            sample.audience.is_none().then(|| registered::sign_in(sample, found)),
            sample.client.is_none().then(|| registered::mcp(sample, found)),
            Some(identity_provider(sample, found)),
            Some(api_key_provider(sample, found)),
            Some(oauth2_provider(sample, found)),
            machine_provider(sample, found),
            Some(workload(sample, found)),
            Some(role(names, found, &arns)),
            Some(policy(sample, found, &arns)),
            Some(attachment(names, found)),
            Some(binding(names, found)),
        ];
        Self { steps: steps.into_iter().flatten().collect() }
    }

    /// How to get from what there is to nothing, in the reverse order. The role of the workload identity goes with it.
    #[must_use]
    pub fn to_clear(names: &Names, found: &Found) -> Self {
        let described = |description: &Option<String>| is_ours(description.as_deref());
        let policy = deletion(Thing::Policy, &names.policy, found.policy.as_ref().map(|it| described(&it.description)));
        let mut role = deletion(Thing::Role, &names.role, found.role.as_ref().map(|it| described(&it.description)));
        let others = found.other_policies(&names.policy);
        if role.is_work() && !others.is_empty() {
            role.action = Action::Refuse(format!(
                "prepare did not attach {others:?} to it; detach that first, or keep the role and describe it otherwise"
            ));
        }
        let attached = match (found.is_attached(&names.policy), policy.is_work() || role.is_work()) {
            (false, _) => Action::Keep("it is gone".to_owned()),
            (true, true) => Action::Delete,
            (true, false) => Action::Keep("it is left alone, for prepare made neither of the two".to_owned()),
        };
        let workload = found.workload.as_ref().map(|it| described(&it.description));
        let machine = found.machine_provider.as_ref().map(|it| described(&it.description));
        let oauth2 = found.oauth2_provider.as_ref().map(|it| described(&it.description));
        let key = found.api_key_provider.as_ref().map(|it| described(&it.description));
        let issuer = found.identity_provider.as_ref().map(|it| described(&it.description));
        let mut issuer = deletion(Thing::IdentityProvider, &names.identity_provider, issuer);
        if issuer.is_work() && !found.other_workloads.is_empty() {
            issuer.action = Action::Refuse(format!(
                "the workload identities {:?} take its users, too; give them another identity provider, or delete them first",
                found.other_workloads
            ));
        }
        let mcp = found.mcp_application.as_ref().map(registered::is_ours);
        let sign_in = found.sign_in_application.as_ref().map(registered::is_ours);
        Self {
            steps: vec![
                Step::new(Thing::Attachment, &pair(&names.policy, &names.role), attached),
                policy,
                role,
                deletion(Thing::Workload, &names.workload, workload),
                deletion(Thing::MachineProvider, &names.machine_provider, machine),
                deletion(Thing::OAuth2Provider, &names.oauth2_provider, oauth2),
                deletion(Thing::ApiKeyProvider, &names.api_key_provider, key),
                issuer,
                deletion(Thing::McpApplication, &names.mcp_application, mcp),
                deletion(Thing::SignInApplication, &names.sign_in_application, sign_in),
            ],
        }
    }

    /// The steps that do something.
    pub fn work(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| step.is_work())
    }

    /// Whether there is something that stands in the way of everything.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.steps.iter().any(|step| matches!(step.action, Action::Refuse(_)))
    }

    /// The secrets that are missing.
    pub fn lacks(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().filter_map(|step| step.lacks.as_deref())
    }
}

fn deletion(thing: Thing, name: &str, is_ours: Option<bool>) -> Step {
    let action = match is_ours {
        None => Action::Keep("it is gone".to_owned()),
        Some(true) => Action::Delete,
        Some(false) => Action::Keep("it is left alone, for prepare did not make it".to_owned()),
    };
    Step::new(thing, name, action)
}

fn pair(one: &str, other: &str) -> String {
    format!("{one} to {other}")
}

pub(crate) fn is_ours(description: Option<&str>) -> bool {
    description == Some(MARK)
}

fn identity_provider(sample: &Sample, found: &Found) -> Step {
    let audience = registered::audience(sample, found);
    let compared = found.identity_provider.as_ref().map(|found| {
        let url = change("discovery document", found.discovery_url.as_deref(), &sample.discovery_url);
        let audience = match &audience {
            Some(audience) => change_of_list("audience", &found.allowed_audience, audience),
            None => Some(change_later("audience", Some(&found.allowed_audience.join(",")))),
        };
        Compared::new(is_ours(found.description.as_deref()), url.into_iter().chain(audience))
    });
    Compared::step(compared, Thing::IdentityProvider, &sample.names.identity_provider, "", || {
        let audience =
            audience.map_or_else(|| format!("the sign-in application ({LATER})"), |list| format!("{list:?}"));
        format!("tokens of {} for {audience}", sample.discovery_url)
    })
}

/// The platform never tells the key, so it is not compared.
fn api_key_provider(sample: &Sample, found: &Found) -> Step {
    let key = sample.replaces_secrets.then(|| change_of_secret("key"));
    let found = found.api_key_provider.as_ref();
    let found = found.map(|found| Compared::new(is_ours(found.description.as_deref()), key));
    let remark = "; its key is not compared, for the platform does not tell it";
    Compared::step(found, Thing::ApiKeyProvider, &sample.names.api_key_provider, remark, || "with its key".to_owned())
        .lacking(sample.api_key.is_some(), "its key", secret::API_KEY)
}

/// Whose provider it is and for which flow cannot be changed without losing what users agreed to.
fn oauth2_provider(sample: &Sample, found: &Found) -> Step {
    const FLOW: &str = "USER_FEDERATION";
    let client_id = registered::client_id(sample, found);
    let has_secret = sample.client.as_ref().is_some_and(|client| !client.is_public);
    let compared = found.oauth2_provider.as_ref().map(|found| {
        let client = match client_id {
            Some(id) => change_if_told("client", found.client_id.as_deref(), id),
            None => Some(change_later("client", found.client_id.as_deref())),
        };
        let secret = (has_secret && sample.replaces_secrets).then(|| change_of_secret("client's secret"));
        let vendor = change_if_told("vendor", found.credential_provider_vendor.as_deref(), &sample.vendor);
        let flow = change_if_told("flow", found.oauth_type.as_deref(), FLOW);
        Compared::new(is_ours(found.description.as_deref()), client.into_iter().chain(secret))
            .with_fixed(vendor.into_iter().chain(flow))
    });
    let remark = if has_secret { "; its secret is not compared, for the platform does not tell it" } else { "" };
    let step = Compared::step(compared, Thing::OAuth2Provider, &sample.names.oauth2_provider, remark, || {
        let client = client_id.map_or_else(|| format!("the MCP application ({LATER})"), |id| format!("{id:?}"));
        let secret = if has_secret { "with its secret" } else { "without a secret" };
        format!("{}, client {client} {secret}, {FLOW}", sample.vendor)
    });
    let is_given = sample.client.as_ref().is_none_or(|client: &Client| client.is_public || client.secret.is_some());
    step.lacking(is_given, "the client's secret", secret::CLIENT_SECRET)
}

/// One that was made with variables that are no longer set stays.
fn machine_provider(sample: &Sample, found: &Found) -> Option<Step> {
    const FLOW: &str = "M2M";
    let (name, found) = (&sample.names.machine_provider, found.machine_provider.as_ref());
    let Some(machine) = &sample.machine else {
        let remark = "as it should be, as far as can be told without its client";
        let kept = found.is_some_and(|found| is_ours(found.description.as_deref()));
        return kept.then(|| Step::new(Thing::MachineProvider, name, Action::Keep(remark.to_owned())));
    };
    let compared = found.map(|found| {
        let client = change_if_told("client", found.client_id.as_deref(), &machine.client_id);
        let secret = sample.replaces_secrets.then(|| change_of_secret("client's secret"));
        let vendor = change_if_told("vendor", found.credential_provider_vendor.as_deref(), Machine::VENDOR);
        let flow = change_if_told("flow", found.oauth_type.as_deref(), FLOW);
        Compared::new(is_ours(found.description.as_deref()), client.into_iter().chain(secret))
            .with_fixed(vendor.into_iter().chain(flow))
    });
    let remark = "; its secret is not compared, for the platform does not tell it";
    Some(Compared::step(compared, Thing::MachineProvider, name, remark, || {
        format!(
            "{}, client {:?} with its secret at {}, {FLOW}",
            Machine::VENDOR,
            machine.client_id,
            machine.token_endpoint
        )
    }))
}

fn workload(sample: &Sample, found: &Found) -> Step {
    let found = found.workload.as_ref().map(|found| {
        let users =
            change("identity provider", found.identity_provider_name.as_deref(), &sample.names.identity_provider);
        let urls = change_of_list("return URLs", &found.allowed_return_urls, &sample.return_urls);
        let binding = (found.session_binding_enabled == Some(false)).then(|| Change {
            field: "session binding",
            old: "off".to_owned(),
            new: "on".to_owned(),
        });
        Compared::new(is_ours(found.description.as_deref()), [users, urls, binding].into_iter().flatten())
    });
    Compared::step(found, Thing::Workload, &sample.names.workload, "", || {
        let users = &sample.names.identity_provider;
        format!("users of {users}, return URLs {:?}, session binding on", sample.return_urls)
    })
}

fn role(names: &Names, found: &Found, arns: &Arns) -> Step {
    let others = found.other_policies(&names.policy);
    let remark = if others.is_empty() { String::new() } else { format!("; it has {others:?} attached, too") };
    let found = found.role.as_ref().map(|found| {
        let trust = change_of_document("trust policy", found.trust.as_ref(), &arns.trust());
        Compared::new(is_ours(found.description.as_deref()), trust)
    });
    let made = || format!("for the workload identity {} alone", names.workload);
    Compared::step(found, Thing::Role, &names.role, &remark, made)
}

fn policy(sample: &Sample, found: &Found, arns: &Arns) -> Step {
    let names = &sample.names;
    let has_machine = found.has_machine_provider(sample);
    let found = found.policy.as_ref().map(|found| {
        let document = change_of_document("document", found.document.as_ref(), &arns.permissions());
        Compared::new(is_ours(found.description.as_deref()), document)
    });
    Compared::step(found, Thing::Policy, &names.policy, "", || {
        let (workload, key, oauth2) = (&names.workload, &names.api_key_provider, &names.oauth2_provider);
        let machine = if has_machine { format!(" and {}", names.machine_provider) } else { String::new() };
        format!("GetResourceAPIKey of {key} and GetResourceOAuth2Token of {oauth2}{machine}, as {workload}")
    })
}

fn attachment(names: &Names, found: &Found) -> Step {
    let action = if found.is_attached(&names.policy) {
        Action::Keep("as it should be".to_owned())
    } else {
        Action::Create("the role may do what the policy says".to_owned())
    };
    Step::new(Thing::Attachment, &pair(&names.policy, &names.role), action)
}

fn binding(names: &Names, found: &Found) -> Step {
    let now = found.workload.as_ref().and_then(|workload| workload.role_arn.as_deref()).filter(|arn| !arn.is_empty());
    let desired = found.role.as_ref().and_then(|role| role.arn.as_deref());
    let action = match (now, desired) {
        (None, _) => Action::Create("the workload identity may take the role".to_owned()),
        (Some(now), Some(desired)) if now == desired => Action::Keep("as it should be".to_owned()),
        // The role will be made again, under the same ARN.
        (Some(now), None) if now.starts_with("acs:ram::") && now.ends_with(&format!(":role/{}", names.role)) => {
            Action::Keep("as it should be".to_owned())
        }
        (Some(now), desired) => {
            let new = desired.map_or_else(|| format!("{:?}", names.role), |arn| format!("{arn:?}"));
            Action::Update(vec![Change { field: "role", old: format!("{now:?}"), new }])
        }
    };
    Step::new(Thing::Binding, &pair(&names.workload, &names.role), action)
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
