//! What does: runs the agents that the cluster has placed on this node, and carries their messages.
//!
//! [`spawn`] starts it over its [`Ports`]. Inside, the reconciler says what runs, a runner for each agent starts, watches
//! and stops its process by [`lifecycle`], the [`grants`] and the sink say what may happen, and the bus carries `ask`
//! and `tell` between agents wherever they are.
//!
//! Not here: where agents are placed and who is granted what (`node/control`), what is permitted (`node/policy`), what
//! contains a process (`node/sandbox`), and how frames travel (`gossip/net`).
//!
//! *Caveats.* One instance of an agent has its effects accepted. That is fencing of what goes through the node, not of a
//! process's own sockets; and a process that was frozen can at worst repeat an outside call that it had begun.

mod backoff;
mod bus;
mod counters;
mod delivery;
mod dispatch;
mod ending;
pub mod grants;
mod handle;
mod homes;
mod host;
mod instance;
pub mod ledger;
pub mod lifecycle;
mod logs;
mod mailbox;
mod observer;
mod options;
mod ports;
mod process;
mod reconciler;
mod releases;
mod report;
mod requests;
mod responsiveness;
mod runner;
mod sink;

pub use bus::{Behalf, LONGEST, PAYLOAD_BYTES, TELL_LIFE};
pub use counters::Counts;
pub use ending::{Ending, TellStatus};
pub use handle::{Caller, Handle, NotHere, spawn};
pub use observer::{Effect, Event};
pub use options::Options;
pub use ports::{GrantCall, PeerError, Peers, Place, Places, Ports};
pub use reconciler::Running;
