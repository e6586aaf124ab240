//! A policy change in flight: the current set with a ban beside it, and the current set again.

use crate::history::Ban;
use crate::trace::What;
use crate::world::{HEALED_WITHIN, World};
use rand::Rng;
use rand::rngs::StdRng;
use std::time::Duration;
use symbi_model::{Command, Outcome};

/// How long a ban may take to deny something, once every node has heard of it.
const DENIED_WITHIN: Duration = Duration::from_secs(20);

/// Bans messages to some agent while a node may be cut off; waits until each node has heard and something was denied; and
/// lifts the ban.
pub(super) fn change(
    world: &mut World,
    at_receiver: bool,
    unheard: Duration,
    time: Duration,
    random: &mut StdRng,
) -> Result<(), String> {
    let cut_off = (!unheard.is_zero()).then(|| random.random_range(0..world.size()));
    let by = (cut_off.unwrap_or(0) + random.random_range(1..world.size())) % world.size();
    let to = world.shared.agents[random.random_range(0..world.shared.agents.len())].0.clone();
    let state = world.newest(None);
    let set = state.policy_sets.get(&state.counters.policy_set).ok_or("there are no policies")?;
    let (text, entities) = (set.text.clone(), set.entities.clone());
    let ban = Ban { to, at_receiver };
    if let Some(at) = cut_off {
        world.hold(at);
    }
    apply(world, by, text.clone() + &ban.policy(), entities.clone())?;
    if let Some(at) = cut_off {
        world.run_for(unheard)?;
        world.release(at);
    }
    everywhere(world, Some(&ban))?;
    let denied = |world: &World| world.recorder.count(What::Denied) + world.recorder.count(What::TellsDenied);
    let before = denied(world);
    let deny = |world: &World| denied(world) > before;
    if !world.run_until(DENIED_WITHIN, deny)? {
        return Err(format!("vacuous: nothing was denied though messages to {} were banned", ban.to));
    }
    world.run_for(time)?;
    apply(world, by, text, entities)?;
    everywhere(world, None)
}

fn apply(world: &mut World, by: usize, text: String, entities: String) -> Result<(), String> {
    let (keeper, actor) = ("admin".to_owned(), "user:admin".to_owned());
    match world.command(by, Command::ApplyPolicies { text, entities, keeper, actor })? {
        Outcome::PoliciesApplied { .. } => Ok(()),
        other => Err(format!("to apply policies on {} came to {other:?}", world.node(by).short())),
    }
}

/// Waits until every node has the ban in force, or none.
fn everywhere(world: &mut World, ban: Option<&Ban>) -> Result<(), String> {
    let heard =
        |world: &World| world.hosts.iter().all(|host| host.view(|view| Ban::current(&view.state)).as_ref() == ban);
    if world.run_until(HEALED_WITHIN, heard)? { Ok(()) } else { Err("not every node has heard of the policies".into()) }
}
