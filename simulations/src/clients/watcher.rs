//! Watches the node's replica: role, term and leader; what is applied with the hash of its state; placements; policies.

use crate::history::Ban;
use crate::setup::Setup;
use crate::trace::Event;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use symbi_model::agent::AgentName;
use symbi_model::{Epoch, PolicyNumber, State};
use symbi_server::node::Node;

/// Watches until the replica is gone.
pub async fn run(node: Arc<Node>, setup: Arc<Setup>) {
    let (mut status, mut state) = (node.raft.status(), node.raft.state());
    let (mut role, mut anchored) = (None, 0);
    let (mut placed, mut policies) = (BTreeMap::new(), PolicyNumber::default());
    status.mark_changed();
    state.mark_changed();
    loop {
        tokio::select! {
            biased;
            changed = status.changed() => if changed.is_err() { return },
            changed = state.changed() => if changed.is_err() { return },
        }
        let now = status.borrow_and_update().clone();
        let leader = now.leader.map(|leader| setup.recorder.name_of(&leader));
        let next = (now.term, now.role, leader);
        if role.as_ref() != Some(&next) {
            let (term, now_role, leader) = next.clone();
            setup.recorder.tell(&setup.name, Event::Role { term, role: now_role, leader });
            role = Some(next);
        }
        if state.has_changed().unwrap_or(false) {
            let now = state.borrow_and_update().clone();
            tell_placements(&setup, &now, &mut placed);
            if std::mem::replace(&mut policies, now.counters.policy_set) != policies {
                let (number, ban) = (policies.0, Ban::current(&now));
                setup.recorder.tell(&setup.name, Event::Policies { number, ban });
            }
            let entries = now.ledgers.get(&node.id).map(|anchored| anchored.anchor.entries);
            if let Some(entries) = entries.filter(|entries| std::mem::replace(&mut anchored, *entries) != *entries) {
                setup.recorder.tell(&setup.name, Event::Anchored { entries });
            }
            let (index, hash) = (now.counters.applied_index, now.hash());
            setup.recorder.tell(&setup.name, Event::Published { index, state: hash });
        }
        let mut seen = setup.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.status = now;
        seen.state = state.borrow().clone();
    }
}

fn tell_placements(setup: &Setup, state: &State, placed: &mut BTreeMap<AgentName, Epoch>) {
    for (agent, record) in &state.agents {
        let Some(placement) = record.placement else { continue };
        if placed.insert(agent.clone(), placement.epoch) != Some(placement.epoch) {
            let node = setup.recorder.name_of(&placement.node);
            setup.recorder.tell(&setup.name, Event::Placed { agent: agent.clone(), epoch: placement.epoch, node });
        }
    }
}
