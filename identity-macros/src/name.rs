//! The attributes and the names of their arguments.

use std::fmt;

/// Which of the attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    ApiKey,
    AccessToken,
    StsCredentials,
    WorkloadToken,
}

impl Kind {
    const ALL: [Self; 4] = [Self::ApiKey, Self::AccessToken, Self::StsCredentials, Self::WorkloadToken];

    /// The name of the attribute, without its path.
    pub(crate) const fn attribute(self) -> &'static str {
        match self {
            Self::ApiKey => "requires_api_key",
            Self::AccessToken => "requires_access_token",
            Self::StsCredentials => "requires_sts_credentials",
            Self::WorkloadToken => "requires_workload_token",
        }
    }

    /// The parameter that is injected when neither `into` nor `#[inject]` names one: the type's, as the vendors'
    /// decorators have it.
    pub(crate) const fn default_parameter(self) -> &'static str {
        match self {
            Self::ApiKey => "api_key",
            Self::AccessToken => "access_token",
            Self::StsCredentials => "sts_credentials",
            Self::WorkloadToken => "workload_token",
        }
    }

    /// The type to suggest for that parameter.
    pub(crate) const fn default_type(self) -> &'static str {
        match self {
            Self::ApiKey => "ApiKey",
            Self::AccessToken => "AccessToken",
            Self::StsCredentials => "StsCredentials",
            Self::WorkloadToken => "WorkloadToken",
        }
    }

    /// A complete attribute with all required arguments.
    pub(crate) const fn example(self) -> &'static str {
        match self {
            Self::ApiKey => "#[requires_api_key(provider_name = \"…\")]",
            Self::AccessToken => {
                "#[requires_access_token(provider_name = \"…\", auth_flow = \"USER_FEDERATION\", scopes = [\"…\"])]"
            }
            Self::StsCredentials => "#[requires_sts_credentials(session_duration = \"15m\")]",
            Self::WorkloadToken => "#[requires_workload_token]",
        }
    }

    /// Finds the attribute by the last segment of its path, however it was imported.
    pub(crate) fn of_path(path: &syn::Path) -> Option<Self> {
        let last = &path.segments.last()?.ident;
        Self::ALL.into_iter().find(|kind| last == kind.attribute())
    }

    /// That it lacks an argument, in words.
    const fn has_none(self) -> &'static str {
        match self {
            Self::ApiKey => "an API key has none",
            Self::AccessToken => "an access token has none",
            Self::StsCredentials => "STS credentials have none",
            Self::WorkloadToken => "a workload token has none",
        }
    }

    /// Whether a user may have to agree first.
    const fn may_need_consent(self) -> bool {
        matches!(self, Self::ApiKey | Self::AccessToken)
    }
}

/// The name of an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name {
    Provider,
    Into,
    AuthFlow,
    Scopes,
    CallbackUrl,
    OnAuthUrl,
    ForceDelegation,
    ForceAuthentication,
    CustomState,
    CustomParameters,
    Audience,
    Session,
    SessionDuration,
    Policy,
    UserId,
    Context,
    Client,
    Timeout,
    Wait,
    OnError,
    Crate,
}

