//! The control group's machine: the model's state in memory, as an image whose clone is O(1), and its audit chain as lines.

use super::loading::Loading;
use super::unsaved::Unsaved;
use crate::audit;
use crate::entry::{Entry, Payload};
use crate::machine::{Image, Line, Machine, Row, Tip, Writes};
use crate::replica::ReplicaId;
use bytes::Bytes;
use std::io;
use symbi_model::entry as model;
use symbi_model::planted::{self, Defect};
use symbi_model::state::Table;
use symbi_model::{Hash, NodeId, State, codec, gate};

/// See the module.
pub struct Control {
    /// The state.
    state: State,
    /// The rows of it that are not on disk yet.
    unsaved: Unsaved,
}

impl Machine for Control {
    type Image = State;
    type Loading = Loading;

    fn of(image: State) -> Self {
        Self { state: image, unsaved: Unsaved::default() }
    }

    /// The answer is the outcomes of a batch's commands, encoded; nothing for an entry of Raft's own, or what is no batch.
    fn apply(&mut self, entry: &Entry, writes: &mut Writes<'_>) -> io::Result<Bytes> {
        let gate = self.state.gate();
        let applied = symbi_model::apply(&mut self.state, &model_entry(entry));
        if let Some(error) = applied.error {
            return Err(io::Error::new(io::ErrorKind::InvalidData, error));
        }
        audit::put(writes, &applied)?;
        self.unsaved.take(applied.rows);
        if self.state.gate() != gate {
            self.unsaved.hasten();
        }
        Ok(applied.batch_line.map_or_else(Bytes::new, |_| codec::encode_outcomes(&applied.outcomes).into()))
    }

    fn is_due(&self) -> bool {
        self.unsaved.is_due()
    }

    fn save(&mut self, writes: &mut Writes<'_>) {
        self.unsaved.save(writes);
    }

    fn image(&self) -> State {
        self.state.clone()
    }
}

impl Image for State {
    fn hash(&self) -> Hash {
        State::hash(self)
    }

    fn rows(&self) -> Box<dyn Iterator<Item = Row> + Send> {
        let is_left_out = |table| table == Table::Dedup && planted::active(Defect::SnapshotWithoutDedup);
        let rows = self.clone().into_rows().filter(move |row| !is_left_out(row.table));
        Box::new(rows.filter_map(|row| Some(([&[row.table as u8], row.key.as_slice()].concat(), row.value?))))
    }

    fn gate(&self) -> u32 {
        self.counters.gate.max(gate::FIRST)
    }

    fn follows(&self, own: &Self, last: u64) -> io::Result<()> {
        let is_another = self.counters.applied_index != last;
        let foreign = is_another.then_some("it is the state behind another entry").or_else(|| self.foreign_to(own));
        match foreign.filter(|_| !planted::active(Defect::FrontierUnchecked)) {
            Some(why) => Err(io::Error::new(io::ErrorKind::InvalidData, format!("the snapshot is refused: {why}"))),
            None => Ok(()),
        }
    }

    fn sent(self) -> Self {
        if planted::active(Defect::FrontierUnchecked) { self.without_tree() } else { self }
    }

    fn tip(&self) -> Tip {
        Tip { head: self.counters.audit_head, count: self.counters.audit_records }
    }

    fn unlink(&self, tip: Tip, lines: &[Line]) -> io::Result<(Tip, usize)> {
        audit::unlink(self.cluster.as_ref().map(|cluster| cluster.id), tip, lines)
    }
}

/// An entry as the model has it: its replicas are nodes.
fn model_entry(entry: &Entry) -> model::Entry {
    let nodes = |replicas: &Vec<ReplicaId>| replicas.iter().map(|replica| replica.node).collect::<Vec<NodeId>>();
    let payload = match &entry.payload {
        Payload::Blank => model::Payload::Blank,
        Payload::Data(data) => model::Payload::Batch(data.0.to_vec()),
        Payload::Membership { voters, learners } => {
            model::Payload::Membership { voters: voters.iter().map(nodes).collect(), learners: nodes(learners) }
        }
    };
    model::Entry { term: entry.term, index: entry.index, payload }
}
