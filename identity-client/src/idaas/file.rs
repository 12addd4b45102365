//! The configuration file of the vendor's SDKs: where it is, and its keys.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};

use crate::{env::Environment, error::BuildError};

pub(crate) const PATH_VARIABLE: &str = "CLOUD_IDAAS_CONFIG_PATH";
const FOLDER: &str = ".cloud_idaas";
/// What the vendor's SDKs read, and what some of their pages call it.
const NAMES: [&str; 2] = ["client-config.json", "client_config.json"];
/// A real one has a few KiB: certificates are the largest part.
const LIMIT: u64 = 256 * 1024;

/// A JSON object of the file. Keys are known in camel case and in snake case.
pub(crate) struct Section {
    /// For messages: the file, and where in it.
    place: String,
    members: BTreeMap<String, (String, Value)>,
}

impl Section {
    fn new(place: String, object: Map<String, Value>) -> Result<Self, BuildError> {
        let mut members = BTreeMap::new();
        for (written, value) in object {
            if members.insert(snake(&written), (written.clone(), value)).is_some() {
                return Err(BuildError::broken(
                    format!("{place} has `{}` twice, in two spellings", shown(&written)),
                    "remove one of them",
                ));
            }
        }
        Ok(Self { place, members })
    }

    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    fn take(&mut self, key: &str) -> Option<Value> {
        self.members.remove(&snake(key)).map(|(_, value)| value).filter(|value| !value.is_null())
    }

    fn broken(&self, key: &str, problem: &str) -> BuildError {
        BuildError::broken(format!("`{key}` in {} {problem}", self.place), format!("correct `{key}`, or remove it"))
    }

    /// A text; an empty one is a mistake, not an absence.
    pub(crate) fn text(&mut self, key: &str) -> Result<Option<String>, BuildError> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::String(text)) if text.trim().is_empty() => Err(self.broken(key, "is empty")),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.broken(key, "is not a text")),
        }
    }

    /// A text that must be there, because of another value.
    pub(crate) fn required(&mut self, key: &str, because: &str) -> Result<String, BuildError> {
        let text = self.text(key)?;
        text.ok_or_else(|| {
            BuildError::broken(format!("`{key}` is missing in {}", self.place), format!("add it: {because} needs it"))
        })
    }

    /// One of these words.
    pub(crate) fn word<T: Copy>(&mut self, key: &str, words: &[(&str, T)]) -> Result<Option<T>, BuildError> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        let found = words.iter().find(|(word, _)| *word == text);
        found.map(|(_, value)| Some(*value)).ok_or_else(|| {
            let list = words.iter().map(|(word, _)| format!("`{word}`")).collect::<Vec<_>>().join(", ");
            self.broken(key, &format!("is none of the values that there are: {list}, written exactly so"))
        })
    }

    pub(crate) fn number(&mut self, key: &str) -> Result<Option<u64>, BuildError> {
        let Some(value) = self.take(key) else { return Ok(None) };
        value.as_u64().map(Some).ok_or_else(|| self.broken(key, "is not a whole number"))
    }

    pub(crate) fn flag(&mut self, key: &str) -> Result<Option<bool>, BuildError> {
        let Some(value) = self.take(key) else { return Ok(None) };
        value.as_bool().map(Some).ok_or_else(|| self.broken(key, "is neither true nor false"))
    }

    pub(crate) fn section(&mut self, key: &str) -> Result<Option<Self>, BuildError> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::Object(object)) => Self::new(format!("`{key}` of {}", self.place), object).map(Some),
            Some(_) => Err(self.broken(key, "is not an object")),
        }
    }

    /// Names what nothing has taken: a misspelt key must not be a silent default.
    pub(crate) fn finish(self) {
        for (written, _) in self.members.into_values() {
            let key = shown(&written);
            match snake(&written).as_str() {
                "authentication_subject" => {
                    tracing::warn!(key, "{} has a key that nothing reads; its name is `identityType`", self.place);
                }
                "client_secret" | "private_key" => tracing::warn!(
                    key,
                    "{} has a secret that nothing reads: put it into a variable, name that with `{key}EnvVarName`, and remove it from the file",
                    self.place
                ),
                _ => tracing::warn!(key, "{} has a key that nothing reads; check its spelling", self.place),
            }
        }
    }
}