impl Name {
    const ALL: [Self; 21] = [
        Self::Provider,
        Self::Into,
        Self::AuthFlow,
        Self::Scopes,
        Self::CallbackUrl,
        Self::OnAuthUrl,
        Self::ForceDelegation,
        Self::ForceAuthentication,
        Self::CustomState,
        Self::CustomParameters,
        Self::Audience,
        Self::Session,
        Self::SessionDuration,
        Self::Policy,
        Self::UserId,
        Self::Context,
        Self::Client,
        Self::Timeout,
        Self::Wait,
        Self::OnError,
        Self::Crate,
    ];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Provider => "provider_name",
            Self::Into => "into",
            Self::AuthFlow => "auth_flow",
            Self::Scopes => "scopes",
            Self::CallbackUrl => "callback_url",
            Self::OnAuthUrl => "on_auth_url",
            Self::ForceDelegation => "force_delegation",
            Self::ForceAuthentication => "force_authentication",
            Self::CustomState => "custom_state",
            Self::CustomParameters => "custom_parameters",
            Self::Audience => "audience",
            Self::Session => "role_session_name",
            Self::SessionDuration => "session_duration",
            Self::Policy => "policy",
            Self::UserId => "user_id",
            Self::Context => "context",
            Self::Client => "client",
            Self::Timeout => "timeout",
            Self::Wait => "wait",
            Self::OnError => "on_error",
            Self::Crate => "crate",
        }
    }

    const fn belongs_to(self, kind: Kind) -> bool {
        match self {
            Self::ForceDelegation => matches!(kind, Kind::ApiKey),
            Self::Scopes | Self::ForceAuthentication | Self::CustomParameters | Self::Audience => {
                matches!(kind, Kind::AccessToken)
            }
            Self::Session | Self::SessionDuration | Self::Policy => matches!(kind, Kind::StsCredentials),
            Self::Provider | Self::CallbackUrl | Self::OnAuthUrl | Self::CustomState | Self::Timeout | Self::Wait => {
                kind.may_need_consent()
            }
            Self::Into | Self::AuthFlow | Self::UserId | Self::Context | Self::Client | Self::OnError | Self::Crate => {
                true
            }
        }
    }

    /// The arguments without which the attribute cannot ask for anything.
    pub(crate) const fn required(kind: Kind) -> &'static [Self] {
        match kind {
            Kind::ApiKey => &[Self::Provider],
            Kind::AccessToken => &[Self::Provider, Self::AuthFlow, Self::Scopes],
            Kind::StsCredentials | Kind::WorkloadToken => &[],
        }
    }

    /// Whether the argument has a meaning only for a user. No platform takes it with `auth_flow = "M2M"`.
    pub(crate) const fn is_for_users(self) -> bool {
        self.is_for_consent() || matches!(self, Self::UserId)
    }

    /// Whether the argument has a meaning only when a user is asked to agree.
    pub(crate) const fn is_for_consent(self) -> bool {
        matches!(
            self,
            Self::CallbackUrl
                | Self::OnAuthUrl
                | Self::ForceDelegation
                | Self::ForceAuthentication
                | Self::CustomState
                | Self::CustomParameters
                | Self::Timeout
                | Self::Wait
        )
    }

    /// Looks a written name up.
    ///
    /// # Errors
    /// What to write instead.
    pub(crate) fn find(kind: Kind, written: &str) -> Result<Self, String> {
        if let Some(name) = Self::ALL.into_iter().find(|name| name.as_str() == written) {
            return if name.belongs_to(kind) { Ok(name) } else { Err(name.wrong_attribute(kind)) };
        }
        let attribute = kind.attribute();
        if let Some(advice) = foreign(written) {
            return Err(format!("`{attribute}` has no argument `{written}`: {advice}"));
        }
        if let Some(name) = Self::closest(kind, written) {
            return Err(format!("`{attribute}` has no argument `{written}`; did you mean `{name}`?"));
        }
        let valid: Vec<_> = Self::of(kind).map(|name| format!("`{name}`")).collect();
        Err(format!("`{attribute}` has no argument `{written}`; there are {}", valid.join(", ")))
    }

    fn of(kind: Kind) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |name| name.belongs_to(kind))
    }

    fn wrong_attribute(self, kind: Kind) -> String {
        let here = kind.attribute();
        let there: Vec<_> =
            Kind::ALL.into_iter().filter(|other| self.belongs_to(*other)).map(Kind::attribute).collect();
        let there = there.join("` and `");
        match self {
            Self::ForceAuthentication if kind == Kind::ApiKey => {
                format!("`{self}` is an argument of `{there}`; on `{here}` write `force_delegation`")
            }
            Self::ForceDelegation if kind == Kind::AccessToken => {
                format!("`{self}` is an argument of `{there}`; on `{here}` write `force_authentication`")
            }
            _ => format!("`{self}` is an argument of `{there}`; {}, so remove it from `{here}`", kind.has_none()),
        }
    }

    fn closest(kind: Kind, written: &str) -> Option<Self> {
        let distance = |name: Self| strsim::damerau_levenshtein(written, name.as_str());
        // Two slips of the finger in a long name, one in a short one; beyond that a suggestion is a guess.
        let near = Self::of(kind).min_by_key(|name| distance(*name));
        if let Some(name) = near.filter(|name| distance(*name) <= (name.as_str().len() / 3).min(2)) {
            return Some(name);
        }
        // `provider`, `flow`, `user`, `state`: a part of exactly one name.
        let mut containing = Self::of(kind)
            .filter(|name| written.len() > 3 && (name.as_str().contains(written) || written.contains(name.as_str())));
        let only = containing.next()?;
        containing.next().is_none().then_some(only)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Arguments that the vendors' Python decorators have and we do not.
fn foreign(written: &str) -> Option<&'static str> {
    Some(match written {
        "identity_client" => "pass the client as `client = …`",
        "iam_credentials" | "credential" | "credentials" => {
            "build an `IdentityClient` with those credentials and pass it as `client = …`"
        }
        "token_poller" | "poll_for_token" => {
            "choose how to wait for the user with `wait = \"poll\"` or `wait = \"return\"`, and how long with `timeout = \"90s\"`"
        }
        "duration_seconds" | "duration" => "say how long they last with `session_duration = \"15m\"`",
        "session_name" => "name the session with `role_session_name = …`",
        "inject_param_name" => "name the parameter with `into = …`",
        "agent_identity" | "workload_name" => {
            "the agent identity belongs to the client; pass another client as `client = …`"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_where_it_belongs() {
        for kind in Kind::ALL {
            for name in Name::of(kind) {
                assert_eq!(Name::find(kind, name.as_str()), Ok(name));
            }
        }
    }

    #[test]
    fn a_misspelling_is_answered_with_the_closest_name() {
        let suggested = |kind, written| Name::closest(kind, written).map(Name::as_str);
        for (written, meant) in [
            ("provider_nmae", "provider_name"),
            ("provider", "provider_name"),
            ("credential_provider_name", "provider_name"),
            ("authflow", "auth_flow"),
            ("flow", "auth_flow"),
            ("on_auth_uri", "on_auth_url"),
            ("user", "user_id"),
            ("time_out", "timeout"),
            ("krate", "crate"),
            ("delegation", "force_delegation"),
        ] {
            assert_eq!(suggested(Kind::ApiKey, written), Some(meant), "{written}");
        }
        assert_eq!(suggested(Kind::AccessToken, "scope"), Some("scopes"));
        for nothing in ["x", "retries", "auth", "on"] {
            assert_eq!(suggested(Kind::ApiKey, nothing), None, "{nothing}");
        }
    }

    #[test]
    fn a_name_of_the_other_attribute_says_so() {
        let refusal = Name::find(Kind::ApiKey, "force_authentication").unwrap_err();
        assert!(refusal.contains("requires_access_token") && refusal.contains("`force_delegation`"), "{refusal}");
        let refusal = Name::find(Kind::AccessToken, "force_delegation").unwrap_err();
        assert!(refusal.contains("requires_api_key") && refusal.contains("`force_authentication`"), "{refusal}");
        assert!(Name::find(Kind::ApiKey, "scopes").unwrap_err().contains("requires_access_token"));
    }

    #[test]
    fn an_argument_of_several_attributes_names_them_all() {
        let refusal = Name::find(Kind::StsCredentials, "provider_name").unwrap_err();
        assert!(
            refusal.contains("`requires_api_key` and `requires_access_token`; STS credentials have none"),
            "{refusal}"
        );
        let refusal = Name::find(Kind::WorkloadToken, "policy").unwrap_err();
        assert!(refusal.contains("`requires_sts_credentials`; a workload token has none"), "{refusal}");
        assert!(Name::find(Kind::ApiKey, "force_authentication").unwrap_err().contains("write `force_delegation`"));
    }

    #[test]
    fn a_python_argument_says_what_to_use_instead() {
        for (written, instead) in [
            ("identity_client", "`client = …`"),
            ("iam_credentials", "`client = …`"),
            ("token_poller", "`timeout = \"90s\"`"),
            ("inject_param_name", "`into = …`"),
        ] {
            let refusal = Name::find(Kind::AccessToken, written).unwrap_err();
            assert!(refusal.contains(instead), "{refusal}");
        }
    }
}
