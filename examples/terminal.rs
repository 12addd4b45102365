//! What the examples have of a user interface.

use std::{
    convert::Infallible,
    io::{self, IsTerminal as _, Write as _},
    time::Duration,
};

use identity_emulator::Human;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};

/// What the person on the emulator does: `--human approve`, for example. By default it is you who opens the link.
///
/// # Errors
/// If the argument is none of the scripts.
pub fn human() -> Result<Human, Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--human");
    match (arguments.next(), arguments.next()) {
        (None, _) => Ok(Human::Manual),
        (Some(_), script) => Ok(script.unwrap_or_default().parse()?),
    }
}

/// The value of a program's argument.
#[must_use]
pub fn argument(name: &str) -> Option<String> {
    std::env::args().skip_while(|argument| argument != name).nth(1)
}

/// The usual port, or a free one with `--any-port`.
#[must_use]
pub fn port(usual: u16) -> u16 {
    if std::env::args().any(|argument| argument == "--any-port") { 0 } else { usual }
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
