//! What agents say: a ring of lines for each agent that runs or has run here. Not the audit, and not kept on disk.
//!
//! Invariants:
//! - a ring has at most [`LINES`] lines, and after each line no more bytes than its share of [`BYTES`], but for that line;
//! - the shares of all rings are equal: who says much takes nothing of the others. Those who say nothing more are cut to them
//!   when there are twice as many rings as at the last time: until then they have at most as much again.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use symbi_model::agent::AgentName;

/// How many lines are kept of an agent; the oldest goes first.
pub const LINES: usize = 1_000;
/// A longer line is cut here, at a character's end.
pub const LINE_BYTES: usize = 4 * 1024;
/// How many bytes are kept of all agents.
pub const BYTES: usize = 64 * 1024 * 1024;
/// How many are kept of one, however few there are.
const RING_BYTES: usize = 1024 * 1024;

/// The rings, by agent.
#[derive(Debug, Default)]
pub(crate) struct Logs {
    /// One for each agent; gone when the agent's record is.
    rings: Mutex<BTreeMap<AgentName, Arc<Ring>>>,
    /// How many rings there are: what the shares go by.
    count: Arc<AtomicUsize>,
}

impl Logs {
    /// The ring of `agent`, made if need be.
    pub(crate) fn of(&self, agent: &AgentName) -> Arc<Ring> {
        let mut rings = self.rings();
        if let Some(ring) = rings.get(agent) {
            return Arc::clone(ring);
        }
        let ring = Arc::new(Ring { lines: Mutex::default(), count: Arc::clone(&self.count) });
        rings.insert(agent.clone(), Arc::clone(&ring));
        self.count.store(rings.len(), Ordering::Relaxed);
        // At each doubling, so that a crowd does not cut all for each of it.
        if rings.len().is_power_of_two() {
            rings.values().for_each(|ring| ring.kept().cut(ring.share()));
        }
        ring
    }

    /// The last `lines` of `agent`; none if it never ran here.
    pub(crate) fn last(&self, agent: &AgentName, lines: usize) -> Option<Vec<String>> {
        let ring = self.rings().get(agent).cloned()?;
        let kept = ring.kept();
        Some(kept.lines.iter().skip(kept.lines.len().saturating_sub(lines)).map(|line| line.to_string()).collect())
    }

    /// Forgets every agent that `keep` does not name.
    pub(crate) fn retain(&self, keep: impl Fn(&AgentName) -> bool) {
        let mut rings = self.rings();
        rings.retain(|agent, _| keep(agent));
        self.count.store(rings.len(), Ordering::Relaxed);
    }

    fn rings(&self) -> MutexGuard<'_, BTreeMap<AgentName, Arc<Ring>>> {
        self.rings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The lines of one agent.
#[derive(Debug)]
pub(crate) struct Ring {
    /// The lines.
    lines: Mutex<Kept>,
    /// How many rings there are.
    count: Arc<AtomicUsize>,
}

/// Lines, oldest first.
#[derive(Debug, Default)]
struct Kept {
    /// They.
    lines: VecDeque<Box<str>>,
    /// Their bytes.
    bytes: usize,
}

impl Ring {
    /// Appends `text` behind `source` (`stderr`, `host`, or the level of a `log`), cut to [`LINE_BYTES`].
    pub(crate) fn push(&self, source: &str, text: &str) {
        let text = text.trim_end();
        let end = text.floor_char_boundary(LINE_BYTES);
        let line = format!("{source}: {}", &text[..end]).into_boxed_str();
        let mut kept = self.kept();
        kept.bytes += line.len();
        kept.lines.push_back(line);
        kept.cut(self.share());
        assert!(kept.lines.len() <= LINES, "the ring is bounded");
    }

    /// So many bytes it may have.
    fn share(&self) -> usize {
        (BYTES / self.count.load(Ordering::Relaxed).max(1)).min(RING_BYTES)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// Lets the oldest lines go, all but the last if need be.
    fn cut(&mut self, share: usize) {
        while self.lines.len() > LINES || (self.bytes > share && self.lines.len() > 1) {
            self.bytes -= self.lines.pop_front().map_or(0, |line| line.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BYTES, LINE_BYTES, LINES, Logs, RING_BYTES};

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

    #[test]
    fn many_who_say_much_share_what_there_is() {
        let logs = Logs::default();
        let long = "x".repeat(LINE_BYTES);
        let bytes = || logs.rings().values().map(|ring| ring.kept().bytes).sum::<usize>();
        let alone = logs.of(&"first".parse().unwrap());
        (0..LINES).for_each(|_| alone.push("stderr", &long));
        assert!(bytes() <= RING_BYTES);
        for number in 0..4_095 {
            let ring = logs.of(&format!("agent-{number}").parse().unwrap());
            (0..20).for_each(|_| ring.push("stderr", &long));
        }
        assert!(bytes() <= BYTES, "{} bytes", bytes());
        assert_eq!(
            logs.last(&"first".parse().unwrap(), usize::MAX).unwrap().len(),
            3,
            "of it, too, no more than a share"
        );
    }
}
