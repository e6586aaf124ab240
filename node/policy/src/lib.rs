//! What is permitted: Cedar policy sets, the [`Gate`] that judges by them, and AgentPin credentials.
//!
//! An effect takes a [`Permit`] by value, and only [`Gate::judge`] makes one; there is no way to switch policy off.
//! Not here: who a caller is (`node/api` authenticates, sessions do for agents), and where verdicts are shown.

pub mod act;
pub mod cases;
pub mod credential;
pub mod diff;
mod entities;
mod est;
mod findings;
pub mod gate;
mod invalid;
mod judge;
mod members;
mod nearest;
mod nesting;
pub mod new_actions;
pub mod set;
pub mod verdict;
mod verdicts;

pub use act::{
    ADMINISTER, Act, Administer, AdmitNode, AgentRef, ApplyPolicies, Ask, CreateAgent, DeleteAgent, ExportAudit,
    Principal, ReadAgent, ReadAudit, ReadCluster, Reading, Receive, RemoveNode, SPEAK_AS_AGENT, StopAgent, Tell,
    UpdateAgent,
};
pub use cases::{Case, Tested};
pub use diff::{Difference, diff};
pub use entities::{Kind, Subject};
pub use gate::{Clocks, Denied, Gate, LEADERLESS_AFTER, Lockout, Options, Permit};
pub use invalid::{Invalid, PolicyError};
pub use set::{Candidate, STARTER, check, schema_text};
pub use verdict::{Account, ClauseLine, Holds, Nearest, PolicyLine, Verdict};
