//! A run: a world is made, faults happen to it, it must heal, and everything is compared.

use crate::inject::{inject, put_back};
use crate::scenario::{self, Scenario};
use crate::trace::{Counts, Event};
use crate::world::{HEALED_WITHIN, World};
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use symbi_model::planted::{self, Defect};

/// How long three nodes may take to join, and their agents to run.
const FORMED_WITHIN: Duration = Duration::from_secs(30);
/// How long after its healing nothing of a fault is left: connections that have lost something are closed by then.
const CALM_AFTER: Duration = Duration::from_secs(5);
/// How long calm lasts before clients come to their end.
const CALM_FOR: Duration = Duration::from_secs(2);
/// How long replicas may take to become equal once nobody writes.
const EQUAL_WITHIN: Duration = Duration::from_secs(20);

/// What panicked in any task: tokio catches panics, so they are gathered here.
static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// What to run.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// From which everything is drawn.
    pub seed: u64,
    /// The kind.
    pub scenario: Scenario,
    /// What is taken away, to show that it would be found.
    pub planted: Option<Defect>,
}

/// What a run has shown.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What was exercised.
    pub counts: Counts,
    /// What does not hold; empty is good.
    pub violations: Vec<String>,
    /// The trace.
    pub trace: String,
    /// Its hash.
    pub hash: String,
}

/// Runs one simulation, the only one of this process, on a thread of its own: what the thread keeps for itself (random
/// generators, hash seeds) begins fresh.
///
/// # Panics
/// When a thread cannot be made, or a second simulation is run.
#[must_use]
pub fn run(options: Options) -> Outcome {
    mad_turmoil::rand::set_rng(rand10::SeedableRng::seed_from_u64(options.seed));
    planted::plant(options.planted);
    std::panic::set_hook(Box::new(|panic| {
        eprintln!("{panic}");
        PANICS.lock().unwrap_or_else(PoisonError::into_inner).push(panic.to_string().replace('\n', ": "));
    }));
    let simulation = std::thread::Builder::new().name("simulation".to_owned()).stack_size(16 * 1024 * 1024);
    let thread = simulation.spawn(move || {
        let _clocks = mad_turmoil::time::SimClocksGuard::init();
        simulate(options)
    });
    thread.expect("a thread").join().expect("panics of the simulation itself are defects of it")
}

fn simulate(options: Options) -> Outcome {
    let mut random = StdRng::seed_from_u64(options.seed);
    let hosts = options.scenario.hosts(&mut random);
    let mut world = World::new(options.seed, hosts, &mut random);
    let recorder = world.recorder.clone();
    let sealed = move |key, nonce| recorder.tell("keys", Event::Sealed { key, nonce });
    symbi_proto::session::witness::install(Some(Box::new(sealed)));
    world.fault(format!("seed {} scenario {}", options.seed, options.scenario));
    let ended = play(&mut world, options.scenario, &mut random);
    if let Err(what) = ended {
        world.wrong(what);
    }
    for panic in std::mem::take(&mut *PANICS.lock().unwrap_or_else(PoisonError::into_inner)) {
        world.wrong(panic);
    }
    let recorder = world.recorder.clone();
    let (counts, violations) = (recorder.counts(), recorder.violations());
    Outcome { counts, violations, trace: recorder.text(), hash: recorder.hash() }
}

/// What happens in a run, from the first join to the comparison at its end.
///
/// # Errors
/// What does not hold, where it was not an oracle that found it.
fn play(world: &mut World, scenario: Scenario, random: &mut StdRng) -> Result<(), String> {
    if scenario == Scenario::CatchUp {
        fail_to_catch_up(world, random)?;
    }
    if !world.run_until(FORMED_WITHIN, World::agents_run)? {
        return Err(format!("not every agent runs {} s after the start", world.elapsed().as_secs()));
    }
    if !world.run_until(FORMED_WITHIN, World::all_vote)? {
        return Err(format!("not every host votes {} s after the start", world.elapsed().as_secs()));
    }
    if world.size() == 5 {
        world.fault("five-voters in the group".to_owned());
    }
    world.calm();
    world.run_for(scenario::millis(random, 500, 2_500))?;
    if scenario == Scenario::PutBack {
        put_back(world, scenario::millis(random, 2_000, 6_000), scenario::millis(random, 100, 1_500))?;
        return happened(world, scenario);
    }
    for fault in scenario::faults(scenario, random) {
        inject(world, &fault, random)?;
        world.run_for(scenario::millis(random, 100, 2_000))?;
    }
    heal(world)?;
    world.run_for(CALM_AFTER)?;
    world.calm();
    world.run_for(CALM_FOR)?;
    compare(world)?;
    world.tell_drifts();
    world.fault("end".to_owned());
    happened(world, scenario)
}

