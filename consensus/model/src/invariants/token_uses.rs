//! A join token's uses are never exceeded, and each is held by a node that it let in.

use super::Invariant;
use crate::state::{Change, State};
use crate::token::JoinToken;

pub(super) const INVARIANT: Invariant = Invariant { name: "token_uses", after, holds };

fn after(_: &State, change: &Change) -> bool {
    change.join_tokens.iter().all(|(_, token)| is_kept(token))
}

fn holds(state: &State) -> bool {
    state.join_tokens.iter().all(|(id, token)| {
        let mut joins = token.joins.keys();
        is_kept(token) && joins.all(|node| state.nodes.get(node).is_some_and(|node| node.token == Some(*id)))
    })
}

fn is_kept(token: &JoinToken) -> bool {
    token.joins.len() as u64 <= u64::from(token.uses)
}
