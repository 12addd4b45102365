//! One thing, and what is to be done about it, as it is shown.

use std::fmt;

use super::secret;

/// What the sample is made of, in the order in which it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thing {
    /// The application with which users sign in.
    SignInApplication,
    /// The application with which the agent gets tokens for MCP servers.
    McpApplication,
    /// The issuer of the users' tokens.
    IdentityProvider,
    /// The provider that holds the API key.
    ApiKeyProvider,
    /// The provider of users' OAuth 2.0 tokens.
    OAuth2Provider,
    /// The provider of OAuth 2.0 tokens of the agent's own.
    MachineProvider,
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
            Self::SignInApplication => "sign-in application",
            Self::McpApplication => "MCP application",
            Self::IdentityProvider => "identity provider",
            Self::ApiKeyProvider => "API key provider",
            Self::OAuth2Provider => "OAuth 2.0 provider",
            Self::MachineProvider => "machine-to-machine provider",
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
    pub(crate) fn new(thing: Thing, name: &str, action: Action) -> Self {
        Self { thing, name: name.to_owned(), action, lacks: None }
    }

    /// Whether there is anything to do.
    #[must_use]
    pub fn is_work(&self) -> bool {
        matches!(self.action, Action::Create(_) | Action::Update(_) | Action::Delete)
    }

    pub(crate) fn lacking(mut self, is_given: bool, what: &str, place: secret::Place) -> Self {
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
