//! Fault injection: to which host a fault happens, for how long, and the check that what it is about did happen.

mod disks;
mod policies;
mod voters;
mod witnesses;

pub use witnesses::put_back;

use crate::scenario::{Fault, Target};
use crate::trace::What;
use crate::world::{HEALED_WITHIN, World};
use rand::Rng;
use rand::rngs::StdRng;
use std::time::Duration;
use symbi_model::node::{Liveness, Membership};
use symbi_model::{Command, Outcome, Refusal};

/// How long a silent node's agents may take to run elsewhere: 10 s of silence, after the election of another leader.
const MOVED_WITHIN: Duration = Duration::from_secs(20);
/// How long a node that was removed may take to be left out of the group.
const LEFT_OUT_WITHIN: Duration = Duration::from_secs(20);
/// How long a node that was removed may take to say so when it is started again.
const TURNED_AWAY_WITHIN: Duration = Duration::from_secs(10);

/// One fault, and the check that what it is about has happened.
///
/// # Errors
/// What does not hold, where it was not an oracle that found it.
pub fn inject(world: &mut World, fault: &Fault, random: &mut StdRng) -> Result<(), String> {
    match fault {
        Fault::Cut { time, forgetful } => {
            let at = met(world, Target::Leader, random)?;
            // Of five voters one more or less makes no majority.
            if *forgetful && world.size() == 3 { cut_and_return(world, at, *time) } else { cut(world, at, *time) }
        }
        Fault::Crash(target, down) => {
            let at = met(world, *target, random)?;
            crash(world, at, *down)
        }
        Fault::Silence { freeze, longer, stall, partly } => {
            let at = met(world, Target::Holder, random)?;
            // A leader's silence is everybody's.
            let unheard = world.leader().filter(|leader| *partly && *leader != at);
            silence(world, at, &Silence { freeze: *freeze, longer: *longer, stall: *stall, unheard })
        }
        Fault::OneWay { target, inbound, time } => {
            let at = met(world, *target, random)?;
            let other = world.another(at, random);
            if *inbound { one_way(world, at, other, *time) } else { one_way(world, other, at, *time) }
        }
        Fault::Loss { target, bursts } => {
            let at = met(world, *target, random)?;
            lose(world, at, bursts, random)
        }
        Fault::Slow { target, longest, time } => {
            let at = met(world, *target, random)?;
            slow(world, at, *longest, *time)
        }
        Fault::Clock { target, ms, time } => {
            let at = met(world, *target, random)?;
            jump(world, at, *ms, *time)
        }
        Fault::Policy { at_receiver, unheard, time } => {
            met(world, Target::Leader, random)?;
            policies::change(world, *at_receiver, *unheard, *time, random)
        }
        Fault::PowerCut { target, .. }
        | Fault::Stall { target, .. }
        | Fault::DiskFull { target, .. }
        | Fault::DiskError { target, .. } => {
            let at = met(world, *target, random)?;
            disks::inject(world, at, fault)
        }
        Fault::Ring(time) => {
            met(world, Target::Leader, random)?;
            voters::ring(world, *time)
        }
        Fault::Transfer(times) => {
            met(world, Target::Leader, random)?;
            voters::transfer(world, *times, random)
        }
        Fault::Mute { target, longer } => {
            let at = met(world, *target, random)?;
            witnesses::mute(world, at, *longer)
        }
        Fault::Remove { target, longer } => {
            let at = met(world, *target, random)?;
            let by = world.another(at, random);
            condemn(world, at, by)?;
            left_out(world, at)?;
            turn_away(world, at, *longer)
        }
    }
}

/// A host's clock is off for a time.
fn jump(world: &mut World, at: usize, ms: i64, time: Duration) -> Result<(), String> {
    world.jump(at, ms);
    world.run_for(time)?;
    world.jump(at, -ms);
    Ok(())
}

/// A host's links are slow for a time.
fn slow(world: &mut World, at: usize, longest: Duration, time: Duration) -> Result<(), String> {
    world.slow(at, longest);
    world.run_for(time)?;
    world.restore_latency(at);
    Ok(())
}

