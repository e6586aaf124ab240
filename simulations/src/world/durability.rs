//! Durability: when a write is acknowledged, its entry is on the disks of a majority of the voters, where no crash can take it.
//!
//! The one property that is judged by looking at the disks themselves. The others hear of a write that was acknowledged too
//! early only when enough nodes lose power in that moment.

use super::World;
use symbi_model::NodeId;
use symbi_model::entry::CONTROL;

impl World {
    /// Judges what was acknowledged in the last step.
    pub(super) fn judge_durability(&self) {
        for (host, index) in self.recorder.take_acked() {
            let Some(setup) = self.hosts.iter().find(|setup| setup.name == host) else { continue };
            let voters = setup.view(|view| view.status.voters.clone());
            let without = voters.iter().find(|voters| {
                let have = voters.iter().filter(|voter| self.has_durably(voter, index)).count();
                have * 2 <= voters.len()
            });
            if without.is_some() {
                self.wrong(format!(
                    "durability: entry {index} was acknowledged to {host}, and a majority has not synced it"
                ));
            }
        }
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
