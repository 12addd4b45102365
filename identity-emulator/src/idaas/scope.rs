//! Scopes: `audience|permission`, of one audience (contract section 2).

use std::collections::BTreeSet;

use super::ALL;
use super::error::IdaasError;
use crate::vault::Application;

const LONGEST: usize = 4096;

/// What is asked for.
#[derive(Debug)]
pub(super) struct Scope {
    pub(super) audience: String,
    pub(super) permissions: BTreeSet<String>,
}

impl Scope {
    pub(super) fn read(text: &str) -> Result<Self, IdaasError> {
        let malformed = || IdaasError::scope("scope must be items like audience|permission, separated by spaces");
        if text.len() > LONGEST {
            return Err(malformed());
        }
        let mut scope: Option<Self> = None;
        for item in text.split_ascii_whitespace() {
            let (audience, permission) = item.split_once('|').ok_or_else(malformed)?;
            if audience.is_empty() || permission.is_empty() || permission.contains('|') {
                return Err(malformed());
            }
            let known =
                scope.get_or_insert_with(|| Self { audience: audience.to_owned(), permissions: BTreeSet::new() });
            if known.audience != audience {
                return Err(IdaasError::scope("all items of scope must have the same audience"));
            }
            known.permissions.insert(permission.to_owned());
        }
        scope.ok_or_else(malformed)
    }

    /// The same, in the parts that the OpenAPI takes.
    pub(super) fn of<'a>(audience: &str, permissions: impl Iterator<Item = &'a str>) -> Result<Self, IdaasError> {
        let items: Vec<_> = permissions.map(|permission| format!("{audience}|{permission}")).collect();
        Self::read(&items.join(" "))
    }

    /// What of it the application is given: all of it, or nothing.
    pub(super) fn granted(&self, application: &Application) -> Result<Vec<String>, IdaasError> {
        let refused = || IdaasError::scope("the application is not authorised for this audience and permission");
        let held = application.permissions.get(&self.audience).filter(|held| !held.is_empty()).ok_or_else(refused)?;
        if self.permissions.contains(ALL) {
            return Ok(held.iter().cloned().collect());
        }
        if held.contains(ALL) || self.permissions.is_subset(held) {
            return Ok(self.permissions.iter().cloned().collect());
        }
        Err(refused())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_have_one_bar_and_one_audience() {
        let scope = Scope::read("https://api.example.com|read:file  https://api.example.com|write:file").unwrap();
        assert_eq!((scope.audience.as_str(), scope.permissions.len()), ("https://api.example.com", 2));
        for bad in ["", " ", "a", "a|", "|b", "a|b|c", "a|b c|d"] {
            assert!(Scope::read(bad).is_err(), "{bad:?}");
        }
    }
}
