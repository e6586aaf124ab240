//! What people touch over HTTP: the routes, their JSON, and the client that the command line uses.
//!
//! Every node serves all of it. A handler authenticates, validates, has the gate judge, proposes and answers; it decides
//! nothing else. Not here: the command line (`node/cli`), and how a call reaches another node (the composition root,
//! which answers [`ports::Call`]).

pub mod accept;
pub mod auth;
pub mod bench;
pub mod client;
pub mod dto;
pub mod error;
pub mod keys;
pub mod pieces;
pub mod ports;
pub mod prefix;
pub mod read;
pub mod routes;
pub mod write;

pub use accept::{Bound, Options, bind};
pub use error::Error;
pub use ports::Ports;
pub use routes::{first_token, router};
