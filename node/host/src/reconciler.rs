//! Supervision: brings what runs here to what the state wants to run here.
//!
//! Woken by each change of the state, each end of a runner, and once a second; takes no other input, and a pass that
//! finds nothing to do does nothing. It only says what is wanted: a [`Runner`] for each agent carries it out.

use crate::bus::sessions;
use crate::homes::Homes;
use crate::host::Host;
use crate::instance::Assignment;
use crate::runner::{Finish, Runner, Wanted, tell_again};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use symbi_model::agent::{Agent, AgentName, Desired, Hold};
use symbi_model::{Epoch, State};
use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

/// How often it looks without being woken.
const PERIOD: Duration = Duration::from_secs(1);
/// Changes of the state within this time are looked at together.
const TOGETHER: Duration = Duration::from_millis(10);

/// What runs on this node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Running {
    /// Agents placed here whose placement has not ended.
    pub agents: u32,
    /// Their memory, as reserved.
    pub memory_mb: u64,
    /// Their processor time, as reserved.
    pub cpu_millis: u64,
}

/// The task.
///
/// Invariants:
/// - one runner for each name, and a new one only when the old one has returned, so no two processes of one agent run here;
/// - an epoch that has ended here is not started again.
pub(crate) struct Reconciler {
    /// The host it runs in.
    host: Arc<Host>,
    /// The runners, by agent.
    slots: BTreeMap<AgentName, Slot>,
    /// Their tasks.
    runners: JoinSet<(AgentName, Epoch, Finish)>,
    /// The epochs that have ended here, while the agent's record exists.
    ended: BTreeMap<AgentName, Epoch>,
    /// The agents' directories.
    homes: Homes,
    /// What runs here.
    running: watch::Sender<Running>,
    /// Whether the node is leaving: whatever should run here is to run elsewhere.
    leaving: watch::Receiver<bool>,
    /// Ends the task.
    cancel: CancellationToken,
}

struct Slot {
    /// What it runs.
    assignment: Assignment,
    /// What is wanted of it.
    wanted: watch::Sender<Wanted>,
    /// Its task.
    task: Id,
}

impl Reconciler {
    /// A reconciler that runs nothing yet.
    pub(crate) fn new(
        host: Arc<Host>,
        running: watch::Sender<Running>,
        leaving: watch::Receiver<bool>,
        cancel: CancellationToken,
    ) -> Self {
        let (slots, ended, homes) = (BTreeMap::new(), BTreeMap::new(), Homes::default());
        Self { host, slots, runners: JoinSet::new(), ended, homes, running, leaving, cancel }
    }

    /// Runs until cancelled; when it returns, no process is left.
    pub(crate) async fn run(mut self) {
        let mut state = self.host.ports.state.clone();
        let mut tick = interval(PERIOD);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let cancel = self.cancel.clone();
        if cancel.run_until_cancelled(self.sweep()).await.is_none() {
            return;
        }
        self.homes = Homes::list(&self.host).await;
        loop {
            tokio::select! {
                biased;
                () = cancel.cancelled() => return self.leave().await,
                Some(ended) = self.runners.join_next_with_id(), if !self.runners.is_empty() => self.on_ended(ended),
                _ = tick.tick() => self.forget(),
                Ok(()) = self.leaving.changed() => (),
                changed = state.changed() => match changed {
                    Ok(()) => sleep(TOGETHER).await,
                    Err(_) => return self.leave().await,
                },
            }
            let now = state.borrow_and_update().clone();
            self.pass(&now);
        }
    }

    /// Ends what an earlier life of this node left running: nothing is started beside it.
    async fn sweep(&self) {
        loop {
            match self.host.ports.driver.sweep().await {
                Ok(0) => return,
                Ok(count) => return tracing::warn!(count, "ended processes that an earlier start of this node left"),
                Err(error) => {
                    tracing::error!(%error, "cannot end what an earlier start of this node left; nothing is started")
                }
            }
            sleep(PERIOD).await;
        }
    }

