//! The decisions that a ledger's lines name, found by the time in their ids.
//!
//! No row leads to them, so that they cost a message nothing. A decision's id has its time, lines have theirs, and these
//! never fall: the line is looked for from that time on, in portions, so that the writer goes on in between.
//!
//! *Caveats.* What left more than [`LATER_MS`] after its decision is not found, nor what was decided while the clock was set
//! back by more than [`EARLIER_MS`].

use super::disk::{Disk, Error};
use super::find;
use symbi_model::ledger::{Entry, Fate, Message};
use symbi_model::{DecisionId, MessageId, NodeId, PolicyNumber};
use symbi_proto::wire::ledger::Sighting;

/// So many lines make a portion.
const PORTION: usize = 256;
/// Lines are looked at from so long before the time of an id, ms.
const EARLIER_MS: u64 = 2_000;
/// And up to so long after it, ms: a message may wait for its session, and what was received for its signature.
const LATER_MS: u64 = 10_000;

/// Decisions that are looked for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// The first of them.
    pub low: DecisionId,
    /// The last of them.
    pub high: DecisionId,
    /// From which line on; none for the first of their time.
    pub from: Option<u64>,
}

/// What a portion of lines has of them.
#[derive(Debug)]
pub struct Portion {
    /// They, each with the number of a line that names it.
    pub found: Vec<(DecisionId, u64)>,
    /// The line to go on with; none if no line further on can have any.
    pub next: Option<u64>,
}

/// What a line says of a message that a decision let leave or arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// The message.
    pub seen: Sighting,
    /// The policy set by which was judged, where the line says.
    pub policy_set: Option<PolicyNumber>,
}

/// Looks through one portion of lines.
pub fn portion(disk: &Disk, wanted: &Wanted) -> Result<Portion, Error> {
    let Wanted { low, high, from } = wanted;
    let from = from.map_or_else(|| first_at(disk, low.time_ms().saturating_sub(EARLIER_MS)), Ok)?;
    let until = high.time_ms().saturating_add(LATER_MS);
    let lines = disk.lines(from, PORTION)?;
    let mut found = Vec::new();
    for line in lines.iter().take_while(|line| line.time_ms <= until) {
        let named = named(&line.entry).into_iter().map(|(id, _)| id).filter(|id| low <= id && id <= high);
        found.extend(named.map(|id| (id, line.number)));
    }
    let last = lines.last().filter(|line| lines.len() == PORTION && line.time_ms <= until);
    Ok(Portion { found, next: last.map(|line| line.number + 1) })
}

/// The number of the first line of this time or a later one.
fn first_at(disk: &Disk, time_ms: u64) -> Result<u64, Error> {
    let before = disk.before()?.number;
    let (mut first, mut end) = (before + 1, disk.last()?.map_or(before, |line| line.number) + 1);
    while first < end {
        let middle = first.midpoint(end);
        // A line that is let go meanwhile is earlier than those that stay.
        if disk.line(middle)?.is_none_or(|line| line.time_ms < time_ms) {
            first = middle + 1;
        } else {
            end = middle;
        }
    }
    Ok(first)
}

/// What the line `number` says of the message that `decision` allowed; none if it allowed none there.
pub fn allowed(disk: &Disk, node: NodeId, decision: DecisionId, number: u64) -> Result<Option<Allowed>, Error> {
    let Some(line) = disk.line(number)? else { return Ok(None) };
    let message = named(&line.entry).into_iter().find(|(id, _)| *id == decision).and_then(|(_, message)| message);
    let Some(message) = message.filter(|_| !matches!(line.entry, Entry::Denied(_))) else { return Ok(None) };
    let policy_set = match &line.entry {
        Entry::Sent(batch) => batch.attestation.as_ref().map(|said| said.policy_set),
        _ => None,
    };
    let mut seen = Vec::new();
    find::in_line(disk, node, &line, &mut seen, |id| id == message)?;
    let is_it = |seen: &Sighting| {
        let of_user = seen.on_behalf.as_ref().is_some_and(|behalf| behalf.judged == decision);
        of_user
            || seen.sent_by == Some(decision)
            || (seen.received_by == Some(decision) && seen.fate != Some(Fate::Denied))
    };
    Ok(seen.into_iter().find(is_it).map(|seen| Allowed { seen, policy_set }))
}

/// The decisions that an entry names, each with the message that it was on, if it was on one.
fn named(entry: &Entry) -> Vec<(DecisionId, Option<MessageId>)> {
    match entry {
        Entry::Sent(batch) | Entry::Received(batch) => {
            // Of a message with a user's words the agent's node has judged twice; it alone says of the second what it was.
            let own = matches!(entry, Entry::Sent(_));
            let judged = |message: &Message| message.on_behalf.as_ref().filter(|_| own).map(|behalf| behalf.judged);
            let decisions = |message: &Message| [message.decision, judged(message)].into_iter().flatten();
            let named =
                |message: &Message| decisions(message).map(|id| (id, Some(message.message))).collect::<Vec<_>>();
            batch.messages.iter().flat_map(named).collect()
        }
        Entry::Local(local) => {
            let judged = local.on_behalf.as_ref().map(|behalf| behalf.judged);
            let all = [local.sent_by, local.received_by, judged].into_iter().flatten();
            all.map(|decision| (decision, Some(local.message))).collect()
        }
        Entry::Denied(denied) => vec![(denied.decision, denied.message)],
        Entry::Ended(_) | Entry::Started { .. } | Entry::Session(_) | Entry::Gap { .. } => Vec::new(),
    }
}