/// A run in which what it is about did not happen has shown nothing.
fn happened(world: &World, scenario: Scenario) -> Result<(), String> {
    let missing: Vec<&str> =
        scenario.own().iter().filter(|what| world.recorder.count(**what) == 0).map(|what| what.name()).collect();
    if missing.is_empty() { Ok(()) } else { Err(format!("vacuous: no {}", missing.join(", no "))) }
}

/// The last host's links are held as soon as it is enrolled, until its join fails; then its program is started again.
fn fail_to_catch_up(world: &mut World, random: &mut StdRng) -> Result<(), String> {
    let last = world.size() - 1;
    if !world.run_until(FORMED_WITHIN, |world| world.hosts[last].view(|view| view.phase >= 7))? {
        return Err("the last node did not come to phase 8 of its join".to_owned());
    }
    world.hold(last);
    let failed = |world: &World| world.hosts[last].view(|view| view.failure.is_some());
    if !world.run_until(crate::host::JOIN_TIMEOUT + Duration::from_secs(1), failed)? {
        return Err("vacuous: a join whose links are held does not fail".to_owned());
    }
    let exit = world.hosts[last].view(|view| view.failure.take()).map_or(0, |failure| failure.exit);
    if exit != 28 {
        return Err(format!("a join that cannot catch up ended with exit code {exit}, not 28"));
    }
    world.crash(last);
    world.run_for(scenario::millis(random, 100, 5_000))?;
    world.release(last);
    world.bounce(last);
    Ok(())
}

/// No fault is left: every node must write, every agent must run and be heard.
fn heal(world: &mut World) -> Result<(), String> {
    world.fault("none: the world must heal".to_owned());
    let before: Vec<(u64, u64)> = world.hosts.iter().map(|host| host.progress()).collect();
    let healed = |world: &World| {
        world.agents_run()
            && world.members().into_iter().all(|at| {
                let (acked, answered) = world.hosts[at].progress();
                acked > before[at].0 && (answered > before[at].1 + 2 || !world.holds(at))
            })
    };
    if !world.run_until(HEALED_WITHIN, healed)? {
        let now: Vec<(u64, u64)> = world.hosts.iter().map(|host| host.progress()).collect();
        let run = world.agents_run();
        return Err(format!(
            "not healed: agents run: {run}; writes and answers by host were {before:?} and are {now:?}"
        ));
    }
    Ok(())
}

/// Nobody writes any more: all replicas must be equal, have every acknowledged write once, and an unbroken audit chain.
fn compare(world: &mut World) -> Result<(), String> {
    world.shared.quiet.send_replace(true);
    let settled = |world: &World| {
        let settled = |at: usize| world.hosts[at].acknowledged().settled();
        world.members().into_iter().all(settled)
    };
    let equal = |world: &World| {
        let newest = world.newest(None).hash();
        let equal = |at: usize| world.hosts[at].view(|view| view.state.hash()) == newest;
        settled(world) && world.members().into_iter().all(equal)
    };
    // Asks that are on their way end first, and reports of agents are committed.
    world.run_for(Duration::from_secs(3))?;
    if !world.run_until(EQUAL_WITHIN, equal)? {
        return Err("the replicas have not become equal".to_owned());
    }
    world.shared.audit.send_replace(true);
    let audited = |world: &World| {
        let audited = |at: usize| world.hosts[at].view(|view| view.audited.is_some());
        world.members().into_iter().all(audited)
    };
    if !world.run_until(Duration::from_secs(5), audited)? {
        return Err("not every replica was audited".to_owned());
    }
    for host in world.members().into_iter().map(|at| &world.hosts[at]) {
        if let Some(failure) = host.view(|view| view.failure.clone()) {
            return Err(format!(
                "{}, a member, has ended with exit code {}: {}",
                host.name, failure.exit, failure.what
            ));
        }
        let audited = host.view(|view| view.audited.clone()).expect("waited for");
        let records = audited.map_err(|why| format!("the audit chain of {}: {why}", host.name))?;
        world.fault(format!("{}: {records} audit records verified", host.name));
        for writer in &world.hosts {
            let acknowledged = writer.acknowledged();
            let checked = host.view(|view| acknowledged.check(&view.state));
            checked.map_err(|why| format!("on {}: {why}", host.name))?;
        }
    }
    Ok(())
}
