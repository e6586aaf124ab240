//! The core: one leader's grants in one term.

use super::silence::Silence;
use super::{Answer, Effect, Event, ROUND_EVERY, Request, Standing, Verdict};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use symbi_model::NodeId;
use symbi_model::planted::{self, Defect};

/// The grants of one leader in one term; another term is another `Leader`.
///
/// Invariants:
/// - a grant answers a request only after a round that was begun after the request arrived;
/// - from when a node is declared down until that proposal has an outcome, the node is granted nothing, whatever round is on
///   its way;
/// - `read_index` is never below the first entry of the term, nor below the last outcome about that node;
/// - at most one round, and one proposal a node, is on its way.
#[derive(Clone, Debug)]
pub struct Leader {
    /// Its term.
    term: u64,
    /// The index of the first entry of its term.
    first_index: u64,
    /// Nodes of the cluster, and where each stands.
    nodes: BTreeMap<NodeId, Place>,
    /// Who is silent.
    silence: Silence,
    /// Requests that the next round will answer.
    waiting: Vec<(Request, NodeId)>,
    /// The round on its way.
    round: Option<Round>,
    /// The number of the last round.
    rounds: u64,
    /// When the last round was begun.
    begun: Option<Duration>,
}

/// A confirmation round on its way.
#[derive(Clone, Debug)]
struct Round {
    /// Its number.
    number: u64,
    /// The requests that arrived before it was begun.
    requests: Vec<(Request, NodeId)>,
}

/// A node in the eyes of this leader.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// Its silence counts: it is a member.
    member: bool,
    /// What it is given.
    phase: Phase,
    /// Its grants are never below this index.
    floor: u64,
}

/// What a node is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Grants.
    Granted,
    /// Nothing: `NodeDown` is on its way, or (`false`) must be proposed again.
    Falling {
        /// Whether a proposal is on its way.
        proposed: bool,
    },
    /// Nothing: it is down until it asks.
    Down,
    /// Nothing yet: `NodeUp` is on its way.
    Rising,
}

impl Leader {
    /// A leader that has just applied the first entry of its term, and the nodes of its state.
    #[must_use]
    pub fn new(term: u64, first_index: u64, nodes: BTreeMap<NodeId, Standing>, now: Duration) -> Self {
        let mut leader = Self {
            term,
            first_index,
            nodes: BTreeMap::new(),
            silence: Silence::default(),
            waiting: Vec::new(),
            round: None,
            rounds: 0,
            begun: None,
        };
        leader.learn(nodes, now);
        leader
    }

    /// Its term.
    #[must_use]
    pub fn term(&self) -> u64 {
        self.term
    }

    /// Nodes on which nothing should be placed: silent for some seconds.
    #[must_use]
    pub fn silent(&self, now: Duration) -> BTreeSet<NodeId> {
        self.silence.quiet(now).into_iter().collect()
    }

    /// Nodes that are given nothing.
    #[must_use]
    pub fn down(&self) -> BTreeSet<NodeId> {
        let without = self.nodes.iter().filter(|(_, place)| place.phase != Phase::Granted);
        without.map(|(node, _)| *node).collect()
    }

