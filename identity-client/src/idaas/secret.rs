//! Where secrets are read, each time that they are needed: what changes is used without a restart.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use crate::{
    env::Environment,
    error::{BuildError, Error, ErrorKind},
};

/// Larger than any key, certificate chain or token.
const FILE_LIMIT: u64 = 64 * 1024;

/// A secret, or where it is read: for every request anew, so that one that was exchanged is used from the next request on.
#[derive(Clone)]
pub struct SecretSource(Source);

#[derive(Clone)]
enum Source {
    Given(SecretString),
    Variable(String),
    File(PathBuf),
    FileIn(String),
}

impl SecretSource {
    /// The secret itself.
    pub fn given(secret: impl Into<SecretString>) -> Self {
        Self(Source::Given(secret.into()))
    }

    /// The value of this variable.
    pub fn variable(name: impl Into<String>) -> Self {
        Self(Source::Variable(name.into()))
    }

    /// The content of this file, of at most 64 KiB.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(Source::File(path.into()))
    }

    /// The content of the file whose path is the value of this variable.
    pub fn file_in(variable: impl Into<String>) -> Self {
        Self(Source::FileIn(variable.into()))
    }

    /// What it is now, without the spaces and line ends around it. `what` names it in errors.
    pub(crate) fn read(&self, environment: &Environment, what: &str) -> Result<SecretString, Error> {
        let text = match &self.0 {
            Source::Given(secret) => secret.clone(),
            Source::Variable(name) => read_variable(environment, name, what)?,
            Source::File(path) => read_file(environment, path, what)?,
            Source::FileIn(name) => {
                let path = read_variable(environment, name, &format!("the path of the file with {what}"))?;
                read_file(environment, Path::new(path.expose_secret().trim()), what)?
            }
        };
        let trimmed = text.expose_secret().trim();
        if trimmed.is_empty() {
            return Err(self.unusable(what, "is empty"));
        }
        Ok(if trimmed.len() == text.expose_secret().len() { text } else { trimmed.into() })
    }

    /// That what was read cannot be used.
    pub(crate) fn unusable(&self, what: &str, problem: &str) -> Error {
        let place = match &self.0 {
            Source::Given(_) => " given in code".to_owned(),
            Source::Variable(name) => format!(" in the variable {name}"),
            Source::File(path) => format!(" in the file {}", path.display()),
            Source::FileIn(name) => format!(" in the file that the variable {name} names"),
        };
        Error::new(ErrorKind::ConfigurationBroken, format!("{what}{place} {problem}"))
            .with_hint("correct it there; it is read again for the next request")
    }
}

fn read_variable(environment: &Environment, name: &str, what: &str) -> Result<SecretString, BuildError> {
    environment.setting(name)?.ok_or_else(|| {
        BuildError::missing(
            format!("the variable {name}, which should hold {what}, is not set"),
            format!("set {name}, or name another variable in the configuration"),
        )
    })
}

fn read_file(environment: &Environment, path: &Path, what: &str) -> Result<SecretString, Error> {
    let shown = path.display();
    let text = environment.read_file(path, FILE_LIMIT).map_err(|error| {
        BuildError::broken(
            format!("the file {shown}, which should hold {what}, cannot be read"),
            "make it a readable text file of at most 64 KiB",
        )
        .with_source(error)
    })?;
    let text = text.map(Zeroizing::new).ok_or_else(|| {
        BuildError::missing(
            format!("the file {shown}, which should hold {what}, does not exist"),
            "check the path, and that the file is mounted",
        )
    })?;
    Ok(text.as_str().into())
}

impl From<SecretString> for SecretSource {
    fn from(secret: SecretString) -> Self {
        Self::given(secret)
    }
}

impl fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::Given(_) => f.write_str("SecretSource(given)"),
            Source::Variable(name) => write!(f, "SecretSource(variable {name})"),
            Source::File(path) => write!(f, "SecretSource(file {})", path.display()),
            Source::FileIn(name) => write!(f, "SecretSource(file in variable {name})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w14_what_stands_around_a_secret_is_not_part_of_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        std::fs::write(&path, "  hunter2\r\n").unwrap();
        let environment = Environment::of([("SECRET", "hunter2\n")]);
        for source in [SecretSource::file(&path), SecretSource::variable("SECRET"), SecretSource::given(" hunter2")] {
            assert_eq!(source.read(&environment, "the secret").unwrap().expose_secret(), "hunter2");
            assert!(!format!("{source:?}").contains("hunter2"));
        }
        std::fs::write(&path, "another").unwrap();
        assert_eq!(SecretSource::file(&path).read(&environment, "x").unwrap().expose_secret(), "another");
    }

    #[test]
    fn what_is_missing_is_named() {
        let environment = Environment::of([("EMPTY", " ")]);
        for (source, kind, name) in [
            (SecretSource::variable("NOT_THERE"), ErrorKind::ConfigurationMissing, "NOT_THERE"),
            (SecretSource::variable("EMPTY"), ErrorKind::ConfigurationBroken, "EMPTY"),
            (SecretSource::file("/not/there"), ErrorKind::ConfigurationMissing, "/not/there"),
            (SecretSource::given(""), ErrorKind::ConfigurationBroken, "given in code"),
        ] {
            let error = source.read(&environment, "the client secret").unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.to_string().contains(name) && error.hint().is_some(), "{error}");
        }
    }
}
