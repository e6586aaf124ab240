//! What holds up the messages of a send queue, and when they are tried again. Not whether a message may leave.
//!
//! A way that is cut is tried again after a pause that doubles from [`AGAIN`] to [`LATER`] while nothing is replied to.

use crate::ending::{Ending, not_delivered};
use std::time::Duration;
use symbi_proto::session::Kind;
use tokio::time::Instant;

/// How long after a way was found cut it is tried again.
const AGAIN: Duration = Duration::from_millis(100);
/// The longest pause before that.
const LATER: Duration = Duration::from_secs(1);

/// What holds up whatever waits.
pub(super) struct HoldUp {
    /// What it is, in words; none while messages leave.
    reason: Option<String>,
    /// When it is tried again.
    again: Instant,
    /// How long after the next failure.
    pause: Duration,
}

impl Default for HoldUp {
    fn default() -> Self {
        Self { reason: None, again: Instant::now(), pause: AGAIN }
    }
}

impl HoldUp {
    /// Takes note of a failure. Those that come together, of batches that were under way together, are one.
    pub(super) fn fail(&mut self, reason: String) {
        let now = Instant::now();
        self.reason = Some(reason);
        if self.again <= now {
            self.again = now + self.pause;
            self.pause = (2 * self.pause).min(LATER);
        }
    }

    /// Whether there is anything.
    pub(super) fn is_on(&self) -> bool {
        self.reason.is_some()
    }

    /// When it is tried again, if that is not now.
    pub(super) fn until(&self) -> Option<Instant> {
        (self.is_on() && self.again > Instant::now()).then_some(self.again)
    }

    /// Nothing does for now: messages leave.
    pub(super) fn end(&mut self) {
        self.reason = None;
    }

    /// What has left arrives: the next failure is a first one.
    pub(super) fn replied(&mut self) {
        self.pause = AGAIN;
    }

    /// How a message of this kind ends whose time was up while it waited: it did not leave.
    pub(super) fn expired(&self, kind: Kind) -> Ending {
        match (&self.reason, kind) {
            (Some(reason), _) => not_delivered(reason.clone()),
            (None, Kind::Tell) => not_delivered("its time was up before it could leave"),
            (None, Kind::Ask | Kind::Answer) => Ending::DeadlineExceeded { delivered: false },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_until_something_is_replied_to_and_failures_that_come_together_are_one() {
        let (mut held_up, began) = (HoldUp::default(), Instant::now());
        assert_eq!(held_up.until(), None);
        let mut tries = Vec::new();
        for _ in 0..6 {
            (0..8).for_each(|_| held_up.fail("cut".to_owned()));
            tokio::time::sleep_until(held_up.until().expect("not at once")).await;
            assert_eq!(held_up.until(), None);
            tries.push(began.elapsed().as_millis());
        }
        assert_eq!(tries, [100, 300, 700, 1_500, 2_500, 3_500]);
        held_up.end();
        held_up.replied();
        held_up.fail("cut".to_owned());
        assert_eq!(held_up.until(), Some(Instant::now() + AGAIN));
    }

    #[test]
    fn whose_time_is_up_is_told_what_there_is_to_tell() {
        let mut held_up = HoldUp::default();
        assert_eq!(held_up.expired(Kind::Ask), Ending::DeadlineExceeded { delivered: false });
        assert_eq!(held_up.expired(Kind::Tell), not_delivered("its time was up before it could leave"));
        held_up.fail("cut".to_owned());
        assert_eq!([Kind::Ask, Kind::Tell].map(|kind| held_up.expired(kind)), [(); 2].map(|()| not_delivered("cut")));
    }
}
