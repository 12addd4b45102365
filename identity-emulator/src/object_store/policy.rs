//! What narrows a role for one session: a policy in the vendor's language, as far as it has no condition.

use serde::Deserialize;

/// A policy that is understood as a whole; one that is not is refused, never half obeyed.
#[derive(Debug)]
pub(crate) struct Policy(Vec<Statement>);

#[derive(Debug)]
struct Statement {
    allows: bool,
    actions: Vec<String>,
    resources: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Document {
    #[serde(rename = "Version")]
    _version: Option<String>,
    statement: Vec<Written>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Written {
    effect: Effect,
    action: OneOrMore,
    resource: OneOrMore,
}

#[derive(Deserialize, PartialEq, Eq)]
enum Effect {
    Allow,
    Deny,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl From<OneOrMore> for Vec<String> {
    fn from(written: OneOrMore) -> Self {
        match written {
            OneOrMore::One(one) => vec![one],
            OneOrMore::More(more) => more,
        }
    }
}

impl Policy {
    /// The policy in this text, or the rule that it breaks.
    pub(crate) fn read(text: &str) -> Result<Self, &'static str> {
        let rule = "must be a policy whose statements have Effect, Action and Resource; conditions are not emulated";
        let document: Document = serde_json::from_str(text).map_err(|_| rule)?;
        let statements = document.statement.into_iter().map(|written| Statement {
            allows: written.effect == Effect::Allow,
            actions: Vec::from(written.action).iter().map(|action| action.to_ascii_lowercase()).collect(),
            resources: written.resource.into(),
        });
        Ok(Self(statements.collect()))
    }

    /// A refusal outweighs every permission, and what nobody permits is refused.
    pub(crate) fn allows(&self, action: &str, resource: &str) -> bool {
        let action = action.to_ascii_lowercase();
        let covers = |statement: &&Statement| {
            statement.actions.iter().any(|pattern| matches(pattern, &action))
                && statement.resources.iter().any(|pattern| matches(pattern, resource))
        };
        let mut verdicts = self.0.iter().filter(covers).map(|statement| statement.allows).peekable();
        verdicts.peek().is_some() && verdicts.all(|allows| allows)
    }
}

/// `*` stands for any text, `?` for one character. Never looks at a part of the text twice per star.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t, mut star) = (0, 0, None);
    while let Some(byte) = text.get(t) {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(expected) if expected == byte || *expected == b'?' => {
                (p, t) = (p + 1, t + 1);
            }
            _ => {
                let Some((at, from)) = star else { return false };
                star = Some((at, from + 1));
                (p, t) = (at + 1, from + 1);
            }
        }
    }
    pattern.get(p..).unwrap_or_default().iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_stays_refused_and_what_is_not_named_is() {
        let policy = Policy::read(
            r#"{"Version":"1","Statement":[
                {"Effect":"Allow","Action":"oss:Get*","Resource":["acs:oss:*:*:bucket/*"]},
                {"Effect":"Deny","Action":["oss:GetObject"],"Resource":"acs:oss:*:*:bucket/secret/*"}]}"#,
        )
        .unwrap();
        for (action, resource, expected) in [
            ("oss:GetObject", "acs:oss:r:1:bucket/a", true),
            ("OSS:getobject", "acs:oss:r:1:bucket/a/b", true),
            ("oss:PutObject", "acs:oss:r:1:bucket/a", false),
            ("oss:GetObject", "acs:oss:r:1:other/a", false),
            ("oss:GetObject", "acs:oss:r:1:bucket/secret/a", false),
        ] {
            assert_eq!(policy.allows(action, resource), expected, "{action} {resource}");
        }
        assert!(!Policy::read(r#"{"Statement":[]}"#).unwrap().allows("oss:GetObject", "x"));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for text in [
            "",
            "[]",
            "{}",
            r#"{"Statement":[{"Effect":"Allow","Action":"*"}]}"#,
            r#"{"Statement":[{"Effect":"Maybe","Action":"*","Resource":"*"}]}"#,
            r#"{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Condition":{}}]}"#,
            r#"{"Statement":[{"Effect":"Allow","NotAction":"*","Resource":"*"}]}"#,
        ] {
            assert!(Policy::read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn wildcards() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a*c", "abb", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*a*b*", "xxaxxbxx", true),
            ("", "a", false),
            ("abc", "abc", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}
