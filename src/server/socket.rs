//! A socket whose other end has to take what it is sent, and whose end is noticed.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

/// A TCP connection on which a write that makes no progress for too long is an error: without it, a client that reads
/// nothing would hold its connection, and what it was to be sent, for as long as it likes.
#[derive(Debug)]
pub struct Socket {
    stream: Arc<TcpStream>,
    timeout: Duration,
    /// Since when nothing was taken; there only while that is so.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Socket {
    /// A connection whose client may take nothing for `timeout`.
    pub const fn new(stream: Arc<TcpStream>, timeout: Duration) -> Self {
        Self { stream, timeout, stalled: None }
    }

    fn poll_written(
        &self,
        context: &mut Context<'_>,
        write: impl Fn(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.stream.poll_write_ready(context))?;
            if let Some(written) = unless_blocked(write(&self.stream)) {
                return Poll::Ready(written);
            }
        }
    }

    fn judge<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(self.timeout)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

/// Resolves once the other end has said that it sends no more, or is gone. Whoever has sent something that was not read
/// yet is taken to be there.
pub async fn hung_up(stream: &TcpStream) {
    if matches!(stream.peek(&mut [0]).await, Ok(1)) {
        std::future::pending().await
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let stream = &self.stream;
        loop {
            ready!(stream.poll_read_ready(context))?;
            let room = buffer.remaining();
            let Some(read) = unless_blocked(stream.try_read_buf(buffer)) else { continue };
            if matches!(read, Ok(bytes) if (1..room).contains(&bytes)) {
                // That was all; the kernel need not be asked for more before it says that there is some.
                stream.try_io(Interest::READABLE, || Err::<(), _>(io::ErrorKind::WouldBlock.into())).ok();
            }
            return Poll::Ready(read.map(drop));
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = this.poll_written(context, |stream| stream.try_write(bytes));
        this.judge(context, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = this.poll_written(context, |stream| stream.try_write_vectored(slices));
        this.judge(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The kernel has it already.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // It is closed for both directions when this is dropped, which follows.
        Poll::Ready(Ok(()))
    }
}

/// What came of an attempt; `None`: it would have had to wait.
fn unless_blocked<T>(result: io::Result<T>) -> Option<io::Result<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
        result => Some(result),
    }
}
