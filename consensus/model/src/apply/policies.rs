//! Policy sets: numbered, never changed, one of them current.

use super::context::Context;
use super::users;
use crate::ids::PolicyNumber;
use crate::outcome::{Limit, Outcome, Refusal};
use crate::policy::{PolicySet, TEXT_BYTES};
use crate::state::Change;

/// What a policy set is made of.
pub(super) struct Wanted<'a> {
    /// The policies.
    pub(super) text: &'a str,
    /// Their entities.
    pub(super) entities: &'a str,
    /// Who asked.
    pub(super) actor: &'a str,
}

/// Makes a set the current one, if `keeper`, whom it permits to make another, can ask for that. One that is the current set already
/// stays it, under its number.
pub(super) fn apply(
    context: &Context<'_>,
    wanted: &Wanted<'_>,
    keeper: &str,
    change: &mut Change,
) -> Result<Outcome, Refusal> {
    if wanted.text.len() > TEXT_BYTES || wanted.entities.len() > TEXT_BYTES {
        return Err(Refusal::Limit { limit: Limit::Policies, max: TEXT_BYTES as u64 });
    }
    if !users::gets_in(context.state, keeper, None) {
        return Err(Refusal::Lockout);
    }
    // Whoever applies the same every few minutes makes no set each time.
    let current = context.state.policy_sets.get(&context.state.counters.policy_set);
    if let Some(current) = current.filter(|set| set.hash == PolicySet::hash_of(wanted.text, wanted.entities)) {
        return Ok(Outcome::PoliciesApplied { number: current.number });
    }
    let last = context.state.policy_sets.get_max().map_or(0, |(number, _)| number.0);
    let number = PolicyNumber(last.max(context.state.counters.policy_set.0) + 1);
    put(context, number, wanted, change);
    Ok(Outcome::PoliciesApplied { number })
}

/// Writes a set, and makes it the current one.
pub(super) fn put(context: &Context<'_>, number: PolicyNumber, wanted: &Wanted<'_>, change: &mut Change) {
    change.counters.policy_set = number;
    change.policy_sets.push(PolicySet {
        number,
        text: wanted.text.to_owned(),
        entities: wanted.entities.to_owned(),
        hash: PolicySet::hash_of(wanted.text, wanted.entities),
        actor: wanted.actor.to_owned(),
        created_at: context.index,
        created_ms: context.state.counters.log_time_ms,
    });
}
