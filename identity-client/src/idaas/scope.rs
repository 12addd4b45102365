//! What IDaaS's own tokens are asked for: items of the form `audience|permission`, all of one audience.

use crate::{error::Error, name::Scope};

/// The built-in resource server of the developer API.
pub(crate) const PAM: &str = "urn:cloud:idaas:pam";

/// Permissions of one audience.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Permissions<'a> {
    scopes: &'a [Scope],
    audience: &'a str,
}

impl<'a> Permissions<'a> {
    /// Checks scopes. Nothing is quoted: what breaks the rule may be a secret in the wrong place.
    pub(crate) fn of(scopes: &'a [Scope]) -> Result<Self, Error> {
        let hint = "write each scope as `audience|permission`, for example `https://api.example.com|read:file`; `audience|.all` is every permission that the application holds there";
        let Some(first) = scopes.first() else {
            return Err(
                Error::invalid("IDaaS issues tokens only for scopes that are named; name at least one").with_hint(hint)
            );
        };
        let mut audiences = Vec::with_capacity(scopes.len());
        for scope in scopes {
            let (audience, _) = split(scope)
                .ok_or_else(|| Error::invalid("a scope is not of the form `audience|permission`").with_hint(hint))?;
            audiences.push(audience);
        }
        if audiences.iter().any(|audience| *audience != audiences[0]) {
            return Err(Error::invalid("the scopes are of more than one audience")
                .with_hint("a token is for one audience: ask for one token for each"));
        }
        let audience = split(first).map_or("", |(audience, _)| audience);
        Ok(Self { scopes, audience })
    }

    pub(crate) fn audience(&self) -> &'a str {
        self.audience
    }

    /// The permissions alone.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.scopes.iter().filter_map(|scope| split(scope).map(|(_, permission)| permission))
    }

    /// The items with a space between them.
    pub(crate) fn joined(&self) -> String {
        self.scopes.iter().map(Scope::as_str).collect::<Vec<_>>().join(" ")
    }
}

/// Whether all scopes have the form of IDaaS's own.
pub(crate) fn are_own(scopes: &[Scope]) -> bool {
    !scopes.is_empty() && scopes.iter().all(|scope| split(scope).is_some())
}

fn split(scope: &Scope) -> Option<(&str, &str)> {
    let (audience, permission) = scope.as_str().split_once('|')?;
    (!audience.is_empty() && !permission.is_empty() && !permission.contains('|')).then_some((audience, permission))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes(texts: &[&str]) -> Vec<Scope> {
        texts.iter().map(|text| Scope::new(text).unwrap()).collect()
    }

    #[test]
    fn w35_one_audience_and_one_bar_an_item() {
        let good = scopes(&["https://api.example.com|read:file", "https://api.example.com|write:file"]);
        let permissions = Permissions::of(&good).unwrap();
        assert_eq!(permissions.audience(), "https://api.example.com");
        assert_eq!(permissions.names().collect::<Vec<_>>(), ["read:file", "write:file"]);
        assert_eq!(permissions.joined(), "https://api.example.com|read:file https://api.example.com|write:file");
        Permissions::of(&scopes(&["urn:cloud:idaas:pam|.all"])).unwrap();
        for bad in [&[][..], &["read"], &["|read"], &["api|"], &["a|b|c"], &["a|b", "c|d"], &["a|b", "read"]] {
            let error = Permissions::of(&scopes(bad)).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::InvalidRequest);
            assert!(error.hint().is_some());
        }
    }
}
