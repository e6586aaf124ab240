//! How a connection that is not served is told why.
//!
//! A client reads an answer only to what it has sent, and an answer that is closed upon with bytes unread is lost: so what it
//! sends is waited for and taken, for a moment. Bound: [`AT_ONCE`] are told at once; beyond that a connection is just closed.

use crate::error::Error;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// How many are told at once.
const AT_ONCE: usize = 32;
/// How long one may take to send something, and then to take the answer.
const PATIENCE: Duration = Duration::from_millis(500);

/// Tells connections that they are not served.
#[derive(Clone)]
pub struct Refusals(Arc<Semaphore>);

impl Default for Refusals {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

impl Refusals {
    /// Answers whatever the connection asks, and closes it.
    pub async fn refuse<S: AsyncRead + AsyncWrite + Unpin>(&self, mut stream: S) {
        let Ok(_room) = self.0.try_acquire() else { return };
        let mut taken = [0; 4096];
        let _ = timeout(PATIENCE, stream.read(&mut taken)).await;
        let told = async {
            stream.write_all(&Error::TooManyConnections.encoded()).await?;
            stream.shutdown().await?;
            while stream.read(&mut taken).await? > 0 {}
            std::io::Result::Ok(())
        };
        // Whoever does not listen is not told.
        let _ = timeout(PATIENCE, told).await;
    }
}
