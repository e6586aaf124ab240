//! Whether an agent answers: how many of its messages in a row were not answered by their deadlines.
//!
//! An answer that comes late is a sign of life too. A message that the agent had for a moment only before its deadline says
//! nothing, nor does one during which its gates were shut: it may have been stopped.

use std::time::Duration;
use tokio::sync::watch;

/// After so many deadlines missed in a row an agent is unresponsive.
pub(crate) const MISSES: u32 = 3;
/// A message that the agent had for less than this before its deadline is no miss.
pub(crate) const FAIR: Duration = Duration::from_millis(500);
/// How long after its deadline an answer is still heard as a sign of life.
pub(crate) const LATE: Duration = Duration::from_secs(60);

/// The misses of one incarnation.
#[derive(Debug, Default)]
pub(crate) struct Responsiveness {
    /// Misses in a row.
    misses: watch::Sender<u32>,
}

impl Responsiveness {
    /// It has answered something.
    pub(crate) fn answered(&self) {
        self.misses.send_if_modified(|misses| std::mem::take(misses) > 0);
    }

    /// It has let a deadline pass.
    pub(crate) fn missed(&self) {
        self.misses.send_modify(|misses| *misses = misses.saturating_add(1));
    }

    /// Misses in a row, for those who wait for them.
    pub(crate) fn misses(&self) -> watch::Receiver<u32> {
        self.misses.subscribe()
    }
}
