//! What an audit record says of a command, for people and for queries: who, to what, and the details by name.
//!
//! Texts come from whoever proposed, refused commands included, so each is cut to a length at which a record stays small.

use super::context::Context;
use crate::agent::{AgentName, Spec};
use crate::command::{Command, Enrol, Genesis, Report};
use crate::ids::NodeId;
use crate::node::Profile;
use crate::outcome::Outcome;
use crate::policy::{NO_ENTITIES, PolicySet};
use std::collections::BTreeMap;
use std::fmt::Display;

/// The longest text in a record, in bytes.
const TEXT_BYTES: usize = 256;

/// The parts of a record that differ from command to command.
pub(super) struct Described {
    /// Who asked.
    pub(super) actor: String,
    /// To what.
    pub(super) subject: String,
    /// What else there is to know.
    pub(super) details: BTreeMap<String, String>,
}

type Details = BTreeMap<String, String>;

/// Describes a command, by the state before it.
pub(super) fn describe(context: &Context<'_>, command: &Command) -> Described {
    let mut details = Details::new();
    let subject = match command {
        Command::Genesis(genesis) => of_genesis(genesis, &mut details),
        Command::Enrol(enrol) => of_enrol(enrol, &mut details),
        Command::FinishJoin { node } | Command::ClearJoin { node } => of_join(context, *node, &mut details),
        Command::Introduce { node, profile } => of_introduce(context, *node, profile, &mut details),
        Command::NodeDown { node } => of_node_down(context, *node, &mut details),
        Command::NodeUp { node } => of_node(context, *node, &mut details),
        Command::CreateToken(create) => {
            put(&mut details, "uses", create.uses);
            put(&mut details, "expires_ms", create.expires_ms);
            format!("token:{}", create.token)
        }
        Command::RevokeToken { token, .. } => format!("token:{token}"),
        Command::CreateAgent { id, spec, .. } => {
            put(&mut details, "id", id);
            of_spec(spec, &mut details)
        }
        Command::StopAgent { name, .. } | Command::RemoveAgent { name, .. } => {
            of_placement(context, name, &mut details);
            agent(name)
        }
        Command::Annotate { name, key, value, .. } => {
            put(&mut details, "key", key);
            put(&mut details, "bytes", value.len());
            agent(name)
        }
        Command::Place { name, id, expected, node } => {
            put(&mut details, "id", id);
            put(&mut details, "previous_epoch", expected.map_or_else(|| "none".to_owned(), |epoch| epoch.to_string()));
            put(&mut details, "node", node);
            put(&mut details, "node_name", name_of(context, *node));
            agent(name)
        }
        Command::Report(report) => of_report(report, &mut details),
        Command::ApplyPolicies { text, entities, .. } => {
            put(&mut details, "policy_hash", PolicySet::hash_of(text, entities));
            "policies".to_owned()
        }
        Command::Anchor { node: id, anchor } => {
            put(&mut details, "entries", anchor.entries);
            put(&mut details, "head", anchor.head);
            put(&mut details, "root", anchor.root);
            node(*id)
        }
        Command::RemoveNode { node, .. } => of_node(context, *node, &mut details),
    };
    Described { actor: actor(context, command), subject, details }
}

/// Adds what is known of the end: a fence given, a reason, that it repeats an earlier one.
pub(super) fn ended(described: &mut Described, outcome: &Outcome, repeated: bool) {
    match outcome {
        Outcome::Placed { epoch } => put(&mut described.details, "epoch", epoch),
        Outcome::PoliciesApplied { number } => put(&mut described.details, "policy_set", number),
        Outcome::Refused(refusal) => put(&mut described.details, "reason", refusal),
        Outcome::Done | Outcome::Created { .. } => {}
    }
    if repeated {
        put(&mut described.details, "repeated", true);
    }
}

