//! The audit bundle: a cluster's audit chain and its nodes' ledgers in one file, and the verifier that judges it.
//!
//! This crate knows the format and nothing else of ours: it implements canonical bytes, Merkle roots and signed bytes a second
//! time, so that it can judge whoever wrote them. [`verify`] needs no cluster; [`Chain`] checks the same chain line by line
//! where it lies; [`Encoder`] writes a bundle.
//!
//! A batch's origin has signed what was asked for; what became of it, and where the chain ends, is vouched for by the voters who
//! have signed a checkpoint, and after the last such checkpoint by the exporter alone. The [`Report`] says which.
//!
//! *Caveats.* Only `--anchor` tells one cluster from another that is as consistent. Who has the keys of an old majority could
//! write another past, which only a checkpoint that was kept elsewhere (`--pin`) shows.

pub mod answer;
mod bundle;
mod canonical;
mod chain;
mod encode;
mod failure;
mod hash;
mod hex;
mod ledger;
mod line;
mod report;
mod summary;
pub mod tree;
mod trust;

pub use bundle::{verify, verify_pinned};
pub use chain::{Chain, verify_chain};
pub use encode::{About, Encoder, Unsigned};
pub use failure::{Failure, What};
pub use hex::Hex;
pub use line::ledger as entry;
pub use line::{Batch, Bytes, Checkpoint, Cluster, Header, Key, Line, Manifest, Origin, Policy, Record, Uuid};
pub use report::{Lack, Report};
pub use summary::{MissingLedger, Summary};
pub use trust::{Weakest, Witnessed};
