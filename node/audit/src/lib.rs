//! The audit bundle: a cluster's audit chain and its nodes' ledgers in one file, and the verifier that judges it.
//!
//! This crate knows the format and nothing else of ours: it implements canonical bytes, Merkle roots and signed bytes a second
//! time, so that it can judge whoever wrote them. [`verify`] needs no cluster; [`Chain`] checks the same chain line by line
//! where it lies; [`Encoder`] writes a bundle.
//!
//! *Caveats.* A batch's origin signed its commands, not what became of them: outcome and details are vouched for by the
//! chain's hashes and the exporter's signature. Only `--anchor` tells one cluster from another that is as consistent.

mod bundle;
mod canonical;
mod chain;
mod encode;
mod failure;
mod hex;
mod ledger;
mod line;
mod summary;

pub use bundle::verify;
pub use chain::{Chain, Report, verify_chain};
pub use encode::{Encoder, Unsigned};
pub use failure::{Failure, What};
pub use hex::Hex;
pub use line::ledger as entry;
pub use line::{Batch, Bytes, Cluster, Header, Key, Line, Manifest, Origin, Policy, Record, Uuid};
pub use summary::Summary;
