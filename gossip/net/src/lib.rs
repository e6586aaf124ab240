//! The network between nodes: who is connected to whom, who may say what, and bytes from one node to another.
//!
//! A node dials every member of its [`Roster`], keeps one connection to each, and closes it when the peer falls
//! silent. Over it run *lanes* ([`Lane`]), long-lived framed substreams for calls and their answers, and gossip for
//! views. A peer that is not a member can open one protocol only, `/symbi/join/1`.
//!
//! Architecture invariants: no libp2p type is public but [`Transport`]; nothing here knows what the bytes mean;
//! nothing reads a clock or a timer but tokio's, so that a simulation drives it.
//!
//! *Caveats.* No QUIC, discovery, relay or hole punching: membership comes from the control group.

mod actor;
mod address;
mod behaviour;
mod connection;
mod counters;
mod error;
mod gated;
mod gossip;
mod handle;
mod identity;
mod inbox;
mod join;
mod lane;
mod listener;
mod message;
mod options;
mod roster;
mod routes;
mod start;
mod substream;
mod transport;

pub use connection::Connection;
pub use counters::Counts;
pub use error::{CallError, Error, JoinCallError};
pub use handle::Handle;
pub use identity::Identity;
pub use inbox::{Gossip, Inbox, JoinCall, Request, Vouch};
pub use lane::{Lane, MAX_BODY};
pub use options::{Limits, Options};
pub use roster::{Member, Roster};
pub use start::start;
pub use transport::{Transport, secure, tcp};

/// libp2p's timers must be the ones that follow tokio's clock.
const _: () = futures_timer::SHIM;