    /// Takes an event in, and says what is to be done.
    pub fn handle(&mut self, event: Event, now: Duration) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Asked { request, node } => self.asked(request, node, now, &mut effects),
            Event::Confirmed { round, result } => self.confirmed(round, result, now, &mut effects),
            Event::Settled { node, verdict, outcome } => self.settled(node, verdict, outcome, now),
            Event::Nodes(nodes) => self.learn(nodes, now),
            Event::Tick => self.tick(now, &mut effects),
        }
        self.begin_round(now, &mut effects);
        effects
    }

    fn asked(&mut self, request: Request, node: NodeId, now: Duration, effects: &mut Vec<Effect>) {
        let Some(place) = self.nodes.get_mut(&node) else {
            effects.push(Effect::Answer { request, answer: Answer::Down });
            return;
        };
        if place.phase == Phase::Down {
            place.phase = Phase::Rising;
            effects.push(Effect::Propose { node, verdict: Verdict::Up });
        }
        if !place.may_be_granted() {
            effects.push(Effect::Answer { request, answer: Answer::Down });
            return;
        }
        if place.member && place.phase == Phase::Granted {
            self.silence.hear(node, now);
        }
        self.waiting.push((request, node));
    }

    fn confirmed(&mut self, number: u64, result: Option<(u64, u64)>, now: Duration, effects: &mut Vec<Effect>) {
        let Some(round) = self.round.take_if(|round| round.number == number) else { return };
        let confirmed = result.filter(|(term, _)| *term == self.term);
        if confirmed.is_some() {
            self.silence.confirm(now);
        }
        for (request, node) in round.requests {
            let answer = confirmed.map_or(Answer::NotLeading, |(_, read_index)| self.answer(node, read_index));
            effects.push(Effect::Answer { request, answer });
        }
    }

    /// The answer that a confirmed round gives to a node, which may have been declared down since it asked.
    fn answer(&self, node: NodeId, read_index: u64) -> Answer {
        match self.nodes.get(&node) {
            Some(place) if place.may_be_granted() => {
                let read_index = read_index.max(self.first_index).max(place.floor);
                Answer::Granted { term: self.term, read_index }
            }
            _ => Answer::Down,
        }
    }

    fn settled(&mut self, node: NodeId, verdict: Verdict, outcome: Option<(u64, bool)>, now: Duration) {
        let Some(place) = self.nodes.get_mut(&node) else { return };
        let Some((index, done)) = outcome else {
            // It may still be carried out. A fall is asked for again, a rise when the node asks again.
            match verdict {
                Verdict::Down => place.phase = Phase::Falling { proposed: false },
                Verdict::Up => place.phase = Phase::Down,
            }
            return;
        };
        place.floor = place.floor.max(index);
        let down = done && verdict == Verdict::Down;
        place.phase = if down { Phase::Down } else { Phase::Granted };
        if place.member && !down {
            self.silence.hear(node, now);
        }
    }

    fn learn(&mut self, nodes: BTreeMap<NodeId, Standing>, now: Duration) {
        for node in self.nodes.keys().filter(|node| !nodes.contains_key(node)).copied().collect::<Vec<_>>() {
            self.nodes.remove(&node);
            self.silence.forget(node);
        }
        for (node, standing) in nodes {
            // Within a term only this leader's own proposals change who is down, so for a node known already their outcomes say it.
            let phase = if standing.down { Phase::Down } else { Phase::Granted };
            let place = self.nodes.entry(node).or_insert(Place { member: false, phase, floor: 0 });
            place.member = standing.member;
            if standing.member && place.phase == Phase::Granted {
                self.silence.count(node, now);
            }
        }
    }

    fn tick(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        for node in self.silence.dead(now) {
            self.silence.forget(node);
            self.declare_down(node);
        }
        for (node, place) in &mut self.nodes {
            if place.phase == (Phase::Falling { proposed: false }) {
                place.phase = Phase::Falling { proposed: true };
                effects.push(Effect::Propose { node: *node, verdict: Verdict::Down });
            }
        }
    }

    fn declare_down(&mut self, node: NodeId) {
        if let Some(place) = self.nodes.get_mut(&node) {
            place.phase = Phase::Falling { proposed: false };
        }
    }

    /// Begins a round if somebody waits or the last one is old, and none is on its way.
    fn begin_round(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        let old = self.begun.is_none_or(|begun| now.saturating_sub(begun) >= ROUND_EVERY);
        if self.round.is_some() || (self.waiting.is_empty() && !old) {
            return;
        }
        self.rounds += 1;
        self.begun = Some(now);
        self.round = Some(Round { number: self.rounds, requests: std::mem::take(&mut self.waiting) });
        effects.push(Effect::Confirm { round: self.rounds });
    }
}

impl Place {
    fn may_be_granted(&self) -> bool {
        match self.phase {
            Phase::Granted => true,
            Phase::Falling { .. } => planted::active(Defect::CondemnBeforePlace),
            Phase::Down | Phase::Rising => false,
        }
    }
}
