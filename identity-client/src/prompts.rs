//! Prompts for a person at this machine: one prints the link in the terminal, one opens it in the browser.

use std::{
    fmt,
    io::{self, IsTerminal as _, Write},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::BoxFuture;

use crate::consent::{PendingAuthorization, Prompt, PromptError};

/// Prints the link on standard error, with the seconds that are left while the call waits.
///
/// For tools that a person runs in a terminal of their own. Whoever reads the terminal, or a log that keeps it, can open the
/// link in the user's stead.
pub struct TerminalPrompt {
    out: Arc<Mutex<dyn Write + Send>>,
    /// Whether the line with the seconds can be written over.
    live: bool,
}

impl TerminalPrompt {
    /// Prints on standard error; the seconds only if that is a terminal.
    #[must_use]
    pub fn new() -> Self {
        Self { out: Arc::new(Mutex::new(io::stderr())), live: io::stderr().is_terminal() }
    }

    /// Prints elsewhere, seconds included.
    pub fn to(out: impl Write + Send + 'static) -> Self {
        Self { out: Arc::new(Mutex::new(out)), live: true }
    }

    fn write(&self, text: fmt::Arguments<'_>) -> io::Result<()> {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        out.write_fmt(text)?;
        out.flush()
    }
}

impl Default for TerminalPrompt {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for TerminalPrompt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TerminalPrompt").field("live", &self.live).finish_non_exhaustive()
    }
}

impl Prompt for TerminalPrompt {
    fn show(&self, pending: PendingAuthorization) -> BoxFuture<'_, Result<(), PromptError>> {
        let written = self.write(format_args!(
            "To give access to `{}`, open this link and agree:\n\n    {}\n\n",
            pending.provider(),
            pending.authorization_url()
        ));
        Box::pin(std::future::ready(written.map_err(Into::into)))
    }

    fn remaining(&self, _: &PendingAuthorization, left: Duration) {
        if self.live {
            // A terminal that is gone must not end the wait.
            let _ = self.write(format_args!("\r\x1b[Kwaiting, {} s left", left.as_secs()));
        }
    }

    fn ended(&self, _: &PendingAuthorization) {
        if self.live {
            let _ = self.write(format_args!("\r\x1b[K"));
        }
    }
}

/// Opens the link in the browser of the person at this machine.
///
/// If no browser can be opened, the call fails with what went wrong; combine it with your own words through
/// [`Prompt`].
#[cfg(feature = "browser")]
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct BrowserPrompt;

#[cfg(feature = "browser")]
impl BrowserPrompt {
    /// Uses the browser that the operating system opens links with.
    #[must_use]
    pub fn new() -> Self {
        Self
    }
}

#[cfg(feature = "browser")]
impl Prompt for BrowserPrompt {
    fn show(&self, pending: PendingAuthorization) -> BoxFuture<'_, Result<(), PromptError>> {
        Box::pin(async move {
            // Not awaited to its end: some openers stay for as long as the browser.
            open::that_detached(pending.authorization_url())
                .map_err(|error| format!("no browser could be opened: {}", error.kind()).into())
        })
    }
}
