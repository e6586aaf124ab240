//! Faults of disks, and what a node must make of them: it stops and says so, and when it is started again it goes on.

use crate::scenario::Fault;
use crate::world::World;
use std::time::Duration;

/// How long it may take until something is on its way to a disk.
const IN_FLIGHT_WITHIN: Duration = Duration::from_secs(5);
/// How long a node may go on once its disk has failed: until it writes next, and a moment.
const STOPPED_WITHIN: Duration = Duration::from_secs(5);

/// A fault of a host's disk, if it is one.
pub(super) fn inject(world: &mut World, at: usize, fault: &Fault) -> Result<(), String> {
    match fault {
        Fault::PowerCut { others, down, .. } => {
            let hosts: Vec<usize> = (0..=*others).map(|further| (at + further) % world.size()).collect();
            power_cut(world, &hosts, *down)
        }
        Fault::Stall { time, down, .. } => stall(world, at, *time, *down),
        Fault::DiskFull { time, .. } => full(world, at, *time),
        Fault::DiskError { down, .. } => error(world, at, *down),
        _ => Ok(()),
    }
}

/// Cuts the power of some hosts in one moment, in which appends of the first are on their way to its disk.
fn power_cut(world: &mut World, hosts: &[usize], down: Duration) -> Result<(), String> {
    let first = hosts[0];
    if !world.run_until(IN_FLIGHT_WITHIN, |world| world.in_flight(first))? {
        return Err(format!("vacuous: nothing was on its way to the disk of {}", world.hosts[first].name));
    }
    // What one replica has applied is durable on a majority, whoever of them loses power.
    let index = world.newest(None).counters.applied_index;
    hosts.iter().for_each(|at| world.crash(*at));
    world.run_for(down)?;
    hosts.iter().for_each(|at| world.bounce(*at));
    hosts.iter().try_for_each(|at| world.catch_up(*at, index))
}

/// Stalls a host's disk; then its power is cut, or the disk goes on.
fn stall(world: &mut World, at: usize, time: Duration, down: Duration) -> Result<(), String> {
    world.stall(at);
    if !world.run_until(IN_FLIGHT_WITHIN, |world| world.in_flight(at))? {
        return Err(format!("vacuous: nothing came to wait for the disk of {}", world.hosts[at].name));
    }
    world.run_for(time)?;
    if down.is_zero() {
        world.resume(at);
        let index = world.newest(None).counters.applied_index;
        return world.catch_up(at, index);
    }
    power_cut(world, &[at], down)
}

/// Leaves no room on a host's disk. Its node stops, does so again when it is started too early, and goes on when there is room.
fn full(world: &mut World, at: usize, time: Duration) -> Result<(), String> {
    world.fill(at);
    stopped(world, at, ("DISK_FULL", 1))?;
    world.crash(at);
    world.run_for(time)?;
    world.bounce(at);
    stopped(world, at, ("DISK_FULL", 1))?;
    world.crash(at);
    world.run_for(time)?;
    world.free(at);
    start_again(world, at)
}

/// Lets a host's next sync or write fail. Its node stops, and goes on when it is started again.
fn error(world: &mut World, at: usize, down: Duration) -> Result<(), String> {
    world.break_disk(at);
    stopped(world, at, ("DISK_FAILED", 10))?;
    world.crash(at);
    world.run_for(down)?;
    start_again(world, at)
}

/// Waits until a node says that it cannot go on for this reason: a code and an exit code.
fn stopped(world: &mut World, at: usize, wanted: (&str, u8)) -> Result<(), String> {
    let name = world.hosts[at].name.clone();
    if !world.run_until(STOPPED_WITHIN, |world| world.hosts[at].view(|view| view.failure.is_some()))? {
        return Err(format!("{name} goes on, though its disk fails"));
    }
    let failure = world.hosts[at].view(|view| view.failure.take()).expect("waited for");
    if (failure.code.as_str(), failure.exit) == wanted {
        return Ok(());
    }
    Err(format!("{name} stopped as {} with exit code {}, not as {wanted:?}", failure.code, failure.exit))
}

fn start_again(world: &mut World, at: usize) -> Result<(), String> {
    let index = world.newest(Some(at)).counters.applied_index;
    world.bounce(at);
    world.catch_up(at, index)
}
