//! What is permitted: Cedar policy sets, the [`Gate`] that judges by them, and AgentPin credentials.
//!
//! An effect takes a [`Permit`] by value, and only [`Gate::judge`] makes one; there is no way to switch policy off.
//! Not here: who a caller is (`node/api` authenticates, sessions do for agents), and where verdicts are shown.

pub mod act;
pub mod credential;
mod entities;
pub mod gate;
mod judge;
mod nesting;
pub mod set;
pub mod verdict;
mod verdicts;

pub use act::{
    Act, Administer, AdmitNode, AgentRef, Ask, CreateAgent, DeleteAgent, ExportAudit, Principal, Receive, StopAgent,
    Tell,
};
pub use gate::{Denied, Gate, Options, Permit};
pub use set::{PolicyError, SCHEMA, STARTER, check};
pub use verdict::{PolicyLine, Verdict};
