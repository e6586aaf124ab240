//! What nodes say to each other: the messages of every protocol between them, the join's proofs, and the sessions in which
//! agents' messages are sealed.
//!
//! Sans-IO: no runtime, clock or randomness. Times, nonces and keys come in as arguments; what goes out is bytes or values.
//! Not here: how bytes travel (`gossip/net`), and what a credential is worth (`node/policy`).

pub mod error;
pub mod join;
mod mac;
pub mod session;
pub mod token;
mod versions;
pub mod wire;

pub use error::Error;
pub use versions::Versions;
