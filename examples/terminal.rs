//! What the examples have of a user interface.

use std::{
    convert::Infallible,
    fmt,
    io::{self, IsTerminal as _, Write as _},
    time::Duration,
};

use identity_emulator::Human;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};

use crate::Anything;

/// What ends an example: the text of an error and of its causes, where `main` would print its fields.
pub struct Failure(Anything);

impl<E: Into<Anything>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut next = self.0.source();
        while let Some(cause) = next {
            write!(f, "\n  because: {cause}")?;
            next = cause.source();
        }
        Ok(())
    }
}

/// Looks at the program's arguments before anything else: refuses one that the example does not have, and for `--help` prints
/// the head of its `source` and ends the process. Each of `options` is a name, followed by what its value is if it has one.
///
/// # Errors
/// If an argument is not one of these, or lacks its value.
pub fn arguments(source: &str, options: &[&str]) -> Result<(), Anything> {
    let given = std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned());
    match check(given, options)? {
        Asked::Run => Ok(()),
        Asked::Help => {
            io::stdout().lock().write_all(help(source, options).as_bytes())?;
            std::process::exit(0)
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Run,
    Help,
}

fn check(mut given: impl Iterator<Item = String>, options: &[&str]) -> Result<Asked, Anything> {
    while let Some(argument) = given.next() {
        if argument == "--help" || argument == "-h" {
            return Ok(Asked::Help);
        }
        let Some(option) = options.iter().find(|option| option.split(' ').next() == Some(&*argument)) else {
            let known = match options {
                [] => "it takes none".to_owned(),
                options => format!("it takes {}", options.join(", ")),
            };
            return Err(
                format!("this example has no argument `{argument}`; {known}; `-- --help` says what it does").into()
            );
        };
        if option.contains(' ') && given.next().is_none_or(|value| value.starts_with("--")) {
            return Err(format!("`{argument}` needs a value: `{option}`").into());
        }
    }
    Ok(Asked::Run)
}

/// The head of the source is what there is to say.
fn help(source: &str, options: &[&str]) -> String {
    let head = source.lines().map_while(|line| line.strip_prefix("//!"));
    let text: String = head.flat_map(|line| [line.strip_prefix(' ').unwrap_or(line), "\n"]).collect();
    match options {
        [] => text,
        options => format!("{text}\nArguments, after `--`: {}\n", options.join(", ")),
    }
}

/// What the person on the emulator does: `--human approve`, for example. By default it is you who opens the link.
///
/// # Errors
/// If the argument is none of the scripts.
pub fn human() -> Result<Human, Anything> {
    let Some(script) = argument("--human") else { return Ok(Human::Manual) };
    script.parse().map_err(|error| format!("`--human {script}`: {error}").into())
}

/// The value of a program's argument.
#[must_use]
pub fn argument(name: &str) -> Option<String> {
    std::env::args().skip_while(|argument| argument != name).nth(1)
}

/// Listens on this port of this machine, or on a free one with `--any-port`.
///
/// # Errors
/// If another program has the port.
pub async fn listen(usual: u16) -> Result<TcpListener, Anything> {
    let any = std::env::args_os().any(|argument| argument == "--any-port");
    let bound = listen_at("127.0.0.1", if any { 0 } else { usual }).await;
    Ok(bound.map_err(|error| format!("{error}, or add `--any-port`"))?)
}

/// Listens exactly there.
///
/// # Errors
/// If another program does, or this machine has no such address.
pub async fn listen_at(host: &str, port: u16) -> Result<TcpListener, Anything> {
    let refused = |error| format!("cannot listen on {host}:{port}: {error}; end the program that does");
    Ok(TcpListener::bind((host, port)).await.map_err(refused)?)
}

/// Ready when somebody presses Ctrl-C.
pub async fn ctrl_c() {
    if tokio::signal::ctrl_c().await.is_err() {
        // Then nobody can.
        std::future::pending::<()>().await;
    }
}

/// Shows on a terminal how much of the time is left, and never ends.
pub async fn countdown(time: Duration) -> Infallible {
    if io::stdout().is_terminal() {
        for left in (0..time.as_secs()).rev() {
            sleep(Duration::from_secs(1)).await;
            let mut output = io::stdout().lock();
            // Nobody is hurt when this line is not shown.
            let _ = write!(output, "\r   waiting, {left:3} s left \r").and_then(|()| output.flush());
        }
    }
    std::future::pending().await
}

/// Serves a page to which a browser can come back, as long as this process runs, and says where.
pub(crate) async fn landing_page() -> io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/done", listener.local_addr()?);
    tokio::spawn(async move {
        while let Ok((visitor, _)) = listener.accept().await {
            tokio::spawn(timeout(Duration::from_secs(5), greet(visitor)));
        }
    });
    Ok(url)
}

async fn greet(mut visitor: TcpStream) -> io::Result<()> {
    const ANSWER: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\n\r\n\
        <!doctype html><html lang=en><title>Back</title><h1>Back in the example</h1><p>See the terminal.</p></html>";
    let mut request = BufReader::new(&mut visitor).take(8192).lines();
    while request.next_line().await?.is_some_and(|line| !line.is_empty()) {}
    visitor.write_all(ANSWER.as_bytes()).await?;
    visitor.shutdown().await
}

#[cfg(test)]
mod tests {
    use super::{Asked, Failure, check, help};

    #[derive(Debug)]
    struct Outer(&'static str, std::fmt::Error);

    impl std::fmt::Display for Outer {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str(self.0)
        }
    }

    impl std::error::Error for Outer {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.1)
        }
    }

    fn checked(given: &[&str], options: &[&str]) -> Result<Asked, String> {
        check(given.iter().map(|&argument| argument.to_owned()), options).map_err(|error| error.to_string())
    }

    #[test]
    fn arguments_that_an_example_does_not_have_are_refused() {
        let options = ["--any-port", "--human SCRIPT"];
        assert_eq!(checked(&["--human", "approve", "--any-port"], &options), Ok(Asked::Run));
        assert_eq!(checked(&["--any-port", "--help"], &options), Ok(Asked::Help));
        for (given, refusal) in [
            (&["--hlp"][..], "no argument `--hlp`; it takes --any-port, --human SCRIPT"),
            (&["approve"], "no argument `approve`"),
            (&["--human"], "`--human` needs a value: `--human SCRIPT`"),
            (&["--human", "--any-port"], "`--human` needs a value"),
        ] {
            let error = checked(given, &options).unwrap_err();
            assert!(error.contains(refusal), "{error}");
        }
        assert!(checked(&["--human", "approve"], &[]).unwrap_err().contains("it takes none"));
    }

    #[test]
    fn help_is_the_head_of_the_source() {
        let text = help("//! What it shows.\n//!\n//! More.\nuse std::io;\n//! not this\n", &["--human SCRIPT"]);
        assert_eq!(text, "What it shows.\n\nMore.\n\nArguments, after `--`: --human SCRIPT\n");
    }

    #[test]
    fn a_failure_shows_its_causes() {
        let error = std::io::Error::other("the cable is out");
        assert_eq!(format!("{:?}", Failure::from(error)), "the cable is out");
        let error = Outer("the agent is silent", std::fmt::Error);
        assert_eq!(
            format!("{:?}", Failure::from(error)),
            format!("the agent is silent\n  because: {}", std::fmt::Error)
        );
    }
}