fn actor(context: &Context<'_>, command: &Command) -> String {
    match command {
        Command::CreateToken(create) => cut(&create.actor),
        Command::RevokeToken { actor, .. }
        | Command::CreateAgent { actor, .. }
        | Command::StopAgent { actor, .. }
        | Command::RemoveAgent { actor, .. }
        | Command::Annotate { actor, .. }
        | Command::ApplyPolicies { actor, .. }
        | Command::RemoveNode { actor, .. } => cut(actor),
        Command::Genesis(genesis) => cut(&format!("node:{}", genesis.node_name)),
        Command::Enrol(_)
        | Command::FinishJoin { .. }
        | Command::ClearJoin { .. }
        | Command::Introduce { .. }
        | Command::NodeDown { .. }
        | Command::NodeUp { .. }
        | Command::Place { .. }
        | Command::Report(_)
        | Command::Anchor { .. } => format!("node:{}", name_of(context, context.origin)),
    }
}

fn of_genesis(genesis: &Genesis, details: &mut Details) -> String {
    put(details, "node", genesis.node);
    put(details, "name", &genesis.node_name);
    put(details, "cluster", &genesis.name);
    put(details, "domain", &genesis.domain);
    put(details, "policy_hash", PolicySet::hash_of(&genesis.policies, NO_ENTITIES));
    put(details, "credential_key", hex::encode(&genesis.profile.credential_key));
    format!("cluster:{}", genesis.cluster)
}

fn of_enrol(enrol: &Enrol, details: &mut Details) -> String {
    put(details, "name", &enrol.name);
    put(details, "addr", enrol.profile.addr);
    put(details, "credential_key", hex::encode(&enrol.profile.credential_key));
    put(details, "token", enrol.token);
    node(enrol.node)
}

fn of_join(context: &Context<'_>, id: NodeId, details: &mut Details) -> String {
    if let Some(token) = context.state.nodes.get(&id).and_then(|node| node.token) {
        put(details, "token", token);
    }
    of_node(context, id, details)
}

fn of_introduce(context: &Context<'_>, id: NodeId, profile: &Profile, details: &mut Details) -> String {
    put(details, "addr", profile.addr);
    put(details, "credential_key", hex::encode(&profile.credential_key));
    put(details, "memory_mb", profile.allocatable.memory_mb);
    put(details, "cpu_millis", profile.allocatable.cpu_millis);
    put(details, "max_agents", profile.max_agents);
    if !profile.labels.is_empty() {
        put(details, "labels", profile.labels.iter().map(String::as_str).collect::<Vec<_>>().join(" "));
    }
    of_node(context, id, details)
}

fn of_node_down(context: &Context<'_>, id: NodeId, details: &mut Details) -> String {
    put(details, "lost_placements", context.state.held_by(&id).count());
    of_node(context, id, details)
}

fn of_node(context: &Context<'_>, id: NodeId, details: &mut Details) -> String {
    put(details, "name", name_of(context, id));
    node(id)
}

fn of_spec(spec: &Spec, details: &mut Details) -> String {
    put(details, "owner", &spec.owner);
    put(details, "tier", spec.tier);
    put(details, "memory_mb", spec.resources.memory_mb);
    put(details, "cpu_millis", spec.resources.cpu_millis);
    agent(&spec.name)
}

fn of_placement(context: &Context<'_>, name: &AgentName, details: &mut Details) {
    let Some(agent) = context.state.agents.get(name) else { return };
    put(details, "id", agent.id);
    if let Some(placement) = agent.placement {
        put(details, "epoch", placement.epoch);
        put(details, "node_name", name_of(context, placement.node));
    }
}

fn of_report(report: &Report, details: &mut Details) -> String {
    put(details, "epoch", report.epoch);
    put(details, "incarnation", report.incarnation);
    put(details, "state", report.state);
    put(details, "restarts", report.restarts);
    put(details, "released", report.released);
    if !report.detail.is_empty() {
        put(details, "detail", &report.detail);
    }
    agent(&report.name)
}

fn agent(name: &AgentName) -> String {
    cut(&format!("agent:{name}"))
}

fn node(id: NodeId) -> String {
    format!("node:{id}")
}

/// The node's name, or its first hex digits if it has no record.
fn name_of(context: &Context<'_>, id: NodeId) -> String {
    context.state.nodes.get(&id).map_or_else(|| id.short(), |node| node.name.clone())
}

fn put(details: &mut Details, name: &str, value: impl Display) {
    details.insert(name.to_owned(), cut(&value.to_string()));
}

fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(TEXT_BYTES)].to_owned()
}
