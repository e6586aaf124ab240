//! Faults that the audit's witnesses are for: a voter that cannot sign, in whose name others would, and a database that is put back.

use super::{condemn, left_out, turn_away};
use crate::world::World;
use std::time::Duration;

/// How long a node may go on whose database was put back: until it would sign another history than before.
const FOUND_OUT_WITHIN: Duration = Duration::from_secs(30);

/// A voter's witness has no room, and signatures that it has not made go out in its name. Meanwhile another voter is removed: its vote
/// is not taken from it before a majority has signed that, and of the two that are left one cannot.
pub(super) fn mute(world: &mut World, at: usize, longer: Duration) -> Result<(), String> {
    let leader = world.leader().unwrap_or(at);
    let mute = (0..world.size()).find(|other| *other != at && *other != leader).expect("three hosts");
    let by = (0..world.size()).find(|other| *other != at && *other != mute).expect("three hosts");
    world.mute(mute);
    world.forge(mute)?;
    condemn(world, at, by)?;
    world.run_for(longer)?;
    if !world.votes(by, at) {
        return Err(format!("{} has no vote any more, and nobody could sign that", world.hosts[at].name));
    }
    world.unmute(mute);
    left_out(world, at)?;
    turn_away(world, at, longer)
}

/// A cluster of one goes on from what was on its disk some time ago: it stops before it signs another history than before.
pub fn put_back(world: &mut World, time: Duration, down: Duration) -> Result<(), String> {
    let backup = world.backup(0);
    world.run_for(time)?;
    world.crash(0);
    world.run_for(down)?;
    world.put_back(0, backup);
    world.bounce(0);
    if !world.run_until(FOUND_OUT_WITHIN, |world| world.hosts[0].view(|view| view.failure.is_some()))? {
        return Err("a node goes on whose database was put back, and its witness says nothing".to_owned());
    }
    let failure = world.hosts[0].view(|view| view.failure.take()).expect("waited for");
    match (failure.code.as_str(), failure.exit) {
        ("WITNESS_CONFLICT", 10) => Ok(()),
        (code, exit) => Err(format!("a node whose database was put back stopped as {code} with exit code {exit}")),
    }
}
