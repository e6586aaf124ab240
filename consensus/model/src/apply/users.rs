//! Users and their API tokens: made, removed, revoked; and whether those who ask for something are still there.

use super::context::Context;
use crate::command::{Command, CreateApiToken};
use crate::hash::Hash;
use crate::ids::ApiTokenId;
use crate::node;
use crate::outcome::{Limit, Outcome, Refusal};
use crate::policy::PermitRef;
use crate::state::{Change, State};
use crate::token::{self, ApiToken, JoinToken, Scope};
use crate::user::{self, ADMIN, User};

/// What an API token is made of.
pub(super) struct Token<'a> {
    /// SHA-256 of its text.
    pub(super) hash: Hash,
    /// Whose it is.
    pub(super) user: &'a str,
    /// What its bearer may do at most.
    pub(super) scope: &'a Scope,
    /// When it ends.
    pub(super) expires_ms: Option<u64>,
}

/// Whether the user whom the command names and the API token of its permit are still there: both may have gone since it was
/// permitted, and the node that permitted it may not have heard of it. (What nodes ask for names no user.)
pub(super) fn check(state: &State, command: &Command, permit: &PermitRef) -> Result<(), Refusal> {
    let user = command.actor().and_then(user::of_actor);
    if user.is_some_and(|user| !state.users.contains_key(user)) {
        return Err(Refusal::CredentialRevoked);
    }
    let Some(id) = permit.credential else { return Ok(()) };
    let is_good =
        |token: &ApiToken| Some(token.user.as_str()) == user && !token.has_expired(state.counters.log_time_ms);
    if state.api_token(id).is_some_and(is_good) { Ok(()) } else { Err(Refusal::CredentialRevoked) }
}

pub(super) fn create(context: &Context<'_>, name: &str, actor: &str, change: &mut Change) -> Result<Outcome, Refusal> {
    if context.state.users.contains_key(name) {
        return Err(Refusal::NameTaken);
    }
    if !node::valid_name(name) {
        return Err(Refusal::Limit { limit: Limit::UserName, max: node::NAME_BYTES as u64 });
    }
    if context.state.users.len() >= user::USERS {
        return Err(Refusal::Limit { limit: Limit::Users, max: user::USERS as u64 });
    }
    put(context, name, actor, change);
    Ok(Outcome::Done)
}

/// Writes a user's record.
pub(super) fn put(context: &Context<'_>, name: &str, actor: &str, change: &mut Change) {
    let (created_at, created_ms) = (context.index, context.state.counters.log_time_ms);
    let user = User { created_by: actor.to_owned(), created_at, created_ms };
    change.users.push((name.to_owned(), Some(user)));
}

pub(super) fn remove(context: &Context<'_>, name: &str, keeper: &str, change: &mut Change) -> Result<Outcome, Refusal> {
    if !context.state.users.contains_key(name) {
        return Err(Refusal::NotFound);
    }
    if name == ADMIN || keeper == name || !gets_in(context.state, keeper, None) {
        return Err(Refusal::Lockout);
    }
    change.users.push((name.to_owned(), None));
    change.api_tokens.extend(context.state.api_tokens_of(name).map(|token| (token.hash, None)));
    // Else they would be good again for whoever is given the name next.
    let made = context.state.join_tokens.iter().filter(|(_, token)| token.user == name && !token.revoked);
    change.join_tokens.extend(made.map(|(id, token)| (*id, JoinToken { revoked: true, ..token.clone() })));
    Ok(Outcome::Done)
}

pub(super) fn create_token(
    context: &Context<'_>,
    create: &CreateApiToken,
    change: &mut Change,
) -> Result<Outcome, Refusal> {
    let (state, user) = (context.state, create.user.as_str());
    if !state.users.contains_key(user) {
        return Err(Refusal::NotFound);
    }
    if state.api_token(ApiTokenId::of(&create.hash)).is_some() {
        return Err(Refusal::NameTaken);
    }
    if create.scope.to_string().len() > token::SCOPE_BYTES {
        return Err(Refusal::Limit { limit: Limit::Scope, max: token::SCOPE_BYTES as u64 });
    }
    let (ended, good): (Vec<_>, Vec<_>) =
        state.api_tokens_of(user).partition(|token| token.has_expired(state.counters.log_time_ms));
    if good.len() >= token::API_TOKENS {
        return Err(Refusal::Limit { limit: Limit::ApiTokens, max: token::API_TOKENS as u64 });
    }
    change.api_tokens.extend(ended.into_iter().map(|token| (token.hash, None)));
    let CreateApiToken { hash, scope, expires_ms, actor, .. } = create;
    put_token(context, &Token { hash: *hash, user, scope, expires_ms: *expires_ms }, actor, change);
    Ok(Outcome::Done)
}

/// Writes an API token's record.
pub(super) fn put_token(context: &Context<'_>, token: &Token<'_>, actor: &str, change: &mut Change) {
    let record = ApiToken {
        hash: token.hash,
        user: token.user.to_owned(),
        scope: token.scope.clone(),
        expires_ms: token.expires_ms,
        created_by: actor.to_owned(),
        created_at: context.index,
        created_ms: context.state.counters.log_time_ms,
    };
    change.api_tokens.push((token.hash, Some(record)));
}

pub(super) fn revoke_token(
    context: &Context<'_>,
    token: &Hash,
    keeper: &str,
    change: &mut Change,
) -> Result<Outcome, Refusal> {
    if !context.state.api_tokens.contains_key(token) {
        return Err(Refusal::NotFound);
    }
    if !gets_in(context.state, keeper, Some(token)) {
        return Err(Refusal::Lockout);
    }
    change.api_tokens.push((*token, None));
    Ok(Outcome::Done)
}

/// Whether a user can ask a node to change the policies without the API token `gone`, now and later: on a node's own socket, or by
/// another one, of those that do not end by themselves. Whether the policies permit it, the proposer's gate has found out.
pub(super) fn gets_in(state: &State, user: &str, gone: Option<&Hash>) -> bool {
    let opens = |token: &ApiToken| Some(&token.hash) != gone && token.keeps();
    state.users.contains_key(user) && (user == ADMIN || state.api_tokens_of(user).any(opens))
}
