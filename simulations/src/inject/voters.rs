//! Faults between voters: a ring in which each hears two others, and leadership that is handed on.

use crate::world::{HEALED_WITHIN, World};
use rand::Rng;
use rand::rngs::StdRng;
use std::time::Duration;

/// How long a leader may take to hand leadership on, before it is asked again: longer than an election.
const HANDED_ON_WITHIN: Duration = Duration::from_secs(2);
/// How often it is asked: a successor that is behind for a moment is not taken.
const ASKED: u32 = 5;

/// Lets each host hear only its neighbours for a while. A leader among five has itself and two: it may go on, and whoever does
/// not hear it may not disturb it.
pub(super) fn ring(world: &mut World, time: Duration) -> Result<(), String> {
    world.hold_all_but_ring();
    world.run_for(time)?;
    if world.release_all_but_ring() == 0 {
        return Err("vacuous: nothing was held beside the ring".to_owned());
    }
    let agree = |world: &World| {
        let leader = world.leader().map(|leader| world.node(leader));
        leader.is_some() && world.hosts.iter().all(|host| host.view(|view| view.status.leader) == leader)
    };
    if !world.run_until(HEALED_WITHIN, agree)? {
        return Err("not every host follows the leader when the ring is over".to_owned());
    }
    Ok(())
}

/// Hands leadership to another host, some times over.
pub(super) fn transfer(world: &mut World, times: u32, random: &mut StdRng) -> Result<(), String> {
    for _ in 0..times {
        if !world.run_until(HEALED_WITHIN, |world| world.leader().is_some())? {
            return Err("no leader was found that could hand leadership on".to_owned());
        }
        let from = world.leader().expect("waited for");
        let to = world.another(from, random);
        hand_on(world, to)?;
        world.run_for(Duration::from_millis(random.random_range(0..1_500)))?;
    }
    Ok(())
}

fn hand_on(world: &mut World, to: usize) -> Result<(), String> {
    for _ in 0..ASKED {
        let Some(from) = world.leader().filter(|leader| *leader != to) else { break };
        world.transfer(from, to)?;
        if world.run_until(HANDED_ON_WITHIN, |world| world.leader() == Some(to))? {
            world.fault(format!("transferred leadership of {} to {}", world.hosts[from].name, world.hosts[to].name));
            return Ok(());
        }
    }
    Err(format!("vacuous: leadership was not handed to {}", world.hosts[to].name))
}
