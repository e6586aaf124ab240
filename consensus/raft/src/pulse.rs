//! How regularly a replica hears its leader: the longest silence of late. A leader whose heartbeats wait behind something else shows
//! here long before there is an election.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// What is longer ago than two of these is forgotten.
const WINDOW: Duration = Duration::from_secs(60);

/// See the module.
pub struct Pulse(Mutex<Beats>);

/// What was heard.
struct Beats {
    /// The last beat: the leader's term, and when.
    last: Option<(u64, Instant)>,
    /// When this window began.
    since: Instant,
    /// The longest silence between two beats of one leader, in this window and in the one before.
    longest: [Option<Duration>; 2],
}

impl Pulse {
    /// Nothing heard yet.
    pub fn new() -> Self {
        Self(Mutex::new(Beats { last: None, since: Instant::now(), longest: [None; 2] }))
    }

    /// The leader of a term was heard.
    pub fn beat(&self, term: u64) {
        let (mut beats, now) = (self.beats(), Instant::now());
        beats.turn(now);
        let silence = beats.last.filter(|(last, _)| *last == term).map(|(_, at)| now - at);
        beats.longest[0] = beats.longest[0].max(silence);
        beats.last = Some((term, now));
    }

    /// The longest silence between two beats of one leader in the last minute or two; none where no leader was heard twice.
    pub fn longest(&self) -> Option<Duration> {
        let mut beats = self.beats();
        beats.turn(Instant::now());
        beats.longest[0].max(beats.longest[1])
    }

    fn beats(&self) -> MutexGuard<'_, Beats> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Beats {
    /// Begins another window when this one is over.
    fn turn(&mut self, now: Instant) {
        let windows = now.saturating_duration_since(self.since).as_secs() / WINDOW.as_secs();
        if windows > 0 {
            self.longest = [None, self.longest[0].filter(|_| windows == 1)];
            self.since = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Pulse, WINDOW};
    use std::time::Duration;
    use tokio::time::advance;

    #[tokio::test(start_paused = true)]
    async fn the_longest_silence_of_late_is_remembered() {
        let (pulse, ms) = (Pulse::new(), Duration::from_millis);
        pulse.beat(1);
        assert_eq!(pulse.longest(), None, "one beat is no silence");
        for silence in [100, 700, 100] {
            advance(ms(silence)).await;
            pulse.beat(1);
        }
        assert_eq!(pulse.longest(), Some(ms(700)));
        advance(ms(5_000)).await;
        pulse.beat(2);
        assert_eq!(pulse.longest(), Some(ms(700)), "between two leaders there may be any");
        advance(WINDOW).await;
        assert_eq!(pulse.longest(), Some(ms(700)));
        advance(WINDOW).await;
        assert_eq!(pulse.longest(), None, "it is long ago");
    }
}
