//! How the cluster agrees: openraft over the storage and link seams, one [`Handle`] for each replica of a group.
//!
//! openraft's types stay inside: what goes to disk and over the wire are our own (`disk`, `wire`), so that neither format
//! changes with it. Not here: what entries mean (`model`), who should be a member (`control`), and the network.

mod audit;
mod change;
mod confirm;
#[cfg(test)]
mod conformance;
mod disk;
mod error;
mod handle;
pub mod link;
mod log;
mod machine;
pub mod memory;
mod network;
mod observer;
mod options;
mod position;
mod receive;
mod replica;
mod serve;
mod status;
pub mod suite;
mod types;
mod wire;

pub use audit::AuditRow;
pub use change::MembershipChange;
pub use confirm::Confirmed;
pub use disk::{runs, saved_index};
pub use error::{ChangeError, ConfirmError, Error, ServeError, WriteError};
pub use handle::{BatchApplied, Handle, start};
pub use link::{Link, LinkError};
pub use observer::Observer;
pub use options::Options;
pub use position::Position as AuditPosition;
pub use status::{Role, Status};
pub use wire::FRAME_MAX;

/// What keeps openraft quiet in a log filter: it says at `info` and `warn` what is everyday, at each round.
pub const LOG_DIRECTIVE: &str = "openraft=error";
