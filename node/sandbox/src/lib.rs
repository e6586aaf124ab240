//! What contains an agent: the [`Driver`] seam, its drivers, and the JSON-RPC dialect that agents speak.
//!
//! A driver starts a program, hands out its lines and ends it. [`process`] does so with a process of the host,
//! [`scripted`] with a future of this program, for simulations, and [`builtin`] has an echo beside what another driver
//! starts; all pass [`suite`]. [`rpc`] speaks with an agent over an instance's lines, whichever driver made it;
//! `PROTOCOL.md` is the same for authors of agents.
//!
//! Not here: what an agent may do, and when it is started again. Nothing of the cluster is known to this crate.

pub mod builtin;
pub mod driver;
pub mod error;
pub mod lines;
pub mod process;
pub mod rpc;
pub mod scripted;
pub mod suite;

pub use builtin::Builtin;
pub use driver::{Driver, Exit, Fingerprint, Instance, Launch, Stopper};
pub use error::Error;
pub use lines::LineError;
pub use process::Process;
pub use scripted::Scripted;
