//! How the cluster agrees: openraft over the storage, link and machine seams, one [`Replica`] for each group of a node.
//!
//! openraft's types stay inside: what goes to disk and over the wire are our own (`disk`, `wire`), so that neither format
//! changes with it. Not here: what the control group's entries mean (`model`), who should be a member (`control`), and the network.

mod applier;
mod audit;
mod change;
mod confirm;
#[cfg(test)]
mod conformance;
mod control;
mod disk;
mod entry;
mod error;
mod fetch;
mod groups;
mod handle;
mod keeper;
mod lines;
pub mod link;
mod log;
pub mod machine;
pub mod memory;
mod network;
mod observer;
mod options;
mod position;
mod pulse;
mod receive;
mod replica;
mod serve;
mod status;
pub mod suite;
mod transfers;
mod types;
mod watchdog;
mod wire;
mod work;

pub use audit::AuditRow;
pub use change::MembershipChange;
pub use confirm::Confirmed;
pub use control::{BatchApplied, Control, Handle, saved_gate, start};
pub use disk::{runs, saved_index};
pub use entry::{Data, Entry, Payload};
pub use error::{ChangeError, ConfirmError, Error, ServeError, WriteError};
pub use groups::Groups;
pub use handle::{Applied, Replica, open};
pub use link::{Link, LinkError};
pub use machine::Machine;
pub use observer::Observer;
pub use options::Options;
pub use position::Position as AuditPosition;
pub use replica::ReplicaId;
pub use status::{Role, Status};
pub use wire::FRAME_MAX;
pub use work::Work;

/// What keeps openraft quiet in a log filter: it says at `info` and `warn` what is everyday, at each round.
pub const LOG_DIRECTIVE: &str = "openraft=error";
