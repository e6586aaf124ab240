//! The leader's side of grants: which node may act, and when one that has fallen silent may act no more.
//!
//! A grant lets a node's effects pass for six seconds from the sending of its request, once it has applied the grant's
//! `read_index`. [`Leader`] is the core, without I/O: events in, effects out, time as an argument (of a clock that runs while
//! the machine sleeps). The node's side, which tests a grant at each effect, is not here.

mod leader;
mod silence;
#[cfg(test)]
mod tests;

pub use leader::Leader;

use std::collections::BTreeMap;
use std::time::Duration;
use symbi_model::node::{Liveness, Membership};
use symbi_model::{NodeId, State};

/// A node that has asked for nothing for so long is declared down: four seconds after its last grant has ended.
pub const DOWN_AFTER: Duration = Duration::from_secs(10);
/// Nothing is placed on a node that has asked for nothing for so long.
pub const QUIET_AFTER: Duration = Duration::from_secs(3);
/// How often a leader that nobody asks makes sure that it still leads.
pub const ROUND_EVERY: Duration = Duration::from_secs(1);
/// With a longer gap between confirmed rounds the leader cannot tell a cut of its own from others' silence: every node's
/// silence is counted anew.
pub const GAP: Duration = Duration::from_secs(3);

/// A request of the shell's, by its number: the shell knows whom to answer.
pub type Request = u64;

/// What happens to the core.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A node asks for a grant.
    Asked {
        /// The request.
        request: Request,
        /// Who asks.
        node: NodeId,
    },
    /// A confirmation round has ended: with term and read index, or without a quorum.
    Confirmed {
        /// Which.
        round: u64,
        /// Term and read index.
        result: Option<(u64, u64)>,
    },
    /// A proposal of the core's has an outcome, or it failed and its fate is unknown. (Proposals are carried out in the order
    /// in which they were made, if at all.)
    Settled {
        /// About whom.
        node: NodeId,
        /// What was proposed.
        verdict: Verdict,
        /// The index of its outcome, and whether it was carried out rather than refused.
        outcome: Option<(u64, bool)>,
    },
    /// The nodes as the state has them now.
    Nodes(BTreeMap<NodeId, Standing>),
    /// Time has passed.
    Tick,
}

/// What the core wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Begin a round that confirms that this node leads.
    Confirm {
        /// Its number.
        round: u64,
    },
    /// Answer a request.
    Answer {
        /// Which.
        request: Request,
        /// With what.
        answer: Answer,
    },
    /// Propose, in this term only.
    Propose {
        /// About whom.
        node: NodeId,
        /// What.
        verdict: Verdict,
    },
}

/// The answer to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A grant.
    Granted {
        /// The leader's term.
        term: u64,
        /// The node's gates stay shut until it has applied this index.
        read_index: u64,
    },
    /// This node does not lead, or cannot show that it does.
    NotLeading,
    /// The node is down, or none of the cluster.
    Down,
}

/// What is proposed about a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// `NodeDown`.
    Down,
    /// `NodeUp`.
    Up,
}

/// What the state says of a node, as far as grants are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its silence counts: it is a member.
    pub member: bool,
    /// It was declared down.
    pub down: bool,
}

/// The nodes of the cluster: all that are not removed.
#[must_use]
pub fn nodes(state: &State) -> BTreeMap<NodeId, Standing> {
    let present = state.nodes.iter().filter(|(_, node)| node.membership != Membership::Removed);
    present
        .map(|(id, node)| {
            let member = node.membership == Membership::Member;
            (*id, Standing { member, down: node.liveness == Liveness::Down })
        })
        .collect()
}
