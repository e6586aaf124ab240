//! What applying gave, as text: a line for each command's outcome, then one for each row written or deleted.

use std::fmt::Write;
use symbi_model::agent::Agent;
use symbi_model::dedup::LastWrite;
use symbi_model::ledger::Anchored;
use symbi_model::names::Field;
use symbi_model::node::Node;
use symbi_model::state::{Row, Table};
use symbi_model::token::{ApiToken, JoinToken};
use symbi_model::user::User;
use symbi_model::{Applied, NodeId, Outcome, codec};

/// Writes what an entry gave.
pub fn applied(out: &mut String, applied: &Applied) {
    assert_eq!(applied.error, None);
    for (outcome, record) in applied.outcomes.iter().zip(&applied.records) {
        let repeated = if record.result.values.get(Field::REPEATED).is_some() { " (repeated)" } else { "" };
        writeln!(out, "  {}{repeated}", show_outcome(outcome)).expect("a string");
    }
    for row in &applied.rows {
        // These change with every entry, or follow from what is shown.
        let changes: [&[u8]; 4] = [b"chain", b"checkpoint", b"counters", b"hop"];
        if row.table != Table::Meta || !changes.contains(&row.key.as_slice()) {
            writeln!(out, "    {}", show_row(row)).expect("a string");
        }
    }
}

fn show_outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Placed { epoch } => format!("placed, epoch {epoch}"),
        Outcome::Created { .. } => "created".to_owned(),
        Outcome::PoliciesApplied { number } => format!("policy set {number}"),
        Outcome::Anchored { answers } => answers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        Outcome::Done => "done".to_owned(),
        Outcome::Refused(refusal) => format!("{}: {refusal}", refusal.code()),
        Outcome::Unknown(coded) => format!("unknown {coded:?}"),
    }
}

fn show_row(row: &Row) -> String {
    let value = row.value.as_deref();
    let shown = match (row.table, value) {
        (_, None) => "deleted".to_owned(),
        (Table::Agents, Some(value)) => show_agent(&codec::decode(value, value.len()).expect("an agent")),
        (Table::Nodes, Some(value)) => show_node(&codec::decode(value, value.len()).expect("a node")),
        (Table::JoinTokens, Some(value)) => show_token(&codec::decode(value, value.len()).expect("a token")),
        (Table::Dedup, Some(value)) => {
            let row: LastWrite = codec::decode(value, value.len()).expect("a dedup row");
            format!("{} {}", row.sequence, row.outcome.code())
        }
        (Table::Ledgers, Some(value)) => {
            let anchored: Anchored = codec::decode(value, value.len()).expect("an anchor");
            format!("{} entries at {}.{}", anchored.anchor.entries, anchored.index, anchored.position)
        }
        #[cfg(planted)]
        (Table::Marks, Some(value)) => format!("{value:?}"),
        (Table::ApiTokens, Some(value)) => {
            let token: ApiToken = codec::decode(value, value.len()).expect("an API token");
            format!("{} for {}", token.user, token.scope)
        }
        (Table::Users, Some(value)) => {
            let user: User = codec::decode(value, value.len()).expect("a user");
            format!("by {} at {}", user.created_by, user.created_at)
        }
        (Table::Meta | Table::PolicySets, Some(value)) => format!("{} bytes", value.len()),
    };
    format!("{:?}/{}: {shown}", row.table, show_key(row))
}

fn show_key(row: &Row) -> String {
    match row.table {
        Table::Agents | Table::Meta | Table::Users => String::from_utf8_lossy(&row.key).into_owned(),
        Table::Nodes | Table::Ledgers => name(&NodeId(row.key.as_slice().try_into().expect("32 bytes"))),
        Table::JoinTokens => format!("t{}", row.key[0]),
        Table::PolicySets => row.key[7].to_string(),
        Table::Dedup => format!("c{}", row.key[15]),
        #[cfg(planted)]
        Table::Marks => row.key[0].to_string(),
        Table::ApiTokens => hex::encode(&row.key[..4]),
    }
}

fn show_agent(agent: &Agent) -> String {
    let placement = agent.placement.map_or_else(
        || "not placed".to_owned(),
        |placement| {
            let ends = if placement.ends { ", ends" } else { "" };
            format!("{:?} by {} at epoch {}{ends}", placement.hold, name(&placement.node), placement.epoch)
        },
    );
    let status = agent.status.as_ref().map_or("no word".to_owned(), |status| status.state.to_string());
    let asks = agent.previous.as_ref().map(|previous| {
        format!(", asks {} MiB and before {}", agent.spec.resources.memory_mb, previous.resources.memory_mb)
    });
    format!("wanted {:?}, {placement}, {status}, version {}{}", agent.desired, agent.version, asks.unwrap_or_default())
}

fn show_node(node: &Node) -> String {
    format!("{} {:?} {:?} offers {} MiB", node.name, node.membership, node.liveness, node.profile.allocatable.memory_mb)
}

fn show_token(token: &JoinToken) -> String {
    let joins: Vec<_> = token
        .joins
        .iter()
        .map(|(node, finished)| format!("{} {}", name(node), if *finished { "finished" } else { "joining" }))
        .collect();
    let revoked = if token.revoked { ", revoked" } else { "" };
    format!("{} uses, joins [{}]{revoked}", token.uses, joins.join(", "))
}

fn name(id: &NodeId) -> String {
    (1..=9).find(|number| super::node(*number) == *id).map_or_else(|| id.short(), |number| format!("n{number}"))
}
