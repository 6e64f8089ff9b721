//! A socket that is not waited for without end.

use std::io::{Error, ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

use super::connections::Seat;

/// A socket whose other end has to take something now and then of what is written.
///
/// An answer that nobody takes holds a connection, and what was made of it, for as long as the other end likes: TCP keeps a connection with a full
/// window for ever. What counts is progress: however slow a client is, it is served while it takes anything at all.
pub struct Patient<S> {
    socket: S,
    patience: Duration,
    /// Counts the ends of patience.
    stalled: Counter,
    /// Runs while the socket takes nothing. Most never wait, so it is not there before.
    waiting: Option<Pin<Box<Sleep>>>,
    /// A WebSocket leaves the server with its socket, and still counts.
    _seat: Option<Seat>,
}

/// What can be dropped without delivering what was written.
pub trait Abort {
    /// From now on the end of the socket drops what the other end has not taken: the kernel would offer it for minutes.
    fn abort(&self);
}

impl Abort for TcpStream {
    fn abort(&self) {
        if let Err(error) = self.set_zero_linger() {
            tracing::debug!(%error, "a stalled connection goes slowly");
        }
    }
}

impl<S: Abort> Patient<S> {
    /// Waits for `patience` at most; `seat` is given back with the socket.
    pub fn new(socket: S, patience: Duration, stalled: Counter, seat: Option<Seat>) -> Self {
        Self {
            socket,
            patience,
            stalled,
            waiting: None,
            _seat: seat,
        }
    }

    fn watch(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<Result<usize>>,
    ) -> Poll<Result<usize>> {
        if written.is_ready() {
            self.waiting = None;
            return written;
        }
        let patience = self.patience;
        let waiting = self
            .waiting
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        ready!(waiting.as_mut().poll(context));
        self.waiting = None;
        self.stalled.inc();
        self.socket.abort();
        Poll::Ready(Err(Error::new(
            ErrorKind::TimedOut,
            "the client takes nothing of its answer",
        )))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        Pin::new(&mut self.socket).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Abort + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(context, bytes);
        self.watch(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write_vectored(context, parts);
        self.watch(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

    impl Abort for DuplexStream {
        fn abort(&self) {}
    }

    #[tokio::test]
    async fn who_takes_nothing_is_not_waited_for() {
        let (mut client, server) = duplex(8);
        let stalled = Counter::default();
        let patience = Duration::from_millis(20);
        let mut server = Patient::new(server, patience, stalled.clone(), None);
        for end in 1..=2 {
            server.write_all(&[7; 8]).await.unwrap();
            let error = server.write_all(&[7; 8]).await.unwrap_err();
            assert_eq!((error.kind(), stalled.get()), (ErrorKind::TimedOut, end));
            client.read_exact(&mut [0; 8]).await.unwrap();
        }
    }

    #[tokio::test]
    async fn whatever_is_taken_sets_the_time_back() {
        let (mut client, server) = duplex(8);
        let stalled = Counter::default();
        let mut server = Patient::new(server, Duration::from_secs(60), stalled.clone(), None);
        server.write_all(&[7; 8]).await.unwrap();
        assert!(server.waiting.is_none());
        assert!(server.write(&[7; 8]).now_or_never().is_none());
        assert!(server.waiting.is_some(), "nobody counts the time");
        client.read_u8().await.unwrap();
        assert_eq!(server.write(&[7; 8]).await.unwrap(), 1);
        assert!(server.waiting.is_none(), "the time goes on");
        assert_eq!(stalled.get(), 0);
    }
}
