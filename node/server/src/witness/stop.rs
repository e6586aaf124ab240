//! Why a witness stops its node.

use super::journal::Promise;
use crate::failure::{self, Failure};
use symbi_model::{Checkpoint, Claim};
use symbi_store::Error;

/// It would have to sign another history than before.
pub(super) fn conflict(before: &Promise, now: &Checkpoint) -> Failure {
    let (size, digest) = (before.claim.size, before.claim.digest);
    Failure::new(10, "WITNESS_CONFLICT", "this node has signed another history than the one that it is to sign now")
        .why(format!(
            "it has signed that the chain is {digest} at {size} records, and now there would be {} at {}: this node's database, or \
             that of the cluster, was put back to an earlier day",
            now.digest(),
            now.size
        ))
        .fix("keep the directory as evidence; have `audit verify` check an export of each node; start a new node in place of this one")
}

/// This node applied the same log and came to something else, or they did; it is the one who is alone.
pub(super) fn diverged(own: &Checkpoint, claim: Claim) -> Failure {
    Failure::new(10, "WITNESS_DIVERGED", "this node has another history than the one that a majority of the voters has signed")
        .why(format!("at {} records this node has {}, and they have signed {}", own.size, own.digest(), claim.digest))
        .fix("keep the directory as evidence: what they have signed is in witness/evidence; have `audit verify` check an export of each \
              node; start a new node in place of this one")
}

/// A disk without room only keeps the witness from signing; a disk that fails stops the node.
pub(super) fn of_disk(error: &Error) -> Result<(), Failure> {
    if let Error::Full | Error::Closed = error {
        tracing::warn!(%error, "a checkpoint cannot be signed, or its signatures not be kept");
        return Ok(());
    }
    Err(failure::of_disk(error).unwrap_or_else(|| {
        Failure::new(10, "WITNESS", "what this node has signed cannot be written")
            .because(error)
            .fix("look at the disk, then start the node again: nothing that was acknowledged is lost")
    }))
}
