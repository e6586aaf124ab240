//! The heartbeat of a connection: a byte now and then on a substream of its own, and the memory of when the peer was
//! last heard. Each side closes a silent connection by itself; that is the actor's work.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::{AsyncReadExt as _, AsyncWriteExt as _};
use libp2p::Stream;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// When anything last came in on a connection.
#[derive(Debug, Clone)]
pub(crate) struct Heard {
    /// The connection's start.
    since: Instant,
    /// Milliseconds from then to the last sign of life.
    last_ms: Arc<AtomicU64>,
}

impl Heard {
    /// Heard just now.
    pub(crate) fn new() -> Self {
        Self { since: Instant::now(), last_ms: Arc::default() }
    }

    /// A sign of life.
    pub(crate) fn touch(&self) {
        self.last_ms.store(self.since.elapsed().as_millis() as u64, Ordering::Relaxed);
    }

    /// How long the peer has been silent.
    pub(crate) fn silence(&self) -> Duration {
        self.since.elapsed().saturating_sub(Duration::from_millis(self.last_ms.load(Ordering::Relaxed)))
    }
}

/// Sends a byte every `period` until the substream ends.
pub(crate) async fn beat(mut stream: Stream, period: Duration) {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if stream.write_all(&[0]).await.is_err() || stream.flush().await.is_err() {
            return;
        }
    }
}

/// Notes the peer's bytes until the substream ends.
pub(crate) async fn listen(mut stream: Stream, heard: Heard) {
    let mut bytes = [0; 64];
    while matches!(stream.read(&mut bytes).await, Ok(1..)) {
        heard.touch();
    }
}
