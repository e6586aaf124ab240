//! What the reconciler has only while its node leads: one term's grants, memory, and what is on its way.

use super::task::{Done, End};
use super::{Grant, GrantRefused, Leadership, Options, Replication};
use crate::grants::{self, Answer, Effect, Event};
use crate::membership::{self, Observer, Step};
use crate::placement::{self, Health, Hints};
use std::collections::BTreeMap;
use std::time::Duration;
use symbi_model::{Command, NodeId, State};
use tokio::sync::oneshot;

/// Between a membership step that was done and the next.
const AFTER_STEP: Duration = Duration::from_millis(50);
/// After a placement plan none is made for so many times as long as it took: whoever asks for a grant meanwhile is answered, however
/// many agents there are.
const REST: u32 = 10;
/// Between a membership step that failed and the next.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// Where a grant's answer goes.
pub(super) type Reply = oneshot::Sender<Result<Grant, GrantRefused>>;

/// One term in office.
///
/// Invariants:
/// - at most one portion of a placement plan, and one membership step, is on its way;
/// - each request that was not answered has its reply here.
pub(super) struct Term {
    /// The core of the grants.
    grants: grants::Leader,
    /// Requests that were not answered.
    replies: BTreeMap<grants::Request, Reply>,
    /// The number of the last request.
    requests: u64,
    /// Memory for membership plans.
    observer: Observer,
    /// A portion of a placement plan is on its way.
    placing: bool,
    /// A membership step is on its way.
    stepping: bool,
    /// No membership step before this: what the last one changed must be seen first, and a failure must not be repeated at
    /// once.
    step_after: Duration,
    /// A portion has ended since the last plan: what was refused, or left for the next one, is to be planned.
    left_over: bool,
    /// The state when placements were last planned, and when that was.
    planned: Option<(State, Duration)>,
    /// How long the last plan took to make.
    planning: Duration,
    /// The state whose nodes the grants know.
    known: State,
}

impl Term {
    /// Begins a term, from a state that has its first entry applied.
    pub(super) fn begin(leadership: Leadership, state: &State, now: Duration) -> Self {
        Self {
            grants: grants::Leader::new(leadership.term, leadership.first_index, grants::nodes(state), now),
            replies: BTreeMap::new(),
            requests: 0,
            observer: Observer::default(),
            placing: false,
            stepping: false,
            step_after: Duration::ZERO,
            left_over: false,
            planned: None,
            planning: Duration::ZERO,
            known: state.clone(),
        }
    }

    /// Which term it is.
    pub(super) fn number(&self) -> u64 {
        self.grants.term()
    }

    /// Refuses every request that was not answered.
    pub(super) fn refuse_all(&mut self) {
        for (_, reply) in std::mem::take(&mut self.replies) {
            // An asker that has gone needs no answer.
            let _ = reply.send(Err(GrantRefused::NotLeading));
        }
    }

    /// What the grants know of nodes beyond the state.
    pub(super) fn health(&self, now: Duration) -> Health {
        Health { silent: self.grants.silent(now), down: self.grants.down() }
    }

    /// A node asks for a grant.
    pub(super) fn ask(&mut self, node: NodeId, reply: Reply, now: Duration) -> Vec<Effect> {
        self.requests += 1;
        let request = self.requests;
        self.replies.insert(request, reply);
        self.feed(Event::Asked { request, node }, now)
    }

    /// A task has ended.
    pub(super) fn finished(&mut self, done: Done, now: Duration) -> Vec<Effect> {
        match done {
            Done::Grants(event) => return self.feed(event, now),
            Done::Placed { asked, done } => {
                tracing::debug!(asked, done, "placed agents");
                self.placing = false;
                self.left_over = true;
            }
            Done::Stepped { end } => {
                self.stepping = false;
                self.step_after = now + if end == End::Done { AFTER_STEP } else { AFTER_FAILURE };
                if end == End::PromotionFailed {
                    self.observer.promotion_failed(now);
                }
            }
        }
        Vec::new()
    }

    /// Time has passed, or something has changed: what the grants make of it.
    pub(super) fn wake(&mut self, state: &State, now: Duration) -> Vec<Effect> {
        let mut effects = Vec::new();
        if !self.known.nodes.ptr_eq(&state.nodes) {
            self.known = state.clone();
            effects = self.feed(Event::Nodes(grants::nodes(state)), now);
        }
        effects.extend(self.feed(Event::Tick, now));
        effects
    }

    /// A look that began at `looked` has planned placements by `now`, if it did.
    pub(super) fn planned_by(&mut self, looked: Duration, now: Duration) {
        if self.planned.as_ref().is_some_and(|(_, at)| *at == looked) {
            self.planning = now.saturating_sub(looked);
        }
    }

    /// The next placements to propose; none while some are on their way, or nothing calls for a look.
    pub(super) fn plan_placements(
        &mut self,
        state: &State,
        hints: &Hints,
        options: &Options,
        now: Duration,
    ) -> Vec<Command> {
        if self.placing || !self.calls_for_a_plan(state, options, now) {
            return Vec::new();
        }
        self.planned = Some((state.clone(), now));
        self.left_over = false;
        let (problem, previous) = placement::problem(state, hints, &self.health(now));
        let places = placement::places(&problem, &previous);
        let commands = places.into_iter().take(options.portion).filter_map(|place| {
            let agent = state.agents.get(&place.agent)?;
            let expected = agent.placement.map(|placement| placement.epoch);
            Some(Command::Place { name: place.agent, id: agent.id, expected, node: place.node })
        });
        let commands: Vec<Command> = commands.collect();
        self.placing = !commands.is_empty();
        commands
    }

    fn calls_for_a_plan(&self, state: &State, options: &Options, now: Duration) -> bool {
        let Some((seen, at)) = &self.planned else { return true };
        let age = now.saturating_sub(*at);
        let changed = self.left_over || !seen.agents.ptr_eq(&state.agents) || !seen.nodes.ptr_eq(&state.nodes);
        let pause = options.tick.max(self.planning * REST);
        age >= options.look_every.max(pause) || (changed && age >= pause)
    }

    /// The next membership step; none while one is on its way.
    pub(super) fn plan_membership(&mut self, state: &State, replication: &Replication, now: Duration) -> Option<Step> {
        let health = self.health(now);
        let view = self.observer.look(state, replication, &health, now);
        if self.stepping || now < self.step_after {
            return None;
        }
        let step = membership::plan(&view)?;
        self.stepping = true;
        Some(step)
    }

    /// Feeds the grants, and answers who is to be answered; the other effects are the caller's.
    fn feed(&mut self, event: Event, now: Duration) -> Vec<Effect> {
        let mut effects = self.grants.handle(event, now);
        effects.retain(|effect| {
            let Effect::Answer { request, answer } = effect else { return true };
            if let Some(reply) = self.replies.remove(request) {
                // An asker that has gone needs no answer.
                let _ = reply.send(said(*answer));
            }
            false
        });
        effects
    }
}

fn said(answer: Answer) -> Result<Grant, GrantRefused> {
    match answer {
        Answer::Granted { term, read_index } => Ok(Grant { term, read_index }),
        Answer::NotLeading => Err(GrantRefused::NotLeading),
        Answer::Down => Err(GrantRefused::Down),
    }
}
