//! Voters: named, settled, or given up. Who votes is Raft's own; here is recorded whose word a checkpoint needs.

use super::context::Context;
use crate::command::Phase;
use crate::ids::NodeId;
use crate::node::Membership;
use crate::outcome::{Outcome, Refusal};
use crate::state::{Change, Ruling};

pub(super) fn change(
    context: &Context<'_>,
    phase: Phase,
    voters: &[NodeId],
    change: &mut Change,
) -> Result<Outcome, Refusal> {
    let chain = &context.state.chain;
    let Ruling { voters: ruling, next } = &chain.ruling;
    let is_named = next.as_deref() == Some(voters);
    let ruling = match phase {
        Phase::Next if next.is_some() => return Err(Refusal::VotersNamed),
        Phase::Next if !may_follow(context, voters) => return Err(Refusal::VotersOther),
        Phase::Next => Ruling { voters: ruling.clone(), next: Some(voters.to_vec()) },
        // Those who are named rule when Raft has gone over to them, and can be given up until it has begun to.
        Phase::Settled if is_named && chain.is_seated(voters) => Ruling { voters: voters.to_vec(), next: None },
        Phase::Aborted if is_named && !chain.seats.iter().any(|seats| seats == voters) => {
            Ruling { voters: ruling.clone(), next: None }
        }
        Phase::Settled | Phase::Aborted => return Err(Refusal::VotersOther),
    };
    change.ruling = Some(ruling);
    Ok(Outcome::Done)
}

/// Whether these can vote: their ids rise, they are others than those who rule, and each is of the cluster, or goes out of it only
/// now.
fn may_follow(context: &Context<'_>, voters: &[NodeId]) -> bool {
    let rises = !voters.is_empty() && voters.windows(2).all(|pair| pair[0] < pair[1]);
    let ruling = &context.state.chain.ruling.voters;
    let is_known = |node: &NodeId| {
        let membership = context.state.nodes.get(node).map(|node| node.membership);
        membership.is_some_and(|membership| membership != Membership::Removed) || ruling.contains(node)
    };
    rises && voters != ruling && voters.iter().all(is_known)
}
