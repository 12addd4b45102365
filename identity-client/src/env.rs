//! Where configuration comes from: variables and files, injected.

use std::{
    collections::BTreeMap,
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

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

    /// Whether other accounts of this machine can read a file. Only Unix tells.
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
