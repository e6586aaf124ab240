//! Join tokens: made and revoked.

use super::context::Context;
use crate::command::CreateToken;
use crate::ids::TokenId;
use crate::outcome::{Limit, Outcome, Refusal};
use crate::state::Change;
use crate::token::{self, JoinToken};
use crate::user;
use imbl::OrdMap;

pub(super) fn create(context: &Context<'_>, create: &CreateToken, change: &mut Change) -> Result<Outcome, Refusal> {
    if context.state.join_tokens.contains_key(&create.token) {
        return Err(Refusal::NameTaken);
    }
    if create.uses == 0 || create.uses > token::USES {
        return Err(Refusal::Limit { limit: Limit::TokenUses, max: u64::from(token::USES) });
    }
    let token = JoinToken {
        verifier: create.verifier,
        uses: create.uses,
        joins: OrdMap::new(),
        expires_ms: create.expires_ms,
        revoked: false,
        user: user::of_actor(&create.actor).unwrap_or(&create.actor).to_owned(),
        created_at: context.index,
    };
    change.join_tokens.push((create.token, token));
    Ok(Outcome::Done)
}

pub(super) fn revoke(context: &Context<'_>, id: TokenId, change: &mut Change) -> Result<Outcome, Refusal> {
    let token = context.state.join_tokens.get(&id).ok_or(Refusal::TokenUnknown)?;
    if !token.revoked {
        change.join_tokens.push((id, JoinToken { revoked: true, ..token.clone() }));
    }
    Ok(Outcome::Done)
}
