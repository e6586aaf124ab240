//! An API token is of a user that there is; users, and the tokens of each, are bounded; no two tokens have one id.

use super::Invariant;
use crate::ids::ApiTokenId;
use crate::state::{Change, State};
use crate::token::API_TOKENS;
use crate::user::USERS;

pub(super) const INVARIANT: Invariant = Invariant { name: "users", after, holds };

fn after(before: &State, change: &Change) -> bool {
    let is_there = |name: &String| match change.users.iter().find(|(changed, _)| changed == name) {
        Some((_, user)) => user.is_some(),
        None => before.users.contains_key(name),
    };
    let made = change.users.iter().filter(|(name, user)| user.is_some() && !before.users.contains_key(name)).count();
    let goes = |hash| change.api_tokens.iter().any(|(changed, token)| changed == hash && token.is_none());
    let mut gone = change.users.iter().filter(|(_, user)| user.is_none());
    let left_behind = gone.any(|(name, _)| before.api_tokens_of(name).any(|token| !goes(&token.hash)));
    let tokens = change.api_tokens.iter().filter_map(|(_, token)| token.as_ref());
    let are_kept = tokens.into_iter().all(|token| {
        let others = before.api_tokens_of(&token.user).filter(|other| other.hash != token.hash && !goes(&other.hash));
        is_there(&token.user) && others.count() < API_TOKENS
    });
    before.users.len() + made <= USERS && !left_behind && are_kept
}

fn holds(state: &State) -> bool {
    let ids: Vec<ApiTokenId> = state.api_tokens.keys().map(ApiTokenId::of).collect();
    state.users.len() <= USERS
        && state.api_tokens.values().all(|token| state.users.contains_key(&token.user))
        && state.users.keys().all(|user| state.api_tokens_of(user).count() <= API_TOKENS)
        && ids.windows(2).all(|two| two[0] < two[1])
}
