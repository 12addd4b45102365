//! From what there is to what there should be, or to nothing: a pure function, and how it is shown.

use std::fmt;

use super::{
    Found, MARK, Names, Sample,
    documents::{Arns, says},
    secret,
};

/// What the sample is made of, in the order in which it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thing {
    /// The issuer of the users' tokens.
    IdentityProvider,
    /// The provider that holds the API key.
    ApiKeyProvider,
    /// The provider of OAuth 2.0 tokens.
    OAuth2Provider,
    /// The agent's identity.
    Workload,
    /// The RAM role that it takes.
    Role,
    /// What the role may do.
    Policy,
    /// The policy on the role.
    Attachment,
    /// The role on the agent's identity. It comes last: the role trusts that identity alone, which therefore is made before.
    Binding,
}

impl fmt::Display for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::IdentityProvider => "identity provider",
            Self::ApiKeyProvider => "API key provider",
            Self::OAuth2Provider => "OAuth 2.0 provider",
            Self::Workload => "workload identity",
            Self::Role => "RAM role",
            Self::Policy => "RAM policy",
            Self::Attachment => "attachment",
            Self::Binding => "binding",
        })
    }
}

/// A field that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its name.
    pub field: &'static str,
    /// What it is.
    pub old: String,
    /// What it should be.
    pub new: String,
}

/// What is to be done about a thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Nothing; with a remark.
    Keep(String),
    /// Make it; with what it will be.
    Create(String),
    /// Change these fields.
    Update(Vec<Change>),
    /// Delete it.
    Delete,
    /// Nothing may be done, and nothing is done about the others either; with the reason.
    Refuse(String),
}

/// One thing, and what is to be done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What kind of thing it is.
    pub thing: Thing,
    /// Its name.
    pub name: String,
    /// What is to be done.
    pub action: Action,
    /// The secret without which it cannot be done, and how to give it.
    pub lacks: Option<String>,
}

impl Step {
    fn new(thing: Thing, name: &str, action: Action) -> Self {
        Self { thing, name: name.to_owned(), action, lacks: None }
    }

    /// Whether there is anything to do.
    #[must_use]
    pub fn is_work(&self) -> bool {
        matches!(self.action, Action::Create(_) | Action::Update(_) | Action::Delete)
    }

