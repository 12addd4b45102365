//! Parameters of a query or form, as RFC 6749 section 3.1 reads them.

use url::form_urlencoded;
use zeroize::Zeroize;

use crate::oauth::is_scope_token;

/// More scopes than any page could show.
const SCOPES: usize = 64;

/// Decoded parameters; one without a value counts as left out. Wiped when dropped, for some are secrets.
pub(crate) struct Parameters(Vec<(String, String)>);

/// A parameter came twice.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Repeated;

impl Parameters {
    pub(crate) fn parse(encoded: &[u8]) -> Self {
        Self(form_urlencoded::parse(encoded).into_owned().filter(|(_, value)| !value.is_empty()).collect())
    }

    pub(crate) fn get(&self, name: &str) -> Result<Option<&str>, Repeated> {
        let mut values = self.0.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let first = values.next();
        if values.next().is_some() { Err(Repeated) } else { Ok(first) }
    }
}

impl Drop for Parameters {
    fn drop(&mut self) {
        for (_, value) in &mut self.0 {
            value.zeroize();
        }
    }
}

/// The scopes of a `scope` parameter in their order, without repetition; `None` if it breaks the grammar.
pub(super) fn scopes_of(scope: Option<&str>) -> Option<Vec<String>> {
    let mut scopes: Vec<String> = Vec::new();
    for token in scope.map(|scope| scope.split(' ')).into_iter().flatten() {
        if !is_scope_token(token) || token.len() > 256 || scopes.len() >= SCOPES {
            return None;
        }
        if !scopes.iter().any(|known| known == token) {
            scopes.push(token.to_owned());
        }
    }
    Some(scopes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_comes_once_and_an_empty_one_not_at_all() {
        let parameters = Parameters::parse(b"a=1&b=&c=x+y%26&c=z");
        assert_eq!(parameters.get("a"), Ok(Some("1")));
        assert_eq!(parameters.get("b"), Ok(None));
        assert_eq!(parameters.get("c"), Err(Repeated));
        assert_eq!(parameters.get("d"), Ok(None));
    }

    #[test]
    fn std_6749_05_scopes_are_separated_by_single_spaces() {
        assert_eq!(scopes_of(Some("b a b")).unwrap(), ["b", "a"]);
        assert_eq!(scopes_of(None).unwrap(), [""; 0]);
        for odd in [" a", "a ", "a  b", "a\tb", "a\"b", "é"] {
            assert_eq!(scopes_of(Some(odd)), None, "{odd:?}");
        }
        let many: Vec<String> = (0..65).map(|number| number.to_string()).collect();
        assert_eq!(scopes_of(Some(&many.join(" "))), None);
    }
}
