//! What a run of the bench is asked to do, and what it found. The run itself is the composition root's; [`tally`] is what it
//! shares with clients that are elsewhere.

pub mod tally;

use std::collections::BTreeMap;
use std::time::Duration;
use symbi_model::agent::AgentName;

/// The most clients at once.
pub const CLIENTS: usize = 1024;
/// The longest run, seconds; with layers that of each.
pub const SECONDS: u64 = 300;
/// The bytes of a note, and of a message's payload.
pub const BYTES: usize = 256;
/// The most agents whose records are written to: a record is written whole, so each client has one of its own as far as this
/// goes.
pub const NOTED: usize = 128;

/// A client's note, unlike its last one.
#[must_use]
pub fn note(done: u64) -> String {
    let mut note = "x".repeat(BYTES - 20);
    note.push_str(&format!("{done:020}"));
    note
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Notes of 256 bytes on agents' records: commands that a majority has on its disks.
    Write,
    /// Questions of 256 bytes between agents on different nodes, and their answers.
    Ask,
    /// Messages of 256 bytes between agents on different nodes. The time of each is until it is in the receiver's mailbox; the
    /// run lasts until the receiver's node has verified the signature over the last.
    Tell,
    /// Decisions of this node's gate on a message between two agents.
    Policy,
    /// Agents from their specification to their place on a node.
    Place,
}

impl Work {
    /// As the command line and the routes name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Ask => "ask",
            Self::Tell => "tell",
            Self::Policy => "policy",
            Self::Place => "place",
        }
    }
}

/// A stage of a message's way that a run with layers adds to those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// Only the lane between the nodes.
    Bare,
    /// Sealing and opening.
    Seal,
    /// A signature for each flush, and its verification.
    Sign,
    /// The gate's decision on both sides.
    Gate,
    /// A line of a ledger on both sides, on the disk.
    Ledger,
}

impl Layer {
    /// From the first to the last.
    pub const ALL: [Self; 5] = [Self::Bare, Self::Seal, Self::Sign, Self::Gate, Self::Ledger];

    /// As the command line and the routes name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Seal => "+seal",
            Self::Sign => "+sign",
            Self::Gate => "+gate",
            Self::Ledger => "+ledger",
        }
    }
}

/// A run.
#[derive(Clone, Debug)]
pub struct Order {
    /// What is measured.
    pub work: Work,
    /// How many clients work at once, each with one thing under way; 1 to [`CLIENTS`].
    pub clients: usize,
    /// For how long; 1 to [`SECONDS`].
    pub length: Duration,
    /// Between how many pairs of agents messages go; 1 to 100.
    pub sessions: usize,
    /// Measures the way itself up to this stage, instead of agents' messages.
    pub layers: Option<Layer>,
    /// The user for whom its agents are made and removed.
    pub user: String,
}

/// The agents of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BenchAgents {
    /// Those that messages are sent from, on this node; for writes, those on whose records the notes are.
    pub from: Vec<AgentName>,
    /// Those that messages are sent to, on another node.
    pub to: Vec<AgentName>,
}

impl BenchAgents {
    /// The agent on whose record a client's notes are.
    ///
    /// # Panics
    /// When there are no agents.
    #[must_use]
    pub fn noted(&self, client: usize) -> &AgentName {
        &self.from[client % self.from.len()]
    }

    /// Every sender with every receiver: a session each.
    #[must_use]
    pub fn pairs(&self) -> Vec<(AgentName, AgentName)> {
        self.from.iter().flat_map(|from| self.to.iter().map(move |to| (from.clone(), to.clone()))).collect()
    }
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// How many were done.
    pub operations: u64,
    /// From the first's beginning to the last's end.
    pub elapsed: Duration,
    /// Half took no longer.
    pub p50: Duration,
    /// 99 of 100 took no longer.
    pub p99: Duration,
    /// The longest.
    pub max: Duration,
    /// How many failed, by why.
    pub errors: BTreeMap<String, u64>,
}

/// What a run found: its figures, or those of each layer.
#[derive(Clone, Debug)]
pub enum Found {
    /// Of the whole way.
    Whole(Figures),
    /// With each layer added to those before it.
    Layers(Vec<(Layer, Figures)>),
}