    fn lacking(mut self, is_given: bool, what: &str, place: secret::Place) -> Self {
        if !is_given && self.is_work() {
            self.lacks = Some(format!("{what} is missing: {}", secret::how(place)));
        }
        self
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { thing, name, .. } = self;
        match &self.action {
            Action::Keep(remark) => write!(f, "= {thing} {name}: {remark}"),
            Action::Create(what) => write!(f, "+ create {thing} {name}: {what}"),
            Action::Update(changes) => {
                write!(f, "~ update {thing} {name}")?;
                changes.iter().try_for_each(|Change { field, old, new }| write!(f, "\n    {field}: {old} -> {new}"))
            }
            Action::Delete => write!(f, "- delete {thing} {name}"),
            Action::Refuse(reason) => write!(f, "! {thing} {name}: {reason}"),
        }?;
        self.lacks.as_ref().map_or(Ok(()), |lacks| write!(f, "\n    {lacks}"))
    }
}

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
        let arns = Arns::of(names, found);
        Self {
            steps: vec![
                identity_provider(sample, found),
                api_key_provider(sample, found),
                oauth2_provider(sample, found),
                workload(sample, found),
                role(names, found, &arns),
                policy(names, found, &arns),
                attachment(names, found),
                binding(names, found),
            ],
        }
    }

    /// How to get from what there is to nothing, in the reverse order. The role of the workload identity goes with it.
    #[must_use]
    pub fn to_clear(names: &Names, found: &Found) -> Self {
        let step = |thing, name: &str, is_ours: Option<bool>| {
            let action = match is_ours {
                None => Action::Keep("it is gone".to_owned()),
                Some(true) => Action::Delete,
                Some(false) => Action::Keep("it is left alone, for prepare did not make it".to_owned()),
            };
            Step::new(thing, name, action)
        };
        let policy = step(
            Thing::Policy,
            &names.policy,
            found.policy.as_ref().map(|policy| is_ours(policy.description.as_deref())),
        );
        let mut role =
            step(Thing::Role, &names.role, found.role.as_ref().map(|role| is_ours(role.description.as_deref())));
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
        let workload = found.workload.as_ref().map(|workload| is_ours(workload.description.as_deref()));
        let oauth2 = found.oauth2_provider.as_ref().map(|provider| is_ours(provider.description.as_deref()));
        let key = found.api_key_provider.as_ref().map(|provider| is_ours(provider.description.as_deref()));
        let issuer = found.identity_provider.as_ref().map(|provider| is_ours(provider.description.as_deref()));
        Self {
            steps: vec![
                Step::new(Thing::Attachment, &pair(&names.policy, &names.role), attached),
                policy,
                role,
                step(Thing::Workload, &names.workload, workload),
                step(Thing::OAuth2Provider, &names.oauth2_provider, oauth2),
                step(Thing::ApiKeyProvider, &names.api_key_provider, key),
                step(Thing::IdentityProvider, &names.identity_provider, issuer),
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

fn pair(one: &str, other: &str) -> String {
    format!("{one} to {other}")
}

fn is_ours(description: Option<&str>) -> bool {
    description == Some(MARK)
}

/// About a thing that is compared field by field.
fn compared(
    thing: Thing,
    name: &str,
    found: Option<(Option<&str>, Vec<Change>)>,
    remark: &str,
    made: impl FnOnce() -> String,
) -> Step {
    let action = match found {
        None => Action::Create(made()),
        Some((description, _)) if !is_ours(description) => Action::Refuse(
            "there is one that prepare did not make, and it is not touched; choose another name (the head of this example lists the arguments)".to_owned(),
        ),
        Some((_, changes)) if changes.is_empty() => Action::Keep(format!("as it should be{remark}")),
        Some((_, changes)) => Action::Update(changes),
    };
    Step::new(thing, name, action)
}

/// Nothing if it is the same. What was found is shown escaped: others may have written it.
fn change(field: &'static str, old: Option<&str>, new: &str) -> Option<Change> {
    let shown = |text: Option<&str>| {
        text.filter(|text| !text.is_empty()).map_or("nothing".to_owned(), |text| format!("{text:?}"))
    };
    (old.unwrap_or_default() != new).then(|| Change { field, old: shown(old), new: shown(Some(new)) })
}

/// The same for a list whose order says nothing.
fn change_of_list(field: &'static str, old: &[String], new: &[String]) -> Option<Change> {
    let sorted = |list: &[String]| {
        let mut list = list.to_vec();
        list.sort_unstable();
        list
    };
    (sorted(old) != sorted(new)).then(|| Change { field, old: format!("{old:?}"), new: format!("{new:?}") })
}

fn change_of_document(field: &'static str, old: Option<&serde_json::Value>, new: &serde_json::Value) -> Option<Change> {
    let same = old.is_some_and(|old| says(old, new));
    let shown = |document: &serde_json::Value| document.to_string();
    (!same).then(|| Change { field, old: old.map_or("nothing".to_owned(), shown), new: shown(new) })
}

fn identity_provider(sample: &Sample, found: &Found) -> Step {
    let found = found.identity_provider.as_ref().map(|found| {
        let url = change("discovery document", found.discovery_url.as_deref(), &sample.discovery_url);
        let audience = change_of_list("audience", &found.allowed_audience, &sample.audience);
        (found.description.as_deref(), url.into_iter().chain(audience).collect())
    });
    compared(Thing::IdentityProvider, &sample.names.identity_provider, found, "", || {
        format!("tokens of {} for {:?}", sample.discovery_url, sample.audience)
    })
}

/// The platform never tells the key, so it is not compared.
fn api_key_provider(sample: &Sample, found: &Found) -> Step {
    let found = found.api_key_provider.as_ref().map(|found| (found.description.as_deref(), Vec::new()));
    let remark = "; its key is not compared, for the platform does not tell it";
    compared(Thing::ApiKeyProvider, &sample.names.api_key_provider, found, remark, || "with its key".to_owned())
        .lacking(sample.api_key.is_some(), "its key", secret::API_KEY)
}

/// Whose provider it is and for which flow cannot be changed without losing what users agreed to.
fn oauth2_provider(sample: &Sample, found: &Found) -> Step {
    const FLOW: &str = "USER_FEDERATION";
    let name = &sample.names.oauth2_provider;
    // What the platform does not tell is not compared.
    let told = |field, old: Option<&str>, new: &str| old.and_then(|old| change(field, Some(old), new));
    let fixed: Vec<Change> = found
        .oauth2_provider
        .iter()
        .flat_map(|found| {
            let vendor = told("vendor", found.credential_provider_vendor.as_deref(), &sample.vendor);
            vendor.into_iter().chain(told("flow", found.oauth_type.as_deref(), FLOW))
        })
        .collect();
    let found = found.oauth2_provider.as_ref().map(|found| {
        (
            found.description.as_deref(),
            told("client", found.client_id.as_deref(), &sample.client_id).into_iter().collect(),
        )
    });
    let is_ours = found.as_ref().is_some_and(|(description, _)| is_ours(*description));
    if let Some(Change { field, old, new }) = fixed.first().filter(|_| is_ours) {
        let reason =
            format!("its {field} is {old}, should be {new} and cannot be changed; delete it, or choose another name");
        return Step::new(Thing::OAuth2Provider, name, Action::Refuse(reason));
    }
    let remark = "; its secret is not compared, for the platform does not tell it";
    compared(Thing::OAuth2Provider, name, found, remark, || {
        format!("{}, client {:?} with its secret, {FLOW}", sample.vendor, sample.client_id)
    })
    .lacking(sample.client_secret.is_some(), "the client's secret", secret::CLIENT_SECRET)
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
        (found.description.as_deref(), [users, urls, binding].into_iter().flatten().collect())
    });
    compared(Thing::Workload, &sample.names.workload, found, "", || {
        let users = &sample.names.identity_provider;
        format!("users of {users}, return URLs {:?}, session binding on", sample.return_urls)
    })
}

fn role(names: &Names, found: &Found, arns: &Arns) -> Step {
    let others = found.other_policies(&names.policy);
    let remark = if others.is_empty() { String::new() } else { format!("; it has {others:?} attached, too") };
    let found = found.role.as_ref().map(|found| {
        let trust = change_of_document("trust policy", found.trust.as_ref(), &arns.trust());
        (found.description.as_deref(), trust.into_iter().collect())
    });
    compared(Thing::Role, &names.role, found, &remark, || format!("for the workload identity {} alone", names.workload))
}

fn policy(names: &Names, found: &Found, arns: &Arns) -> Step {
    let found = found.policy.as_ref().map(|found| {
        let document = change_of_document("document", found.document.as_ref(), &arns.permissions());
        (found.description.as_deref(), document.into_iter().collect())
    });
    compared(Thing::Policy, &names.policy, found, "", || {
        let (workload, key, oauth2) = (&names.workload, &names.api_key_provider, &names.oauth2_provider);
        format!("GetResourceAPIKey of {key} and GetResourceOAuth2Token of {oauth2}, as {workload}")
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
