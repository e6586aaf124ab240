//! What a command says, as act version 1 has it. Frozen: what a later version says more belongs to a later act version.

use super::{Actor, Subject};
use crate::agent::Recorded;
use crate::command::{Aimed, Command, CreateApiToken, Enrol, Genesis, Report, UpdateAgent};
use crate::field::{Fields, Value};
use crate::gate::ACTS;
use crate::ids::{GroupId, NodeId};
use crate::ledger::{ANCHORS, Anchor};
use crate::names::Field;
use crate::node::Profile;
use crate::policy::{NO_ENTITIES, PolicySet};

/// The control group, of which commands without another subject are.
const CONTROL: GroupId = GroupId(0);

/// Who asks, of what, and the details, of a command that `origin` proposes, in this act version. The next one, which only builds
/// for tests write, says its own number besides.
#[must_use]
pub fn describe(command: &Command, origin: NodeId, acts: u16) -> (Actor, Subject, Fields) {
    let (subject, mut details) = match command {
        Command::Genesis(genesis) => of_genesis(genesis),
        Command::Enrol(enrol) => of_enrol(enrol),
        Command::FinishJoin { node }
        | Command::ClearJoin { node }
        | Command::NodeDown { node }
        | Command::NodeUp { node }
        | Command::RemoveNode { node, .. }
        | Command::Leave { node } => (Subject::Node(*node), Fields::new()),
        Command::Introduce { node, profile } => (Subject::Node(*node), of_profile(profile)),
        Command::CreateToken(create) => {
            let details = Fields::new().with(Field::USES, create.uses).with(Field::EXPIRES_MS, create.expires_ms);
            (Subject::Token(create.token), details)
        }
        Command::RevokeToken { token, .. } => (Subject::Token(*token), Fields::new()),
        Command::CreateAgent { id, spec, mac, .. } => {
            (Subject::agent(spec.name.as_str()), of_spec(spec).with(Field::ID, *id).with(Field::SPEC, *mac))
        }
        Command::StopAgent { name, .. } | Command::RemoveAgent { name, .. } => {
            (Subject::agent(name.as_str()), Fields::new())
        }
        Command::Annotate { name, key, value, .. } => {
            let details = Fields::new().with(Field::KEY, key.as_str()).with(Field::BYTES, value.len() as u64);
            (Subject::agent(name.as_str()), details)
        }
        Command::Place { name, id, expected, node } => {
            let mut details = Fields::new().with(Field::ID, *id).with(Field::NODE, *node);
            if let Some(epoch) = expected {
                details.put(Field::PREVIOUS_EPOCH, epoch.0);
            }
            (Subject::agent(name.as_str()), details)
        }
        Command::Report(report) => of_report(report),
        Command::ApplyPolicies { text, entities, keeper, .. } => {
            let details = Fields::new().with(Field::POLICY_HASH, PolicySet::hash_of(text, entities));
            (Subject::Policies, details.with(Field::KEEPER, keeper.as_str()))
        }
        Command::Anchor { anchors } => (Subject::Group(CONTROL), of_anchors(anchors)),
        Command::Finalize { gate, .. } => (Subject::Group(CONTROL), Fields::new().with(Field::GATE, *gate)),
        Command::UpdateAgent(update) => of_update(update),
        Command::StartAgent(aimed) | Command::RestartAgent(aimed) => of_aimed(aimed, Fields::new()),
        Command::RollbackAgent { aimed, mac } => of_aimed(aimed, Fields::new().with(Field::SPEC, *mac)),
        Command::Seal => (Subject::Group(CONTROL), Fields::new()),
        Command::Voters { phase, voters } => {
            let details = Fields::new().with(Field::PHASE, phase.name());
            (Subject::Group(CONTROL), details.with(Field::VOTERS, Value::Nodes(vec![voters.clone()])))
        }
        Command::CreateUser { name, .. } => (Subject::user(name), Fields::new()),
        Command::RemoveUser { name, keeper, .. } => {
            (Subject::user(name), Fields::new().with(Field::KEEPER, keeper.as_str()))
        }
        Command::CreateApiToken(create) => of_api_token(create),
        Command::RevokeApiToken { token, keeper, .. } => {
            (Subject::ApiToken(*token), Fields::new().with(Field::KEEPER, keeper.as_str()))
        }
        #[cfg(planted)]
        Command::Mark { key } => (Subject::Group(CONTROL), Fields::new().with(Field::KEY, u64::from(*key))),
    };
    if acts > ACTS {
        details.put(Field::GATE, u64::from(acts));
    }
    (actor(command, origin), subject, details)
}

