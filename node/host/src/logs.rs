//! What agents say: a ring of lines for each agent that runs or has run here. Not the audit, and not kept on disk.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use symbi_model::agent::AgentName;

/// How many lines are kept of an agent; the oldest goes first.
pub const LINES: usize = 1_000;
/// A longer line is cut here, at a character's end.
pub const LINE_BYTES: usize = 4 * 1024;

/// The rings, by agent.
#[derive(Debug, Default)]
pub(crate) struct Logs {
    /// One for each agent; gone when the agent's record is.
    rings: Mutex<BTreeMap<AgentName, Arc<Ring>>>,
}

impl Logs {
    /// The ring of `agent`, made if need be.
    pub(crate) fn of(&self, agent: &AgentName) -> Arc<Ring> {
        Arc::clone(self.rings.lock().unwrap_or_else(PoisonError::into_inner).entry(agent.clone()).or_default())
    }

    /// The last `lines` of `agent`; none if it never ran here.
    pub(crate) fn last(&self, agent: &AgentName, lines: usize) -> Option<Vec<String>> {
        let ring = self.rings.lock().unwrap_or_else(PoisonError::into_inner).get(agent).cloned()?;
        let kept = ring.kept();
        Some(kept.iter().skip(kept.len().saturating_sub(lines)).cloned().collect())
    }

    /// Forgets every agent that `keep` does not name.
    pub(crate) fn retain(&self, keep: impl Fn(&AgentName) -> bool) {
        self.rings.lock().unwrap_or_else(PoisonError::into_inner).retain(|agent, _| keep(agent));
    }
}

/// The lines of one agent.
#[derive(Debug, Default)]
pub(crate) struct Ring {
    /// At most [`LINES`] of them, oldest first.
    lines: Mutex<VecDeque<String>>,
}

impl Ring {
    /// Appends `text` behind `source` (`stderr`, `host`, or the level of a `log`), cut to [`LINE_BYTES`].
    pub(crate) fn push(&self, source: &str, text: &str) {
        let text = text.trim_end();
        let end = text.floor_char_boundary(LINE_BYTES);
        let mut lines = self.kept();
        if lines.len() == LINES {
            lines.pop_front();
        }
        lines.push_back(format!("{source}: {}", &text[..end]));
        assert!(lines.len() <= LINES, "the ring is bounded");
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<String>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::{LINE_BYTES, LINES, Logs};

    #[test]
    fn the_oldest_goes_first_and_a_long_line_is_cut() {
        let logs = Logs::default();
        let name = "a".parse().unwrap();
        assert_eq!(logs.last(&name, 10), None);
        let ring = logs.of(&name);
        for number in 0..LINES + 5 {
            ring.push("stderr", &format!("line {number}\n"));
        }
        ring.push("info", &"é".repeat(LINE_BYTES));
        let last = logs.last(&name, 2).unwrap();
        assert_eq!(last[0], format!("stderr: line {}", LINES + 4));
        assert_eq!(last[1].len(), "info: ".len() + LINE_BYTES);
        assert_eq!(logs.last(&name, usize::MAX).unwrap().len(), LINES);
        logs.retain(|_| false);
        assert_eq!(logs.last(&name, 1), None);
    }
}
