//! What a plan needs beside the state: how long joins have lasted, and what the log's end was a moment ago.

use super::JOIN_TIMEOUT;
use super::view::{Agreed, Candidate, Naming, Replication, View};
use crate::placement::Health;
use std::collections::BTreeMap;
use std::time::Duration;
use symbi_model::node::{Liveness, Membership};
use symbi_model::state::Ruling;
use symbi_model::{Hash, NodeId, State};

/// A learner that has all that was in the log so long ago has caught up: under load nobody ever has its very end.
const LAG: Duration = Duration::from_millis(500);
/// A naming of voters that nothing came of for so long is given up.
const NAMED: Duration = Duration::from_secs(60);
/// No promotion for so long after one has failed.
const HOLD: Duration = Duration::from_secs(10);

/// A snapshot may begin anew so often, and what it takes count as progress, without ever getting further than before.
const BEGUN_ANEW: u32 = 8;

/// How far a joiner is: whether the group knows it, the last entry that it has, and the bytes of a snapshot that it has taken.
type Reached = (bool, u64, u64);

/// What is remembered of a joiner.
#[derive(Clone, Copy, Debug)]
struct Joining {
    /// How far it was when it was last seen.
    last: Reached,
    /// The furthest it has been.
    best: Reached,
    /// How often a snapshot has begun anew since it was there.
    anew: u32,
    /// When it was last seen to have got further.
    since: Duration,
}

impl Joining {
    /// It is seen to be so far. A link that breaks has a snapshot begin anew: that is progress too, so long as it is not for ever.
    fn see(&mut self, reached: Reached, now: Duration) {
        let is_further = |than: Reached| (reached.0 && !than.0) || reached.1 > than.1 || reached.2 > than.2;
        if is_further(self.best) {
            self.best = (self.best.0.max(reached.0), self.best.1.max(reached.1), self.best.2.max(reached.2));
            (self.anew, self.since) = (0, now);
        } else if reached != self.last {
            self.anew += u32::from(reached.2 < self.last.2);
            if self.anew <= BEGUN_ANEW {
                self.since = now;
            }
        }
        self.last = reached;
    }
}

/// A leader's memory of its own time in office. A new leader begins anew, so a join may last longer, never shorter.
#[derive(Clone, Debug, Default)]
pub struct Observer {
    /// How far each joiner has come.
    joining: BTreeMap<NodeId, Joining>,
    /// The log's end when each learner was first seen: the least that it must have.
    first_end: BTreeMap<NodeId, u64>,
    /// The log's end as of at least [`LAG`] ago.
    old: Option<u64>,
    /// The log's end later on, and when; it becomes the old one in its time.
    recent: Option<(Duration, u64)>,
    /// The size of the chain when voters were named, and since when that is so.
    named: Option<(u64, Duration)>,
    /// Until when nobody is promoted.
    hold_until: Duration,
}

impl Observer {
    /// Looks, and says what a plan is to be made from.
    pub fn look(
        &mut self,
        state: &State,
        replication: &Replication,
        agreed: &Agreed,
        health: &Health,
        now: Duration,
    ) -> View {
        self.remember_joins(state, replication, now);
        self.remember_ends(replication, now);
        let candidate = |(id, node): (&NodeId, &symbi_model::node::Node)| {
            let heard = !health.silent.contains(id) && !health.down.contains(id);
            let joining = self.joining.get(id);
            let candidate = Candidate {
                membership: node.membership,
                healthy: node.liveness == Liveness::Up && heard,
                overdue: joining.is_some_and(|joining| now.saturating_sub(joining.since) >= JOIN_TIMEOUT),
                enrolled_at: node.enrolled_at,
            };
            (*id, candidate)
        };
        View {
            nodes: state.nodes.iter().map(candidate).collect(),
            voters: replication.voters.iter().copied().collect(),
            learners: replication
                .learners
                .iter()
                .map(|(node, matched)| (*node, self.caught_up(*node, *matched, replication.last_log)))
                .collect(),
            matched: agreed.matched.clone(),
            joint: replication.joint,
            naming: self.naming(state, agreed.hop, now),
            hold_promotions: now < self.hold_until,
        }
    }

    /// A promotion has failed: joiners must not wait for the next one.
    pub fn promotion_failed(&mut self, now: Duration) {
        self.hold_until = now + HOLD;
    }

    /// Who rules and who is to follow; `witnessed` is the digest of the last hop that was.
    fn naming(&mut self, state: &State, witnessed: Option<Hash>, now: Duration) -> Naming {
        let Ruling { voters, next } = state.chain.ruling.clone();
        let hop = state.hop.as_deref().filter(|_| next.is_some());
        let named = hop.map(|hop| self.named.filter(|(size, _)| *size == hop.size).unwrap_or((hop.size, now)));
        self.named = named;
        Naming {
            ruling: voters,
            next,
            is_witnessed: hop.is_some_and(|hop| witnessed == Some(hop.digest())),
            is_old: named.is_some_and(|(_, since)| now.saturating_sub(since) >= NAMED),
        }
    }

    fn remember_joins(&mut self, state: &State, replication: &Replication, now: Duration) {
        let is_joining =
            |node: &NodeId| state.nodes.get(node).is_some_and(|node| node.membership == Membership::Joining);
        self.joining.retain(|node, _| is_joining(node));
        for node in state.nodes.keys().filter(|node| is_joining(node)) {
            let matched = replication.learners.get(node);
            let taken = replication.snapshots.get(node).copied().unwrap_or(0);
            let reached = (matched.is_some(), matched.copied().unwrap_or(0), taken);
            let new = Joining { last: reached, best: reached, anew: 0, since: now };
            self.joining.entry(*node).or_insert(new).see(reached, now);
        }
    }

    fn remember_ends(&mut self, replication: &Replication, now: Duration) {
        self.first_end.retain(|node, _| replication.learners.contains_key(node));
        for node in replication.learners.keys() {
            self.first_end.entry(*node).or_insert(replication.last_log);
        }
        match self.recent {
            Some((at, _)) if now.saturating_sub(at) < LAG => return,
            Some((_, end)) => self.old = Some(end),
            None => {}
        }
        self.recent = Some((now, replication.last_log));
    }

    fn caught_up(&self, node: NodeId, matched: u64, last_log: u64) -> bool {
        let has_old = self.old.is_some_and(|old| matched >= old);
        let has_first = self.first_end.get(&node).is_some_and(|first| matched >= *first);
        has_first && (has_old || matched >= last_log)
    }
}
