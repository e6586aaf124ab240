//! What the host tells of effects: for metrics, and for the oracles that judge a simulation's history.

use std::fmt;
use symbi_model::agent::AgentName;
use symbi_model::{Epoch, NodeId};

/// An effect that was tested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// An effect of an agent passed this node's gate.
    EffectPassed {
        /// Whose.
        agent: AgentName,
        /// Under which epoch.
        epoch: Epoch,
        /// What kind.
        kind: Effect,
    },
    /// An effect of an agent was refused by this node's gate.
    EffectRefused {
        /// Whose.
        agent: AgentName,
        /// Under which epoch.
        epoch: Epoch,
        /// What kind.
        kind: Effect,
        /// Why.
        why: String,
    },
    /// An effect of an agent, made here or elsewhere, was accepted by this node.
    SinkAccepted {
        /// Whose.
        agent: AgentName,
        /// Under which epoch.
        epoch: Epoch,
    },
    /// An effect of an agent was refused by this node because a later instance of it is known.
    SinkRefused {
        /// Whose.
        agent: AgentName,
        /// Under which epoch.
        epoch: Epoch,
        /// The highest epoch known of that agent.
        highest: Epoch,
    },
    /// A session with another node was closed, because what came in it was not attested in time, or wrongly.
    SessionUnattested {
        /// The other node.
        node: NodeId,
        /// Who sent there, as its credential said.
        sender: String,
        /// Why.
        why: String,
    },
    /// This node's ledger goes on from its first so many lines being anchored in the audit chain.
    LedgerAnchored {
        /// How many.
        entries: u64,
    },
    /// The audit chain has an anchor of lines that this node's ledger does not have: the node stops.
    LedgerLost {
        /// How many lines are anchored.
        anchored: u64,
        /// How many the ledger has.
        kept: u64,
    },
}

/// What an agent does that others notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// Its process is started.
    Start,
    /// It asks.
    Ask,
    /// It tells.
    Tell,
    /// It is given a message.
    Receive,
    /// It answers.
    Answer,
}

impl fmt::Display for Effect {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Start => "start",
            Self::Ask => "ask",
            Self::Tell => "tell",
            Self::Receive => "receive",
            Self::Answer => "answer",
        })
    }
}
