//! The two attributes and the names of their arguments.

use std::fmt;

/// Which of the two attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    ApiKey,
    AccessToken,
}

impl Kind {
    const ALL: [Self; 2] = [Self::ApiKey, Self::AccessToken];

    /// The name of the attribute, without its path.
    pub(crate) const fn attribute(self) -> &'static str {
        match self {
            Self::ApiKey => "requires_api_key",
            Self::AccessToken => "requires_access_token",
        }
    }

    /// The parameter that is injected when neither `into` nor `#[inject]` names one; the name that the vendors' decorators use.
    pub(crate) const fn default_parameter(self) -> &'static str {
        match self {
            Self::ApiKey => "api_key",
            Self::AccessToken => "access_token",
        }
    }

    /// The type to suggest for that parameter.
    pub(crate) const fn default_type(self) -> &'static str {
        match self {
            Self::ApiKey => "ApiKey",
            Self::AccessToken => "AccessToken",
        }
    }

    /// A complete attribute with all required arguments.
    pub(crate) const fn example(self) -> &'static str {
        match self {
            Self::ApiKey => "#[requires_api_key(provider_name = \"…\")]",
            Self::AccessToken => {
                "#[requires_access_token(provider_name = \"…\", auth_flow = \"USER_FEDERATION\", scopes = [\"…\"])]"
            }
        }
    }

    /// Finds the attribute by the last segment of its path, however it was imported.
    pub(crate) fn of_path(path: &syn::Path) -> Option<Self> {
        let last = &path.segments.last()?.ident;
        Self::ALL.into_iter().find(|kind| last == kind.attribute())
    }

    const fn other(self) -> Self {
        match self {
            Self::ApiKey => Self::AccessToken,
            Self::AccessToken => Self::ApiKey,
        }
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
    UserId,
    Context,
    Client,
    Timeout,
    Wait,
    OnError,
    Crate,
}

impl Name {
    const ALL: [Self; 17] = [
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
            Self::Scopes | Self::ForceAuthentication | Self::CustomParameters => matches!(kind, Kind::AccessToken),
            _ => true,
        }
    }

    /// The arguments without which the attribute cannot ask for anything.
    pub(crate) const fn required(kind: Kind) -> &'static [Self] {
        match kind {
            Kind::ApiKey => &[Self::Provider],
            Kind::AccessToken => &[Self::Provider, Self::AuthFlow, Self::Scopes],
        }
    }

    /// Whether the argument has a meaning only when a user is asked to agree. No platform takes it with `auth_flow = "M2M"`.
    pub(crate) const fn is_for_users(self) -> bool {
        matches!(
            self,
            Self::CallbackUrl
                | Self::OnAuthUrl
                | Self::ForceDelegation
                | Self::ForceAuthentication
                | Self::CustomState
                | Self::CustomParameters
                | Self::UserId
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
        let (here, there) = (kind.attribute(), kind.other().attribute());
        match self {
            Self::ForceAuthentication => {
                format!("`{self}` is an argument of `{there}`; on `{here}` write `force_delegation`")
            }
            Self::ForceDelegation => {
                format!("`{self}` is an argument of `{there}`; on `{here}` write `force_authentication`")
            }
            _ => format!("`{self}` is an argument of `{there}`; an API key has none, so remove it from `{here}`"),
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
