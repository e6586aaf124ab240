//! What the cluster agrees on: the replicated [`State`], the [`Command`]s that change it, and [`apply()`], which does so.
//!
//! Pure: no clock, randomness, I/O, hash order or floats. Whatever is nondeterministic arrives inside the command.
//! Not here: how agreement is reached (`consensus/raft`), and how bytes are kept (`storage`).

pub mod act;
pub mod agent;
pub mod apply;
pub mod checkpoint;
pub mod codec;
pub mod command;
pub mod dedup;
pub mod document;
pub mod entry;
pub mod field;
pub mod gate;
pub mod hash;
pub mod ids;
pub mod invariants;
pub mod ledger;
pub mod merkle;
pub mod names;
pub mod node;
pub mod outcome;
pub mod planted;
pub mod policy;
pub mod proposal;
pub mod record;
pub mod secret;
pub mod signed;
pub mod state;
pub mod token;
pub mod user;

pub use apply::{Applied, apply};
pub use checkpoint::{Checkpoint, Claim};
pub use command::Command;
pub use entry::{Batch, Item};
pub use hash::Hash;
pub use ids::{
    AgentId, ApiTokenId, ClientId, ClusterId, DecisionId, Epoch, GroupId, Incarnation, MessageId, NodeId, PolicyNumber,
    RequestId, TokenId,
};
pub use outcome::{Outcome, Refusal};
pub use proposal::{Committed, Proposal, ProposeError};
pub use state::State;
