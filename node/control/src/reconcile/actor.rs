//! The actor: waits, and hands what it hears to the term.

use super::task::{self, Done, Proposer};
use super::term::Term;
use super::{GrantRefused, Leadership, Message, Options, Ports, hints};
use crate::grants::Effect;
use crate::membership::Step;
use crate::placement::Health;
use std::time::Duration;
use symbi_model::{Command, State};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// The least time between two looks that changes bring about: under load the state changes ten thousand times a second.
const PAUSE: Duration = Duration::from_millis(20);

/// See the module.
pub(super) struct Actor {
    /// What it sees and touches.
    ports: Ports,
    /// How it paces itself.
    options: Options,
    /// What it is asked.
    messages: mpsc::Receiver<Message>,
    /// Where it says what the grants know.
    health: watch::Sender<Health>,
    /// The last term in which this node led; kept after its end, because whom it has declared down stays so should leadership
    /// come back in the same term.
    term: Option<Term>,
    /// Whether this node leads in that term.
    leading: bool,
    /// Something has changed since the last look.
    dirty: bool,
    /// What is on its way, with the term that asked for it.
    tasks: JoinSet<(u64, Done)>,
}

impl Actor {
    /// An actor that has not looked yet.
    pub(super) fn new(
        ports: Ports,
        options: Options,
        messages: mpsc::Receiver<Message>,
        health: watch::Sender<Health>,
    ) -> Self {
        Self { ports, options, messages, health, term: None, leading: false, dirty: false, tasks: JoinSet::new() }
    }

    /// Runs until it is cancelled.
    pub(super) async fn run(mut self, cancel: CancellationToken) {
        let mut tick = interval(self.options.tick);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut pause = interval(PAUSE);
        pause.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = cancel.cancelled() => return,
                _ = tick.tick() => self.look(),
                _ = pause.tick(), if self.dirty => self.look(),
                Some(ended) = self.tasks.join_next() => self.finished(ended),
                Some(message) = self.messages.recv() => self.asked(message),
                Ok(()) = self.ports.leadership.changed() => self.look(),
                Ok(()) = self.ports.state.changed(), if !self.dirty => self.dirty = true,
                Ok(()) = self.ports.replication.changed(), if !self.dirty => self.dirty = true,
                Ok(()) = self.ports.agreed.changed(), if !self.dirty => self.dirty = true,
            }
        }
    }

    fn asked(&mut self, message: Message) {
        // Leadership may have changed since the last look.
        let now = self.enter_term();
        let Message::Ask { node, boot, anchor, reply } = message;
        tracing::trace!(node = %node.short(), boot, "a node asks for a grant");
        let Some(term) = self.term.as_mut().filter(|_| self.leading) else {
            // An asker that has gone needs no answer.
            let _ = reply.send(Err(GrantRefused::NotLeading));
            return;
        };
        if let Some(anchor) = anchor {
            term.hear_anchor(node, anchor, &self.ports.state.borrow());
        }
        let effects = term.ask(node, reply, now);
        self.carry_out(effects);
    }

    fn finished(&mut self, ended: Result<(u64, Done), JoinError>) {
        // None is ever aborted. A lost outcome could leave a grant to a node that was declared down, so a panic is everybody's.
        let (number, done) = ended.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
        self.dirty = true;
        let now = self.enter_term();
        if let Some(term) = self.term.as_mut().filter(|term| term.number() == number) {
            let effects = term.finished(done, now);
            self.carry_out(effects);
        }
    }

    /// Looks at everything, and sets on its way what is to be done.
    fn look(&mut self) {
        self.dirty = false;
        let now = self.enter_term();
        let state = self.ports.state.borrow().clone();
        let Some(term) = self.term.as_mut().filter(|_| self.leading) else { return };
        let effects = term.wake(&state, now);
        let hints = hints(&self.ports.views.borrow(), now);
        let placements = term.plan_placements(&state, &hints, &self.options, now);
        term.planned_by(now, (self.ports.boottime)());
        let agreed = self.ports.agreed.borrow().clone();
        let step = term.plan_membership(&state, &self.ports.replication.borrow(), &agreed, now);
        let seals = term.plan_seal(&state, now);
        let anchors = term.plan_anchors(&state, now);
        let health = term.health(now);
        self.health.send_if_modified(|seen| std::mem::replace(seen, health) != *seen);
        self.carry_out(effects);
        if !placements.is_empty() {
            self.task(task::place(self.proposer(), placements));
        }
        if let Some(step) = step {
            self.step(step);
        }
        if seals {
            self.task(task::seal(self.proposer()));
        }
        if !anchors.is_empty() {
            self.task(task::anchor(self.proposer(), anchors));
        }
    }

    /// Begins or ends a term as leadership says, and reads the clock.
    fn enter_term(&mut self) -> Duration {
        let now = (self.ports.boottime)();
        let leadership = *self.ports.leadership.borrow();
        let Some(leadership) = leadership else {
            self.leave_term();
            return now;
        };
        if self.term.as_ref().is_none_or(|term| term.number() != leadership.term) {
            self.leave_term();
            self.term = self.begin_term(leadership, now);
        }
        self.leading = self.term.is_some();
        now
    }

    fn begin_term(&self, leadership: Leadership, now: Duration) -> Option<Term> {
        let state: State = self.ports.state.borrow().clone();
        // The state is told by another channel and may come a moment later; it wakes the actor.
        let ready = state.counters.applied_index >= leadership.first_index;
        ready.then(|| {
            tracing::info!(term = leadership.term, "this node leads");
            Term::begin(leadership, &state, now)
        })
    }

    fn leave_term(&mut self) {
        if !std::mem::take(&mut self.leading) {
            return;
        }
        self.health.send_replace(Health::default());
        if let Some(term) = &mut self.term {
            term.refuse_all();
        }
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Confirm { round } => {
                    let port = self.ports.confirm.clone();
                    self.task(task::confirm(port, round, self.options.confirm_deadline));
                }
                Effect::Propose { node, verdict } => self.task(task::settle(self.proposer(), node, verdict)),
                Effect::Answer { .. } => unreachable!("the term answers"),
            }
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Change(change) => {
                let port = self.ports.changes.clone();
                self.task(task::change(port, change, self.options.change_deadline));
            }
            Step::Voters(phase, voters) => {
                self.task(task::finish(self.proposer(), Command::Voters { phase, voters }));
            }
            Step::FinishJoin(node) => self.task(task::finish(self.proposer(), Command::FinishJoin { node })),
            Step::ClearJoin(node) => self.task(task::finish(self.proposer(), Command::ClearJoin { node })),
        }
    }

    fn proposer(&self) -> Proposer {
        Proposer {
            proposals: self.ports.proposals.clone(),
            term: self.term.as_ref().map_or(0, Term::number),
            deadline: self.options.proposal_deadline,
        }
    }

    fn task(&mut self, task: impl Future<Output = Done> + Send + 'static) {
        let number = self.term.as_ref().map_or(0, Term::number);
        self.tasks.spawn(async move { (number, task.await) });
    }
}
