//! Where configuration comes from: variables and files, injected.

use std::{
    collections::BTreeMap,
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use secrecy::SecretString;

use crate::error::BuildError;

/// The variables and the working directory that a configuration is read from.
///
/// [`Environment::process`] is the real one; tests and tools make their own, so nothing ever sets a process variable.
#[derive(Clone)]
pub struct Environment {
    variables: Variables,
    directory: Option<PathBuf>,
}

#[derive(Clone)]
enum Variables {
    Process,
    Given(Arc<BTreeMap<String, String>>),
}

/// A variable that is set, but not to text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotUnicode;

impl Environment {
    /// The variables and the working directory of this process, read at the time of each question.
    #[must_use]
    pub fn process() -> Self {
        Self { variables: Variables::Process, directory: None }
    }

    /// Only these variables, and no directory: files are looked for nowhere until [`with_directory`](Self::with_directory).
    pub fn of<K: Into<String>, V: Into<String>>(variables: impl IntoIterator<Item = (K, V)>) -> Self {
        let given = variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self { variables: Variables::Given(Arc::new(given)), directory: None }
    }

    /// Looks for files in this directory instead of the working directory.
    #[must_use]
    pub fn with_directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// The value of a variable; an empty one is a value.
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the process")]
    pub(crate) fn get(&self, name: &str) -> Result<Option<String>, NotUnicode> {
        match &self.variables {
            Variables::Process => match std::env::var(name) {
                Ok(value) => Ok(Some(value)),
                Err(std::env::VarError::NotPresent) => Ok(None),
                Err(std::env::VarError::NotUnicode(_)) => Err(NotUnicode),
            },
            Variables::Given(given) => Ok(given.get(name).cloned()),
        }
    }

    /// The value of a variable that configures something. One that is set and empty is a mistake, not an absence: the next
    /// source would hide it.
    pub(crate) fn setting(&self, name: &str) -> Result<Option<SecretString>, BuildError> {
        match self.get(name) {
            Ok(Some(value)) if value.trim().is_empty() => Err(BuildError::broken(
                format!("the variable {name} is set, but empty"),
                format!("give {name} a value, or unset it"),
            )),
            Ok(value) => Ok(value.map(Into::into)),
            Err(NotUnicode) => {
                Err(BuildError::broken(format!("the variable {name} is not UTF-8 text"), format!("set {name} again")))
            }
        }
    }

    /// Reads a file of at most `limit` bytes; `None` if there is no such file.
    pub(crate) fn read_file(&self, name: &Path, limit: u64) -> io::Result<Option<String>> {
        use io::Read as _;

        let Some(path) = self.path(name) else { return Ok(None) };
        let file = match std::fs::File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut text = String::new();
        file.take(limit + 1).read_to_string(&mut text)?;
        if text.len() as u64 > limit {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {limit} bytes")));
        }
        Ok(Some(text))
    }

    #[cfg(any(feature = "agentbase", feature = "agentkit"))]
    /// When a file was last changed; `None` if there is no such file.
    #[cfg(any(feature = "agentbase", feature = "agentkit"))]
    pub(crate) fn changed_at(&self, name: &Path) -> Option<std::time::SystemTime> {
        let data = self.path(name)?.metadata().ok()?;
        Some(data.modified().unwrap_or(std::time::UNIX_EPOCH))
    }

    /// Whether other accounts of this machine can read a file. Only Unix tells.
    #[cfg(feature = "agentbase")]
    pub(crate) fn others_can_read(&self, name: &Path) -> bool {
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;

            let path = self.path(name);
            path.and_then(|path| path.metadata().ok()).is_some_and(|data| data.permissions().mode() & 0o044 != 0)
        }
        #[cfg(not(unix))]
        {
            let _ = name;
            false
        }
    }

    /// Where a file is looked for; `None` is nowhere.
    fn path(&self, name: &Path) -> Option<PathBuf> {
        match (&self.directory, &self.variables) {
            (Some(directory), _) => Some(directory.join(name)),
            (None, Variables::Process) => Some(name.to_path_buf()),
            (None, Variables::Given(_)) => name.is_absolute().then(|| name.to_path_buf()),
        }
    }
}

impl fmt::Debug for Environment {
    /// Values may be secrets, so only their source is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let variables: &dyn fmt::Debug = match &self.variables {
            Variables::Process => &"process",
            Variables::Given(given) => &given.keys().collect::<Vec<_>>(),
        };
        f.debug_struct("Environment").field("variables", &variables).field("directory", &self.directory).finish()
    }
}

/// An id and its secret. Half a pair is never completed from another source; `names` are those of the two, for messages.
pub(crate) fn both_or_neither<I, S>(
    (id, secret): (Option<I>, Option<S>),
    names: &[String; 2],
) -> Result<Option<(I, S)>, BuildError> {
    let [of_id, of_secret] = names;
    let (present, absent) = match (id, secret) {
        (Some(id), Some(secret)) => return Ok(Some((id, secret))),
        (None, None) => return Ok(None),
        (Some(_), None) => (of_id, of_secret),
        (None, Some(_)) => (of_secret, of_id),
    };
    Err(BuildError::broken(
        format!("{present} is set, but {absent} is not"),
        format!("set {absent} too, or remove {present}: id and secret are always taken from one source"),
    ))
}

/// Refuses what was copied with something around it.
pub(crate) fn check_text(text: &str, what: &str) -> Result<(), BuildError> {
    let problem = if text.trim().is_empty() {
        "is empty"
    } else if text != text.trim() || text.chars().any(char::is_control) {
        "has spaces or line ends around it, or control characters"
    } else {
        return Ok(());
    };
    Err(BuildError::broken(format!("{what} {problem}"), "copy it again, without anything around it"))
}
