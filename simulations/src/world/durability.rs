//! Durability: when a write is acknowledged, its entry is on the disks of a majority of the voters, where no crash can take it.
//!
//! The one property that is judged by looking at the disks themselves. The others hear of a write that was acknowledged too
//! early only when enough nodes lose power in that moment.
//!
//! An entry may have been committed by those who voted before a change of the voters that its host has heard of by now.

use super::World;
use std::time::Duration;
use symbi_model::NodeId;
use symbi_model::entry::CONTROL;

/// What was committed before a change of the voters is acknowledged within this time of it.
const LATE: Duration = Duration::from_millis(500);

/// Sets of voters, of each of which a majority must have what is committed.
type Voters = Vec<Vec<NodeId>>;

/// Who votes, as a host has it.
pub(super) struct Votes {
    /// Now.
    now: Voters,
    /// Before, and until when.
    before: Option<(Voters, Duration)>,
}

impl World {
    /// Judges what was acknowledged in the last step.
    pub(super) fn judge_durability(&mut self) {
        self.look_at_votes();
        for (host, index) in self.recorder.take_acked() {
            let Some(votes) = self.voters.get(&host) else { continue };
            let before = votes.before.iter().filter(|(_, until)| self.elapsed() <= *until + LATE);
            let mut either = before.map(|(voters, _)| voters).chain([&votes.now]);
            if !either.any(|voters| self.is_durable(voters, index)) {
                self.wrong(format!(
                    "durability: entry {index} was acknowledged to {host}, and a majority has not synced it"
                ));
            }
        }
    }

    fn look_at_votes(&mut self) {
        let elapsed = self.elapsed();
        for setup in &self.hosts {
            let now = setup.view(|view| view.status.voters.clone());
            match self.voters.get_mut(&setup.name) {
                Some(votes) if votes.now == now => {}
                Some(votes) => {
                    let before = std::mem::replace(&mut votes.now, now);
                    votes.before = (!before.is_empty()).then_some((before, elapsed));
                }
                None => drop(self.voters.insert(setup.name.clone(), Votes { now, before: None })),
            }
        }
    }

    /// Whether a majority of each set has an entry.
    fn is_durable(&self, voters: &Voters, index: u64) -> bool {
        voters.iter().all(|voters| {
            let have = voters.iter().filter(|voter| self.has_durably(voter, index)).count();
            have * 2 > voters.len()
        })
    }

    /// Whether a node's disk has an entry, or has had it and let it go behind a snapshot.
    fn has_durably(&self, node: &NodeId, index: u64) -> bool {
        let Some(at) = (0..self.size()).find(|at| self.node(*at) == *node) else { return false };
        let [log, _] = symbi_raft::runs(CONTROL);
        let Some((key, _)) = self.hosts[at].disk.last_durable(&log.from, &log.to) else { return true };
        let last = key.last_chunk().map(|bytes| u64::from_be_bytes(*bytes));
        last.is_some_and(|last| last >= index)
    }
}