    fn pass(&mut self, state: &State) {
        let node = self.host.options.node;
        for slot in self.slots.values() {
            let wanted = slot.assignment.in_force(state, &node).map_or(Wanted::Fenced, |agent| self.wanted_of(agent));
            slot.wanted.send_if_modified(|told| std::mem::replace(told, wanted) != wanted);
        }
        let placed: Vec<AgentName> =
            state.held_by(&node).filter(|name| !self.slots.contains_key(*name)).cloned().collect();
        for name in placed {
            self.start(state, &name);
        }
        self.count();
    }

    fn start(&mut self, state: &State, name: &AgentName) {
        let Some(agent) = state.agents.get(name) else { return };
        let Some(assignment) = Assignment::of(agent, &self.host.options.node) else { return };
        if self.ended.get(name).is_some_and(|ended| *ended >= assignment.epoch) {
            return;
        }
        let (wanted, wants) = watch::channel(self.wanted_of(agent));
        self.homes.add(name, assignment.id);
        let (key, epoch, host) = (name.clone(), assignment.epoch, Arc::clone(&self.host));
        let task = match self.host.releases.of(name, epoch) {
            Some(report) => self.runners.spawn(async move { (key, epoch, tell_again(host, report, wants).await) }),
            None => {
                let runner = Runner::new(host, assignment.clone(), agent.status.as_ref(), wants);
                self.runners.spawn(async move { (key, epoch, runner.run().await) })
            }
        };
        let task = task.id();
        self.slots.insert(name.clone(), Slot { assignment, wanted, task });
    }

    /// What is wanted of the runner of an agent whose placement is held here. One that is to end is released even where the agent is
    /// to run: it is placed anew, and may come back under a higher epoch.
    fn wanted_of(&self, agent: &Agent) -> Wanted {
        let ends = agent.placement.is_some_and(|placement| placement.ends);
        match () {
            () if agent.desired != Desired::Running || ends => Wanted::Stop,
            () if *self.leaving.borrow() => Wanted::Release,
            () => Wanted::Run,
        }
    }

    fn on_ended(&mut self, ended: Result<(Id, (AgentName, Epoch, Finish)), JoinError>) {
        let task = match ended {
            Ok((task, (name, epoch, finish))) => {
                if finish == Finish::Over {
                    self.ended.insert(name, epoch);
                }
                task
            }
            Err(error) => {
                // Its process was killed with it; the next pass starts it again.
                tracing::error!(%error, "a runner failed");
                error.id()
            }
        };
        self.slots.retain(|_, slot| slot.task != task);
    }

    /// Lets go of what concerns agents whose record is gone, and incarnations that have ended. What is on disk goes only by a state
    /// that has come as far as a leader has said since this boot: an older one does not know of all that was placed here.
    fn forget(&mut self) {
        let state = self.host.state();
        self.ended.retain(|name, _| state.agents.contains_key(name));
        self.host.logs.retain(|name| state.agents.contains_key(name));
        self.host.sink.retain(&state);
        sessions::forget(&self.host, &state);
        if self.host.guard.check(state.counters.applied_index).is_ok() {
            let node = self.host.options.node;
            self.host.releases.retain(|name, epoch| {
                let placement = state.agents.get(name).and_then(|agent| agent.placement);
                placement.is_some_and(|held| held.node == node && held.epoch == epoch && held.hold == Hold::Held)
            });
            let runs = |name: &AgentName, id| self.slots.get(name).is_some_and(|slot| slot.assignment.id == id);
            self.homes.remove_unknown(&self.host, &state, runs);
        }
    }

    fn count(&self) {
        let mut running = Running { agents: u32::try_from(self.slots.len()).unwrap_or(u32::MAX), ..Running::default() };
        for slot in self.slots.values() {
            running.memory_mb += slot.assignment.spec.resources.memory_mb;
            running.cpu_millis += slot.assignment.spec.resources.cpu_millis;
        }
        self.running.send_if_modified(|told| std::mem::replace(told, running) != running);
    }

    /// Ends every process, and leaves the placements as they are: this node starts them again if it is back in time.
    async fn leave(&mut self) {
        for slot in self.slots.values() {
            slot.wanted.send_replace(Wanted::Leave);
        }
        while let Some(ended) = self.runners.join_next_with_id().await {
            self.on_ended(ended);
        }
    }
}