/// The host that a fault meets: one that holds agents, if it is not only for its leading that it is meant.
fn met(world: &mut World, target: Target, random: &mut StdRng) -> Result<usize, String> {
    if !world.run_until(HEALED_WITHIN, |world| world.leader().is_some() && world.agents_run())? {
        return Err("between two faults no leader was found that has every agent run".to_owned());
    }
    let leader = world.leader().expect("waited for");
    if target == Target::Leader {
        return Ok(leader);
    }
    let others = |at: &usize| target == Target::Holder || *at != leader;
    let holders: Vec<usize> = (0..world.size()).filter(others).filter(|at| world.holds(*at)).collect();
    // All agents may have come to the leader by earlier faults.
    Ok(if holders.is_empty() { leader } else { holders[random.random_range(0..holders.len())] })
}

fn cut(world: &mut World, at: usize, time: Duration) -> Result<(), String> {
    world.hold(at);
    let elected = |world: &World| world.leader().is_some_and(|leader| leader != at);
    let began = world.elapsed();
    if !world.run_until(Duration::from_secs(10), elected)? {
        return Err("vacuous: nobody else led while the leader was cut off".to_owned());
    }
    world.run_for(time.saturating_sub(world.elapsed() - began))?;
    world.release(at);
    let term = world.hosts.iter().map(|host| host.view(|view| view.status.term)).max().unwrap_or(0);
    let follows = |world: &World| world.hosts[at].view(|view| view.status.term >= term);
    if !world.run_until(HEALED_WITHIN, follows)? {
        return Err("the leader that was cut off has not heard of the new term".to_owned());
    }
    Ok(())
}

/// The leader is cut off, and the voter that makes another the leader crashes as soon as it has. Then the new leader is cut
/// off, and the old one is back: with the voter it is a majority, which must not undo what the voter has promised.
fn cut_and_return(world: &mut World, old: usize, time: Duration) -> Result<(), String> {
    world.hold(old);
    let elected = |world: &World| world.leader().is_some_and(|leader| leader != old);
    if !world.run_until(Duration::from_secs(10), elected)? {
        return Err("vacuous: nobody else led while the leader was cut off".to_owned());
    }
    let new = world.leader().expect("waited for");
    let voter = (0..world.size()).find(|at| *at != old && *at != new).expect("three hosts");
    world.crash(voter);
    world.hold(new);
    world.release_one(old, voter);
    world.bounce(voter);
    world.run_for(time)?;
    world.release(new);
    let term = world.hosts.iter().map(|host| host.view(|view| view.status.term)).max().unwrap_or(0);
    let follow = |world: &World| (0..world.size()).all(|at| world.hosts[at].view(|view| view.status.term >= term));
    if !world.run_until(HEALED_WITHIN, follow)? {
        return Err("not every node has heard of the newest term".to_owned());
    }
    Ok(())
}

fn crash(world: &mut World, at: usize, down: Duration) -> Result<(), String> {
    world.crash(at);
    world.run_for(down)?;
    let index = world.newest(Some(at)).counters.applied_index;
    world.bounce(at);
    world.catch_up(at, index)
}

/// A node's silence.
struct Silence {
    /// Whether its lease clock stands still meanwhile.
    freeze: bool,
    /// How long it lasts when its agents run elsewhere.
    longer: Duration,
    /// How long its disk takes nothing when it returns.
    stall: Duration,
    /// Who alone does not hear it; if there is none, nobody does.
    unheard: Option<usize>,
}

fn silence(world: &mut World, at: usize, silence: &Silence) -> Result<(), String> {
    let Silence { freeze, longer, stall, unheard } = *silence;
    let name = world.hosts[at].name.clone();
    let node = world.node(at);
    // What an earlier fault has done to its grant must be over: a gate that is shut anyway shows nothing.
    let (_, before) = world.hosts[at].progress();
    if !world.run_until(HEALED_WITHIN, |world| world.hosts[at].progress().1 > before)? {
        return Err(format!("between two faults the agents of {name} were not heard"));
    }
    let held: Vec<_> = world.newest(None).held_by(&node).cloned().collect();
    if held.is_empty() {
        return Err(format!("vacuous: {name} is to be missed and holds no agent"));
    }
    let late = world.recorder.count(What::LatePassed);
    if freeze {
        world.freeze(at, unheard)
    } else {
        world.hold(at)
    }
    let moved = |world: &World| {
        let state = world.newest(Some(at));
        let elsewhere =
            |agent| state.agents.get(agent).and_then(|agent| agent.placement).is_some_and(|it| it.node != node);
        held.iter().all(elsewhere) && state.held_by(&node).next().is_none()
    };
    if !world.run_until(MOVED_WITHIN, moved)? {
        return Err(format!("vacuous: the agents of {name} were not placed elsewhere while it was silent"));
    }
    // The new instances start with their nodes' next grants; what the frozen gates then let pass comes late.
    let fooled = |world: &World| world.recorder.count(What::LatePassed) > late;
    if freeze && !world.run_until(MOVED_WITHIN, fooled)? {
        return Err(format!("vacuous: no effect passed the frozen gates of {name} after its agents were moved"));
    }
    world.run_for(longer)?;
    if !stall.is_zero() {
        world.stall(at);
    }
    if freeze {
        world.thaw(at)
    } else {
        world.release(at)
    }
    world.run_for(stall)?;
    if !stall.is_zero() {
        world.resume(at);
    }
    Ok(())
}

