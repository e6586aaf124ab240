//! A stream whose other end must keep up with what is written to it: a client that asks for much and reads nothing would
//! hold its connection, and the answer in memory, for ever.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// What a reader must take for each second in which it keeps us waiting, bytes, once its patience is used up.
const BYTES_A_SECOND: u64 = 64 * 1024;

/// A stream that fails once its reader has kept it waiting for too long.
///
/// Invariants:
/// - time counts only while a write waits: an idle connection costs none;
/// - a reader has `patience` in all, and a second more for each [`BYTES_A_SECOND`] taken since it first kept us waiting.
///   (What the kernel takes before that says nothing of the reader.)
pub struct Paced<S> {
    /// The stream.
    inner: S,
    /// How long its reader may keep us waiting.
    patience: Duration,
    /// Called when that is over: a plain close would leave in the kernel what was written and is not read.
    abort: fn(&S),
    /// How long it has, until the present wait.
    waited: Duration,
    /// When the present wait began.
    since: Option<Instant>,
    /// Bytes taken since the first wait.
    taken: u64,
    /// Whether there was a wait.
    has_waited: bool,
    /// Ends the present wait.
    alarm: Pin<Box<Sleep>>,
}

impl<S> Paced<S> {
    /// A stream whose reader has not kept anybody waiting yet.
    pub fn new(inner: S, patience: Duration, abort: fn(&S)) -> Self {
        let alarm = Box::pin(tokio::time::sleep(Duration::ZERO));
        Self { inner, patience, abort, waited: Duration::ZERO, since: None, taken: 0, has_waited: false, alarm }
    }

    /// The stream.
    pub fn into_inner(self) -> S {
        self.inner
    }

    /// A write went through.
    fn moved(&mut self, bytes: usize) {
        if let Some(since) = self.since.take() {
            self.waited += since.elapsed();
        }
        if self.has_waited {
            self.taken += bytes as u64;
        }
    }

    /// A write waits.
    fn wait(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        if self.since.is_none() {
            let now = Instant::now();
            let allowed = self.patience + Duration::from_secs(self.taken / BYTES_A_SECOND);
            self.alarm.as_mut().reset(now + allowed.saturating_sub(self.waited));
            (self.since, self.has_waited) = (Some(now), true);
        }
        ready!(self.alarm.as_mut().poll(context));
        (self.abort)(&self.inner);
        Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, "the client does not read what it asked for"))
    }
}

impl<S: AsyncWrite + Unpin> Paced<S> {
    fn written(&mut self, context: &mut Context<'_>, wrote: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match wrote {
            Poll::Ready(Ok(bytes)) => {
                self.moved(bytes);
                Poll::Ready(Ok(bytes))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => self.wait(context).map(Err),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.written(context, wrote)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.inner).poll_write_vectored(context, parts);
        self.written(context, wrote)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    const PATIENCE: Duration = Duration::from_secs(30);

    /// Writes 16 MiB to a reader that takes `bytes` each second; how it ended, and after how long.
    async fn write_to(bytes: usize) -> (io::Result<()>, Duration) {
        let (near, mut far) = tokio::io::duplex(64 * 1024);
        let reader = tokio::spawn(async move {
            let mut taken = vec![0; bytes];
            let mut second = tokio::time::interval(Duration::from_secs(1));
            loop {
                second.tick().await;
                if far.read_exact(&mut taken).await.is_err() {
                    return;
                }
            }
        });
        let began = Instant::now();
        let ended = Paced::new(near, PATIENCE, |_| ()).write_all(&vec![0; 16 << 20]).await;
        let took = began.elapsed();
        reader.abort();
        (ended, took)
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_keeps_up_is_served_however_long_it_takes() {
        let (ended, took) = write_to(128 * 1024).await;
        assert!(ended.is_ok() && took > 3 * PATIENCE, "{ended:?} after {took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_trickles_is_given_up_within_a_minute() {
        for bytes in [1, 1024, 16 * 1024] {
            let (ended, took) = write_to(bytes).await;
            assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::TimedOut, "{bytes} bytes a second");
            assert!(took >= PATIENCE && took < 2 * PATIENCE, "{bytes} bytes a second: after {took:?}");
        }
    }
}
