//! Waiting for a condition by looking again and again, until a deadline.

use std::time::{Duration, Instant};

/// The pause between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// What `look` finds, once it finds it.
///
/// # Panics
/// When it has found nothing `within` that time; the message says what was awaited and what the last look met.
pub async fn eventually<T>(what: &str, within: Duration, mut look: impl AsyncFnMut() -> anyhow::Result<T>) -> T {
    let began = Instant::now();
    loop {
        let last = match look().await {
            Ok(found) => return found,
            Err(error) => error,
        };
        assert!(began.elapsed() < within, "{what}: not within {within:?}; at the last look: {last:#}");
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}
