//! The checkpoints of a bundle: every hop, and the last witnessed one that the exported chain reaches.

use crate::error::Error;
use crate::ports::Witness;
use std::time::Duration;
use symbi_audit::Checkpoint;
use symbi_model::{Hash, NodeId, State};
use symbi_proto::wire::{Blob, Witnessed};
use tokio::sync::watch;

/// How long an export waits for signatures on the last checkpoint that it reaches: they are mostly on their way.
const PATIENCE: Duration = Duration::from_secs(3);

/// The checkpoints that belong to the chain as it is in `state`, by size.
///
/// # Errors
/// When this node has not been told of every hop yet.
pub async fn of(state: &State, mut witness: watch::Receiver<Witness>) -> Result<Vec<Checkpoint>, Error> {
    let closed = state.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.size);
    let is_there = |known: &Witness| known.witnessed >= closed && known.hops.iter().all(is_witnessed);
    // Where they do not come, the bundle says what is witnessed so far.
    let _ = tokio::time::timeout(PATIENCE, witness.wait_for(is_there)).await;
    let known = witness.borrow().clone();
    let size = state.chain.frontier.size();
    let hops: Vec<&Witnessed> = known.hops.iter().filter(|hop| hop.checkpoint.size <= size).collect();
    let is_let_in = |pair: &[&Witnessed]| pair[0].checkpoint.voters.first() == pair[1].checkpoint.voters.first();
    let is_proved = hops.windows(2).all(|pair| is_let_in(pair) || is_witnessed(pair[0]));
    if !is_proved || !is_unbroken(&hops) {
        return Err(Error::Unavailable(
            "this node has not been told yet who ruled the cluster before it came: export again, or from another node"
                .to_owned(),
        ));
    }
    // Those who follow have a word only once those before them have given it.
    let is_begun = hops.last().is_some_and(|hop| is_witnessed(hop));
    let counts = |last: &&Witnessed| last.checkpoint.size <= size && (is_begun || last.checkpoint.voters.len() == 1);
    let last = known.last.iter().rev().find(counts);
    let mut all: Vec<&Witnessed> = hops.into_iter().chain(last).collect();
    all.sort_by_key(|one| one.checkpoint.size);
    Ok(all.into_iter().map(line).collect())
}

/// Whether a majority of its voters has signed it.
fn is_witnessed(known: &Witnessed) -> bool {
    known.checkpoint.is_witnessed_by(|node| known.signatures.iter().any(|(signer, _)| signer == node))
}

/// Whether each hop names the one before it, and the first one none.
fn is_unbroken(hops: &[&Witnessed]) -> bool {
    let before = hops.iter().map(|hop| hop.checkpoint.digest());
    let named = hops.iter().map(|hop| hop.checkpoint.hop);
    std::iter::once(Hash::default()).chain(before).zip(named).all(|(before, named)| before == named)
}

fn line(known: &Witnessed) -> Checkpoint {
    let signature = |(node, signature): &(NodeId, Blob)| Some((*node, signature.0.as_slice().try_into().ok()?));
    symbi_audit_lines::checkpoint(&known.checkpoint, known.signatures.iter().filter_map(signature))
}
