//! The bench's own traffic: messages of no agent, on their way to a sink, to see what each stage of a message's way costs.
//!
//! A sink's session is apart from those of agents, under keys made for the run: nothing that a sink takes reaches an agent,
//! a mailbox or a ledger.

use super::blob::Blob;
use crate::session;
use serde::{Deserialize, Serialize};
use symbi_model::agent::AgentName;
use symbi_model::ledger::Attestation;

/// What the sending side asks of the sink.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BenchRequest {
    /// Begin a session, in place of the one before.
    Open {
        /// What it says.
        hello: Box<session::Hello>,
        /// The key of its signatures.
        key: [u8; 32],
        /// The agents for whom the gate is asked, sender first.
        agents: (AgentName, AgentName),
    },
    /// Take these messages through as many stages.
    Take {
        /// Which is the last: 0 none, 1 opening, 2 verifying, 3 the gate's decision, 4 a line of a ledger.
        stage: u8,
        /// At most [`session::batch::MESSAGES`]; sealed from stage 1 on.
        messages: Vec<Blob>,
        /// The signature over them, from stage 2 on.
        attestation: Option<Box<Attestation>>,
    },
    /// Forget the session.
    Close,
    /// How many messages of agents have you verified the signature over, since you started?
    Attested,
}

/// What the sink replies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BenchReply {
    /// The session stands.
    Opened {
        /// What it says.
        hello: Box<session::HelloReply>,
        /// The key of its signatures.
        key: [u8; 32],
    },
    /// The messages went through, or the session is forgotten.
    Done,
    /// They did not.
    Refused {
        /// Why, for people.
        reason: String,
    },
    /// So many messages of agents, from all nodes.
    Attested(u64),
}
