//! How an entry of the log changes the state: total, deterministic, and with an audit record for whatever it is.
//!
//! A batch whose acts are of a gate that is not open is refused unread; one is refused whole when its origin is no member or its
//! signature does not verify.
//!
//! What no program of the open gate can read is garbage, which only a leader that lies puts into the log: it is refused as one
//! record (`batch.unreadable`) and stops nobody. Programs of two versions make the same of it, because a command that a later gate
//! brought counts as one that cannot be read, and so does the whole batch: without that command's act nobody can verify the
//! signature over all of them. A program that is older than the gate that is open stops: it cannot tell garbage from what it
//! does not know.
//!
//! Otherwise each command stands alone, in this order: is it the origin's to say; is it a leader's, of this term; is its gate open;
//! was it done before; are the user who asks and the
//! API token that was shown still there; is its permit's policy set still current; do its own conditions hold; do the invariants hold with what it would write. One that fails
//! changes nothing, and has its record all the same.
//!
//! *Caveats*: that a batch comes from the node that leads is not seen here (an entry names its term, not its leader): the
//! leader checks it at the door. Neither is a batch's time, but that log time never falls, and rises by a day a batch at most: whoever
//! lies about the time needs as many batches as days, all of them on record.

mod agents;
mod batch;
mod chain;
mod checkpoints;
mod context;
mod gates;
mod ledgers;
mod nodes;
mod observe;
mod placements;
mod policies;
mod requests;
mod specs;
mod tokens;
mod users;
mod voters;

use crate::act::{Act, Actor};
use crate::checkpoint::Checkpoint;
use crate::codec;
use crate::entry::{CONTROL, Entry, Payload};
use crate::field::{Fields, Value};
use crate::hash::Hash;
use crate::ids::NodeId;
use crate::names::{Code, Field, Kind};
use crate::outcome::{Coded, Outcome};
use crate::record::{BatchLine, Record};
use crate::state::{Key, Row, State};
use std::sync::Arc;

/// What applying an entry gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// What became of each command, in order; none for Raft's own entries.
    pub outcomes: Vec<Outcome>,
    /// The rows that changed.
    pub rows: Vec<Row>,
    /// What the chain keeps of a batch.
    pub batch_line: Option<BatchLine>,
    /// The audit records, in order: one a command; one for a batch without any, and for an entry of Raft's own.
    pub records: Vec<Record>,
    /// The checkpoint that was closed at the end of the entry.
    pub checkpoint: Option<Arc<Checkpoint>>,
    /// This program is too old for the entry: nothing was changed, and the replica must stop.
    pub error: Option<codec::Error>,
}

/// Applies `entry` to `state`. Entries are applied once each, in the order of the log.
pub fn apply(state: &mut State, entry: &Entry) -> Applied {
    let before = state.clone();
    if let Some(error) = gates::outdated(state) {
        return Applied { error: Some(error), ..Applied::default() };
    }
    let mut applied = match &entry.payload {
        Payload::Batch(bytes) => match batch::Read::of(state, bytes) {
            Ok(batch::Read::Opened(opened)) => batch::apply(state, entry, &opened),
            Ok(batch::Read::Unopened(batch, refusal)) => batch::refuse(state, entry, &batch, &refusal),
            Err(_) => batch::Done::of(unreadable(state, entry, bytes)),
        },
        Payload::Blank => batch::Done::of(raft_record(state, entry, Kind::RAFT_BLANK, Fields::new())),
        Payload::Membership { voters, learners } => {
            Arc::make_mut(&mut state.chain).seats = voters.iter().map(|set| sorted(set)).collect();
            let details = Fields::new()
                .with(Field::VOTERS, Value::Nodes(voters.clone()))
                .with(Field::LEARNERS, Value::Nodes(vec![learners.clone()]));
            batch::Done::of(raft_record(state, entry, Kind::RAFT_MEMBERSHIP, details))
        }
    };
    state.counters.applied_index = entry.index;
    state.counters.applied_term = entry.term;
    applied.touched.extend([Key::Counters, Key::Chain]);
    let mut rows = state.settle(&before, applied.touched);
    state.recent.applied(entry.index);
    let checkpoint = checkpoints::close(state, entry, &applied.records, &mut rows);
    let batch::Done { outcomes, batch_line, records, .. } = applied;
    Applied { outcomes, rows, batch_line, records, checkpoint, error: None }
}

/// A set of nodes as a set of voters is kept: ids rise.
fn sorted(set: &[NodeId]) -> Vec<NodeId> {
    let mut set = set.to_vec();
    set.sort_unstable();
    set
}

/// Appends the record of an entry that Raft itself made.
fn raft_record(state: &mut State, entry: &Entry, kind: Kind, details: Fields) -> Record {
    let act = Act::bare(kind, Actor::Raft, CONTROL, details);
    raft_line(state, entry, act, Outcome::Done.into())
}

/// Appends the record of an entry that is none that anybody could have proposed: nobody's word is in it.
fn unreadable(state: &mut State, entry: &Entry, bytes: &[u8]) -> Record {
    let act = Act::bare(Kind::BATCH_UNREADABLE, Actor::Raft, CONTROL, Fields::new());
    let act = Act { command: Hash::of(&[bytes]), ..act };
    raft_line(state, entry, act, Coded { code: Code::UNREADABLE, values: Fields::new() })
}

fn raft_line(state: &mut State, entry: &Entry, act: Act, result: Coded) -> Record {
    let leaf = act.leaf();
    chain::append(state, entry, chain::Line { position: 0, origin: None, act, result }, &leaf)
}
