//! Reading, showing the plan, asking, doing it step by step, and looking whether it is done.

use std::{
    fmt::Display,
    io::{self, BufRead as _, IsTerminal as _, Write as _},
};

use futures_util::TryStreamExt as _;
use identity_client::{Error, ErrorKind, agent_identity::Management};

use super::{Action, Found, Names, Plan, Sample, Step, apply};
use crate::Anything;

/// Where to get to.
#[derive(Debug, Clone)]
pub enum Goal {
    /// Everything of the sample is there, as it should be.
    Prepared(Box<Sample>),
    /// Nothing of it is.
    Cleared(Box<Names>),
}

impl Goal {
    fn names(&self) -> &Names {
        match self {
            Self::Prepared(sample) => &sample.names,
            Self::Cleared(names) => names,
        }
    }

    async fn plan(&self, management: &Management) -> Result<Plan, Error> {
        let found = Found::read(management, self.names()).await?;
        Ok(match self {
            Self::Prepared(sample) => Plan::to_prepare(sample, &found),
            Self::Cleared(names) => Plan::to_clear(names, &found),
        })
    }

    /// The same, with what is replaced unseen taken for done.
    fn settled(&self) -> Self {
        match self {
            Self::Prepared(sample) => Self::Prepared(Box::new(sample.keeping_secrets())),
            Self::Cleared(names) => Self::Cleared(names.clone()),
        }
    }

    async fn carry_out(&self, management: &Management, step: &Step) -> Result<(), Anything> {
        match self {
            Self::Prepared(sample) => apply::prepare(management, sample, step).await,
            Self::Cleared(names) => match apply::clear(management, names, step).await {
                // Somebody else was faster.
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
                outcome => Ok(outcome?),
            },
        }
    }
}

/// Whether a plan may be carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consent {
    /// It may.
    Given,
    /// It is only shown.
    Withheld,
    /// Whoever sits at the terminal says.
    Asked,
}

impl Consent {
    /// Given with `--apply`, else asked for on a terminal, else withheld.
    #[must_use]
    pub fn from_arguments() -> Self {
        if std::env::args().any(|argument| argument == "--apply") {
            Self::Given
        } else if io::stdin().is_terminal() && io::stdout().is_terminal() {
            Self::Asked
        } else {
            Self::Withheld
        }
    }

    fn is_given(self) -> io::Result<bool> {
        if self != Self::Asked {
            return Ok(self == Self::Given);
        }
        write!(io::stdout(), "carry this out? [y/N] ").and_then(|()| io::stdout().flush())?;
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer)?;
        Ok(["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()))
    }
}

/// Shows the plan and carries it out if that is allowed. Whether the goal is reached: not if the plan was only shown.
///
/// # Errors
/// If something cannot be read, the plan is refused, or a step fails. What was done until then stays, and doing this again goes
/// on from there.
pub async fn reach(goal: &Goal, management: &Management, consent: Consent) -> Result<bool, Anything> {
    let plan = goal.plan(management).await.map_err(|error| told("the plan cannot be made", &error))?;
    for step in &plan.steps {
        say(step)?;
    }
    if plan.is_refused() {
        return Err("nothing was changed: what is marked with ! stands in the way".into());
    }
    let count = plan.work().count();
    if count == 0 {
        say("nothing to do")?;
        return Ok(true);
    }
    if consent == Consent::Withheld {
        say("nothing was changed; to carry this out, add `-- --apply`")?;
        return Ok(false);
    }
    if let Some(lack) = plan.lacks().next() {
        return Err(format!("nothing was changed: {lack}").into());
    }
    if !consent.is_given()? {
        say("nothing was changed")?;
        return Ok(false);
    }
    for (done, step) in plan.work().enumerate() {
        goal.carry_out(management, step).await.map_err(|error| {
            let what = format!(
                "{} {}: {done} of {count} steps are done and stay, this one failed; run this again to go on",
                step.thing, step.name
            );
            told(&what, &error)
        })?;
        let verb = match step.action {
            Action::Delete => "deleted",
            Action::Update(_) => "updated",
            _ => "created",
        };
        say(format_args!("{}/{count} {verb} {} {}", done + 1, step.thing, step.name))?;
    }
    let left =
        goal.settled().plan(management).await.map_err(|error| told("what was done cannot be looked at", &error))?;
    if let Some(step) = left.steps.iter().find(|step| step.is_work()) {
        let what = format!("all steps are done, but the platform does not show it yet; run this again. Left: {step}");
        return Err(what.into());
    }
    say(match goal {
        Goal::Prepared(_) => "all is as it should be",
        Goal::Cleared(_) => "nothing of it is left",
    })?;
    Ok(true)
}

/// An error, which says what to do about it, and what was tried.
fn told(what: &str, error: &dyn Display) -> Anything {
    format!("{what}: {error}").into()
}

/// Says a line.
///
/// # Errors
/// If nobody listens any more.
pub fn say(line: impl Display) -> io::Result<()> {
    writeln!(io::stdout(), "{line}")
}

/// What the sample application is started with, the client ids that its parts need, and what an outside provider must know.
///
/// # Errors
/// If it cannot be read.
pub async fn exports(management: &Management, sample: &Sample) -> Result<Vec<String>, Error> {
    let found = Found::read(management, &sample.names).await?;
    let workload = format!("export AGENT_IDENTITY_WORKLOAD_IDENTITY_NAME='{}'", sample.names.workload);
    let sign_in = found.sign_in_application.filter(|_| sample.audience.is_none());
    let sign_in = sign_in.map(|found| format!("# client id with which users sign in: {}", found.id));
    let registered = found.mcp_application.filter(|_| sample.client.is_none());
    let callback = found.oauth2_provider.and_then(|provider| provider.callback_url);
    let client = match (registered, callback) {
        (Some(found), _) => Some(format!("# client id with which the agent gets users' tokens: {}", found.id)),
        (None, callback) => callback.map(|url| format!("# register as a redirect URI of the client: {url}")),
    };
    Ok([workload].into_iter().chain(sign_in).chain(client).collect())
}

/// How much of anything of the kinds of the sample there is, whosever it is.
///
/// # Errors
/// If it cannot be read.
pub async fn leftovers(management: &Management, names: &Names) -> Result<usize, Error> {
    let issuers: Vec<_> = management.identity_providers().list_all().try_collect().await?;
    let workloads: Vec<_> = management.workload_identities().list_all().try_collect().await?;
    let oauth2: Vec<_> = management.oauth2_credential_providers().list_all(None).try_collect().await?;
    let keys: Vec<_> = management.api_key_credential_providers().list_all(None).try_collect().await?;
    let applications = management.applications().list().await?;
    let found = Found::read(management, names).await?;
    let ram = usize::from(found.role.is_some()) + usize::from(found.policy.is_some());
    Ok(applications.len() + issuers.len() + workloads.len() + oauth2.len() + keys.len() + ram)
}
