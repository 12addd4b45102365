//! A thing of the sample against what was found of it, field by field.

use super::{
    documents::says,
    step::{Action, Change, Step, Thing},
};

/// For a value that the platform makes up in a step before.
pub(crate) const LATER: &str = "known after it is made";

/// What was found of a thing: whether `prepare` made it, and what differs.
pub(crate) struct Compared {
    pub(crate) is_ours: bool,
    pub(crate) changes: Vec<Change>,
    /// What differs and cannot be changed.
    pub(crate) fixed: Vec<Change>,
}

impl Compared {
    pub(crate) fn new(is_ours: bool, changes: impl IntoIterator<Item = Change>) -> Self {
        Self { is_ours, changes: changes.into_iter().collect(), fixed: Vec::new() }
    }

    pub(crate) fn with_fixed(mut self, fixed: impl IntoIterator<Item = Change>) -> Self {
        self.fixed.extend(fixed);
        self
    }

    /// What is to be done; `made` says what it will be if there is none yet.
    pub(crate) fn step(
        found: Option<Self>,
        thing: Thing,
        name: &str,
        remark: &str,
        made: impl FnOnce() -> String,
    ) -> Step {
        let action = match found {
            None => Action::Create(made()),
            Some(found) if !found.is_ours => Action::Refuse(
                "there is one that prepare did not make, and it is not touched; choose another name (the head of this example lists the arguments)".to_owned(),
            ),
            Some(found) => match found.fixed.first() {
                Some(Change { field, old, new }) => Action::Refuse(format!(
                    "its {field} is {old}, should be {new} and cannot be changed; delete it, or choose another name"
                )),
                None if found.changes.is_empty() => Action::Keep(format!("as it should be{remark}")),
                None => Action::Update(found.changes),
            },
        };
        Step::new(thing, name, action)
    }
}

/// Nothing if it is the same. What was found is shown escaped: others may have written it.
pub(crate) fn change(field: &'static str, old: Option<&str>, new: &str) -> Option<Change> {
    (old.unwrap_or_default() != new).then(|| Change { field, old: shown(old), new: shown(Some(new)) })
}

fn shown(text: Option<&str>) -> String {
    text.filter(|text| !text.is_empty()).map_or("nothing".to_owned(), |text| format!("{text:?}"))
}

/// The same for what the platform does not always tell: then it is not compared.
pub(crate) fn change_if_told(field: &'static str, old: Option<&str>, new: &str) -> Option<Change> {
    old.and_then(|old| change(field, Some(old), new))
}

/// For what is certainly another one, and not known yet.
pub(crate) fn change_later(field: &'static str, old: Option<&str>) -> Change {
    Change { field, old: shown(old), new: LATER.to_owned() }
}

/// A secret, of which nothing can be compared or shown.
pub(crate) fn change_of_secret(field: &'static str) -> Change {
    Change { field, old: "not shown".to_owned(), new: "the one that is given".to_owned() }
}

/// The same for a list whose order says nothing.
pub(crate) fn change_of_list<S: AsRef<str>, T: AsRef<str>>(
    field: &'static str,
    old: &[S],
    new: &[T],
) -> Option<Change> {
    fn sorted<S: AsRef<str>>(list: &[S]) -> Vec<&str> {
        let mut list: Vec<&str> = list.iter().map(AsRef::as_ref).collect();
        list.sort_unstable();
        list
    }
    let (old, new) = (sorted(old), sorted(new));
    (old != new).then(|| Change { field, old: format!("{old:?}"), new: format!("{new:?}") })
}

pub(crate) fn change_of_document(
    field: &'static str,
    old: Option<&serde_json::Value>,
    new: &serde_json::Value,
) -> Option<Change> {
    let same = old.is_some_and(|old| says(old, new));
    let shown = |document: &serde_json::Value| document.to_string();
    (!same).then(|| Change { field, old: old.map_or("nothing".to_owned(), shown), new: shown(new) })
}
