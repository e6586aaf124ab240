//! What the reconciler has only while its node leads: one term's grants, memory, and what is on its way.

use super::anchors::Anchors;
use super::task::{Done, End};
use super::{Agreed, Grant, GrantRefused, Leadership, Options, Replication};
use crate::grants::{self, Answer, Effect, Event};
use crate::membership::{self, Observer, Step};
use crate::placement::{self, Health, Hints};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use symbi_model::ledger::Anchor;
use symbi_model::{Command, NodeId, State};
use tokio::sync::oneshot;

/// Between a membership step that was done and the next.
const AFTER_STEP: Duration = Duration::from_millis(50);
/// After a placement plan none is made for so many times as long as it took: whoever asks for a grant meanwhile is answered, however
/// many agents there are.
const REST: u32 = 10;
/// But for no longer than this: whoever has lost his node waits for another.
const REST_MOST: Duration = Duration::from_secs(2);
/// Between a membership step that failed and the next.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// So long a record of the audit chain may be in no checkpoint.
const SEAL_AFTER: Duration = Duration::from_secs(1);

/// Where a grant's answer goes.
pub(super) type Reply = oneshot::Sender<Result<Grant, GrantRefused>>;

/// One term in office.
///
/// Invariants:
/// - at most one portion of a placement plan, one membership step, one seal, and one command of anchors is on its way;
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
    /// A portion has ended since the last plan: what was refused is to be planned anew.
    left_over: bool,
    /// A seal is on its way.
    sealing: bool,
    /// What nodes say of their ledgers.
    anchors: Anchors,
    /// The size of the last checkpoint, and since when there is something behind it.
    unsealed: Option<(u64, Duration)>,
    /// The state when placements were last planned, and when that was.
    planned: Option<(State, Duration)>,
    /// How long the last plan took to make.
    planning: Duration,
    /// What of it was not proposed yet.
    unproposed: VecDeque<Command>,
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
            sealing: false,
            anchors: Anchors::default(),
            unsealed: None,
            planned: None,
            planning: Duration::ZERO,
            unproposed: VecDeque::new(),
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
            Done::Sealed => self.sealing = false,
            Done::Anchored => self.anchors.ended(),
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

    /// The next placements to propose, a portion at most; none while some are on their way, or nothing calls for a look.
    pub(super) fn plan_placements(
        &mut self,
        state: &State,
        hints: &Hints,
        options: &Options,
        now: Duration,
    ) -> Vec<Command> {
        if self.placing {
            return Vec::new();
        }
        // What is proposed of an older plan is judged once more as it is applied; on other nodes it would often be refused.
        if self.planned.as_ref().is_none_or(|(seen, _)| !seen.nodes.ptr_eq(&state.nodes)) {
            self.unproposed.clear();
        }
        if self.unproposed.is_empty() && self.calls_for_a_plan(state, options, now) {
            self.plan(state, hints, now);
        }
        let portion = self.unproposed.len().min(options.portion);
        self.placing = portion > 0;
        self.unproposed.drain(..portion).collect()
    }

    fn plan(&mut self, state: &State, hints: &Hints, now: Duration) {
        self.planned = Some((state.clone(), now));
        self.left_over = false;
        let (problem, previous) = placement::problem(state, hints, &self.health(now));
        let commands = placement::places(&problem, &previous).into_iter().filter_map(|place| {
            let agent = state.agents.get(&place.agent)?;
            let expected = agent.placement.map(|placement| placement.epoch);
            Some(Command::Place { name: place.agent, id: agent.id, expected, node: place.node })
        });
        self.unproposed = commands.collect();
    }

    fn calls_for_a_plan(&self, state: &State, options: &Options, now: Duration) -> bool {
        let Some((seen, at)) = &self.planned else { return true };
        let age = now.saturating_sub(*at);
        let changed = self.left_over || !seen.agents.ptr_eq(&state.agents) || !seen.nodes.ptr_eq(&state.nodes);
        let pause = options.tick.max((self.planning * REST).min(REST_MOST));
        age >= options.look_every.max(pause) || (changed && age >= pause)
    }

    /// The next membership step; none while one is on its way.
    pub(super) fn plan_membership(
        &mut self,
        state: &State,
        replication: &Replication,
        agreed: &Agreed,
        now: Duration,
    ) -> Option<Step> {
        let health = self.health(now);
        let view = self.observer.look(state, replication, agreed, &health, now);
        if self.stepping || now < self.step_after {
            return None;
        }
        let step = membership::plan(&view)?;
        self.stepping = true;
        Some(step)
    }

    /// Whether the chain so far is to be sealed: a record has been behind the last checkpoint for [`SEAL_AFTER`]. A seal's own record is
    /// in the checkpoint that it closes, so that nothing is left to be sealed in a cluster in which nothing happens.
    pub(super) fn plan_seal(&mut self, state: &State, now: Duration) -> bool {
        let closed = state.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.size);
        if state.chain.frontier.size() == closed {
            self.unsealed = None;
            return false;
        }
        let (_, since) = self.unsealed.filter(|(size, _)| *size == closed).unwrap_or((closed, now));
        self.unsealed = Some((closed, since));
        let is_due = !self.sealing && now.saturating_sub(since) >= SEAL_AFTER;
        self.sealing |= is_due;
        is_due
    }

    /// A node says how far its ledger has come.
    pub(super) fn hear_anchor(&mut self, node: NodeId, anchor: Anchor, state: &State) {
        self.anchors.hear(node, anchor, state);
    }

    /// The anchors to propose; none while some are on their way, or were a moment ago, or there is nothing new.
    pub(super) fn plan_anchors(&mut self, state: &State, now: Duration) -> Vec<Anchor> {
        self.anchors.plan(state, now)
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

#[cfg(test)]
mod tests {
    use super::*;
    use symbi_model::AgentId;
    use symbi_model::agent::{Agent, Resources, Spec};
    use symbi_model::node::{Liveness, Membership, Node, Profile};

    const A: NodeId = NodeId([1; 32]);

    fn add(state: &mut State, agents: std::ops::Range<u32>) {
        for number in agents {
            let spec = Spec::new(format!("a{number}").parse().expect("a name"), "demo", vec!["true".to_owned()]);
            let agent = Agent::new(AgentId(uuid::Uuid::from_u128(number.into())), spec, 1);
            state.agents.insert(agent.spec.name.clone(), agent);
        }
    }

    fn add_node(state: &mut State, id: NodeId) {
        let addr = ([127, 0, 0, 1], 7400).into();
        let room = Resources { memory_mb: 1_000_000, cpu_millis: 1_000_000 };
        let node = Node {
            name: id.short(),
            profile: Profile::plain(addr, vec![4; 65], room),
            membership: Membership::Member,
            liveness: Liveness::Up,
            token: None,
            enrolled_at: 1,
            enrolled_ms: 1,
        };
        state.nodes.insert(id, node);
    }

    /// A node with ten agents that want one, and a term that has looked at nothing.
    fn beginning() -> (State, Term) {
        let mut state = State::default();
        add_node(&mut state, A);
        add(&mut state, 0..10);
        let mut term = Term::begin(Leadership { term: 1, first_index: 0 }, &state, Duration::ZERO);
        // It is heard: what is silent gets nothing.
        let (reply, _) = oneshot::channel();
        term.ask(A, reply, Duration::ZERO);
        (state, term)
    }

    fn placed(term: &mut Term, state: &State, options: &Options, at_ms: u64) -> usize {
        let planned = term.plan_placements(state, &Hints::new(), options, Duration::from_millis(at_ms)).len();
        if planned > 0 {
            term.finished(Done::Placed { asked: planned, done: planned }, Duration::from_millis(at_ms));
        }
        planned
    }

    #[test]
    fn after_a_plan_that_took_long_there_is_time_for_others_but_not_without_end() {
        let options = Options::default();
        for (took_ms, next_ms) in [(0, 100), (30, 300), (5_000, 2_000)] {
            let (mut state, mut term) = beginning();
            assert_eq!(placed(&mut term, &state, &options, 0), 10);
            term.planned_by(Duration::ZERO, Duration::from_millis(took_ms));
            add(&mut state, 10..11);
            assert_eq!(placed(&mut term, &state, &options, next_ms - 1), 0, "{took_ms} ms");
            assert!(placed(&mut term, &state, &options, next_ms) > 0, "{took_ms} ms");
        }
    }

    #[test]
    fn a_look_that_planned_nothing_does_not_change_how_long_is_rested() {
        let (mut state, mut term) = beginning();
        assert_eq!(placed(&mut term, &state, &Options::default(), 0), 10);
        term.planned_by(Duration::ZERO, Duration::from_millis(30));
        term.planned_by(Duration::from_millis(50), Duration::from_millis(50));
        add(&mut state, 10..11);
        assert_eq!(placed(&mut term, &state, &Options::default(), 299), 0);
    }

    #[test]
    fn a_plan_is_proposed_portion_by_portion_without_being_made_again() {
        let options = Options { portion: 4, ..Options::default() };
        let (state, mut term) = beginning();
        let portions = |term: &mut Term, at: [u64; 4]| at.map(|at_ms| placed(term, &state, &options, at_ms));
        assert_eq!(portions(&mut term, [0, 1, 2, 3]), [4, 4, 2, 0]);
        let planned = term.planned.as_ref().map(|(_, at)| *at);
        assert_eq!(planned, Some(Duration::ZERO));
    }

    #[test]
    fn what_was_planned_on_other_nodes_is_planned_anew() {
        let options = Options { portion: 4, ..Options::default() };
        let (mut state, mut term) = beginning();
        assert_eq!(placed(&mut term, &state, &options, 0), 4);
        add_node(&mut state, NodeId([2; 32]));
        assert_eq!(placed(&mut term, &state, &options, 1), 0, "none is due yet");
        assert_eq!(placed(&mut term, &state, &options, 100), 4);
        assert_eq!(term.planned.as_ref().map(|(_, at)| *at), Some(Duration::from_millis(100)));
    }
}
