//! Ledgers, wherever they are: what is known of a message on any node, and a node's lines for a bundle.

use super::call;
use super::remote::Remote;
use futures::StreamExt;
use futures::stream;
use std::time::Duration;
use symbi_api::ports::Traced;
use symbi_host::ledger::Ledger;
use symbi_model::NodeId;
use symbi_model::ledger::{Denied, Entry};
use symbi_model::node::Membership;
use symbi_proto::wire::ledger::{Chunk, Sightings};
use symbi_proto::wire::{ControlReply, ControlRequest};

/// How long a node has to look into its ledger.
const PATIENCE: Duration = Duration::from_secs(3);
/// So many nodes are asked at once.
const AT_ONCE: usize = 16;
/// A ledger is never further ahead of what is agreed on: a node acts no more long before, and nobody hears of more while a bundle is made.
const AHEAD: u64 = 1 << 22;
/// The longest beginning of an id: a whole one.
const PREFIX: usize = 36;

/// What every member's ledger knows of messages whose ids begin with `prefix`, and the names of those that did not answer.
pub async fn find(remote: &Remote, ledger: &Ledger, prefix: &str) -> Traced {
    let state = remote.raft.state().borrow().clone();
    let members = state.nodes.iter().filter(|(_, node)| node.membership == Membership::Member);
    let members: Vec<(NodeId, String)> = members.map(|(id, node)| (*id, node.name.clone())).collect();
    let asked = members.into_iter().map(|(node, name)| {
        let (remote, ledger, prefix) = (remote.clone(), ledger.clone(), prefix.to_owned());
        async move {
            let known = if node == remote.node {
                ledger.find(&prefix).await.map_err(|error| error.to_string())
            } else {
                ask(&remote, node, &prefix).await
            };
            (name, known)
        }
    });
    let answers = stream::iter(asked.collect::<Vec<_>>());
    let mut traced = Traced::default();
    let mut answers: Vec<_> = answers.buffer_unordered(AT_ONCE).collect().await;
    answers.sort_by(|(one, _), (other, _)| one.cmp(other));
    for (name, known) in answers {
        match known {
            Ok(Sightings { seen, more }) => {
                traced.seen.extend(seen);
                traced.more |= more;
            }
            Err(error) => {
                tracing::debug!(name, error, "a ledger that cannot be asked");
                traced.unreachable.push(name);
            }
        }
    }
    traced
}

async fn ask(remote: &Remote, node: NodeId, prefix: &str) -> Result<Sightings, String> {
    let request = ControlRequest::Message { prefix: prefix.to_owned() };
    match call::control(&remote.net, node, &request, PATIENCE).await {
        Ok(ControlReply::Message(sightings)) => Ok(sightings),
        Ok(ControlReply::Failed { reason }) => Err(reason),
        Ok(_) => Err("it answers something else".to_owned()),
        Err(error) => Err(format!("{error:?}")),
    }
}

/// Lines of a node's ledger from `from` on.
///
/// # Errors
/// Why there is no answer, for people.
pub async fn lines(remote: &Remote, ledger: &Ledger, node: NodeId, from: u64) -> Result<Chunk, String> {
    if node == remote.node {
        return ledger.lines(from).await.map_err(|error| error.to_string());
    }
    match call::control(&remote.net, node, &ControlRequest::Ledger { from }, PATIENCE).await {
        Ok(ControlReply::Ledger(chunk)) => {
            let anchored = remote.raft.state().borrow().ledgers.get(&node).map_or(0, |known| known.anchor.entries);
            checked(*chunk, from, anchored)
        }
        Ok(ControlReply::Failed { reason }) => Err(reason),
        Ok(_) => Err("it answers something else".to_owned()),
        Err(error) => Err(format!("{error:?}")),
    }
}

/// What another node tells of its ledger, from `from` on, if it can be: with no end to it, whoever exports it would never come to one.
/// `anchored` lines are agreed on.
fn checked(chunk: Chunk, from: u64, anchored: u64) -> Result<Chunk, String> {
    let next = from.max(chunk.first);
    let is_in_order = chunk.lines.iter().zip(next..).all(|(line, number)| line.number == number);
    let wrong = if chunk.first == 0 || chunk.first > chunk.last.saturating_add(1) {
        "the first line that it says there is cannot be"
    } else if chunk.lines.is_empty() && next <= chunk.last {
        "it says that there are more lines, and tells none"
    } else if !is_in_order {
        "its lines are out of their order"
    } else if chunk.last > anchored.saturating_add(AHEAD) {
        "it says that there are more lines than can be ahead of those that are agreed on"
    } else {
        return Ok(chunk);
    };
    Err(wrong.to_owned())
}

/// Has the ledger keep every denial from now on. The bus records those of messages itself, with the message.
pub fn keep_denials(gate: &symbi_policy::Gate, ledger: Ledger) {
    gate.on_denied(move |verdict| {
        if !verdict.action.starts_with("message::") {
            let denied = Denied { decision: verdict.id, message: None, verdict: verdict.encode() };
            ledger.record(Entry::Denied(denied));
        }
    });
}

/// The answer to another node that asks for lines.
pub async fn tell_lines(ledger: &Ledger, from: u64) -> ControlReply {
    match ledger.lines(from).await {
        Ok(chunk) => ControlReply::Ledger(Box::new(chunk)),
        Err(error) => ControlReply::Failed { reason: error.to_string() },
    }
}

/// The answer to another node that asks for messages.
pub async fn tell_messages(ledger: &Ledger, prefix: &str) -> ControlReply {
    if prefix.len() > PREFIX {
        return ControlReply::Failed { reason: "no id begins so".to_owned() };
    }
    match ledger.find(prefix).await {
        Ok(sightings) => ControlReply::Message(sightings),
        Err(error) => ControlReply::Failed { reason: error.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::{AHEAD, checked};
    use symbi_model::Hash;
    use symbi_proto::wire::ledger::Chunk;

    fn chunk(first: u64, last: u64) -> Chunk {
        Chunk { first, before: Hash::default(), whole: Vec::new(), last, lines: Vec::new() }
    }

    #[test]
    fn what_a_node_says_of_its_ledger_comes_to_an_end() {
        assert!(checked(chunk(1, 0), 1, 0).is_ok(), "an empty one");
        assert!(checked(chunk(3, 7), 8, 0).is_ok(), "all of it was told");
        for (wrong, from) in [(chunk(0, 0), 1), (chunk(9, 7), 1), (chunk(1, 5), 1), (chunk(1, 5), 5)] {
            assert!(checked(wrong.clone(), from, 0).is_err(), "{wrong:?} from {from}");
        }
        assert!(checked(chunk(1, AHEAD + 8), AHEAD + 9, 7).is_err());
        assert!(checked(chunk(1, AHEAD + 7), AHEAD + 8, 7).is_ok());
    }
}
