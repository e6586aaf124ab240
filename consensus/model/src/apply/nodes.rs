//! The cluster's making, and its nodes' coming.

use super::context::Context;
use super::{policies, users};
use crate::command::{Enrol, Genesis};
use crate::entry::CONTROL;
use crate::ids::{NodeId, PolicyNumber};
use crate::node::{self, Liveness, Membership, Node, Profile};
use crate::outcome::{Limit, Outcome, Refusal};
use crate::policy::NO_ENTITIES;
use crate::state::{Change, Cluster, Ruling};
use crate::token::{JoinToken, Scope};
use crate::user::ADMIN;

/// The first policy set's number.
const FIRST_SET: PolicyNumber = PolicyNumber(1);

pub(super) fn genesis(context: &Context<'_>, genesis: &Genesis, change: &mut Change) -> Result<Outcome, Refusal> {
    if context.state.cluster.is_some() {
        return Err(Refusal::ClusterExists);
    }
    check_profile(&genesis.node_name, &genesis.profile)?;
    change.cluster = Some(Cluster {
        id: genesis.cluster,
        name: genesis.name.clone(),
        domain: genesis.domain.clone(),
        anchor: context.batch.anchor(genesis.cluster, CONTROL),
        generation: 0,
        secret: genesis.secret,
    });
    change.counters.gate = genesis.gate;
    change.ruling = Some(Ruling { voters: vec![genesis.node], next: None });
    let node = new_node(context, &genesis.node_name, &genesis.profile, Membership::Member);
    change.nodes.push((genesis.node, node));
    let actor = format!("node:{}", genesis.node_name);
    let policies = policies::Wanted { text: &genesis.policies, entities: NO_ENTITIES, actor: &actor };
    policies::put(context, FIRST_SET, &policies, change);
    users::put(context, ADMIN, &actor, change);
    let token = users::Token { hash: genesis.admin_token, user: ADMIN, scope: &Scope::All, expires_ms: None };
    users::put_token(context, &token, &actor, change);
    Ok(Outcome::Done)
}

pub(super) fn enrol(context: &Context<'_>, enrol: &Enrol, change: &mut Change) -> Result<Outcome, Refusal> {
    match context.state.nodes.get(&enrol.node).map(|node| node.membership) {
        Some(Membership::Removed) => return Err(Refusal::JoinExpired),
        Some(Membership::Joining | Membership::Member) => return Ok(Outcome::Done),
        None => {}
    }
    check_profile(&enrol.name, &enrol.profile)?;
    check_speaks(context, enrol.node, &enrol.profile)?;
    let mut token = usable_token(context, enrol)?;
    if context.state.node_by_name(&enrol.name).is_some() {
        return Err(Refusal::NameTaken);
    }
    token.joins.insert(enrol.node, false);
    change.join_tokens.push((enrol.token, token));
    let node = new_node(context, &enrol.name, &enrol.profile, Membership::Joining);
    change.nodes.push((enrol.node, Node { token: Some(enrol.token), ..node }));
    Ok(Outcome::Done)
}

fn usable_token(context: &Context<'_>, enrol: &Enrol) -> Result<JoinToken, Refusal> {
    let token = context.state.join_tokens.get(&enrol.token).ok_or(Refusal::TokenUnknown)?;
    if token.revoked {
        return Err(Refusal::TokenRevoked);
    }
    if token.expires_ms < context.state.counters.log_time_ms {
        return Err(Refusal::TokenExpired);
    }
    if token.joins.len() as u64 >= u64::from(token.uses) {
        return Err(Refusal::TokenUsed);
    }
    Ok(token.clone())
}

pub(super) fn finish_join(context: &Context<'_>, node: NodeId, change: &mut Change) -> Result<Outcome, Refusal> {
    let record = known(context, node)?;
    match record.membership {
        Membership::Member => return Ok(Outcome::Done),
        Membership::Removed => return Err(Refusal::JoinExpired),
        Membership::Joining => {}
    }
    spend_use(context, node, record, change);
    change.nodes.push((node, Node { membership: Membership::Member, ..record.clone() }));
    Ok(Outcome::Done)
}

/// Marks the join that holds a use of the node's token as finished.
fn spend_use(context: &Context<'_>, node: NodeId, record: &Node, change: &mut Change) {
    let Some(id) = record.token else { return };
    let Some(token) = context.state.join_tokens.get(&id) else { return };
    let mut token = token.clone();
    token.joins.insert(node, true);
    change.join_tokens.push((id, token));
}

