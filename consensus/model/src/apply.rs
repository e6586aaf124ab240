//! How an entry of the log changes the state: total, deterministic, and with an audit record for whatever it is.
//!
//! A batch whose acts are of a gate that is not open is refused unread; one is refused whole when its origin is no member or its
//! signature does not verify.
//! Otherwise each command stands alone, in this order: is it the origin's to say; is it a leader's, of this term; is its gate open;
//! was it done before; are the user who asks and the
//! API token that was shown still there; is its permit's policy set still current; do its own conditions hold; do the invariants hold with what it would write. One that fails
//! changes nothing, and has its record all the same.
//!
//! *Caveats*: that a batch comes from the node that leads is not seen here (an entry names its term, not its leader): the
//! leader checks it at the door. Neither is a batch's time, but that log time never falls.

mod agents;
mod batch;
mod chain;
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

use crate::act::{Act, Actor};
use crate::codec;
use crate::entry::{CONTROL, Entry, Payload};
use crate::field::{Fields, Value};
use crate::names::{Field, Kind};
use crate::outcome::Outcome;
use crate::record::{BatchLine, Record};
use crate::state::{Key, Row, State};

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
    /// The entry cannot be read: nothing was changed, and the replica must stop.
    pub error: Option<codec::Error>,
}

/// Applies `entry` to `state`. Entries are applied once each, in the order of the log.
pub fn apply(state: &mut State, entry: &Entry) -> Applied {
    let before = state.clone();
    let mut applied = match &entry.payload {
        Payload::Batch(bytes) => match batch::Read::of(state, bytes) {
            Ok(batch::Read::Opened(opened)) => batch::apply(state, entry, &opened),
            Ok(batch::Read::Unopened(batch, refusal)) => batch::refuse(state, entry, &batch, &refusal),
            Err(error) => return Applied { error: Some(error), ..Applied::default() },
        },
        Payload::Blank => batch::Done::of(raft_record(state, entry, Kind::RAFT_BLANK, Fields::new())),
        Payload::Membership { voters, learners } => {
            let details = Fields::new()
                .with(Field::VOTERS, Value::Nodes(voters.clone()))
                .with(Field::LEARNERS, Value::Nodes(vec![learners.clone()]));
            batch::Done::of(raft_record(state, entry, Kind::RAFT_MEMBERSHIP, details))
        }
    };
    state.counters.applied_index = entry.index;
    state.counters.applied_term = entry.term;
    applied.touched.insert(Key::Counters);
    let rows = state.settle(&before, applied.touched);
    Applied { outcomes: applied.outcomes, rows, batch_line: applied.batch_line, records: applied.records, error: None }
}

/// Appends the record of an entry that Raft itself made.
fn raft_record(state: &mut State, entry: &Entry, kind: Kind, details: Fields) -> Record {
    let act = Act::bare(kind, Actor::Raft, CONTROL, details);
    let leaf = act.leaf();
    let line = chain::Line { position: 0, origin: None, act, result: Outcome::Done.into() };
    chain::append(state, entry, line, &leaf)
}