/// What `from` sends does not come to `to`.
fn one_way(world: &mut World, to: usize, from: usize, time: Duration) -> Result<(), String> {
    world.hold_one_way(to, from);
    world.run_for(time)?;
    if world.release_one_way() == 0 {
        return Err(format!("vacuous: {} sent nothing to {}", world.hosts[from].name, world.hosts[to].name));
    }
    Ok(())
}

fn lose(world: &mut World, at: usize, bursts: &[(Duration, Duration)], random: &mut StdRng) -> Result<(), String> {
    for (time, pause) in bursts {
        let other = world.another(at, random);
        world.lose(at, other);
        world.run_for(*time)?;
        world.mend(at, other);
        world.run_for(*pause)?;
    }
    Ok(())
}

/// A node goes down, and is removed through another: not before the cluster has missed it and moved its agents.
fn condemn(world: &mut World, at: usize, by: usize) -> Result<(), String> {
    let (node, name) = (world.node(at), world.hosts[at].name.clone());
    world.crash(at);
    let command = Command::RemoveNode { node, actor: "user:admin".to_owned() };
    match world.command(by, command.clone())? {
        Outcome::Refused(Refusal::NodeInUse) => {}
        other => return Err(format!("to remove {name}, which was just up, came to {other:?}")),
    }
    let gone = |world: &World| {
        let state = world.newest(Some(at));
        let down = state.nodes.get(&node).is_some_and(|node| node.liveness == Liveness::Down);
        down && state.held_by(&node).next().is_none()
    };
    if !world.run_until(MOVED_WITHIN, gone)? {
        return Err(format!("{name} is not down, or holds agents, long after its crash"));
    }
    match world.command(by, command)? {
        Outcome::Done => {
            world.removed(at);
            Ok(())
        }
        other => Err(format!("to remove {name}, which is down, came to {other:?}")),
    }
}

/// Waits until a node that was removed is out of the group.
fn left_out(world: &mut World, at: usize) -> Result<(), String> {
    let (node, name) = (world.node(at), world.hosts[at].name.clone());
    let left_out = |world: &World| {
        let without = |at: &usize| {
            world.hosts[*at].view(|view| {
                let known = view.state.nodes.get(&node).map(|node| node.membership);
                let votes = view.status.voters.iter().flatten().chain(&view.status.learners).any(|it| *it == node);
                known == Some(Membership::Removed) && !votes
            })
        };
        world.members().iter().all(without)
    };
    if !world.run_until(LEFT_OUT_WITHIN, left_out)? {
        return Err(format!("{name} was removed, and is still in the group"));
    }
    Ok(())
}

/// A node that was removed is started again with what is on its disk, from which it takes itself for a member: it must be
/// told, and say so. What it says to others meanwhile, and while its parts go on, the oracle judges.
fn turn_away(world: &mut World, at: usize, longer: Duration) -> Result<(), String> {
    let name = world.hosts[at].name.clone();
    world.bounce(at);
    let ended = |world: &World| world.hosts[at].view(|view| view.failure.is_some());
    if !world.run_until(TURNED_AWAY_WITHIN, ended)? {
        return Err(format!("{name} was removed, and is started again as if it were not"));
    }
    let exit = world.hosts[at].view(|view| view.failure.take()).map_or(0, |failure| failure.exit);
    if exit != 7 {
        return Err(format!("{name}, which was removed, ended with exit code {exit}, not 7"));
    }
    world.fault(format!("turned {name} away"));
    world.run_for(longer)?;
    world.crash(at);
    Ok(())
}