fn actor(command: &Command, origin: NodeId) -> Actor {
    match command.actor() {
        Some(actor) => Actor::named(actor),
        None => Actor::Node(origin),
    }
}

fn of_genesis(genesis: &Genesis) -> (Subject, Fields) {
    let details = Fields::new()
        .with(Field::NODE, genesis.node)
        .with(Field::NAME, genesis.node_name.as_str())
        .with(Field::CLUSTER, genesis.name.as_str())
        .with(Field::DOMAIN, genesis.domain.as_str())
        .with(Field::POLICY_HASH, PolicySet::hash_of(&genesis.policies, NO_ENTITIES))
        .with(Field::CREDENTIAL_KEY, key(&genesis.profile));
    (Subject::Cluster(genesis.cluster), details)
}

fn of_enrol(enrol: &Enrol) -> (Subject, Fields) {
    let details = Fields::new()
        .with(Field::NAME, enrol.name.as_str())
        .with(Field::ADDR, addr(&enrol.profile))
        .with(Field::CREDENTIAL_KEY, key(&enrol.profile))
        .with(Field::TOKEN, enrol.token);
    (Subject::Node(enrol.node), details)
}

fn of_profile(profile: &Profile) -> Fields {
    let mut details = Fields::new()
        .with(Field::ADDR, addr(profile))
        .with(Field::CREDENTIAL_KEY, key(profile))
        .with(Field::MEMORY_MB, profile.allocatable.memory_mb)
        .with(Field::CPU_MILLIS, profile.allocatable.cpu_millis)
        .with(Field::MAX_AGENTS, profile.max_agents);
    if !profile.labels.is_empty() {
        let labels = profile.labels.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
        details.put(Field::LABELS, labels.as_str());
    }
    details
}

fn of_update(update: &UpdateAgent) -> (Subject, Fields) {
    let changed = update.changed.join(" ");
    let details = of_spec(&update.spec).with(Field::CHANGED, changed.as_str()).with(Field::SPEC, update.mac);
    of_aimed(&update.aimed, details)
}

fn of_aimed(aimed: &Aimed, details: Fields) -> (Subject, Fields) {
    let mut details = details.with(Field::ID, aimed.id);
    if let Some(version) = aimed.version {
        details.put(Field::VERSION, version);
    }
    (Subject::agent(aimed.name.as_str()), details)
}

fn of_spec(spec: &Recorded) -> Fields {
    Fields::new()
        .with(Field::OWNER, spec.owner.as_str())
        .with(Field::TIER, spec.tier.to_string().as_str())
        .with(Field::MEMORY_MB, spec.resources.memory_mb)
        .with(Field::CPU_MILLIS, spec.resources.cpu_millis)
}

/// Not more than a command that is carried out has: refused ones may have any number.
fn of_anchors(anchors: &[Anchor]) -> Fields {
    let anchors = anchors.iter().take(ANCHORS).copied().collect();
    Fields::new().with(Field::ANCHORS, Value::Anchors(anchors))
}

fn of_api_token(create: &CreateApiToken) -> (Subject, Fields) {
    let mut details =
        Fields::new().with(Field::USER, create.user.as_str()).with(Field::SCOPE, create.scope.to_string().as_str());
    if let Some(expires_ms) = create.expires_ms {
        details.put(Field::EXPIRES_MS, expires_ms);
    }
    (Subject::ApiToken(create.hash), details)
}

fn of_report(report: &Report) -> (Subject, Fields) {
    let mut details = Fields::new()
        .with(Field::EPOCH, report.epoch.0)
        .with(Field::INCARNATION, report.incarnation.0)
        .with(Field::SEQUENCE, report.sequence)
        .with(Field::STATE, report.state.to_string().as_str())
        .with(Field::RESTARTS, report.restarts)
        .with(Field::RELEASED, report.released);
    if !report.detail.is_empty() {
        details.put(Field::DETAIL, report.detail.as_str());
    }
    (Subject::agent(report.name.as_str()), details)
}

fn addr(profile: &Profile) -> Value {
    Value::text(&profile.addr.to_string())
}

/// The credential key, or what a record holds of one that is too long to be one.
fn key(profile: &Profile) -> Value {
    Value::Bytes(profile.credential_key.iter().copied().take(crate::node::CREDENTIAL_KEY_BYTES).collect())
}
