//! The heartbeat of a connection: a byte now and then on a substream of its own, which the peer sends back, and the memory
//! of when the peer was last heard and how long a byte took. Each side closes a silent connection by itself; that is the
//! actor's work.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::{AsyncReadExt as _, AsyncWriteExt as _};
use libp2p::Stream;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

/// Stands for a round trip that was not measured yet.
const UNKNOWN: u64 = u64::MAX;

/// When anything last came in on a connection, and how long a heartbeat takes on it.
#[derive(Debug, Clone)]
pub(crate) struct Heard {
    /// The connection's start.
    since: Instant,
    /// Milliseconds from then to the last sign of life.
    last_ms: Arc<AtomicU64>,
    /// Microseconds that the last heartbeat took to the peer and back.
    round_trip_us: Arc<AtomicU64>,
}

impl Heard {
    /// Heard just now.
    pub(crate) fn new() -> Self {
        let round_trip_us = Arc::new(AtomicU64::new(UNKNOWN));
        Self { since: Instant::now(), last_ms: Arc::default(), round_trip_us }
    }

    /// A sign of life.
    pub(crate) fn touch(&self) {
        self.last_ms.store(self.since.elapsed().as_millis() as u64, Ordering::Relaxed);
    }

    /// A heartbeat that was sent at `sent` has come back.
    fn returned(&self, sent: Instant) {
        self.round_trip_us.store(sent.elapsed().as_micros() as u64, Ordering::Relaxed);
    }

    /// How long the last heartbeat took to the peer and back; none if none has come back yet.
    pub(crate) fn round_trip(&self) -> Option<Duration> {
        let us = self.round_trip_us.load(Ordering::Relaxed);
        (us != UNKNOWN).then(|| Duration::from_micros(us))
    }

    /// How long the peer has been silent.
    pub(crate) fn silence(&self) -> Duration {
        self.since.elapsed().saturating_sub(Duration::from_millis(self.last_ms.load(Ordering::Relaxed)))
    }
}

/// Sends a byte every `period` until the substream ends, and notes how long it takes to come back.
pub(crate) async fn beat(mut stream: Stream, period: Duration, heard: Heard) {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for number in (0..=u8::MAX).cycle() {
        ticks.tick().await;
        let sent = Instant::now();
        if stream.write_all(&[number]).await.is_err() || stream.flush().await.is_err() {
            return;
        }
        // The next beat does not wait for one that comes back late, or never.
        if timeout(period / 2, back(&mut stream, number)).await == Ok(true) {
            heard.returned(sent);
        }
    }
}

/// Whether byte `number` comes back; those of earlier beats that were late are passed over.
async fn back(stream: &mut Stream, number: u8) -> bool {
    let mut byte = [0];
    while matches!(stream.read(&mut byte).await, Ok(1..)) {
        if byte[0] == number {
            return true;
        }
    }
    false
}

/// Notes the peer's bytes until the substream ends, and sends them back.
pub(crate) async fn listen(mut stream: Stream, heard: Heard) {
    let mut bytes = [0; 64];
    while let Ok(count @ 1..) = stream.read(&mut bytes).await {
        heard.touch();
        if stream.write_all(&bytes[..count]).await.is_err() || stream.flush().await.is_err() {
            return;
        }
    }
}
