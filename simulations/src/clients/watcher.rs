//! Watches the node's replica: role, term and leader; what is applied with the hash of its state; placements; policies.

use crate::history::Ban;
use crate::setup::Setup;
use crate::trace::Event;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use symbi_api::ports::Witness;
use symbi_model::agent::AgentName;
use symbi_model::state::Chain;
use symbi_model::{Checkpoint, Epoch, NodeId, PolicyNumber, State};
use symbi_proto::wire::Witnessed;
use symbi_server::node::Node;

/// Watches until the replica is gone.
pub async fn run(node: Arc<Node>, setup: Arc<Setup>) {
    let (mut status, mut state, mut witness) = (node.raft.status(), node.raft.state(), node.api.witness.clone());
    let (mut role, mut anchored) = (None, 0);
    let (mut placed, mut policies) = (BTreeMap::new(), PolicyNumber::default());
    let (mut witnessed, mut seats) = (BTreeMap::new(), Vec::new());
    status.mark_changed();
    state.mark_changed();
    loop {
        tokio::select! {
            biased;
            changed = status.changed() => if changed.is_err() { return },
            changed = state.changed() => if changed.is_err() { return },
            Ok(()) = witness.changed() => tell_witnessed(&setup, &witness.borrow_and_update(), &mut witnessed),
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
            tell_voters(&setup, &now, &mut seats);
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

/// Tells of each checkpoint that is witnessed, whenever more have signed it.
fn tell_witnessed(setup: &Setup, known: &Witness, told: &mut BTreeMap<u64, usize>) {
    for Witnessed { checkpoint, signatures } in known.hops.iter().chain(&known.last) {
        let is_new = told.get(&checkpoint.size).is_none_or(|count| *count != signatures.len());
        let has_signed = |node: &NodeId| signatures.iter().any(|(signer, _)| signer == node);
        if is_new && checkpoint.is_witnessed_by(has_signed) {
            told.insert(checkpoint.size, signatures.len());
            let by = signatures.iter().map(|(node, _)| setup.recorder.name_of(node)).collect();
            let (size, digest) = (checkpoint.size, checkpoint.digest());
            setup.recorder.tell(&setup.name, Event::Witnessed { size, digest, by });
        }
    }
}

/// Tells when others vote than rule by the audit chain.
fn tell_voters(setup: &Setup, state: &State, told: &mut Vec<Vec<NodeId>>) {
    let Chain { ruling, seats, .. } = &*state.chain;
    if ruling.voters.is_empty() || std::mem::replace(told, seats.clone()) == *seats {
        return;
    }
    let names = |set: &Vec<NodeId>| set.iter().map(|node| setup.recorder.name_of(node)).collect::<Vec<_>>();
    for set in seats.iter().filter(|set| **set != ruling.voters) {
        let hop = state.hop.as_deref().filter(|_| ruling.next.as_ref() == Some(set));
        let named = hop.map(Checkpoint::digest);
        setup.recorder.tell(&setup.name, Event::Follow { voters: names(set), ruling: names(&ruling.voters), named });
    }
}