pub(super) fn clear_join(context: &Context<'_>, node: NodeId, change: &mut Change) -> Result<Outcome, Refusal> {
    let record = known(context, node)?;
    match record.membership {
        Membership::Removed => return Ok(Outcome::Done),
        Membership::Member => return Err(Refusal::NotFound),
        Membership::Joining => {}
    }
    if let Some((id, token)) = record.token.and_then(|id| Some((id, context.state.join_tokens.get(&id)?))) {
        let mut token = token.clone();
        token.joins.remove(&node);
        change.join_tokens.push((id, token));
    }
    change.nodes.push((node, Node { membership: Membership::Removed, ..record.clone() }));
    Ok(Outcome::Done)
}

pub(super) fn introduce(
    context: &Context<'_>,
    node: NodeId,
    profile: &Profile,
    change: &mut Change,
) -> Result<Outcome, Refusal> {
    let record = known(context, node)?;
    check_profile(&record.name, profile)?;
    check_speaks(context, node, profile)?;
    // It runs, whatever it said before it stopped.
    let liveness = if record.liveness == Liveness::Leaving { Liveness::Up } else { record.liveness };
    let introduced = Node { profile: profile.clone(), liveness, ..record.clone() };
    if introduced != *record {
        change.nodes.push((node, introduced));
    }
    Ok(Outcome::Done)
}

pub(super) fn leave(context: &Context<'_>, node: NodeId, change: &mut Change) -> Result<Outcome, Refusal> {
    let record = known(context, node)?;
    // One that is down takes nothing either, and is down until it is heard again.
    if record.membership == Membership::Member && record.liveness == Liveness::Up {
        change.nodes.push((node, Node { liveness: Liveness::Leaving, ..record.clone() }));
    }
    Ok(Outcome::Done)
}

pub(super) fn node_up(context: &Context<'_>, node: NodeId, change: &mut Change) -> Result<Outcome, Refusal> {
    let record = known(context, node)?;
    if record.membership == Membership::Removed {
        return Err(Refusal::NotFound);
    }
    // One that has said that it leaves is up only once it introduces itself: it may still be about to stop.
    if record.liveness == Liveness::Down {
        change.nodes.push((node, Node { liveness: Liveness::Up, ..record.clone() }));
    }
    Ok(Outcome::Done)
}

pub(super) fn remove(context: &Context<'_>, node: NodeId, change: &mut Change) -> Result<Outcome, Refusal> {
    let record = known(context, node)?;
    match record.membership {
        Membership::Removed => return Ok(Outcome::Done),
        Membership::Joining => return Err(Refusal::NotFound),
        Membership::Member => {}
    }
    if record.liveness != Liveness::Down || context.state.held_count(&node) > 0 {
        return Err(Refusal::NodeInUse);
    }
    change.nodes.push((node, Node { membership: Membership::Removed, ..record.clone() }));
    Ok(Outcome::Done)
}

/// The record of a node that was enrolled at some time.
pub(super) fn known<'a>(context: &Context<'a>, node: NodeId) -> Result<&'a Node, Refusal> {
    context.state.nodes.get(&node).ok_or(Refusal::NotFound)
}

fn new_node(context: &Context<'_>, name: &str, profile: &Profile, membership: Membership) -> Node {
    Node {
        name: name.to_owned(),
        profile: profile.clone(),
        membership,
        liveness: Liveness::Up,
        token: None,
        enrolled_at: context.index,
        enrolled_ms: context.state.counters.log_time_ms,
    }
}

/// A program older than the open gate could not read the log.
fn check_speaks(context: &Context<'_>, node: NodeId, profile: &Profile) -> Result<(), Refusal> {
    let speaks = profile.speaks;
    if speaks < context.state.counters.gate { Err(Refusal::GateUnspoken { node, speaks }) } else { Ok(()) }
}

fn check_profile(name: &str, profile: &Profile) -> Result<(), Refusal> {
    if !node::valid_name(name) {
        return Err(Refusal::Limit { limit: Limit::NodeName, max: node::NAME_BYTES as u64 });
    }
    if !node::valid_labels(&profile.labels) {
        return Err(Refusal::Limit { limit: Limit::NodeLabels, max: node::LABELS as u64 });
    }
    if profile.about.as_bytes().len() > node::ABOUT_BYTES {
        return Err(Refusal::Limit { limit: Limit::Profile, max: node::ABOUT_BYTES as u64 });
    }
    if profile.credential_key.len() != node::CREDENTIAL_KEY_BYTES {
        return Err(Refusal::Limit { limit: Limit::CredentialKey, max: node::CREDENTIAL_KEY_BYTES as u64 });
    }
    Ok(())
}