/// What a person wrote as a key, if it looks like one.
fn shown(key: &str) -> &str {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if key.len() <= 64 && key.bytes().all(fits) { key } else { "(no name)" }
}

fn snake(key: &str) -> String {
    // Both of the vendor's spellings of one key, of which this one has no snake case.
    if key == "unsafeIgnoreSSLCert" {
        return snake("unsafeIgnoreSslCert");
    }
    key.chars().fold(String::with_capacity(key.len() + 4), |mut snake, c| {
        if c.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
        snake
    })
}

/// The file that is configured, if there is one.
pub(crate) fn read(given: Option<&Path>, environment: Option<&Environment>) -> Result<Option<Section>, BuildError> {
    let process = Environment::process();
    if let Some(path) = given {
        return load(path, environment.unwrap_or(&process), "given in code").map(Some);
    }
    let Some(environment) = environment else { return Ok(None) };
    if let Some(path) = environment.setting(PATH_VARIABLE)? {
        use secrecy::ExposeSecret as _;
        let path = path.expose_secret().trim();
        return load(Path::new(path), environment, &format!("in the variable {PATH_VARIABLE}")).map(Some);
    }
    let found = in_home(environment);
    match &found[..] {
        [] => Ok(None),
        [path] => load(path, environment, "of the home directory").map(Some),
        _ => Err(BuildError::broken(
            format!("~/{FOLDER} has both {} and {}", NAMES[0], NAMES[1]),
            format!("remove one of them, or name one in {PATH_VARIABLE}"),
        )),
    }
}

/// Whether a file is named, or lies in the home directory.
pub(crate) fn is_there(environment: &Environment) -> bool {
    !matches!(environment.get(PATH_VARIABLE), Ok(None)) || !in_home(environment).is_empty()
}

fn in_home(environment: &Environment) -> Vec<PathBuf> {
    let Some(home) = home(environment) else { return Vec::new() };
    let paths = NAMES.iter().map(|name| home.join(FOLDER).join(name));
    paths.filter(|path| !matches!(environment.read_file(path, LIMIT), Ok(None))).collect()
}

fn home(environment: &Environment) -> Option<PathBuf> {
    let variable = |name| environment.get(name).ok().flatten().filter(|home| !home.trim().is_empty());
    variable("HOME").or_else(|| variable("USERPROFILE")).map(PathBuf::from)
}

fn load(path: &Path, environment: &Environment, origin: &str) -> Result<Section, BuildError> {
    if path.to_str().is_some_and(|path| path.starts_with("classpath:")) {
        return Err(BuildError::broken(
            format!("the path of the IDaaS configuration {origin} leads into a Java class path"),
            "give the path of a file",
        ));
    }
    let expanded = path.strip_prefix("~").ok().and_then(|rest| home(environment).map(|home| home.join(rest)));
    let path = expanded.as_deref().unwrap_or(path);
    let place = format!("the IDaaS configuration {}", path.display());
    let text = environment.read_file(path, LIMIT).map_err(|error| {
        BuildError::broken(format!("{place} ({origin}) cannot be read"), "make it a readable text file")
            .with_source(error)
    })?;
    let text = text.ok_or_else(|| {
        BuildError::broken(
            format!("{place} ({origin}) does not exist"),
            "correct the path; one that is not absolute begins in the working directory",
        )
    })?;
    match serde_json::from_str(text.trim_start_matches('\u{feff}')) {
        Ok(Value::Object(object)) => Section::new(place, object),
        Ok(_) => Err(BuildError::broken(format!("{place} is not a JSON object"), "write one, in braces")),
        // The parser's own words quote the text.
        Err(error) => Err(BuildError::broken(
            format!("{place} is not JSON (line {}, column {})", error.line(), error.column()),
            "correct the file; nothing was changed in it",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_of_a_key_are_one() {
        for (camel, both) in [
            ("idaasInstanceId", "idaas_instance_id"),
            ("clientX509Certificate", "client_x509_certificate"),
            ("x509CertChains", "x509_cert_chains"),
            ("unsafeIgnoreSslCert", "unsafe_ignore_ssl_cert"),
            ("unsafeIgnoreSSLCert", "unsafe_ignore_ssl_cert"),
        ] {
            assert_eq!((snake(camel).as_str(), snake(both).as_str()), (both, both));
        }
    }
}
