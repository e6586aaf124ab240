//! The world of a run: turmoil's hosts with a production node each, and what can be done to them from outside.

mod disks;
mod durability;
mod links;

use crate::acknowledged::Acknowledged;
use crate::clock::{self, Lease, Wall};
use crate::host;
use crate::scenario::millis;
use crate::setup::{Action, AdminCommand, Files, Keys, Setup, Shared};
use crate::trace::{Event, Recorder};
use durability::Votes;
use rand::Rng;
use rand::rngs::StdRng;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use symbi_model::agent::{AgentState, Hold};
use symbi_model::{Command, NodeId, Outcome, State};
use symbi_raft::Role;
use symbi_store::files::Simulated;
use symbi_store::memory::Disk;
use tokio::sync::watch;

/// How long a world may take to heal.
pub const HEALED_WITHIN: Duration = Duration::from_secs(60);
/// The longest simulated time of a run.
const LONGEST: Duration = Duration::from_secs(600);
/// The most voters that a group has.
const MOST_VOTERS: usize = 5;
/// Entries between two snapshots: so few that runs have some.
const FEW_ENTRIES: u64 = 60;
/// Entries between two snapshots: more than a run has.
const MANY_ENTRIES: u64 = 50_000;
/// The longest way of a segment between hosts is drawn from these, in ms. A round trip stays below the heartbeat.
const LATENCY_MS: (u64, u64) = (2, 30);
/// How wrong a wall clock may be from the start, ms: two of them differ by less than a join allows.
const WRONG_MS: i64 = 200;
/// How much a boot clock may gain or lose, in millionths. A node's gates shut after 6 s by its own clock, and the leader
/// condemns it after 10 s by its own: that holds while one of the two is not 10/6 as fast as the other.
const LEASE_PPM: i64 = 200_000;
/// How much a wall clock may gain or lose, in millionths, as cheap crystals do.
const WALL_PPM: i64 = 500;
/// A boot clock that has drifted by so much counts, ms.
const DRIFTED_MS: u64 = 1_000;
/// How long an administrator's command may take.
const COMMAND_WITHIN: Duration = Duration::from_secs(30);

/// The world.
pub struct World {
    /// turmoil's.
    sim: turmoil::Sim<'static>,
    /// The hosts.
    pub hosts: Vec<Arc<Setup>>,
    /// What they share.
    pub shared: Arc<Shared>,
    /// Where everything is told.
    pub recorder: Recorder,
    /// Who is down.
    down: Vec<bool>,
    /// Who was removed for good.
    removed: Vec<bool>,
    /// From whom nothing comes to whom.
    one_way: Option<(usize, usize)>,
    /// Whose disk has failed, and that was told.
    failed: Vec<bool>,
    /// The longest way of a segment between hosts.
    latency: Duration,
    /// Who votes, as each host has it.
    voters: BTreeMap<String, Votes>,
}

impl World {
    /// So many hosts that start.
    #[must_use]
    pub fn new(seed: u64, size: usize, random: &mut StdRng) -> Self {
        let recorder = Recorder::default();
        let agents =
            (1..=size).flat_map(|number| [(format!("count-{number}"), "count"), (format!("echo-{number}"), "echo")]);
        let shared = Arc::new(Shared {
            hosts: size,
            first: "n1".to_owned(),
            tokens: watch::Sender::new(Vec::new()),
            agents: agents.collect(),
            snapshot_every: if random.random() { FEW_ENTRIES } else { MANY_ENTRIES },
            keys: Keys::default(),
            command: watch::Sender::new(None),
            quiet: watch::Sender::new(false),
            audit: watch::Sender::new(false),
        });
        let latency = millis(random, LATENCY_MS.0, LATENCY_MS.1);
        let mut sim = turmoil::Builder::new()
            .rng_seed(seed)
            .epoch(clock::epoch())
            .simulation_duration(LONGEST)
            .min_message_latency(Duration::from_millis(1))
            .max_message_latency(latency)
            .enable_random_order()
            .tcp_capacity(4_096)
            .build();
        let hosts: Vec<Arc<Setup>> = (0..size).map(|number| setup(number, &shared, &recorder, random)).collect();
        for host in &hosts {
            let software = Arc::clone(host);
            sim.host(host.name.as_str(), move || host::run(Arc::clone(&software)));
        }
        let [down, removed, failed] = [(); 3].map(|()| vec![false; size]);
        Self { sim, hosts, shared, recorder, down, removed, one_way: None, failed, latency, voters: BTreeMap::new() }
    }

    /// How many hosts it has.
    #[must_use]
    pub fn size(&self) -> usize {
        self.hosts.len()
    }

