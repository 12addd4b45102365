//! A loopback listener whose connections can be reset on purpose.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// Lets the code that answers a request tear its connection down.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConnectionControl {
    reset: Arc<AtomicBool>,
}

impl ConnectionControl {
    /// From now on nothing is written; the connection ends with a TCP reset as soon as the server tries to.
    pub(crate) fn reset(&self) {
        self.reset.store(true, Ordering::Release);
    }
}

pub(crate) struct LoopbackListener(pub(crate) TcpListener);

impl Listener for LoopbackListener {
    type Io = LoopbackStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (LoopbackStream, SocketAddr) {
        loop {
            match self.0.accept().await {
                Ok((stream, peer)) => {
                    // Small JSON answers must not wait for an acknowledgement; failing to set it only costs time.
                    let _ = stream.set_nodelay(true);
                    return (LoopbackStream { stream, control: ConnectionControl::default() }, peer);
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    // Out of file descriptors, most likely: give others time to close theirs.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

impl Connected<IncomingStream<'_, LoopbackListener>> for ConnectionControl {
    fn connect_info(stream: IncomingStream<'_, LoopbackListener>) -> Self {
        stream.io().control.clone()
    }
}

pub(crate) struct LoopbackStream {
    stream: TcpStream,
    control: ConnectionControl,
}

impl LoopbackStream {
    fn check(&self) -> io::Result<()> {
        if self.control.reset.load(Ordering::Acquire) {
            // Closing with a linger of zero makes the kernel send RST instead of FIN.
            self.stream.set_zero_linger()?;
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Ok(())
    }
}

impl AsyncRead for LoopbackStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for LoopbackStream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
