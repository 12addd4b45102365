//! Everything that is made to print in a test: by `Debug`, by errors and by log lines.

// Always true here; it tells the linter that this is test code, in which a failure may panic.
#![cfg(test)]

use std::{
    fmt::Debug,
    io::Write,
    sync::{Arc, Mutex},
};

use identity_client::Error;
use tracing::{Dispatch, subscriber::DefaultGuard};
use tracing_subscriber::{EnvFilter, fmt::format::FmtSpan};

#[derive(Clone, Default)]
pub(crate) struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    pub(crate) fn debug(&self, value: &dyn Debug) {
        writeln!(self.clone(), "{value:?} {value:#?}").unwrap();
    }

    /// The error as `Debug`, and every message of its chain.
    pub(crate) fn error(&self, error: &Error) {
        self.debug(error);
        let mut cause: Option<&dyn std::error::Error> = Some(error);
        while let Some(error) = cause {
            writeln!(self.clone(), "{error}").unwrap();
            cause = error.source();
        }
    }

    /// Takes what this thread logs, spans included, until the guard is dropped.
    #[must_use]
    pub(crate) fn listen(&self, filter: &str) -> (DefaultGuard, Dispatch) {
        let writer = self.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::new(filter))
            .with_writer(move || writer.clone())
            .with_span_events(FmtSpan::FULL)
            .with_ansi(false)
            .finish();
        // With one dispatcher alive, a thread without any that reaches a callsite first switches it off for the whole process
        // (tokio-rs/tracing#3611): the tests beside this one would mute it. A second dispatcher takes that shortcut away.
        let second = Dispatch::new(tracing::subscriber::NoSubscriber::default());
        (tracing::subscriber::set_default(subscriber), second)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// Holds none of the secrets, and all that shows that there was something to see.
    #[track_caller]
    pub(crate) fn check(&self, secrets: &[&str], seen: &[&str]) {
        let text = self.text();
        for secret in secrets {
            let line = text.lines().find(|line| line.contains(secret));
            assert_eq!(line, None, "{secret} was printed");
        }
        for seen in seen {
            assert!(text.contains(seen), "{seen} is missing: the harness sees nothing");
        }
    }
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