    /// Since the beginning.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.sim.elapsed()
    }

    /// Lets time pass.
    ///
    /// # Errors
    /// What ended the simulation.
    pub fn run_for(&mut self, time: Duration) -> Result<(), String> {
        self.run_until(time, |_| false).map(|_| ())
    }

    /// Lets time pass until `done`, at most `limit`; answers whether it was.
    ///
    /// # Errors
    /// What ended the simulation: something that no oracle would survive.
    pub fn run_until(&mut self, limit: Duration, done: impl Fn(&Self) -> bool) -> Result<bool, String> {
        let until = self.elapsed() + limit;
        while self.elapsed() < until {
            if done(self) {
                return Ok(true);
            }
            self.sim.step().map_err(|error| error.to_string())?;
            self.let_pass();
            self.tell_failures();
            self.judge_durability();
        }
        Ok(done(self))
    }

    /// Lets time pass until a host has applied an entry.
    ///
    /// # Errors
    /// When it does not.
    pub fn catch_up(&mut self, at: usize, index: u64) -> Result<(), String> {
        let there = |world: &Self| world.hosts[at].view(|view| view.state.counters.applied_index >= index);
        if self.run_until(HEALED_WITHIN, there)? {
            return Ok(());
        }
        Err(format!("{} has not caught up with entry {index}", self.hosts[at].name))
    }

    /// Another host than this one.
    pub fn another(&self, at: usize, random: &mut StdRng) -> usize {
        (at + random.random_range(1..self.size())) % self.size()
    }

    /// Who leads: of those that say so and are up, the one of the highest term.
    #[must_use]
    pub fn leader(&self) -> Option<usize> {
        let leads = |at: &usize| !self.down[*at] && self.hosts[*at].view(|view| view.status.role == Role::Leader);
        (0..self.size()).filter(leads).max_by_key(|at| self.hosts[*at].view(|view| view.status.term))
    }

    /// The state of the replica that has applied most of all but `without`.
    #[must_use]
    pub fn newest(&self, without: Option<usize>) -> State {
        let states =
            (0..self.size()).filter(|at| Some(*at) != without).map(|at| self.hosts[at].view(|view| view.state.clone()));
        states.max_by_key(|state| state.counters.applied_index).unwrap_or_default()
    }

    /// The hosts that were not removed.
    #[must_use]
    pub fn members(&self) -> Vec<usize> {
        (0..self.size()).filter(|at| !self.removed[*at]).collect()
    }

    /// The id of a host's node.
    #[must_use]
    pub fn node(&self, at: usize) -> NodeId {
        self.hosts[at].files().node()
    }

    /// Whether a host holds agents, by the newest state.
    #[must_use]
    pub fn holds(&self, at: usize) -> bool {
        self.newest(None).held_by(&self.node(at)).next().is_some()
    }

    /// Whether every member has a vote, as the leader sees it, or as many as there may be.
    #[must_use]
    pub fn all_vote(&self) -> bool {
        let Some(leader) = self.leader() else { return false };
        let voters = self.hosts[leader].view(|view| view.status.voters.clone());
        matches!(voters.as_slice(), [voters] if voters.len() == self.members().len().min(MOST_VOTERS))
    }

    /// Whether every agent is held by a node that is up and says that it runs.
    #[must_use]
    pub fn agents_run(&self) -> bool {
        let state = self.newest(None);
        let up = |node| {
            let at = self.hosts.iter().position(|host| host.files().node() == node);
            at.is_some_and(|at| !self.down[at])
        };
        let runs = |agent: &symbi_model::agent::Agent| {
            let (Some(placement), Some(status)) = (agent.placement, &agent.status) else { return false };
            placement.hold == Hold::Held
                && up(placement.node)
                && status.epoch == placement.epoch
                && status.state == AgentState::Running
        };
        state.agents.len() == self.shared.agents.len() && state.agents.values().all(runs)
    }

    /// Ends a host's programs, and takes from its disk what a power cut takes.
    pub fn crash(&mut self, at: usize) {
        self.fault(format!("crash {}", self.hosts[at].name));
        self.sim.crash(self.hosts[at].name.as_str());
        self.cut_power(at);
        self.hosts[at].view(|view| (view.status, view.state) = Default::default());
        self.down[at] = true;
    }

    /// Starts a host again.
    pub fn bounce(&mut self, at: usize) {
        self.fault(format!("bounce {}", self.hosts[at].name));
        self.hosts[at].view(|view| view.failure = None);
        self.sim.bounce(self.hosts[at].name.as_str());
        self.down[at] = false;
    }

    /// Stops a host's lease clock, and holds its links, or the one to `unheard`.
    pub fn freeze(&mut self, at: usize, unheard: Option<usize>) {
        self.fault(format!("freeze {}", self.hosts[at].name));
        self.hosts[at].lease.freeze(self.elapsed());
        match unheard {
            Some(other) => self.hold_one(at, other),
            None => self.hold(at),
        }
    }

    /// Lets a host's lease clock run on, and releases its links.
    pub fn thaw(&mut self, at: usize) {
        self.fault(format!("thaw {}", self.hosts[at].name));
        self.hosts[at].lease.thaw(self.elapsed());
        self.release(at);
    }

    /// Lets a host's wall clock jump.
    pub fn jump(&mut self, at: usize, ms: i64) {
        self.fault(format!("clock of {} jumps by {ms} ms", self.hosts[at].name));
        self.hosts[at].wall.jump(ms);
    }

    /// Tells whose boot clock has drifted, and how far.
    pub fn tell_drifts(&self) {
        for host in &self.hosts {
            let (boot, wall) = (host.lease.drifted_ms(self.elapsed()), host.wall.drifted_ms(self.elapsed()));
            if boot.unsigned_abs() >= DRIFTED_MS {
                self.fault(format!("drifted {}: its boot clock by {boot} ms, its wall clock by {wall} ms", host.name));
            }
        }
    }

    /// Tells that nothing is wrong with the world.
    pub fn calm(&self) {
        self.recorder.tell_at(self.elapsed(), "world", Event::Calm);
    }

    /// Takes a host, which is down, for removed.
    pub fn removed(&mut self, at: usize) {
        self.fault(format!("removed {}", self.hosts[at].name));
        self.removed[at] = true;
    }

    /// Has an administrator's command carried out by a host, which is up, and waits for how it ends.
    ///
    /// # Errors
    /// When it does not end, or cannot be done.
    pub fn command(&mut self, host: usize, command: Command) -> Result<Outcome, String> {
        let kind = command.kind();
        self.fault(format!("command {kind} to {}", self.hosts[host].name));
        self.act(host, Action::Commit(Box::new(command))).map_err(|why| format!("command {kind}: {why}"))
    }

    /// Has a host, which leads, hand leadership to another one.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn transfer(&mut self, from: usize, to: usize) -> Result<(), String> {
        self.fault(format!("transfer leadership of {} to {}", self.hosts[from].name, self.hosts[to].name));
        let to = self.node(to);
        self.act(from, Action::Transfer(to)).map(drop)
    }

    fn act(&mut self, host: usize, action: Action) -> Result<Outcome, String> {
        self.hosts[host].view(|view| view.command = None);
        self.shared.command.send_replace(Some(AdminCommand { host, action }));
        let ended = move |world: &Self| world.hosts[host].view(|view| view.command.is_some());
        self.run_until(COMMAND_WITHIN, ended)?;
        let ended = self.hosts[host].view(|view| view.command.take());
        ended.ok_or_else(|| format!("{} has not answered", self.hosts[host].name)).flatten()
    }

    /// Has signatures that a host has not made be sent in its name.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn forge(&mut self, host: usize) -> Result<(), String> {
        self.act(host, Action::Forge).map(drop)
    }

    /// Whether a host has a vote, as another one has it.
    #[must_use]
    pub fn votes(&self, by: usize, at: usize) -> bool {
        let node = self.node(at);
        self.hosts[by].view(|view| view.status.voters.iter().flatten().any(|voter| *voter == node))
    }

    /// Tells what is done to the world.
    pub fn fault(&self, what: String) {
        self.recorder.tell_at(self.elapsed(), "world", Event::Fault(what));
    }

    /// Says that something is not as it must be.
    pub fn wrong(&self, what: String) {
        self.recorder.tell_at(self.elapsed(), "world", Event::Wrong(what));
    }
}

fn setup(number: usize, shared: &Arc<Shared>, recorder: &Recorder, random: &mut StdRng) -> Arc<Setup> {
    let agent = format!("count-{}", number + 1).parse().expect("a good name");
    Arc::new(Setup {
        name: format!("n{}", number + 1),
        number,
        shared: Arc::clone(shared),
        recorder: recorder.clone(),
        lease: Arc::new(Lease::gaining(random.random_range(-LEASE_PPM..=LEASE_PPM))),
        wall: Arc::new(Wall::ahead(
            random.random_range(-WRONG_MS..=WRONG_MS),
            random.random_range(-WALL_PPM..=WALL_PPM),
        )),
        disk: Disk::seeded(random.random()),
        witness: Simulated::seeded(random.random()),
        files: Mutex::new(Files::fresh(random)),
        acknowledged: Mutex::new(Acknowledged::new(agent)),
        is_put_back: AtomicBool::new(false),
        answered: AtomicU64::new(0),
        seen: Mutex::default(),
    })
}
